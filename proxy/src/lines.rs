//! What is refused in the bytes of an HTTP/1.1 head before hyper's parser sees them: hyper ends a line at LF alone, and cuts
//! a `#fragment` off a target without a word. Both are standards' leniency; both have been read in two ways by somebody.
//!
//! It never delays or keeps bytes and never answers: it says where the fault is, and whoever reads puts [`REFUSED`] there
//! instead of the rest, so that the parser behind it refuses the head. Where
//! it cannot tell a head from what surrounds it (behind a body, an upgrade, or half a pipelined request) it stops looking
//! for good. Nothing is lost by that: what is forwarded is written anew, with CR LF and without a fragment.

use crate::connection::Reading;

/// What no head may hold (RFC 9110, section 5.5), and an end: the parser looks at a head that came in pieces only once it
/// sees its end.
pub(crate) const REFUSED: &[u8] = b"\0\n\n";
/// How an empty line ends, as seen from behind the line before it.
const EMPTY_LINE: [u8; 3] = *b"\n\r\n";

/// What is known of the heads of one connection.
#[derive(Debug)]
pub(crate) struct HeadLines {
    /// The last bytes that came in.
    tail: [u8; 3],
    in_first_line: bool,
    is_looking: bool,
}

impl HeadLines {
    /// For a connection whose first byte is yet to come.
    pub(crate) const fn new() -> Self {
        Self {
            tail: EMPTY_LINE,
            in_first_line: true,
            is_looking: true,
        }
    }

    /// Looks at bytes that just came in; where the first is that must not be there. Nothing behind it is looked at any more.
    pub(crate) fn look(&mut self, bytes: &[u8], reading: Reading) -> Option<usize> {
        match reading {
            _ if !self.is_looking || bytes.is_empty() => return None,
            Reading::HeadBegins if self.tail == EMPTY_LINE => self.in_first_line = true,
            Reading::HeadGoesOn => {}
            Reading::HeadBegins | Reading::Other => {
                self.is_looking = false;
                return None;
            }
        }
        let tail = [self.tail[1], self.tail[2]];
        if !is_plain(tail[1], bytes)
            && let Some(at) = fault(tail, self.in_first_line, bytes)
        {
            self.is_looking = false;
            return Some(at);
        }
        self.remember(bytes);
        // At the end of a head nothing else need be known.
        if self.tail != EMPTY_LINE {
            self.in_first_line &= !bytes.contains(&b'\n');
        }
        None
    }

    fn remember(&mut self, bytes: &[u8]) {
        match bytes {
            [.., a, b, c] => self.tail = [*a, *b, *c],
            _ => {
                for byte in bytes {
                    self.tail = [self.tail[1], self.tail[2], *byte];
                }
            }
        }
    }
}

/// Whether there is nothing to look for. A plain loop over two slices, so that the compiler makes vectors of it: this is all
/// that most heads cost.
fn is_plain(before: u8, bytes: &[u8]) -> bool {
    let Some((first, rest)) = bytes.split_first() else {
        return true;
    };
    let befores = &bytes[..rest.len()];
    let pairs = rest.iter().zip(befores);
    let seen = pairs.fold(odd(*first, before), |seen, (byte, before)| {
        seen | odd(*byte, *before)
    });
    seen == 0
}

fn odd(byte: u8, before: u8) -> u8 {
    u8::from(byte == b'#') | (u8::from(byte == b'\n') & u8::from(before != b'\r'))
}

/// Where the rest of a head has a bare LF, or its first line a `#`.
fn fault([mut second, mut last]: [u8; 2], mut in_first_line: bool, bytes: &[u8]) -> Option<usize> {
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'#' if in_first_line => return Some(at),
            b'\n' if last != b'\r' => return Some(at),
            // The head ends here. Empty lines before the first one do not count (RFC 9112, section 2.2).
            b'\n' if second == b'\n' && !in_first_line => return None,
            b'\n' => in_first_line &= second == b'\n',
            _ => {}
        }
        (second, last) = (last, *byte);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Reading::{HeadBegins, HeadGoesOn, Other};
    use super::*;

    /// What of the bytes is left, with `!` where a fault is.
    #[track_caller]
    fn check(reads: &[(&str, Reading)], expected: &str) {
        let mut lines = HeadLines::new();
        let mut seen = String::new();
        for (text, reading) in reads {
            let fault = lines.look(text.as_bytes(), *reading);
            seen.push_str(&text[..fault.unwrap_or(text.len())]);
            if fault.is_some() {
                seen.push('!');
                break;
            }
        }
        assert_eq!(seen, expected, "{reads:?}");
    }

    #[track_caller]
    fn check_one(text: &str, expected: &str) {
        check(&[(text, HeadBegins)], expected);
        for cut in 1..text.len() {
            let (first, second) = text.split_at(cut);
            check(&[(first, HeadBegins), (second, HeadGoesOn)], expected);
        }
        let bytes = text.split_inclusive(|_| true).enumerate();
        let reading = |at| if at == 0 { HeadBegins } else { HeadGoesOn };
        let bytes: Vec<_> = bytes.map(|(at, byte)| (byte, reading(at))).collect();
        check(&bytes, expected);
    }

    #[test]
    fn a_line_ends_with_cr_lf() {
        check_one(
            "GET / HTTP/1.1\r\nA: b\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n\r\n",
        );
        check_one("GET / HTTP/1.1\nA: b\r\n\r\n", "GET / HTTP/1.1!");
        check_one("GET / HTTP/1.1\r\nA: b\n\r\n", "GET / HTTP/1.1\r\nA: b!");
        check_one(
            "GET / HTTP/1.1\r\nA: b\r\n\n",
            "GET / HTTP/1.1\r\nA: b\r\n!",
        );
        check_one("\nGET / HTTP/1.1\r\n\r\n", "!");
        check_one("GET / HTTP/1.1\nA: b\nC: d\r\n\r\n", "GET / HTTP/1.1!");
    }

    #[test]
    fn a_target_has_no_fragment_but_a_field_may() {
        check_one("GET /#a HTTP/1.1\r\n\r\n", "GET /!");
        let field = "GET / HTTP/1.1\r\nA: #\r\n\r\n";
        check_one(field, field);
        check(
            &[("\r\nGET /#a HTTP/1.1\r\n\r\n", HeadBegins)],
            "\r\nGET /!",
        );
        let two = "GET /a HTTP/1.1\r\n\r\n";
        check(
            &[(two, HeadBegins), ("GET /# HTTP/1.1\r\n\r\n", HeadBegins)],
            &format!("{two}GET /!"),
        );
    }

    #[test]
    fn what_is_no_head_for_certain_is_left_alone() {
        let with_body = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\n#";
        check(&[(with_body, HeadBegins)], with_body);
        let head = "POST / HTTP/1.1\r\n\r\n";
        check(
            &[(head, HeadBegins), ("a\n#", Other), ("\n", HeadBegins)],
            &format!("{head}a\n#\n"),
        );
        // The second read begins amid a head of which nobody saw the beginning.
        let half = "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nCoo";
        check(
            &[(half, HeadBegins), ("kie: #\r\n\r\n", HeadBegins)],
            &format!("{half}kie: #\r\n\r\n"),
        );
    }
}
