//! Users stay where they are, and move only as far as weights do.

use crate::choose::forward;
use crate::support::{Request, build, key, split};
use haldane_routing::spec::{ForwardSpec, OriginSpec, StickySpec, TableSpec};
use haldane_routing::{By, Choice, Table, TicketKey};
use proptest::prelude::*;
use std::cell::Cell;

fn by_cookie(spec: &mut ForwardSpec) {
    spec.sticky = Some(StickySpec::Cookie("ticket".to_owned()));
}

fn by_header(spec: &mut ForwardSpec) {
    spec.sticky = Some(StickySpec::Header("x-user".to_owned()));
}

fn weights(weights: &[u64]) -> String {
    let versions = weights
        .iter()
        .enumerate()
        .map(|(at, weight)| format!("v{at}={weight}"));
    versions.collect::<Vec<_>>().join(", ")
}

fn choose(table: &Table, request: &Request, random: u64) -> Choice {
    let choice = forward(table).choose(&request.view(), &key(), || random);
    choice.expect("every version has an endpoint")
}

/// Users spread over the line, each as the ticket that it got.
fn users(table: &Table, count: u64) -> Vec<(usize, Request)> {
    let user = |at: u64| {
        let random = (u64::MAX / count) * at;
        let choice = choose(table, &Request::parse("GET h/"), random);
        assert_eq!(choice.by, By::Split);
        let ticket = choice.set_ticket.expect("a new user gets a ticket");
        (
            choice.version.index(),
            Request::with_cookie("ticket", &ticket),
        )
    };
    (0..count).map(user).collect()
}

fn version_of(table: &Table, user: &Request) -> usize {
    let choice = choose(table, user, 0);
    assert_eq!((choice.by, choice.set_ticket), (By::Sticky, None));
    choice.version.index()
}

#[test]
fn new_users_are_split_exactly_and_stay() {
    let table = build(&split("stable=90, canary=10", by_cookie));
    let users = users(&table, 1000);
    assert_eq!(
        users.iter().filter(|(version, _)| *version == 1).count(),
        100
    );
    for (version, user) in &users {
        assert_eq!(version_of(&table, user), *version);
    }
}

#[test]
fn users_who_return_take_no_ticket() {
    let table = build(&split("stable=9, canary=1", by_cookie));
    let (_, user) = users(&table, 1).remove(0);
    (0..7).for_each(|_| _ = version_of(&table, &user));
    let canaries = users_of(&users(&table, 9), 1)
        + users_of(&[(usize::from(version_of(&table, &user) == 1), user)], 1);
    assert_eq!(canaries, 1);
}

fn users_of(users: &[(usize, Request)], version: usize) -> usize {
    users.iter().filter(|(of, _)| *of == version).count()
}

#[test]
fn a_ticket_that_is_not_ours_is_ignored() {
    let table = build(&split("stable=1, canary=0", by_cookie));
    let (_, user) = users(&table, 1).remove(0);
    let cookie = user.headers["cookie"].to_str().unwrap().to_owned();
    let ticket = cookie.strip_prefix("ticket=").unwrap();
    let by =
        |table: &Table, ticket: &str| choose(table, &Request::with_cookie("ticket", ticket), 0).by;
    assert_eq!(by(&table, ticket), By::Sticky);
    for at in 0..ticket.len() {
        let other = if &ticket[at..=at] == "A" { "B" } else { "A" };
        let mut forged = ticket.to_owned();
        forged.replace_range(at..=at, other);
        assert_eq!(by(&table, &forged), By::Split, "{forged}");
    }
    for forged in [
        "",
        "A",
        &ticket[1..],
        &format!("{ticket}A"),
        &format!("{ticket}="),
        "\u{e9}",
    ] {
        assert_eq!(by(&table, forged), By::Split, "{forged}");
    }
    let other_key = TicketKey::from_bytes([8; 32]);
    let choice = forward(&table)
        .choose(&user.view(), &other_key, || 0)
        .unwrap();
    assert_eq!(choice.by, By::Split);
}

#[test]
fn a_ticket_is_good_for_all_rules_of_a_service_and_no_other() {
    let of_service = |id: &str, service: &str| {
        let mut spec = split("stable=1, canary=1", by_cookie);
        spec.rules[0].id = id.to_owned();
        spec.rules[0].origin = OriginSpec {
            namespace: "shop".to_owned(),
            service: service.to_owned(),
            ..OriginSpec::default()
        };
        build(&spec)
    };
    let (_, user) = users(&of_service("page", "web"), 1).remove(0);
    let by = |table: &Table| choose(table, &user, 0).by;
    assert_eq!(by(&of_service("api", "web")), By::Sticky);
    assert_eq!(by(&of_service("page", "other")), By::Split);
    assert_eq!(by(&of_service("page", "")), By::Split);
    let (_, user) = users(&of_service("page", ""), 1).remove(0);
    assert_eq!(choose(&of_service("api", ""), &user, 0).by, By::Split);
}

#[test]
fn users_known_by_a_header_need_no_ticket() {
    let table = build(&split("stable=1, canary=1", by_header));
    let by_user = |user: &str| {
        choose(
            &table,
            &Request::parse(&format!("GET h/; x-user: {user}")),
            0,
        )
    };
    let counted = (0..1000)
        .filter(|user| by_user(&user.to_string()).version.index() == 1)
        .count();
    assert!(
        (400..600).contains(&counted),
        "{counted} of 1000 hashes are in one half"
    );
    let one = by_user("one");
    assert_eq!((one.by, &one.set_ticket), (By::Sticky, &None));
    assert_eq!(by_user("one"), one);
    assert_eq!(choose(&table, &Request::parse("GET h/"), 0).by, By::Split);
    assert_eq!(
        choose(&table, &Request::parse("GET h/"), 0).set_ticket,
        None
    );
}

#[test]
fn a_user_of_an_empty_version_returns_to_it() {
    let full = build(&split("stable=1, canary=1", by_cookie));
    let empty = build(&split("stable=1, canary=1!", by_cookie));
    for (version, user) in users(&full, 8) {
        let choice = choose(&empty, &user, 0);
        let expected = if version == 1 {
            By::Failover
        } else {
            By::Sticky
        };
        assert_eq!(
            (choice.by, choice.drawn.index(), choice.version.index()),
            (expected, version, 0)
        );
        assert_eq!(version_of(&full, &user), version);
    }
}

#[test]
fn random_is_drawn_only_for_a_new_ticket() {
    let table = build(&split("stable=1, canary=1", by_cookie));
    let (_, user) = users(&table, 1).remove(0);
    let drawn = Cell::new(0);
    let choose = |request: &Request| {
        let random = || {
            drawn.set(drawn.get() + 1);
            0
        };
        forward(&table)
            .choose(&request.view(), &key(), random)
            .map(drop)
            .unwrap();
        drawn.get()
    };
    assert_eq!(choose(&user), 0);
    assert_eq!(choose(&Request::parse("GET h/")), 1);
}

#[test]
fn users_stand_all_over_the_part_of_their_version() {
    let low = build(&split("stable=90, canary=10", by_cookie));
    let high = build(&split("stable=81, canary=19", by_cookie));
    let stable = users(&low, 1000)
        .into_iter()
        .filter(|(version, _)| *version == 0);
    let moved = stable
        .filter(|(_, user)| version_of(&high, user) == 1)
        .count();
    assert!(
        (80..=100).contains(&moved),
        "a tenth of 900 users should move, not {moved}"
    );
}

/// How users move when weights change, as pairs of versions.
fn moves(before: &[u64], after: &[u64]) -> Vec<(usize, usize)> {
    let table = |of: &[u64]| -> TableSpec { split(&weights(of), by_cookie) };
    let (before, after) = (build(&table(before)), build(&table(after)));
    let moved = users(&before, 200)
        .into_iter()
        .map(|(from, user)| (from, version_of(&after, &user)));
    let mut moves: Vec<_> = moved.filter(|(from, to)| from != to).collect();
    moves.sort_unstable();
    moves.dedup();
    moves
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two canaries, of which one rises at the cost of the stable version; then everything back.
    #[test]
    fn raising_a_canary_moves_only_stable_users_and_lowering_moves_them_back(
        one in 0_u64..=40, other in 0_u64..=40, rise in 1_u64..=20, which in 1_usize..=2,
    ) {
        let mut low = [100 - one - other, one, other];
        let mut high = low;
        high[which] += rise;
        high[0] -= rise;
        prop_assert!(moves(&low, &high).iter().all(|step| *step == (0, which)));
        prop_assert!(moves(&high, &low).iter().all(|step| *step == (which, 0)));
        low[0] += low[which];
        low[which] = 0;
        let aborted = moves(&high, &low);
        prop_assert!(aborted.iter().all(|step| *step == (which, 0)), "{aborted:?}");
    }

    #[test]
    fn weight_0_moves_everybody(weights in prop::collection::vec(0_u64..50, 2..8), out in 0_usize..8) {
        let out = out % weights.len();
        let mut after = weights.clone();
        after[out] = 0;
        prop_assume!(after.iter().any(|weight| *weight > 0));
        let moves = moves(&weights, &after);
        prop_assert!(moves.iter().all(|(_, to)| *to != out && after[*to] > 0), "{moves:?}");
        prop_assert!(weights[out] == 0 || moves.iter().any(|(from, _)| *from == out));
    }
}
