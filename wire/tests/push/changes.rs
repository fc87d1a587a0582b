//! What is sent is what arrives: whole, as a delta, in many parts.

use crate::tables::{accept_all, backend, encode, generation, holding, large, rule, table};
use haldane_routing::spec::TableSpec;
use haldane_wire::{Assembly, EncodeFault, Encoded, PART_BYTES_MAX, TABLE_BYTES_MAX};
use proptest::prelude::*;
use prost::Message;

proptest! {
    #[test]
    fn a_whole_table_arrives(table in table()) {
        let encoded = encode(&table);
        let mut assembly = Assembly::default();
        let parts = encoded.whole().parts(generation(1));
        let candidate = accept_all(&mut assembly, parts).unwrap().unwrap();
        prop_assert_eq!(candidate.table(), table);
        prop_assert_eq!(candidate.digest(), encoded.digest());
        prop_assert_eq!(candidate.generation(), generation(1));
    }

    #[test]
    fn a_delta_on_the_older_is_the_newer(older in table(), newer in table()) {
        let (before, after) = (encode(&older), encode(&newer));
        let mut assembly = holding(&older);
        let parts = after.delta_from(&before).parts(generation(2));
        let candidate = accept_all(&mut assembly, parts).unwrap().unwrap();
        prop_assert_eq!(candidate.table(), newer.clone());
        assembly.adopt(candidate);
        let back = before.delta_from(&after).parts(generation(3));
        let candidate = accept_all(&mut assembly, back).unwrap().unwrap();
        prop_assert_eq!(candidate.table(), older);
    }

    #[test]
    fn what_was_encoded_before_makes_no_difference(older in table(), newer in table()) {
        let after = Encoded::new(&newer, Some(&encode(&older))).unwrap();
        prop_assert_eq!(after.digest(), encode(&newer).digest());
        prop_assert_eq!(after.bytes(), encode(&newer).bytes());
    }

    #[test]
    fn the_digest_is_that_of_the_objects_whatever_their_order(table in table()) {
        let mut turned = table.clone();
        turned.rules.reverse();
        turned.backends.reverse();
        prop_assert_eq!(encode(&turned).digest(), encode(&table).digest());
    }
}

#[test]
fn a_delta_holds_what_differs_and_no_more() {
    let older = TableSpec {
        rules: vec![rule("a", &[1]), rule("b", &[1]), rule("c", &[1])],
        backends: vec![backend("a v0", &[80]), backend("b v0", &[80])],
        ..TableSpec::default()
    };
    let mut newer = older.clone();
    newer.rules.remove(1);
    newer.backends[1] = backend("b v0", &[80, 81]);
    let delta = encode(&newer).delta_from(&encode(&older));
    let parts: Vec<_> = delta.parts(generation(2)).collect();
    assert_eq!((delta.objects(), parts.len()), (2, 1));
    assert_eq!((parts[0].changed.len(), parts[0].removed.len()), (1, 1));
    assert!(!parts[0].whole && parts[0].last);
    assert_eq!(encode(&newer).delta_from(&encode(&newer)).objects(), 0);
}

#[test]
fn a_large_table_goes_in_parts_of_bounded_size() {
    let table = large();
    let encoded = encode(&table);
    let parts: Vec<_> = encoded.whole().parts(generation(1)).collect();
    let lengths: Vec<usize> = parts.iter().map(Message::encoded_len).collect();
    assert!(parts.len() > 2 && lengths.iter().all(|length| *length <= PART_BYTES_MAX));
    let least = encoded.bytes().div_ceil(PART_BYTES_MAX);
    assert!(parts.len() <= 2 * least, "{} parts of {least}", parts.len());
    let candidate = accept_all(&mut Assembly::default(), parts).unwrap();
    assert_eq!(candidate.unwrap().table(), table);
}

#[test]
fn an_object_longer_than_a_part_has_one_of_its_own() {
    let ports: Vec<u16> = (1..=40_000).collect();
    let table = TableSpec {
        backends: vec![backend("a", &[1]), backend("b", &ports), backend("c", &[1])],
        ..TableSpec::default()
    };
    let parts: Vec<_> = encode(&table).whole().parts(generation(1)).collect();
    let objects: Vec<usize> = parts.iter().map(|part| part.changed.len()).collect();
    assert_eq!(objects, [1, 1, 1]);
    let candidate = accept_all(&mut Assembly::default(), parts).unwrap();
    assert_eq!(candidate.unwrap().table(), table);
}

#[test]
fn what_cannot_be_sent_is_named() {
    let twice = TableSpec {
        rules: vec![rule("a", &[1]), rule("a", &[2])],
        ..TableSpec::default()
    };
    let fault = Encoded::new(&twice, None).unwrap_err();
    assert_eq!(fault.to_string(), r#"there are two of rule "a""#);

    let mut long = rule("long", &[1]);
    long.origin.name = "n".repeat(5 << 20);
    let long = TableSpec {
        rules: vec![long],
        ..TableSpec::default()
    };
    let fault = Encoded::new(&long, None).unwrap_err();
    assert!(matches!(fault, EncodeFault::ObjectTooLarge { bytes, .. } if bytes > 5 << 20));

    let mut wide = large();
    wide.rules = (0..17)
        .map(|index| {
            let mut rule = rule(&format!("r{index}"), &[1]);
            rule.origin.name = "n".repeat(4_000_000);
            rule
        })
        .collect();
    let fault = Encoded::new(&wide, None).unwrap_err();
    assert!(matches!(fault, EncodeFault::TableTooLarge { bytes } if bytes > TABLE_BYTES_MAX));
}
