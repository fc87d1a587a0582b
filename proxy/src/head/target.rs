//! The request target (RFC 9112 section 3.2): brought to origin form, its path made canonical.

use super::{Refusal, path};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri};

/// Who a target in absolute form (or HTTP/2's pseudo fields) says it is for.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) authority: Authority,
    pub(super) port_default: u16,
}

/// How long the target is, in bytes.
pub(super) fn bytes(uri: &Uri) -> usize {
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    path + uri
        .authority()
        .map_or(0, |authority| authority.as_str().len())
}

/// Leaves path and query in `uri` and returns the rest.
pub(super) fn settle(uri: &mut Uri, method: &Method) -> Result<Option<Named>, Refusal> {
    let named = match uri.authority() {
        None => None,
        Some(_) => Some(to_origin_form(uri)?),
    };
    let path = uri.path();
    if path == "*" {
        return if *method == Method::OPTIONS {
            Ok(named)
        } else {
            Err(Refusal::TargetForm)
        };
    }
    // A query alone has `/` for its path, and does not begin with one.
    let target = uri.path_and_query().map_or("", PathAndQuery::as_str);
    if !target.starts_with('/') {
        return Err(Refusal::TargetForm);
    }
    if !uri.query().is_none_or(is_query) {
        return Err(Refusal::QueryByte);
    }
    if let Some(canonical) = path::canonical(path)? {
        *uri = with_path(&canonical, uri.query())?;
    }
    Ok(named)
}

/// Clients leave more unescaped in a query than RFC 3986 allows, and everybody reads it alike; but not bytes that are no
/// ASCII.
fn is_query(query: &str) -> bool {
    // Every byte, without a stop at the first bad one: many are looked at in one step then.
    let printable = |clean: bool, byte: u8| clean & byte.is_ascii_graphic();
    query.bytes().fold(true, printable)
}

fn to_origin_form(uri: &mut Uri) -> Result<Named, Refusal> {
    let parts = std::mem::take(uri).into_parts();
    // Authority form is CONNECT's alone; `GET admin` is parsed as one.
    let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
        return Err(Refusal::TargetForm);
    };
    let port_default = port_default(&scheme).ok_or(Refusal::TargetForm)?;
    let path = parts
        .path_and_query
        .unwrap_or(PathAndQuery::from_static("/"));
    *uri = if path.as_str().starts_with('?') {
        with_path("/", path.query())?
    } else {
        Uri::from(path)
    };
    Ok(Named {
        authority,
        port_default,
    })
}

fn port_default(scheme: &Scheme) -> Option<u16> {
    if *scheme == Scheme::HTTP {
        Some(80)
    } else if *scheme == Scheme::HTTPS {
        Some(443)
    } else {
        None
    }
}

fn with_path(path: &str, query: Option<&str>) -> Result<Uri, Refusal> {
    let target = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(target))
        .map(Uri::from)
        .map_err(|_| Refusal::PathByte)
}
