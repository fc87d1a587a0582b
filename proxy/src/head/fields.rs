//! Fields that are rewritten or dropped for reasons of their own: cookie crumbs, `_` in names.

use super::Refusal;
use super::survey::{Field, Survey};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Joins the cookie's lines and drops names with `_`.
///
/// # Errors
/// None in practice: values that were valid one by one are valid joined.
pub(super) fn tidy(headers: &mut HeaderMap, survey: &Survey) -> Result<(), Refusal> {
    if survey.crumbs() > 1 {
        join_cookie(headers)?;
    }
    if survey.saw(Field::Underscored) {
        drop_underscored(headers);
    }
    Ok(())
}

/// RFC 9113 section 8.2.3: joined with `; ` before the cookie goes anywhere that is not HTTP/2. Empty lines say nothing, and
/// joined they would leave white space at the ends of a value.
fn join_cookie(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let crumbs: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .filter(|crumb| !crumb.is_empty())
        .collect();
    let whole =
        HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).map_err(|_| Refusal::FieldPadded)?;
    headers.insert(header::COOKIE, whole);
    Ok(())
}

fn drop_underscored(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().contains('_'))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}
