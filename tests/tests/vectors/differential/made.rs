//! Messages that are made: every byte at every place that a proxy passes on as it came, so that another server reads it.

/// What stands before the byte and behind it.
const PLACES: [(&str, &str, &str); 6] = [
    ("method", "G", "T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("path", "GET /x", "y HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("escape", "GET /x%", "1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("query", "GET /?x", "y HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("name", "GET / HTTP/1.1\r\nHost: a\r\nX", "Y: z\r\n\r\n"),
    ("value", "GET / HTTP/1.1\r\nHost: a\r\nX: y", "z\r\n\r\n"),
];

/// Each with a name.
pub(super) fn messages() -> Vec<(String, Vec<u8>)> {
    let bytes = || 0x01..=0xff_u8;
    let message = |(place, before, behind): (&str, &str, &str), byte: u8| {
        let message = [before.as_bytes(), &[byte], behind.as_bytes()].concat();
        (format!("{place} {:?}", char::from(byte)), message)
    };
    let places = PLACES.into_iter();
    places
        .flat_map(|place| bytes().map(move |byte| message(place, byte)))
        .collect()
}
