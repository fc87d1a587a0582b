//! Rows that are made: every control and high byte at four places, and at every two of them, of a field that decides about
//! framing or routing. Of the second kind a seed chooses some; `HALDANE_TEST_SCALE` above 1 takes all.

use super::{Bench, is_refused};
use haldane_tests::raw::Pace;
use haldane_tests::scale::{Sample, scaled};

/// The field, its value, and the body that makes the message whole.
const FIELDS: &[(&str, &str, &str)] = &[
    ("Transfer-Encoding", "chunked", "0\r\n\r\n"),
    ("Content-Length", "5", "hello"),
    ("Host", "a", ""),
    ("Connection", "close", ""),
    ("Upgrade", "websocket", ""),
];

/// Bytes at two places of each field, of 966, where not all of them are asked for.
const DOUBLES: usize = 150;

/// Where the byte is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    BeforeName,
    AfterName,
    AfterColon,
    AfterValue,
}

const PLACES: [Place; 4] = [
    Place::BeforeName,
    Place::AfterName,
    Place::AfterColon,
    Place::AfterValue,
];

/// The byte stands at every one of these places.
fn message((name, value, body): (&str, &str, &str), places: &[Place], byte: u8) -> Vec<u8> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let host = if name == "Host" { "" } else { "Host: a\r\n" };
    let mut message = format!("{method} / HTTP/1.1\r\n{host}").into_bytes();
    let parts: [(Option<Place>, &str); 4] = [
        (Some(Place::BeforeName), name),
        (Some(Place::AfterName), ":"),
        (Some(Place::AfterColon), value),
        (Some(Place::AfterValue), "\r\n\r\n"),
    ];
    for (before, text) in parts {
        if before.is_some_and(|before| places.contains(&before)) {
            message.push(byte);
        }
        message.extend_from_slice(text.as_bytes());
    }
    message.extend_from_slice(body.as_bytes());
    message
}

/// White space around a value is no part of it (RFC 9110, section 5.5).
fn is_padding(places: &[Place], byte: u8) -> bool {
    let around = |place: &Place| matches!(place, Place::AfterColon | Place::AfterValue);
    places.iter().all(around) && matches!(byte, b' ' | b'\t')
}

fn bytes() -> impl Iterator<Item = u8> {
    (0x00..=0x20).chain(0x7f..=0xff)
}

/// A message is refused, or forwarded canonically; refused it must be where the field decides about framing.
async fn check(
    bench: &Bench,
    field: (&str, &str, &str),
    places: &[Place],
    byte: u8,
) -> anyhow::Result<Option<String>> {
    let answer = bench
        .exchange(&message(field, places, byte), Pace::Whole)
        .await?;
    let recorded = bench.probe().await?;
    let refused = is_refused(&answer) && recorded.requests.is_empty();
    let forwarded = recorded.requests.len() == 1;
    let framing = matches!(field.0, "Transfer-Encoding" | "Content-Length" | "Host");
    let sound = recorded.faults.is_empty()
        && (refused || (forwarded && (!framing || is_padding(places, byte))));
    Ok((!sound).then(|| {
        format!(
            "{} {places:?} {byte:#04x}: {answer:?}, {recorded:?}",
            field.0
        )
    }))
}

#[track_caller]
fn assert_none(faults: &[String]) {
    let count = faults.len();
    assert!(faults.is_empty(), "{count} faults:\n{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_byte_is_never_forwarded() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let mut faults = Vec::new();
    for field in FIELDS {
        for place in PLACES {
            for byte in bytes() {
                faults.extend(check(&bench, *field, &[place], byte).await?);
            }
        }
    }
    assert_none(&faults);
    bench.leaves_nothing().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_byte_at_two_places_is_never_forwarded() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let sample = Sample::new();
    let mut faults = Vec::new();
    for field in FIELDS {
        let cases: Vec<_> = pairs()
            .flat_map(|places| bytes().map(move |byte| (places, byte)))
            .collect();
        let count = if scaled(1) > 1 { cases.len() } else { DOUBLES };
        for ((one, other), byte) in sample.of(cases, count) {
            faults.extend(check(&bench, *field, &[one, other], byte).await?);
        }
    }
    assert_none(&faults);
    bench.leaves_nothing().await
}

/// Every two places.
fn pairs() -> impl Iterator<Item = (Place, Place)> {
    let pair = |at: usize| {
        PLACES[at + 1..]
            .iter()
            .map(move |other| (PLACES[at], *other))
    };
    (0..PLACES.len()).flat_map(pair)
}
