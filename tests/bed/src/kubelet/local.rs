//! What "this machine" means in a Pod. Pods of a bed share one network, so an address that every Pod has for itself in
//! life (any address, loopback) is written as the Pod's own before its programs see it.

use std::net::IpAddr;

/// Written forms of "this machine", each followed by a port.
const OWN: [&str; 5] = ["0.0.0.0:", "127.0.0.1:", "localhost:", "[::]:", "[::1]:"];

/// `text` with every such address replaced.
pub(super) fn localize(text: &str, pod: IpAddr) -> String {
    let own = format!("{pod}:");
    OWN.iter().fold(text.to_owned(), |text, written| {
        replace(&text, written, &own)
    })
}

/// Replaces `written` where it is a whole host, not the end of a longer one.
fn replace(text: &str, written: &str, own: &str) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(written) {
        let (before, found) = rest.split_at(at);
        done.push_str(before);
        let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        let is_whole = !done.ends_with(goes_on);
        done.push_str(if is_whole { own } else { written });
        rest = &found[written.len()..];
    }
    done + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let pod = "10.244.0.7".parse().unwrap();
        assert_eq!(localize(text, pod), expected);
    }

    #[test]
    fn only_whole_hosts_with_a_port_are_replaced() {
        check("--http=0.0.0.0:80", "--http=10.244.0.7:80");
        check("http://localhost:9/ready", "http://10.244.0.7:9/ready");
        check("[::]:80,127.0.0.1:81", "10.244.0.7:80,10.244.0.7:81");
        check("10.0.0.0:80", "10.0.0.0:80");
        check("my-localhost:80", "my-localhost:80");
        check("127.0.0.1", "127.0.0.1");
    }
}
