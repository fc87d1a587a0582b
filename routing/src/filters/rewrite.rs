//! How the path changes. Texts and groups of the path's expression, one after the other; the query is no part of it.

use crate::fault::{FaultReason, Faults};
use crate::parse;
use crate::path::PathMatch;
use crate::spec::RewriteSpec;

/// A change of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// The whole path becomes these, one after the other.
    Path(Box<[Piece]>),
    /// The matched prefix becomes this (without trailing `/`); where the path was matched otherwise, all of it does.
    Prefix(Box<str>),
}

/// A piece of a new path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// This text.
    Text(Box<str>),
    /// What this group matched, 1 to 9; nothing where it took no part.
    Group(u8),
}

impl Rewrite {
    pub(crate) fn parse<'a>(
        spec: &RewriteSpec,
        mut paths: impl Iterator<Item = &'a PathMatch>,
        faults: &mut Faults,
    ) -> Option<Self> {
        match spec {
            RewriteSpec::Prefix(prefix) => {
                let prefix = faults.note(parse::path(prefix))?;
                let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
                Some(Self::Prefix(prefix.into()))
            }
            RewriteSpec::Path(template) => {
                let pieces = pieces(faults.note(parse::path_part(template))?);
                let has_groups = paths.all(|path| matches!(path, PathMatch::Regex(_)));
                faults.note(check(template, &pieces, has_groups))?;
                Some(Self::Path(pieces.into()))
            }
        }
    }

    /// The new path; always starts with `/`.
    #[must_use]
    pub fn apply(&self, path: &str, matched: &PathMatch) -> String {
        let new = match self {
            Self::Prefix(prefix) => replace_prefix(prefix, path, matched),
            Self::Path(pieces) => fill_in(pieces, path, matched),
        };
        if new.starts_with('/') {
            return new;
        }
        format!("/{new}")
    }
}

fn replace_prefix(prefix: &str, path: &str, matched: &PathMatch) -> String {
    let rest = match matched {
        PathMatch::Prefix(old) => path.strip_prefix(&**old).unwrap_or_default(),
        PathMatch::Exact(_) | PathMatch::Regex(_) => "",
    };
    format!("{prefix}{rest}")
}

fn fill_in(pieces: &[Piece], path: &str, matched: &PathMatch) -> String {
    let captures = match matched {
        PathMatch::Regex(regex) => regex.captures(path),
        PathMatch::Exact(_) | PathMatch::Prefix(_) => None,
    };
    let group = |group: u8| captures.as_ref()?.get(usize::from(group));
    let texts = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text,
        Piece::Group(number) => group(*number).map_or("", |text| text.as_str()),
    });
    texts.collect()
}

/// Cuts a template at `$1` to `$9`; any other `$` stands for itself.
fn pieces(template: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut left = template.chars().peekable();
    while let Some(next) = left.next() {
        let group = left
            .peek()
            .and_then(|c| c.to_digit(10))
            .filter(|_| next == '$');
        match group.and_then(|digit| u8::try_from(digit).ok()) {
            Some(number @ 1..=9) => {
                left.next();
                pieces.extend(taken(&mut text));
                pieces.push(Piece::Group(number));
            }
            _ => text.push(next),
        }
    }
    pieces.extend(taken(&mut text));
    pieces
}

fn taken(text: &mut String) -> Option<Piece> {
    let text = std::mem::take(text);
    (!text.is_empty()).then(|| Piece::Text(text.into()))
}

fn check(template: &str, pieces: &[Piece], has_groups: bool) -> Result<(), FaultReason> {
    let group = pieces.iter().find_map(|piece| match piece {
        Piece::Group(number) => Some(*number),
        Piece::Text(_) => None,
    });
    match (group, pieces.first()) {
        (Some(number), _) if !has_groups => Err(FaultReason::NoGroups(number)),
        (_, Some(Piece::Group(_))) => Ok(()),
        (_, Some(Piece::Text(text))) if text.starts_with('/') => Ok(()),
        _ => Err(FaultReason::Path(template.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::PathSpec;

    #[track_caller]
    fn check(matched: PathSpec, rewrite: RewriteSpec, path: &str, new: &str) {
        let mut faults = Faults::default();
        let matched = PathMatch::parse(&matched, &mut faults).expect("the path is valid");
        let paths = std::iter::once(&matched);
        let rewrite = Rewrite::parse(&rewrite, paths, &mut faults).expect("the rewrite is valid");
        assert_eq!(rewrite.apply(path, &matched), new);
    }

    fn regex(pattern: &str) -> PathSpec {
        PathSpec::Regex {
            pattern: pattern.to_owned(),
            ignore_case: true,
        }
    }

    fn path(template: &str) -> RewriteSpec {
        RewriteSpec::Path(template.to_owned())
    }

    #[test]
    fn groups_are_filled_in() {
        check(regex("/a(/|$)(.*)"), path("/$2"), "/a/b/c", "/b/c");
        check(regex("/a(/|$)(.*)"), path("/$2"), "/a", "/");
        check(regex("/a(/.*)?"), path("$1"), "/a/b", "/b");
        check(regex("/a(/.*)?"), path("$1"), "/a", "/");
        check(regex("/(.)(.)"), path("/$2$1$3-$x$"), "/ab", "/ba-$x$");
        check(regex("/(.)"), path("/$10"), "/a", "/a0");
        check(PathSpec::default(), path("/new"), "/old/path", "/new");
    }

    #[test]
    fn a_prefix_is_replaced_by_elements() {
        let prefix = |old: &str| PathSpec::Prefix(old.to_owned());
        let new = |new: &str| RewriteSpec::Prefix(new.to_owned());
        check(prefix("/a"), new("/b"), "/a/c", "/b/c");
        check(prefix("/a/"), new("/b/"), "/a/c", "/b/c");
        check(prefix("/a"), new("/"), "/a/c", "/c");
        check(prefix("/a"), new("/"), "/a", "/");
        check(prefix("/"), new("/b"), "/c", "/b/c");
        check(PathSpec::Exact("/a".to_owned()), new("/b"), "/a", "/b");
    }
}
