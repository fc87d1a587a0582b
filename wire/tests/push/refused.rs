//! What must not get in, and what is held afterwards: the table before.

use crate::tables::{accept_all, backend, encode, generation, holding, large, rule};
use bytes::Bytes;
use haldane_routing::spec::TableSpec;
use haldane_wire::proto::{Key, Kind, Object, Part};
use haldane_wire::{Assembly, Fault, Generation};
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message as _;

fn older() -> TableSpec {
    TableSpec {
        rules: vec![rule("a", &[9, 1]), rule("b", &[1])],
        backends: vec![backend("a v0", &[80]), backend("a v1", &[80])],
        ..TableSpec::default()
    }
}

fn newer() -> TableSpec {
    let mut table = older();
    table.rules[0] = rule("a", &[5, 5]);
    table.rules.remove(1);
    table
}

fn delta() -> Vec<Part> {
    let delta = encode(&newer()).delta_from(&encode(&older()));
    delta.parts(generation(2)).collect()
}

/// The fault of these parts; an undisturbed delta must still be taken afterwards.
#[track_caller]
fn fault_of(parts: impl IntoIterator<Item = Part>) -> Fault {
    let mut assembly = holding(&older());
    let fault = accept_all(&mut assembly, parts).unwrap_err();
    assert_eq!(assembly.generation(), Some(generation(1)));
    let candidate = accept_all(&mut assembly, delta()).unwrap().unwrap();
    assert_eq!(candidate.table(), newer());
    fault
}

#[track_caller]
fn check(change: impl FnOnce(&mut Part), reason: &str) {
    let mut parts = delta();
    change(&mut parts[0]);
    let fault = fault_of(parts).to_string();
    assert!(fault.starts_with(reason), "{fault:?} is not {reason:?}");
}

proptest! {
    #[test]
    fn a_flipped_bit_never_changes_a_table(byte: Index, bit in 0..8_u32) {
        let mut sent = delta()[0].encode_to_vec();
        let byte = byte.index(sent.len());
        sent[byte] ^= 1_u8 << bit;
        // What is no protobuf message any more never comes so far.
        if let Ok(part) = Part::decode(Bytes::from(sent)) {
            // A bit of the generation's number makes it another generation, not another table.
            if let Ok(Some(candidate)) = holding(&older()).accept(part) {
                prop_assert_eq!(candidate.table(), newer());
            }
        }
    }
}

/// Every way to lose a part, to have it twice, and to have two in each other's places.
fn disturbances(parts: &[Part]) -> Vec<Vec<Part>> {
    let mut all = Vec::new();
    for one in 0..parts.len() {
        let disturbed = |change: &dyn Fn(&mut Vec<Part>)| {
            let mut parts = parts.to_vec();
            change(&mut parts);
            parts
        };
        all.push(disturbed(&|parts| drop(parts.remove(one))));
        all.push(disturbed(&|parts| parts.insert(one, parts[one].clone())));
        let others = one + 1..parts.len();
        all.extend(others.map(|other| disturbed(&|parts| parts.swap(one, other))));
    }
    all
}

#[test]
fn a_part_missing_twice_or_in_another_place_is_refused() {
    let parts: Vec<Part> = encode(&large()).whole().parts(generation(2)).collect();
    assert!(parts.len() >= 3);
    for parts in disturbances(&parts) {
        let order: Vec<u32> = parts.iter().map(|part| part.index).collect();
        let came = accept_all(&mut Assembly::default(), parts);
        let refused = matches!(came, Err(Fault::OutOfOrder { .. }) | Ok(None));
        assert!(refused, "{order:?}: {came:?}");
    }
}

#[test]
fn what_is_not_newer_is_refused() {
    let held = Generation { term: 4, number: 7 };
    for (term, number, taken) in [
        (4, 8, true),
        (5, 1, true),
        (4, 7, false),
        (4, 6, false),
        (3, 8, false),
        (0, 0, false),
    ] {
        let offered = Generation { term, number };
        let mut assembly = Assembly::holding(held, &older()).unwrap();
        let came = accept_all(&mut assembly, encode(&newer()).whole().parts(offered));
        let refused = matches!(came, Err(Fault::NotNewer { .. }));
        assert_eq!((came.is_ok(), refused), (taken, !taken), "{offered}");
    }
}

#[test]
fn a_table_is_held_only_once_it_is_in_force() {
    let mut assembly = holding(&older());
    let rejected = accept_all(&mut assembly, delta()).unwrap();
    drop(rejected);
    assert_eq!(assembly.digest(), Some(encode(&older()).digest()));
    let candidate = accept_all(&mut assembly, delta()).unwrap().unwrap();
    assembly.adopt(candidate);
    assert_eq!(assembly.digest(), Some(encode(&newer()).digest()));
    assert_eq!(assembly.generation(), Some(generation(2)));
}

#[test]
fn nothing_builds_on_nothing() {
    let fault = accept_all(&mut Assembly::default(), delta()).unwrap_err();
    assert_eq!(fault, Fault::NothingToBuildOn);
}

#[test]
fn a_change_of_another_table_has_another_digest() {
    let mut other = older();
    other.backends.pop();
    let mut assembly = holding(&other);
    let fault = accept_all(&mut assembly, delta()).unwrap_err();
    assert!(matches!(fault, Fault::WrongDigest { .. }), "{fault}");
}

#[test]
fn one_change_is_not_continued_by_another() {
    let begun: Vec<Part> = encode(&large()).whole().parts(generation(2)).collect();
    let mut other: Vec<Part> = encode(&large()).whole().parts(generation(3)).collect();
    let fault = fault_of([begun[0].clone(), other[1].clone()]);
    let due = 1;
    let expected = Fault::OutOfOrder {
        generation: generation(3),
        came: 1,
        due,
    };
    assert_eq!(fault, expected);
    other[1].whole = true;
    let again = fault_of([other[0].clone(), other[1].clone()]);
    assert_eq!(again, expected);
}

#[test]
fn an_interrupted_change_is_begun_anew() {
    let parts: Vec<Part> = encode(&large()).whole().parts(generation(2)).collect();
    let mut assembly = Assembly::default();
    assert!(assembly.accept(parts[0].clone()).unwrap().is_none());
    assembly.interrupt();
    let candidate = accept_all(&mut assembly, parts).unwrap().unwrap();
    assert_eq!(candidate.table(), large());
}

fn object(kind: Kind, name: &str, spec: &str) -> Object {
    Object {
        key: Some(Key {
            kind: kind.into(),
            name: name.to_owned(),
        }),
        spec: Bytes::from(spec.to_owned()),
    }
}

#[test]
fn what_is_no_object_is_named_with_its_path() {
    use Kind::{Backend, Rule, Unspecified};
    for (kind, name, spec, reason) in [
        (Rule, "r", "", r#"rule "r": .: EOF while parsing"#),
        (Rule, "r", "{}", r#"rule "r": .: missing field `id`"#),
        (
            Rule,
            "r",
            r#"{"id":"r","origin":{},"matches":[{"path":{"glob":"/*"}}]}"#,
            r#"rule "r": matches[0].path"#,
        ),
        (
            Backend,
            "b",
            r#"{"name":"b","lua":"os.exit()"}"#,
            r#"backend "b": lua: unknown field"#,
        ),
        (
            Backend,
            "b",
            r#"{"name":"b"} x"#,
            r#"backend "b": .: trailing characters"#,
        ),
        (
            Backend,
            "b",
            r#"{"name":"c"}"#,
            r#"backend "b": it calls itself "c""#,
        ),
        (Unspecified, "b", "{}", "a part has no kind"),
    ] {
        check(|part| part.changed.push(object(kind, name, spec)), reason);
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    check(|part| part.generation = None, "a part has no generation");
    check(|part| part.changed[0].key = None, "a part has no key");
    check(|part| part.digest = Bytes::new(), "the table has digest");
    check(
        |part| part.changed.push(part.changed[0].clone()),
        r#"rule "a" is changed twice"#,
    );
    check(
        |part| part.removed[0].name = "z".to_owned(),
        r#"there is no rule "z" to remove"#,
    );
    check(
        |part| {
            let removed = part.removed[0].clone();
            part.removed.push(removed);
        },
        r#"rule "b" is changed twice"#,
    );
}

#[test]
fn an_object_that_is_too_long_is_not_even_read() {
    let long = " ".repeat((4 << 20) + 1);
    check(
        |part| part.changed.push(object(Kind::Rule, "r", &long)),
        "4194305 bytes are too many, at most 4194304",
    );
}

#[test]
fn a_table_that_never_ends_is_cut_off() {
    let mut assembly = Assembly::default();
    let name = "n".repeat(4_000_000);
    let part = |index: u32| {
        let name = format!("{index}{name}");
        let spec = format!(r#"{{"name":"{name}"}}"#);
        Part {
            generation: Some(generation(2).into()),
            whole: index == 0,
            changed: vec![object(Kind::Backend, &name, &spec)],
            index,
            ..Part::default()
        }
    };
    let fault = (0..100).find_map(|index| assembly.accept(part(index)).err());
    assert!(matches!(fault, Some(Fault::TooLarge { bytes, .. }) if bytes < 80 << 20));
}
