//! Finding the end of a field section, once over every byte, whatever pieces it comes in.

use memchr::memchr_iter;

/// A line feed that no carriage return precedes. RFC 9112 section 2.2 lets a recipient take it as
/// a line end; two recipients that differ in this read two different messages, so it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BareLineFeed;

/// How far a field section was looked through for the empty line that ends it.
#[derive(Debug, Default)]
pub(super) struct LineScan {
    line_start: usize,
    scanned: usize,
}

impl LineScan {
    /// The length of the section with its final empty line, once that line is there. `section`
    /// must begin with what was given before.
    pub(super) fn find_end(&mut self, section: &[u8]) -> Result<Option<usize>, BareLineFeed> {
        let from = self.scanned;
        for ahead in memchr_iter(b'\n', &section[from..]) {
            let feed = from + ahead;
            if feed == self.line_start || section[feed - 1] != b'\r' {
                return Err(BareLineFeed);
            }
            let empty = feed - 1 == self.line_start;
            self.line_start = feed + 1;
            if empty {
                self.scanned = self.line_start;
                return Ok(Some(self.scanned));
            }
        }
        self.scanned = section.len();
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(section: &[u8], expected: Result<Option<usize>, BareLineFeed>) {
        assert_eq!(LineScan::default().find_end(section), expected, "whole");
        let mut scan = LineScan::default();
        let mut found = Ok(None);
        for end in 0..=section.len() {
            found = scan.find_end(&section[..end]);
            if found != Ok(None) {
                break;
            }
        }
        assert_eq!(found, expected, "byte by byte");
    }

    #[test]
    fn the_end_is_the_first_empty_line() {
        check(b"", Ok(None));
        check(b"a", Ok(None));
        check(b"a\r\n", Ok(None));
        check(b"a\r\n\r", Ok(None));
        check(b"\r\n", Ok(Some(2)));
        check(b"a\r\n\r\n", Ok(Some(5)));
        check(b"a\r\nb\r\n\r\n\r\n", Ok(Some(8)));
        check(b"a\rb\r\n\r\n", Ok(Some(7)));
        check(b"\n", Err(BareLineFeed));
        check(b"a\n", Err(BareLineFeed));
        check(b"a\r\n\n", Err(BareLineFeed));
        check(b"a\r\nb\n\r\n", Err(BareLineFeed));
    }
}
