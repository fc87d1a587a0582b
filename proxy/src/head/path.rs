//! The one rule for paths, so that the path a rule matches is the path its backend gets.
//!
//! Escapes of unreserved characters are decoded (RFC 3986 section 6.2.2.2 calls both spellings
//! equivalent), and everything else stays as it came: `//`, `%2f`, `;`, upper and lower case.
//! Refused are a dot segment however it is written, also where a backend might see one after
//! decoding `%2f` or `%5c` or cutting off `;parameters`, be it `%3b`; a backslash; a broken escape and `%00`;
//! every byte that RFC 3986 does not allow in a path.

use super::Refusal;

const PLAIN: u8 = 0;
const DOT: u8 = 1;
const PERCENT: u8 = 2;
const REFUSED: u8 = 4;

/// The class of every byte.
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [REFUSED; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        classes[byte as usize] = match byte {
            b'.' => DOT,
            b'%' => PERCENT,
            b'/' | b':' | b'@' | b'!' | b'$' | b'&'..=b',' | b';' | b'=' => PLAIN,
            // RFC 3986 does not allow brackets in a path, but clients send them and nobody reads them in two ways.
            b'[' | b']' => PLAIN,
            _ if is_unreserved(byte) => PLAIN,
            _ => REFUSED,
        };
        byte += 1;
    }
    classes
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The path to use in place of `path`, or `None` where that is canonical already.
pub(super) fn canonical(path: &str) -> Result<Option<String>, Refusal> {
    let seen = path
        .bytes()
        .fold(PLAIN, |seen, byte| seen | CLASSES[usize::from(byte)]);
    if seen & REFUSED != 0 {
        return Err(Refusal::PathByte);
    }
    let decoded = if seen & PERCENT == 0 {
        None
    } else {
        decode(path)?
    };
    // An escaped dot is a dot by now.
    let settled = decoded.as_deref().unwrap_or(path);
    if seen & (DOT | PERCENT) != 0 && has_dot_segment(settled) {
        return Err(Refusal::DotSegment);
    }
    Ok(decoded)
}

/// `path` with the escapes of unreserved characters decoded, or `None` where it has none of these.
fn decode(path: &str) -> Result<Option<String>, Refusal> {
    let mut decoded = String::new();
    let mut copied = 0; // how much of `path` is in `decoded`
    let mut next = 0;
    while let Some(at) = path[next..].find('%').map(|at| next + at) {
        let byte = escaped(&path.as_bytes()[at..])?;
        next = at + 3;
        if is_unreserved(byte) {
            decoded.push_str(&path[copied..at]);
            decoded.push(char::from(byte));
            copied = next;
        }
    }
    if copied == 0 {
        return Ok(None);
    }
    decoded.push_str(&path[copied..]);
    Ok(Some(decoded))
}

/// The byte that `%xy` at the start of `rest` stands for.
fn escaped(rest: &[u8]) -> Result<u8, Refusal> {
    let digit = |at: usize| rest.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (Some(high), Some(low)) = (digit(1), digit(2)) else {
        return Err(Refusal::PathEscape);
    };
    match u8::try_from(high * 16 + low) {
        Ok(0) | Err(_) => Err(Refusal::PathEscape),
        Ok(byte) => Ok(byte),
    }
}

fn has_dot_segment(path: &str) -> bool {
    let mut next = 0;
    while let Some(at) = path[next..].find('.').map(|at| next + at) {
        let after = path[at..].trim_start_matches('.');
        let dots = path.len() - at - after.len();
        if dots <= 2 && begins_segment(&path[..at]) && ends_segment(after) {
            return true;
        }
        next = at + dots;
    }
    false
}

/// Whether a segment begins after `before`, for us or for whoever decodes once more.
fn begins_segment(before: &str) -> bool {
    before.ends_with('/') || is_separator(before.get(before.len().wrapping_sub(3)..))
}

/// Whether the segment ends where `after` begins; some servers cut off what follows a `;`.
fn ends_segment(after: &str) -> bool {
    let escape = after.get(..3);
    let begins_parameters = escape.is_some_and(|escape| escape.eq_ignore_ascii_case("%3b"));
    after.is_empty() || after.starts_with(['/', ';']) || begins_parameters || is_separator(escape)
}

fn is_separator(escape: Option<&str>) -> bool {
    escape.is_some_and(|escape| {
        escape.eq_ignore_ascii_case("%2f") || escape.eq_ignore_ascii_case("%5c")
    })
}
