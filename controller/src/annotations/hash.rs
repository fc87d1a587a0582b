//! `load-balance` and `upstream-hash-by`: how an endpoint is chosen inside a version.

use super::Reader;
use super::values::{cookie_name, header_name, header_value, one_of};
use crate::problem::Refused;
use haldane_routing::spec::{BalanceSpec, HashKeySpec};

/// How many variables and texts a key may be made of.
const PARTS_MAX: usize = 16;

/// `upstream-hash-by` wins over `load-balance`, as in ingress-nginx.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<BalanceSpec> {
    let hash = reader
        .shared("upstream-hash-by", parts)
        .map(BalanceSpec::ConsistentHash);
    let balance = reader.shared("load-balance", balance);
    hash.or(balance)
}

/// `ewma` there is the better of two endpoints drawn at random, which is what our default does.
fn balance(text: &str) -> Result<BalanceSpec, Refused> {
    let names = [("round_robin", false), ("ewma", true)];
    one_of(text, &names).map(|least_loaded| {
        if least_loaded {
            BalanceSpec::LeastLoaded
        } else {
            BalanceSpec::RoundRobin
        }
    })
}

/// Variables, bare or in braces, and literal text between them.
fn parts(text: &str) -> Result<Vec<HashKeySpec>, Refused> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (part, behind) = match rest.strip_prefix('$') {
            Some(variable) => self::variable(variable)?,
            None => literal(rest)?,
        };
        parts.push(part);
        rest = behind;
    }
    if parts.len() > PARTS_MAX {
        return Refused::because(format!("has more than {PARTS_MAX} parts"));
    }
    let is_literal = |part: &HashKeySpec| matches!(part, HashKeySpec::Literal(_));
    if parts.iter().all(is_literal) {
        Refused::because(format!(
            "{text:?} has no variable: every request would go to one endpoint"
        ))
    } else {
        Ok(parts)
    }
}

fn literal(text: &str) -> Result<(HashKeySpec, &str), Refused> {
    let (literal, behind) = text.split_at(text.find('$').unwrap_or(text.len()));
    Ok((HashKeySpec::Literal(header_value(literal)?), behind))
}

/// The variable at the start of `text`, behind its `$`, and what follows it.
fn variable(text: &str) -> Result<(HashKeySpec, &str), Refused> {
    let (name, behind) = match text.strip_prefix('{') {
        Some(braced) => braced
            .split_once('}')
            .ok_or_else(|| Refused("a closing '}' is missing".to_owned()))?,
        None => {
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            text.split_at(text.find(|letter| !is_name(letter)).unwrap_or(text.len()))
        }
    };
    Ok((key(name)?, behind))
}

fn key(name: &str) -> Result<HashKeySpec, Refused> {
    match name {
        "remote_addr" | "binary_remote_addr" => return Ok(HashKeySpec::SourceIp),
        "host" | "http_host" => return Ok(HashKeySpec::Host),
        "request_uri" => return Ok(HashKeySpec::RequestUri),
        "uri" => return Ok(HashKeySpec::Path),
        _ => {}
    }
    if let Some(header) = name.strip_prefix("http_") {
        return header_name(&header.replace('_', "-")).map(HashKeySpec::Header);
    }
    if let Some(cookie) = name.strip_prefix("cookie_") {
        return cookie_name(cookie).map(HashKeySpec::Cookie);
    }
    match name.strip_prefix("arg_") {
        Some(query) if !query.is_empty() => header_value(query).map(HashKeySpec::Query),
        _ => Refused::because(format!(
            "the variable {name:?} is not one of $remote_addr, $host, $request_uri, $uri, $http_NAME, $cookie_NAME, \
             $arg_NAME"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HashKeySpec::{Cookie, Header, Host, Literal, Query, RequestUri, SourceIp};

    #[test]
    fn variables_become_parts_of_the_key() {
        let cases = [
            ("$remote_addr", Some(vec![SourceIp])),
            ("$host$request_uri", Some(vec![Host, RequestUri])),
            ("$http_x_user_id", Some(vec![Header("x-user-id".into())])),
            (
                "a-${cookie_sid}b",
                Some(vec![
                    Literal("a-".into()),
                    Cookie("sid".into()),
                    Literal("b".into()),
                ]),
            ),
            ("$arg_user", Some(vec![Query("user".into())])),
            ("$server_port", None),
            ("${host", None),
            ("fixed", None),
            ("$", None),
            ("$arg_", None),
            ("$cookie_", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text).ok(), expected, "{text}");
        }
    }
}
