//! Times in which no weight goes up: `Fri 18:00 - Mon 08:00 Asia/Seoul`, or every day `22:00 - 06:00 UTC`.
//!
//! They are read on the clock of the zone, from the zones that are built in: a change to summer time inside a freeze makes
//! it an hour shorter, as it does the night. No file of the machine is read.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::fmt;
use std::str::FromStr;

const DAY_MINUTES: u32 = 24 * 60;
const WEEK_MINUTES: u32 = 7 * DAY_MINUTES;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// A time that comes again every week or every day.
#[derive(Clone, Debug, PartialEq)]
pub struct Freeze {
    written: String,
    from: u32,
    until: u32,
    cycle: u32,
    zone: TimeZone,
}

/// Why a text is no freeze.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FreezeError {
    /// The form is another.
    #[error(
        "{0:?} is not a time such as \"Fri 18:00 - Mon 08:00 Asia/Seoul\" or \"22:00 - 06:00 UTC\""
    )]
    Form(String),
    /// One end has a day, the other has not.
    #[error("{0:?} names a day at one end only")]
    OneDay(String),
    /// It ends when it begins.
    #[error("{0:?} ends when it begins")]
    Empty(String),
    /// There is no such time zone.
    #[error("there is no time zone {0:?}")]
    Zone(String),
}

impl Freeze {
    /// Whether this moment falls into it. The first minute does, the last does not.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.since(now) < self.length()
    }

    /// When it is over, for a moment that falls into it: by the clock of the zone, give or take a change to summer time.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        let left = i64::from(self.length().saturating_sub(self.since(now)));
        let minute = now.as_second().div_euclid(60);
        let end = Timestamp::from_second((minute + left).saturating_mul(60));
        end.unwrap_or(Timestamp::MAX)
    }

    /// Minutes since it began last.
    fn since(&self, now: Timestamp) -> u32 {
        let local = now.to_zoned(self.zone.clone());
        let day = u32::from(local.weekday().to_monday_zero_offset().unsigned_abs());
        let minute = clock(local.hour().unsigned_abs(), local.minute().unsigned_abs());
        let minute = (day * DAY_MINUTES + minute) % self.cycle;
        (minute + self.cycle - self.from) % self.cycle
    }

    /// Minutes from its beginning to its end.
    fn length(&self) -> u32 {
        (self.until + self.cycle - self.from) % self.cycle
    }
}

fn clock(hour: u8, minute: u8) -> u32 {
    u32::from(hour) * 60 + u32::from(minute)
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromStr for Freeze {
    type Err = FreezeError;

    fn from_str(text: &str) -> Result<Self, FreezeError> {
        let written = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let form = || FreezeError::Form(written.clone());
        let (times, zone) = written.rsplit_once(' ').ok_or_else(form)?;
        let (from, until) = times.split_once('-').ok_or_else(form)?;
        let from = moment(from.trim()).ok_or_else(form)?;
        let until = moment(until.trim()).ok_or_else(form)?;
        let (from, until, cycle) = match (from, until) {
            ((Some(a), from), (Some(b), until)) => (a + from, b + until, WEEK_MINUTES),
            ((None, from), (None, until)) => (from, until, DAY_MINUTES),
            _ => return Err(FreezeError::OneDay(written)),
        };
        if from == until {
            return Err(FreezeError::Empty(written));
        }
        let zone = TimeZoneDatabase::bundled()
            .get(zone)
            .map_err(|_| FreezeError::Zone(zone.to_owned()))?;
        Ok(Self {
            written,
            from,
            until,
            cycle,
            zone,
        })
    }
}

/// `Fri 18:00` or `18:00`: minutes from Monday to the day, if there is one, and minutes of the day.
fn moment(text: &str) -> Option<(Option<u32>, u32)> {
    let (day, time) = match text.split_once(' ') {
        Some((day, time)) => (Some(weekday(day)?), time),
        None => (None, text),
    };
    let (hour, minute) = time.split_once(':')?;
    let two = |digits: &str| (digits.len() == 2).then(|| digits.parse::<u8>().ok())?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    (hour < 24 && minute < 60).then(|| (day, clock(hour, minute)))
}

fn weekday(name: &str) -> Option<u32> {
    let name = name.to_ascii_lowercase();
    let (_, day) = DAYS.iter().find(|(short, _)| *short == name)?;
    Some(u32::from(day.to_monday_zero_offset().unsigned_abs()) * DAY_MINUTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_in_or_out_on_the_clock_of_the_zone() {
        // 2026-11-20 is a Friday; Seoul is nine hours ahead of UTC.
        let weekend = "Fri 18:00 - Mon 08:00 Asia/Seoul";
        let cases = [
            (weekend, "2026-11-20T08:59:59Z", false),
            (weekend, "2026-11-20T09:00:00Z", true),
            (weekend, "2026-11-22T22:59:59Z", true),
            (weekend, "2026-11-22T23:00:00Z", false),
            (
                "Mon 08:00 - Fri 18:00 Asia/Seoul",
                "2026-11-20T09:00:00Z",
                false,
            ),
            (
                "Mon 08:00 - Fri 18:00 Asia/Seoul",
                "2026-11-20T08:00:00Z",
                true,
            ),
            ("22:00 - 06:00 UTC", "2026-11-20T21:59:00Z", false),
            ("22:00 - 06:00 UTC", "2026-11-20T23:00:00Z", true),
            ("22:00 - 06:00 UTC", "2026-11-20T05:59:00Z", true),
            ("22:00 - 06:00 UTC", "2026-11-20T06:00:00Z", false),
            // Berlin: summer time ends on 2026-10-25, so noon there is 10:00 UTC the day before and 11:00 the day after.
            ("12:00 - 13:00 Europe/Berlin", "2026-10-24T10:30:00Z", true),
            ("12:00 - 13:00 Europe/Berlin", "2026-10-26T10:30:00Z", false),
            ("12:00 - 13:00 Europe/Berlin", "2026-10-26T11:30:00Z", true),
        ];
        for (freeze, moment, expected) in cases {
            let parsed: Freeze = freeze.parse().unwrap();
            assert_eq!(
                parsed.contains(moment.parse().unwrap()),
                expected,
                "{freeze} {moment}"
            );
        }
    }

    #[test]
    fn what_is_no_freeze_is_refused() {
        let cases = [
            ("Fri 18:00 - 08:00 UTC", "names a day at one end only"),
            ("08:00 - 08:00 UTC", "ends when it begins"),
            (
                "08:00 - 09:00 Asia/Soul",
                "there is no time zone \"Asia/Soul\"",
            ),
            ("08:00 - 24:00 UTC", "is not a time such as"),
            ("8:00 - 9:00 UTC", "is not a time such as"),
            ("Fri 18:00 Asia/Seoul", "is not a time such as"),
            ("", "is not a time such as"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Freeze>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
