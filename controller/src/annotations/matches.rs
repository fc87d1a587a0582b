//! `match.<version>`: which requests must go to one version.
//!
//! ```text
//! rule  = line *( LF line )                 ; alternatives
//! line  = term *( "and" term )              ; all must hold
//! term  = ( "header" / "cookie" / "query" ) name test
//!       / ( "method" / "source-ip" / "country" ) ( "=" value / "in" values )
//! test  = "=" value / "~" value / "in" values / "present" / "absent"
//! values = value *( "," value )
//! ```
//! A value is a word, or stands in double quotes if it holds blanks, commas, `=` or `~`. Inside quotes `\"` is a quote;
//! every other backslash stays, so that regular expressions are written as they are.

mod tokens;

use super::values;
use crate::pattern;
use crate::problem::Refused;
use haldane_routing::spec::{ConditionSpec, TestSpec};
use std::iter::Peekable;
use std::vec::IntoIter;
use tokens::{Token, tokens};

/// How many alternatives one version may have, and how many conditions one of them: what a person reads at once.
const ALTERNATIVES_MAX: usize = 64;
const CONDITIONS_MAX: usize = 16;

/// Alternatives, each a list of conditions that must all hold.
pub(crate) fn parse(text: &str) -> Result<Vec<Vec<ConditionSpec>>, Refused> {
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.len() {
        0 => Refused::because("holds no condition, such as: header X-Beta present"),
        1..=ALTERNATIVES_MAX => lines.into_iter().map(line).collect(),
        _ => Refused::because(format!("has more than {ALTERNATIVES_MAX} lines")),
    }
}

fn line(text: &str) -> Result<Vec<ConditionSpec>, Refused> {
    let mut terms = Terms(tokens(text)?.into_iter().peekable());
    let mut conditions = vec![terms.condition()?];
    while let Some(token) = terms.0.next() {
        match token {
            Token::Word(word) if word == "and" => conditions.push(terms.condition()?),
            token => {
                return Refused::because(format!(
                    "\"and\" or the end of the line is expected, not {token}"
                ));
            }
        }
    }
    if conditions.len() > CONDITIONS_MAX {
        Refused::because(format!(
            "has more than {CONDITIONS_MAX} conditions in one line"
        ))
    } else {
        Ok(conditions)
    }
}

struct Terms(Peekable<IntoIter<Token>>);

impl Terms {
    fn condition(&mut self) -> Result<ConditionSpec, Refused> {
        match self.word("a subject")?.as_str() {
            "header" => Ok(ConditionSpec::Header(self.header_name()?, self.test()?)),
            "cookie" => Ok(ConditionSpec::Cookie(self.cookie_name()?, self.test()?)),
            "query" => Ok(ConditionSpec::Query(self.query_name()?, self.test()?)),
            "method" => Ok(ConditionSpec::Method(self.members(values::method)?)),
            "source-ip" => Ok(ConditionSpec::SourceIp(self.members(values::network)?)),
            "country" => Ok(ConditionSpec::Country(self.members(country)?)),
            other => Refused::because(format!(
                "{other:?} is not one of header, cookie, query, method, source-ip, country"
            )),
        }
    }

    fn header_name(&mut self) -> Result<String, Refused> {
        values::header_name(&self.value()?)
    }

    fn cookie_name(&mut self) -> Result<String, Refused> {
        values::cookie_name(&self.value()?)
    }

    fn query_name(&mut self) -> Result<String, Refused> {
        match self.value()? {
            name if name.is_empty() => Refused::because("the name of the query parameter is empty"),
            name => Ok(name),
        }
    }

    fn test(&mut self) -> Result<TestSpec, Refused> {
        match self.0.next() {
            Some(Token::Equals) => Ok(TestSpec::Equals(self.value()?)),
            Some(Token::Tilde) => Ok(TestSpec::Matches(pattern::search(&self.value()?)?)),
            Some(Token::Word(word)) if word == "in" => Ok(TestSpec::In(self.values()?)),
            Some(Token::Word(word)) if word == "present" => Ok(TestSpec::Present),
            Some(Token::Word(word)) if word == "absent" => Ok(TestSpec::Absent),
            other => Err(expected("one of = ~ in present absent", other)),
        }
    }

    /// `= value` or `in value, value`.
    fn members<T>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, Refused>,
    ) -> Result<Vec<T>, Refused> {
        let members = match self.0.next() {
            Some(Token::Equals) => vec![self.value()?],
            Some(Token::Word(word)) if word == "in" => self.values()?,
            other => return Err(expected("= or in", other)),
        };
        members.iter().map(|member| parse(member)).collect()
    }

    fn values(&mut self) -> Result<Vec<String>, Refused> {
        let mut values = vec![self.value()?];
        while self.0.next_if_eq(&Token::Comma).is_some() {
            values.push(self.value()?);
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<String, Refused> {
        match self.0.next() {
            Some(Token::Word(text) | Token::Quoted(text)) => Ok(text),
            other => Err(expected("a value", other)),
        }
    }

    fn word(&mut self, what: &str) -> Result<String, Refused> {
        match self.0.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(expected(what, other)),
        }
    }
}

fn expected(what: &str, found: Option<Token>) -> Refused {
    let found = found.map_or_else(
        || "the end of the line".to_owned(),
        |token| token.to_string(),
    );
    Refused(format!("{what} is expected, not {found}"))
}

/// ISO 3166-1 alpha-2.
fn country(text: &str) -> Result<String, Refused> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        Ok(text.to_ascii_uppercase())
    } else {
        Refused::because(format!("{text:?} is not a country code of two letters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::conditions::alternatives;

    fn check(text: &str, expected: Result<&str, &str>) {
        let seen = parse(text).map(|any_of| alternatives(&any_of));
        let seen = seen
            .as_ref()
            .map(String::as_str)
            .map_err(ToString::to_string);
        match expected {
            Ok(shown) => assert_eq!(seen, Ok(shown), "{text}"),
            Err(part) => assert!(
                seen.as_ref().is_err_and(|reason| reason.contains(part)),
                "{text}: {seen:?}"
            ),
        }
    }

    #[test]
    fn every_condition_has_its_form() {
        let cases = [
            (
                r#"header User-Agent ~ "iPhone""#,
                Ok(r#"header user-agent ~ "iPhone""#),
            ),
            ("header X-Beta=always", Ok(r#"header x-beta = "always""#)),
            ("cookie beta present", Ok("cookie beta present")),
            ("cookie beta absent", Ok("cookie beta absent")),
            ("query v in 2, 3", Ok(r#"query v in "2", "3""#)),
            ("method = post", Ok("method in POST")),
            (
                "method in GET, HEAD and country = kr",
                Ok("method in GET, HEAD and country in KR"),
            ),
            (
                "source-ip in 10.0.0.0/8, 192.168.1.1",
                Ok("source-ip in 10.0.0.0/8, 192.168.1.1/32"),
            ),
            (
                "header a = 1 and cookie b = 2\n\n  query c = 3 ",
                Ok("header a = \"1\" and cookie b = \"2\" or query c = \"3\""),
            ),
            (r#"header a = "x and y""#, Ok(r#"header a = "x and y""#)),
            (
                r#"header a = "say \"hi\"""#,
                Ok(r#"header a = "say \"hi\"""#),
            ),
            (r#"header a ~ "\d+\.\d""#, Ok(r#"header a ~ "\\d+\\.\\d""#)),
            (r#"query "a b" = "" "#, Ok(r#"query a b = """#)),
            ("", Err("no condition")),
            ("header", Err("a value is expected")),
            ("header X-A", Err("one of = ~ in present absent")),
            ("header X-A ~ \"(\"", Err("regular expression")),
            ("header X-A ~ \"(?!x)\"", Err("look-around")),
            ("header \"X A\" present", Err("not a header name")),
            ("headers X-A present", Err("not one of header")),
            ("header a = \"open", Err("closing quote")),
            ("header a = 1 or header b = 2", Err("\"and\" or the end")),
            ("header a = 1 and", Err("a subject is expected")),
            ("query v in 2,", Err("a value is expected")),
            ("query \"\" present", Err("is empty")),
            ("country = Korea", Err("two letters")),
            ("method present", Err("= or in")),
            ("source-ip = office", Err("not an address")),
            ("header a = x\u{7}", Err("control character")),
        ];
        for (text, expected) in cases {
            check(text, expected);
        }
    }
}
