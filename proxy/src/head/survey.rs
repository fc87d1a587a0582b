//! One look over a header map, so that a plain request pays for no look-up of a field it lacks.

use super::{HeadLimits, Refusal};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The fields that this module does something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Connection,
    ContentLength,
    ContentType,
    Cookie,
    Expect,
    Host,
    Http2Settings,
    KeepAlive,
    Proxy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    /// Any name with a `_`: many servers hand `X_Real_IP` and `X-Real-IP` to programs as one variable.
    Underscored,
}

impl Field {
    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Names that `http` knows are told apart by their number, the others by their text.
    fn named(name: &HeaderName) -> Option<Self> {
        Some(match *name {
            header::HOST => Self::Host,
            header::CONNECTION => Self::Connection,
            header::CONTENT_LENGTH => Self::ContentLength,
            header::CONTENT_TYPE => Self::ContentType,
            header::COOKIE => Self::Cookie,
            header::EXPECT => Self::Expect,
            header::PROXY_AUTHENTICATE => Self::ProxyAuthenticate,
            header::PROXY_AUTHORIZATION => Self::ProxyAuthorization,
            header::TE => Self::Te,
            header::TRAILER => Self::Trailer,
            header::TRANSFER_ENCODING => Self::TransferEncoding,
            header::UPGRADE => Self::Upgrade,
            // What nearly every request has and nothing is done about.
            header::ACCEPT
            | header::ACCEPT_ENCODING
            | header::ACCEPT_LANGUAGE
            | header::AUTHORIZATION
            | header::USER_AGENT => return None,
            _ => return Self::spelled(name.as_str()),
        })
    }

    fn spelled(name: &str) -> Option<Self> {
        Some(match name {
            "http2-settings" => Self::Http2Settings,
            "keep-alive" => Self::KeepAlive,
            "proxy" => Self::Proxy,
            "proxy-connection" => Self::ProxyConnection,
            _ if name.as_bytes().contains(&b'_') => Self::Underscored,
            _ => return None,
        })
    }
}

/// What a head holds.
#[derive(Debug, Default)]
pub(super) struct Survey {
    seen: u32,
    bytes: usize,
    fields: usize,
    crumbs: usize,
    padded: bool,
}

impl Survey {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut survey = Self {
            fields: headers.len(),
            ..Self::default()
        };
        for (name, value) in headers {
            let field = Field::named(name);
            survey.seen |= field.map_or(0, Field::bit);
            survey.crumbs += usize::from(field == Some(Field::Cookie));
            survey.padded |= is_padded(value);
            survey.bytes += name.as_str().len() + ": \r\n".len() + value.len();
        }
        survey
    }

    /// Whether the field is there.
    pub(super) const fn saw(&self, field: Field) -> bool {
        self.seen & field.bit() != 0
    }

    /// Whether nothing that [`Field`] names is there but those in `fields`.
    pub(super) const fn saw_only(&self, fields: u32) -> bool {
        self.seen & !fields == 0
    }

    /// How many lines the cookie is cut into.
    pub(super) const fn crumbs(&self) -> usize {
        self.crumbs
    }

    pub(super) fn within_bounds(
        &self,
        target_bytes: usize,
        limits: &HeadLimits,
    ) -> Result<(), Refusal> {
        if target_bytes > limits.target_bytes {
            return Err(Refusal::TargetTooLong);
        }
        if self.fields - self.crumbs.saturating_sub(1) > limits.fields {
            return Err(Refusal::TooManyFields);
        }
        if self.bytes + target_bytes > limits.bytes {
            return Err(Refusal::HeadTooLarge);
        }
        if self.padded {
            return Err(Refusal::FieldPadded);
        }
        Ok(())
    }
}

/// Fields that need nothing done once they are judged.
pub(super) const QUIET: u32 = Field::Host.bit() | Field::ContentType.bit() | Field::Cookie.bit();

fn is_padded(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    blank(bytes.first()) || blank(bytes.last())
}
