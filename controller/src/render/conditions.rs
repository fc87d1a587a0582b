//! Conditions, in the words in which `match.<version>` is written.

use haldane_routing::spec::{ConditionSpec, TestSpec};

pub(crate) fn alternatives(any_of: &[Vec<ConditionSpec>]) -> String {
    let lines: Vec<_> = any_of.iter().map(|conditions| all(conditions)).collect();
    lines.join(" or ")
}

pub(super) fn all(conditions: &[ConditionSpec]) -> String {
    let conditions: Vec<_> = conditions.iter().map(one).collect();
    conditions.join(" and ")
}

fn one(condition: &ConditionSpec) -> String {
    match condition {
        ConditionSpec::Header(name, test) => format!("header {name} {}", test_text(test)),
        ConditionSpec::Cookie(name, test) => format!("cookie {name} {}", test_text(test)),
        ConditionSpec::Query(name, test) => format!("query {name} {}", test_text(test)),
        ConditionSpec::Method(methods) => format!("method in {}", methods.join(", ")),
        ConditionSpec::SourceIp(networks) => {
            let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
            format!("source-ip in {}", networks.join(", "))
        }
        ConditionSpec::Country(countries) => format!("country in {}", countries.join(", ")),
    }
}

fn test_text(test: &TestSpec) -> String {
    match test {
        TestSpec::Equals(value) => format!("= {value:?}"),
        TestSpec::Matches(pattern) => format!("~ {pattern:?}"),
        TestSpec::In(values) => {
            let values: Vec<_> = values.iter().map(|value| format!("{value:?}")).collect();
            format!("in {}", values.join(", "))
        }
        TestSpec::Present => "present".to_owned(),
        TestSpec::Absent => "absent".to_owned(),
    }
}
