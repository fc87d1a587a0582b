//! The rows. The standards that a verdict follows from are RFC 9110 and RFC 9112.

use super::Row;
use super::Verdict::{self, Abort, Forward, ForwardThenClose, Own, Refuse};

/// Rows that do not hold yet, and why.
pub(crate) const GAPS: &[(&str, &str)] = &[
    ("head with bare LF", BARE_LF),
    ("field with bare LF", BARE_LF),
    ("target with a fragment", FRAGMENT),
];

/// The generated rows make the same exception.
const BARE_LF: &str =
    "hyper ends a line at LF alone, as RFC 9112 section 2.2 allows; it is forwarded as CR LF";
const FRAGMENT: &str =
    "hyper cuts the fragment off before anybody sees it; it is neither matched nor forwarded";

/// Rows that are also sent in two parts, cut at every place: one of each kind of verdict, and of each part of a message.
pub(crate) const SPLIT: &[&str] = &[
    "length plain",
    "length twice",
    "coding beside length",
    "coding chunked, chunked",
    "chunk plain",
    "chunk extension",
    "chunk two bytes skipped",
    "host twice",
    "target with a user",
    "own answer",
];

const fn row(id: &'static str, bytes: &'static [u8], verdict: Verdict) -> Row {
    Row { id, bytes, verdict }
}

const EMPTY_POST: Verdict = Forward("POST /", "");
const HELLO: Verdict = Forward("POST /", "hello");
const FRONT: Verdict = Forward("GET /", "");

/// Names as `AREA what`, in the order of the standards.
pub(crate) const ROWS: &[Row] = &[
    // Content-Length: RFC 9112 sections 6.2 and 6.3, RFC 9110 section 8.6.
    row("length plain", b"{P}Content-Length: 5\r\n\r\nhello", HELLO),
    row("length beside coding", b"{P}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX", ForwardThenClose("POST /", "")),
    row("coding beside length", b"{P}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX", ForwardThenClose("POST /", "")),
    row("length list", b"{P}Content-Length: 5, 5\r\n\r\nhello", Refuse),
    row("length twice", b"{P}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", Refuse),
    row("length plus", b"{P}Content-Length: +5\r\n\r\nhello", Refuse),
    row("length minus", b"{P}Content-Length: -5\r\n\r\nhello", Refuse),
    row("length hexadecimal", b"{P}Content-Length: 0x5\r\n\r\nhello", Refuse),
    row("length decimal", b"{P}Content-Length: 5.0\r\n\r\nhello", Refuse),
    row("length vertical tab", b"{P}Content-Length:\x0b5\r\n\r\nhello", Refuse),
    row("length after a space", b"{P} Content-Length: 5\r\n\r\nhello", Refuse),
    row("length of 1.0 unsaid", b"POST / HTTP/1.0\r\nHost: a\r\n\r\nhello", EMPTY_POST),
    row("length with NUL", b"{P}Content-Length: 5\x00\r\n\r\nhello", Refuse),
    row("length empty", b"{P}Content-Length: \r\n\r\nhello", Refuse),
    row("length huge", b"{P}Content-Length: 99999999999999999999\r\n\r\nhello", Refuse),
    // Transfer-Encoding: RFC 9112 sections 6.1 and 7.
    row("coding unknown", b"{P}Transfer-Encoding: xchunked\r\n\r\n{Z}", Refuse),
    row("coding identity", b"{P}Transfer-Encoding: identity\r\n\r\n{Z}", Refuse),
    row("coding gzip, chunked", b"{P}Transfer-Encoding: gzip, chunked\r\n\r\n{Z}", Refuse),
    row("coding identity, chunked", b"{P}Transfer-Encoding: identity, chunked\r\n\r\n{Z}", Refuse),
    row("coding chunked, chunked", b"{P}Transfer-Encoding: chunked, chunked\r\n\r\n{Z}", Refuse),
    row("coding on two lines", b"{P}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{Z}", Refuse),
    row("coding cow, then chunked", b"{P}Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n\r\n{Z}", Refuse),
    row("coding empty first", b"{P}Transfer-Encoding: ,chunked\r\n\r\n{Z}", Refuse),
    row("coding empty last", b"{P}Transfer-Encoding: chunked,\r\n\r\n{Z}", Refuse),
    row("coding parameter", b"{P}Transfer-Encoding: chunked;q=1\r\n\r\n{Z}", Refuse),
    row("coding in mixed case", b"{P}Transfer-Encoding: cHuNkEd\r\n\r\n{Z}", EMPTY_POST),
    row("coding vertical tab", b"{P}Transfer-Encoding:\x0bchunked\r\n\r\n{Z}", Refuse),
    row("coding space before colon", b"{P}Transfer-Encoding : chunked\r\n\r\n{Z}", Refuse),
    row("coding folded", b"{P}X: y\r\n Transfer-Encoding: chunked\r\n\r\n{Z}", Refuse),
    row("coding folded first", b"POST / HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: a\r\n\r\n{Z}", Refuse),
    row("coding value folded", b"{P}Transfer-Encoding:\r\n chunked\r\n\r\n{Z}", Refuse),
    row("coding cut", b"{P}Transfer-Encoding: chunk\r\n\r\n{Z}", Refuse),
    row("coding extra CR", b"{P}Transfer-Encoding: chunked\r\r\n\r\n{Z}", Refuse),
    row("coding high byte", b"{P}Transf\x82r-Encoding: chunked\r\n\r\n{Z}", Refuse),
    row("coding name broken", b"{P}Transfer-\r\nEncoding: chunked\r\nContent-Length: 5\r\n\r\n{Z}", Refuse),
    row("coding decoy", b"{P}Content-Encoding: chunked\r\nContent-Length: 5\r\n\r\n{Z}", Forward("POST /", "0\r\n\r\n")),
    row("coding on 1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{Z}", Refuse),
    // Chunks: RFC 9112 section 7.1.
    row("chunk plain", b"{K}5\r\nhello\r\n{Z}", HELLO),
    row("chunk 0x", b"{K}0x5\r\nhello\r\n{Z}", Abort),
    row("chunk leading space", b"{K} 5\r\nhello\r\n{Z}", Abort),
    row("chunk overflow", b"{K}10000000000000005\r\nhello\r\n{Z}", Abort),
    row("chunk empty size", b"{K}\r\n\r\n", Abort),
    row("chunk extension", b"{K}5;a=b\r\nhello\r\n{Z}", HELLO),
    row("chunk extension bare CR", b"{K}5;a\rb\r\nhello\r\n{Z}", Abort),
    row("chunk size bare LF", b"{K}5\nhello\r\n{Z}", Abort),
    row("chunk size CR X", b"{K}5\rXhello\r\n{Z}", Abort),
    row("chunk data bare LF", b"{K}5\r\nhello\n{Z}", Abort),
    row("chunk spill", b"{K}5\r\nhelloAB\r\n{Z}", Abort),
    row("chunk two bytes skipped", b"{K}5\r\nhelloXX{Z}", Abort),
    row("chunk last size LF", b"{K}5\r\nhello\r\n0\n\r\n", Abort),
    row("chunk last end LF", b"{K}5\r\nhello\r\n0\r\n\n", Abort),
    row("chunk trailer space", b"{K}0\r\nX : y\r\n\r\n", Abort),
    row("chunk garbage, then a request", b"{K}Z!!\r\nGET /smug HTTP/1.1\r\nHost: a\r\n\r\n", Abort),
    row("chunk tab before extension", b"{K}5\t;a\r\nhello\r\n{Z}", HELLO),
    row("chunk size of many zeros", b"{K}0000000000000000000000005\r\nhello\r\n{Z}", HELLO),
    row("chunk cut", b"{K}5\r\nhel", Abort),
    row("length cut", b"{P}Content-Length: 5\r\n\r\nhel", Abort),
    // Fields and Host: RFC 9112 sections 2.2, 3.2 and 5, RFC 9110 sections 5.5 and 7.2.
    row("field without a name", b"GET / HTTP/1.1\r\n: x\r\nHost: a\r\n\r\n", Refuse),
    row("field without a colon", b"{G}foo\r\n\r\n", Refuse),
    row("field value NUL", b"{G}X: a\x00b\r\n\r\n", Refuse),
    row("field name NUL", b"{G}X\x00: b\r\n\r\n", Refuse),
    row("field value CR", b"{G}X: a\rb\r\n\r\n", Refuse),
    row("field value 01", b"{G}X: a\x01b\r\n\r\n", Refuse),
    row("field value DEL", b"{G}X: a\x7fb\r\n\r\n", Refuse),
    row("field value high", b"{G}X: a\xffb\r\n\r\n", FRONT),
    row("field odd connection", b"{G}Connection: \xff\xfe\r\n\r\n", FRONT),
    row("field folded", b"{G}X: y\r\n z\r\n\r\n", Refuse),
    row("head ends with CR", b"{G}\rZGET /e: x\r\n\r\n", Refuse),
    row("head with bare LF", b"GET / HTTP/1.1\nHost: a\n\n", Refuse),
    row("field with bare LF", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", Refuse),
    row("host missing", b"GET / HTTP/1.1\r\n\r\n", Refuse),
    row("host empty", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", Refuse),
    row("host twice", b"{G}Host: a\r\n\r\n", Refuse),
    row("host and another", b"{G}Host: b\r\n\r\n", Refuse),
    row("host list", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Refuse),
    row("host with a space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Refuse),
    row("host with a path", b"GET / HTTP/1.1\r\nHost: a/../x\r\n\r\n", Refuse),
    row("host with a user", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", Refuse),
    row("host with a large port", b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", Refuse),
    row("host in capitals with a dot", b"GET / HTTP/1.1\r\nHost: A.Example.:80\r\n\r\n", FRONT),
    row("target names another host", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target names the host", b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n", Forward("GET /x", "")),
    row("target without host", b"GET http://b/ HTTP/1.1\r\n\r\n", Refuse),
    row("target with a user", b"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    // Request line: RFC 9112 section 3, RFC 9110 section 9.
    row("line two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("line tab", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("line space at the end", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Refuse),
    row("line of 0.9", b"GET /\r\n\r\n", Refuse),
    row("version 2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", Refuse),
    row("version 1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", Refuse),
    row("version 1.32", b"GET / HTTP/1.32\r\nHost: a\r\n\r\n", Refuse),
    row("version in small letters", b"GET / http/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target with a space", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target with NUL", b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target with a high byte", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target with a fragment", b"GET /x#frag HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target star of OPTIONS", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target star of GET", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target without a slash", b"GET admin HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target authority", b"GET b:80 HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target with a backslash", b"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target with a quote", b"GET /a\"b HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target with a brace", b"GET /a{b} HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("target with a line end", b"GET /\nHTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("method CONNECT", b"CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\nGET /smug HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("method CONNECT path", b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("method TRACE", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("method with a bracket", b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("path with dots", b"GET /a/../admin HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("path with escaped dots", b"GET /a/%2e%2e/admin HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("path with escaped slash and dots", b"GET /a%2f..%2fadmin HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    row("path with two slashes", b"GET //admin HTTP/1.1\r\nHost: a\r\n\r\n", Forward("GET //admin", "")),
    row("path with escaped letter", b"GET /%61dmin HTTP/1.1\r\nHost: a\r\n\r\n", Forward("GET /admin", "")),
    row("path with escaped NUL", b"GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", Refuse),
    // Upgrade and Expect: RFC 9110 sections 7.8 and 10.1.1.
    row("upgrade h2c", b"{G}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", FRONT),
    row("upgrade unannounced", b"{G}Upgrade: websocket\r\n\r\n", FRONT),
    row("upgrade with a body", b"{P}Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello", Refuse),
    row("expect unknown", b"{P}Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", Refuse),
    row("expect twice", b"{P}Expect: 100-continue\r\nExpect: x\r\nContent-Length: 5\r\n\r\nhello", Refuse),
    row("expect list", b"{P}Expect: y 100-continue\r\nContent-Length: 5\r\n\r\nhello", Refuse),
    // What the proxy answers itself leaves no body behind to be read as a request.
    row("own answer", b"POST /x HTTP/1.1\r\nHost: nobody\r\nContent-Length: 35\r\n\r\nGET /smug HTTP/1.1\r\nHost: a\r\n\r\n12345", Own(404)),
];
