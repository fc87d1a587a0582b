//! Whether a request was meant for this address.
//!
//! A web page may point a name of its own at our address and then read our answers as if they were its own. The
//! browser still sends the page's name, so only names that nobody else can own are served.

use http::uri::Authority;
use http::{Request, header};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether `Host` (or the target, where it is absolute) is an IP address, `localhost` or one of `names`.
pub(super) fn is_own(request: &Request<()>, names: &[String]) -> bool {
    let mut lines = request.headers().get_all(header::HOST).iter();
    let written = match (lines.next(), lines.next()) {
        (Some(line), None) => Authority::try_from(line.as_bytes()).ok(),
        _ => None,
    };
    let target = request.uri().authority();
    written.is_some_and(|host| {
        is_own_name(&host, names) && target.is_none_or(|target| is_own_name(target, names))
    })
}

fn is_own_name(authority: &Authority, names: &[String]) -> bool {
    let written = authority.as_str().to_ascii_lowercase();
    let host = match written.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !written.ends_with(']') => host,
        _ => &written,
    };
    host == "localhost" || is_address(host) || names.iter().any(|name| name == host)
}

fn is_address(host: &str) -> bool {
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hosts: &[&str], target: &str, own: bool) {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let names = ["admin.example".to_owned()];
        assert_eq!(
            is_own(&request.body(()).unwrap(), &names),
            own,
            "{hosts:?} {target}"
        );
    }

    #[test]
    fn only_names_that_nobody_else_owns_are_served() {
        check(&["127.0.0.1"], "/", true);
        check(&["10.1.2.3:9090"], "/", true);
        check(&["[::1]:9090"], "/", true);
        check(&["localhost:9090"], "/", true);
        check(&["LocalHost"], "/", true);
        check(&["Admin.Example:1"], "/", true);
        check(&["127.0.0.1"], "http://127.0.0.1/", true);

        check(&["evil.example"], "/", false);
        check(&["localhost.evil.example"], "/", false);
        check(&["127.0.0.1.evil.example"], "/", false);
        check(&["a.admin.example"], "/", false);
        check(&["127.1"], "/", false);
        check(&["0x7f000001"], "/", false);
        check(&["localhost@evil.example"], "/", false);
        check(&["evil@localhost"], "/", false);
        check(&["[::1].evil.example"], "/", false);
        check(&[""], "/", false);
        check(&[], "/", false);
        check(&["localhost", "evil.example"], "/", false);
        check(&["localhost"], "http://evil.example/", false);
        check(&[], "http://localhost/", false);
    }
}
