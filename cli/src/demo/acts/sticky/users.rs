//! Users with a cookie each, and what becomes of them. A person is remembered by number.

use super::{CANARY, STABLE};
use crate::demo::counts::Name;
use crate::demo::load::{Answer, Audience};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A crowd of users who come in turn.
pub(super) struct Users(Mutex<Crowd>);

struct Crowd {
    users: Vec<User>,
    moves: Moves,
}

#[derive(Clone, Default)]
struct User {
    cookie: Option<HeaderValue>,
    version: Option<Name>,
}

/// How many users changed their version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    /// From stable to the canary.
    pub(super) joined: u64,
    /// From the canary to stable.
    pub(super) left: u64,
}

impl Users {
    /// So many, none of whom has come before.
    pub(super) fn new(count: u64) -> Self {
        let users = (0..count).map(|_| User::default()).collect();
        Self(Mutex::new(Crowd {
            users,
            moves: Moves::default(),
        }))
    }

    /// The moves since it was asked for the last time.
    pub(super) fn take_moves(&self) -> Moves {
        std::mem::take(&mut self.lock().moves)
    }

    /// How many saw this version last.
    pub(super) fn on(&self, version: Name) -> u64 {
        self.lock()
            .users
            .iter()
            .filter(|user| user.version == Some(version))
            .count() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Crowd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crowd {
    fn user(&mut self, number: u64) -> &mut User {
        let count = self.users.len() as u64;
        let index =
            usize::try_from(number % count).expect("a remainder is smaller than what it is of");
        &mut self.users[index]
    }
}

impl Audience for Users {
    fn headers(&self, number: u64) -> HeaderMap {
        let cookie = self.lock().user(number).cookie.clone();
        cookie.into_iter().map(|cookie| (COOKIE, cookie)).collect()
    }

    fn answered(&self, answer: &Answer) {
        let mut crowd = self.lock();
        let user = crowd.user(answer.number);
        if let Some(cookie) = &answer.reply.cookie {
            user.cookie = Some(cookie.clone());
        }
        let Some(version) = answer.reply.version else {
            return;
        };
        match (user.version.replace(version), version) {
            (Some(STABLE), CANARY) => crowd.moves.joined += 1,
            (Some(CANARY), STABLE) => crowd.moves.left += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::client::Reply;

    fn come(users: &Users, number: u64, version: Name, cookie: Option<&'static str>) {
        let reply = Reply {
            version: Some(version),
            cookie: cookie.map(HeaderValue::from_static),
        };
        users.answered(&Answer {
            number,
            reply,
            sent_under: 1,
            answered_under: 1,
        });
    }

    #[test]
    fn a_user_sends_the_cookie_that_was_set_last() {
        let users = Users::new(2);
        come(&users, 0, STABLE, Some("t=1"));
        come(&users, 2, STABLE, None);
        assert_eq!(users.headers(4).get(COOKIE).unwrap(), "t=1");
        assert!(users.headers(1).is_empty());
    }

    #[test]
    fn moves_are_told_by_direction_and_once() {
        let users = Users::new(2);
        let visits = [
            (0, STABLE),
            (1, CANARY),
            (2, CANARY),
            (3, CANARY),
            (4, CANARY),
            (5, STABLE),
        ];
        visits
            .into_iter()
            .for_each(|(number, version)| come(&users, number, version, None));
        assert_eq!(users.on(CANARY), 1);
        assert_eq!(users.take_moves(), Moves { joined: 1, left: 1 });
        assert_eq!(users.take_moves(), Moves::default());
    }
}
