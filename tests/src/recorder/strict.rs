//! RFC 9112 without any of its leniency: the canonical form in which a proxy has to write what it forwards.

/// A request as it was forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its target, in origin form.
    pub target: String,
    /// Its fields, names in lower case.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Its body, decoded.
    pub body: Vec<u8>,
    /// What follows a chunked body.
    pub trailers: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// `METHOD TARGET`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// The values of a field.
    pub fn all(&self, name: &str) -> Vec<String> {
        let named = self.fields.iter().filter(|(field, _)| field == name);
        named
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }
}

/// Why bytes are no request in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub &'static str);

type Parsed<T> = Result<Option<T>, Fault>;

/// Fields that speak of one connection and are never forwarded, except where a request asks for another protocol.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "trailer",
    "upgrade",
    "http2-settings",
];

/// The first request in `bytes` and its length; `None` where it is not whole yet.
///
/// # Errors
/// When no further byte can make it a request.
pub fn parse(bytes: &[u8]) -> Parsed<(Request, usize)> {
    let Some((lines, mut at)) = lines(bytes)? else {
        return Ok(None);
    };
    let (method, target) = request_line(lines[0])?;
    let fields = fields(&lines[1..])?;
    let mut request = Request {
        method,
        target,
        fields,
        body: Vec::new(),
        trailers: Vec::new(),
    };
    forbid(&request)?;
    match framing(&request)? {
        Framing::None => {}
        Framing::Length(length) => {
            let Some(body) = bytes[at..].get(..length) else {
                return Ok(None);
            };
            request.body = body.to_vec();
            at += length;
        }
        Framing::Chunked => {
            let Some((trailers, length)) = chunked(&bytes[at..], &mut request.body)? else {
                return Ok(None);
            };
            request.trailers = trailers;
            at += length;
        }
    }
    Ok(Some((request, at)))
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

fn framing(request: &Request) -> Result<Framing, Fault> {
    match (
        &request.all("content-length")[..],
        &request.all("transfer-encoding")[..],
    ) {
        ([], []) => Ok(Framing::None),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => length
            .parse()
            .map(Framing::Length)
            .map_err(|_| Fault("content-length")),
        ([], [coding]) if coding == "chunked" => Ok(Framing::Chunked),
        _ => Err(Fault("framing is not canonical")),
    }
}

fn forbid(request: &Request) -> Result<(), Fault> {
    if request.all("host").len() != 1 {
        return Err(Fault("not one host"));
    }
    let switches = switches(request);
    let ends_here = |name: &str| {
        let switching = matches!(name, "connection" | "upgrade") && switches;
        HOP_BY_HOP.contains(&name) && !switching
    };
    match request.fields.iter().any(|(name, _)| ends_here(name)) {
        true => Err(Fault("a field of one connection")),
        false => Ok(()),
    }
}

/// Whether it asks for one other protocol, and says so in both fields; HTTP/2 is none (RFC 9113, section 3.1).
fn switches(request: &Request) -> bool {
    let protocols = request.all("upgrade");
    let one = matches!(&protocols[..], [one] if one.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','));
    one && request.all("connection") == ["upgrade"] && !protocols[0].eq_ignore_ascii_case("h2c")
}

/// The lines up to the first empty one, and the length of it all.
fn lines(bytes: &[u8]) -> Parsed<(Vec<&[u8]>, usize)> {
    let mut lines = Vec::new();
    let mut at = 0;
    loop {
        let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let line = bytes[at..at + length]
            .strip_suffix(b"\r")
            .ok_or(Fault("a line without CR"))?;
        if line.contains(&b'\r') {
            return Err(Fault("a bare CR"));
        }
        at += length + 1;
        match (line.is_empty(), lines.is_empty()) {
            (true, true) => return Err(Fault("no request line")),
            (true, false) => return Ok(Some((lines, at))),
            (false, _) => lines.push(line),
        }
    }
}

fn request_line(line: &[u8]) -> Result<(String, String), Fault> {
    let text = std::str::from_utf8(line).map_err(|_| Fault("a request line that is no text"))?;
    let parts: Vec<&str> = text.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else {
        return Err(Fault("a request line"));
    };
    let options = method == "OPTIONS" && target == "*";
    let sound = target.starts_with('/')
        && target
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#');
    match method.bytes().all(is_token) && (sound || options) {
        true => Ok((method.to_owned(), target.to_owned())),
        false => Err(Fault("a method or a target")),
    }
}

fn fields(lines: &[&[u8]]) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    lines.iter().map(|line| field(line)).collect()
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), Fault> {
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(Fault("a line without a colon"))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let value = value.strip_prefix(b" ").unwrap_or(value);
    let padded = value.first().is_some_and(u8::is_ascii_whitespace)
        || value.last().is_some_and(u8::is_ascii_whitespace);
    let control = value
        .iter()
        .any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f);
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) || padded || control {
        return Err(Fault("a field"));
    }
    Ok((
        String::from_utf8_lossy(name).to_ascii_lowercase(),
        value.to_vec(),
    ))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

type Trailers = Vec<(String, Vec<u8>)>;

fn chunked(bytes: &[u8], body: &mut Vec<u8>) -> Parsed<(Trailers, usize)> {
    let mut at = 0;
    loop {
        let Some(end) = bytes[at..].windows(2).position(|pair| pair == b"\r\n") else {
            return Ok(None);
        };
        let size = size(&bytes[at..at + end])?;
        at += end + 2;
        if size == 0 {
            return trailers(bytes, at);
        }
        let Some(chunk) = bytes[at..].get(..size + 2) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk.strip_suffix(b"\r\n").ok_or(Fault("a chunk's end"))?);
        at += size + 2;
    }
}

fn size(text: &[u8]) -> Result<usize, Fault> {
    let text = std::str::from_utf8(text).map_err(|_| Fault("a chunk's size"))?;
    match text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => usize::from_str_radix(text, 16).map_err(|_| Fault("a chunk's size")),
        false => Err(Fault("a chunk's size")),
    }
}

fn trailers(bytes: &[u8], at: usize) -> Parsed<(Trailers, usize)> {
    if bytes[at..].starts_with(b"\r\n") {
        return Ok(Some((Vec::new(), at + 2)));
    }
    let Some((lines, length)) = lines(&bytes[at..])? else {
        return Ok(None);
    };
    Ok(Some((fields(&lines)?, at + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a request reads: its line and body, `...` where more must come, or why not.
    #[track_caller]
    fn check(bytes: &str, expected: &str) {
        let read = match parse(bytes.as_bytes()) {
            Ok(Some((request, length))) => {
                assert_eq!(length, bytes.len(), "{bytes:?}");
                format!(
                    "{} {}",
                    request.line(),
                    String::from_utf8_lossy(&request.body)
                )
            }
            Ok(None) => "...".to_owned(),
            Err(Fault(fault)) => fault.to_owned(),
        };
        assert_eq!(read, expected, "{bytes:?}");
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        check("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "GET / ");
        check("GET / HTTP/1.1\r\nhost: a\r\n", "...");
        check("GET / HTTP/1.1\nhost: a\r\n\r\n", "a line without CR");
        check("GET  / HTTP/1.1\r\nhost: a\r\n\r\n", "a request line");
        check("GET a HTTP/1.1\r\nhost: a\r\n\r\n", "a method or a target");
        check("GET / HTTP/1.1\r\n\r\n", "not one host");
        check("GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n", "a field");
        check(
            "GET / HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\n\r\n",
            "a field of one connection",
        );
        let switching = |protocol: &str| {
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n\r\n"
            )
        };
        check(&switching("websocket"), "GET / ");
        check(&switching("h2c"), "a field of one connection");
        check(&switching("a, b"), "a field of one connection");
        check(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi",
            "POST / hi",
        );
        check(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nh",
            "...",
        );
        check(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +2\r\n\r\nhi",
            "framing is not canonical",
        );
        let chunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n";
        check(&format!("{chunked}\r\n2\r\nhi\r\n0\r\n\r\n"), "POST / hi");
        check(
            &format!("{chunked}\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n"),
            "POST / hi",
        );
        check(
            &format!("{chunked}\r\n2;x\r\nhi\r\n0\r\n\r\n"),
            "a chunk's size",
        );
        check(&format!("{chunked}\r\n2\r\nhiho"), "a chunk's end");
        check(
            &format!("{chunked}content-length: 2\r\n\r\n"),
            "framing is not canonical",
        );
    }
}
