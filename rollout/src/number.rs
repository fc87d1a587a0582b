//! Numbers as people write them in annotations, and as they are shown to people.

/// The most digits before the point: more than any number here can sensibly have.
const WHOLE_DIGITS_MAX: usize = 9;

/// Why a text is not the number it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not digits with an optional point.
    #[error("{text:?} is not a number such as 10 or 0.05, with at most {places} decimals")]
    NoDecimal {
        /// What was written.
        text: String,
        /// How many decimals there may be.
        places: usize,
    },
    /// A number, but not a part of a hundred.
    #[error("{0:?} is not a percentage from 0 to 100")]
    NoPercentage(String),
}

/// A plain decimal number, times ten to the power of `places`.
pub(crate) fn fixed(text: &str, places: usize) -> Result<u64, NumberError> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let sound = all_digits(whole) && all_digits(decimals);
    if !sound || whole.len() > WHOLE_DIGITS_MAX || decimals.len() > places {
        return Err(NumberError::NoDecimal {
            text: text.to_owned(),
            places,
        });
    }
    let digits = whole.bytes().chain(decimals.bytes());
    let value = digits.fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Ok(value * 10_u64.pow((places - decimals.len()) as u32))
}

/// A plain decimal number: the nearest that a float can hold.
pub(crate) fn decimal(text: &str) -> Result<f64, NumberError> {
    const PLACES: usize = 6;
    let scaled = fixed(text, PLACES)?;
    Ok(scaled as f64 / 10_f64.powi(PLACES as i32))
}

/// A probability from 0 to 1, written as such (`0.01`) or in percent (`1%`).
///
/// # Errors
///
/// What is not a plain decimal number, or above 1.
pub fn probability(text: &str) -> Result<f64, NumberError> {
    let written = match text.strip_suffix('%') {
        Some(percent) => decimal(percent.trim_end())? / 100.0,
        None => decimal(text)?,
    };
    if written <= 1.0 {
        Ok(written)
    } else {
        Err(NumberError::NoPercentage(text.to_owned()))
    }
}

/// A share from 0 to 1 in percent, with four decimals at most: `0.5%`.
pub fn percent(share: f64) -> String {
    format!("{}%", trimmed(share * 100.0, 4))
}

/// A share from 0 to 1 in percent, with two decimals at most, for figures that were measured.
pub fn percent_seen(share: f64) -> String {
    format!("{}%", trimmed(share * 100.0, 2))
}

/// Rounded to so many decimals, without zeros at the end.
pub(crate) fn trimmed(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}
