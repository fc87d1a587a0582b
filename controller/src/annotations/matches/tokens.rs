//! Cuts a line of `match.<version>` into words, quoted texts and marks.

use crate::problem::Refused;
use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    Equals,
    Tilde,
    Comma,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Quoted(text) => write!(f, "{text:?}"),
            Self::Equals => f.write_str("\"=\""),
            Self::Tilde => f.write_str("\"~\""),
            Self::Comma => f.write_str("\",\""),
        }
    }
}

pub(super) fn tokens(line: &str) -> Result<Vec<Token>, Refused> {
    if let Some(control) = line
        .chars()
        .find(|letter| letter.is_control() && *letter != '\t')
    {
        return Refused::because(format!("holds the control character {control:?}"));
    }
    let mut letters = line.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(letter) = letters.next() {
        match letter {
            blank if blank.is_whitespace() => {}
            '=' => tokens.push(Token::Equals),
            '~' => tokens.push(Token::Tilde),
            ',' => tokens.push(Token::Comma),
            '"' => tokens.push(Token::Quoted(quoted(&mut letters)?)),
            first => tokens.push(Token::Word(word(first, &mut letters))),
        }
    }
    Ok(tokens)
}

fn word(first: char, letters: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::from(first);
    let ends = |letter: char| letter.is_whitespace() || matches!(letter, '=' | '~' | ',' | '"');
    while let Some(letter) = letters.next_if(|letter| !ends(*letter)) {
        word.push(letter);
    }
    word
}

/// A backslash and what follows it stay together, so that `\\"` ends the text and `\"` does not.
fn quoted(letters: &mut Peekable<Chars<'_>>) -> Result<String, Refused> {
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('"', _) => return Ok(text),
            ('\\', Some('"')) => text.extend(letters.next()),
            ('\\', Some(_)) => {
                text.push(letter);
                text.extend(letters.next());
            }
            _ => text.push(letter),
        }
    }
    Refused::because("the closing quote is missing")
}
