//! The messages (RFC 9113, sections 8.1 to 8.3), and what has to become of them.

/// What has to become of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    /// Ended by a reset, a GOAWAY or an answer that is no 200; no upstream sees a whole request.
    Refuse,
    /// Forwarded once, with this request line and this field.
    Forward(&'static str, (&'static str, &'static str)),
}

use Verdict::{Forward, Refuse};

pub(crate) type Fields = &'static [(&'static str, &'static [u8])];

pub(crate) const GET: Fields = &[
    (":method", b"GET"),
    (":scheme", b"http"),
    (":path", b"/"),
    (":authority", b"a"),
];
pub(crate) const POST: Fields = &[
    (":method", b"POST"),
    (":scheme", b"http"),
    (":path", b"/"),
    (":authority", b"a"),
];
pub(super) const HOST: (&str, &str) = ("host", "a");

/// Fields behind those of a GET.
pub(super) const MORE: &[(&str, Fields, Verdict)] = &[
    ("plain", &[("x", b"y")], Forward("GET /", ("x", "y"))),
    ("value CR", &[("x", b"a\rb")], Refuse),
    ("value LF", &[("x", b"a\nb: c")], Refuse),
    ("value NUL", &[("x", b"a\0b")], Refuse),
    ("value with a space before", &[("x", b" a")], Refuse),
    ("value with a tab behind", &[("x", b"a\t")], Refuse),
    ("value high", &[("x", b"a\xffb")], Forward("GET /", HOST)),
    ("name in capitals", &[("X-Y", b"a")], Refuse),
    ("name with a space", &[("x y", b"a")], Refuse),
    ("name with a colon", &[("x:y", b"a")], Refuse),
    ("name with LF", &[("x\r\ny", b"a")], Refuse),
    ("name empty", &[("", b"a")], Refuse),
    (
        "transfer-encoding",
        &[("transfer-encoding", b"chunked")],
        Refuse,
    ),
    ("connection", &[("connection", b"x")], Refuse),
    ("upgrade", &[("upgrade", b"websocket")], Refuse),
    ("keep-alive", &[("keep-alive", b"x")], Refuse),
    ("proxy-connection", &[("proxy-connection", b"x")], Refuse),
    ("te of gzip", &[("te", b"gzip")], Refuse),
    (
        "te of trailers",
        &[("te", b"trailers")],
        Forward("GET /", HOST),
    ),
    ("pseudo behind", &[("x", b"y"), (":path", b"/b")], Refuse),
    ("pseudo twice", &[(":path", b"/b")], Refuse),
    ("method twice", &[(":method", b"POST")], Refuse),
    ("pseudo unknown", &[(":x", b"y")], Refuse),
    ("pseudo of an answer", &[(":status", b"200")], Refuse),
    ("host the same", &[("host", b"a")], Forward("GET /", HOST)),
    ("host another", &[("host", b"b")], Refuse),
    ("host twice", &[("host", b"a"), ("host", b"a")], Refuse),
    (
        "crumbs",
        &[("cookie", b"a=1"), ("x", b"y"), ("cookie", b"b=2")],
        Forward("GET /", ("cookie", "a=1; b=2")),
    ),
    (
        "forwarding fields",
        &[
            ("x-forwarded-for", b"1.1.1.1"),
            ("x_forwarded_for", b"1.1.1.1"),
        ],
        Forward("GET /", ("x-forwarded-for", "127.0.0.1")),
    ),
    ("length without a body", &[("content-length", b"5")], Refuse),
    ("length of no number", &[("content-length", b"+5")], Refuse),
    ("expect of another", &[("expect", b"200-ok")], Refuse),
];

/// Whole heads.
pub(super) const HEADS: &[(&str, Fields, Verdict)] = &[
    (
        "path with a space",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"/a b"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "path with CR LF",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"/ HTTP/1.1\r\nX: y"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "path with a tab",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"/a\tb"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "path with a high byte",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"/\xff"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "path empty",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b""),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "path without a slash",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"admin"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "path absolute",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"http://b/"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "path of a star",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"*"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "path with dots",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"/a/../b"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    // The parser cuts it off before anybody sees it: what is matched and forwarded is the path without it.
    (
        "path with a fragment",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"/a#b"),
            (":authority", b"a"),
        ],
        Forward("GET /a", HOST),
    ),
    (
        "path of a query alone",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"?x"),
            ("host", b"a"),
        ],
        Refuse,
    ),
    (
        "query with a high byte",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"/?\xc3\xa9"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "path missing",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "method with a version",
        &[
            (":method", b"GET / HTTP/1.1"),
            (":scheme", b"http"),
            (":path", b"/"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "method with CR LF",
        &[
            (":method", b"GET\r\n"),
            (":scheme", b"http"),
            (":path", b"/"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "method missing",
        &[(":scheme", b"http"), (":path", b"/"), (":authority", b"a")],
        Refuse,
    ),
    (
        "method CONNECT",
        &[(":method", b"CONNECT"), (":authority", b"a:443")],
        Refuse,
    ),
    (
        "method CONNECT, no authority",
        &[(":method", b"CONNECT")],
        Refuse,
    ),
    (
        "method CONNECT, extended",
        &[
            (":method", b"CONNECT"),
            (":protocol", b"websocket"),
            (":scheme", b"http"),
            (":path", b"/"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "method TRACE",
        &[
            (":method", b"TRACE"),
            (":scheme", b"http"),
            (":path", b"/"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "scheme with a host",
        &[
            (":method", b"GET"),
            (":scheme", b"http://b/?"),
            (":path", b"/"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "scheme of files",
        &[
            (":method", b"GET"),
            (":scheme", b"ftp"),
            (":path", b"/"),
            (":authority", b"a"),
        ],
        Refuse,
    ),
    (
        "authority with a user",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"/"),
            (":authority", b"u@a"),
        ],
        Refuse,
    ),
    (
        "authority with a large port",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"/"),
            (":authority", b"a:99999"),
        ],
        Refuse,
    ),
    (
        "authority with a path",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"/"),
            (":authority", b"a/b"),
        ],
        Refuse,
    ),
    (
        "authority missing, host there",
        &[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":path", b"/"),
            ("host", b"a"),
        ],
        Forward("GET /", HOST),
    ),
    (
        "authority and host missing",
        &[(":method", b"GET"), (":scheme", b"http"), (":path", b"/")],
        Refuse,
    ),
];

/// A body and trailers behind a POST that says this.
pub(super) const BODIES: &[(&str, Fields, &[u8], Fields, Verdict)] = &[
    (
        "length right",
        &[("content-length", b"5")],
        b"hello",
        &[],
        Forward("POST /", ("content-length", "5")),
    ),
    (
        "length twice alike",
        &[("content-length", b"5"), ("content-length", b"5")],
        b"hello",
        &[],
        Forward("POST /", ("content-length", "5")),
    ),
    (
        "length twice",
        &[("content-length", b"5"), ("content-length", b"6")],
        b"hello",
        &[],
        Refuse,
    ),
    (
        "length long",
        &[("content-length", b"6")],
        b"hello",
        &[],
        Refuse,
    ),
    (
        "length short",
        &[("content-length", b"4")],
        b"hello",
        &[],
        Refuse,
    ),
    (
        // Here in full with its head, so we know its length.
        "no length",
        &[],
        b"hello",
        &[],
        Forward("POST /", ("content-length", "5")),
    ),
    (
        "trailers",
        &[],
        b"hello",
        &[("x", b"y")],
        Forward("POST /", HOST),
    ),
    (
        "trailers that decide",
        &[("te", b"trailers")],
        b"hello",
        &[
            ("content-length", b"9"),
            ("host", b"b"),
            ("authorization", b"x"),
        ],
        Forward("POST /", HOST),
    ),
    // The parser drops it without a word; nobody sees it.
    (
        "trailers with a pseudo field",
        &[],
        b"hello",
        &[(":path", b"/b")],
        Forward("POST /", HOST),
    ),
    (
        "trailers with te",
        &[],
        b"hello",
        &[("te", b"gzip")],
        Refuse,
    ),
    (
        "trailers with LF",
        &[],
        b"hello",
        &[("x", b"a\r\nb: c")],
        Refuse,
    ),
];
