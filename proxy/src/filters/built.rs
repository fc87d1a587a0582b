//! For tests: filters as the route table builds them.

use haldane_routing::spec::{ActionSpec, FiltersSpec, MatchSpec, RuleSpec, TableSpec};
use haldane_routing::{Rule, Table};
use std::sync::Arc;

/// The one rule of a table.
#[track_caller]
pub(super) fn rule(action: ActionSpec, filters: FiltersSpec) -> Arc<Rule> {
    let rule = RuleSpec {
        id: "shop/web".to_owned(),
        origin: Default::default(),
        matches: vec![MatchSpec::default()],
        action,
        filters,
    };
    let spec = TableSpec {
        rules: vec![rule],
        ..TableSpec::default()
    };
    let table = Table::build(&spec, None, 0).expect("the rule is valid");
    Arc::clone(&table.rules()[0])
}

/// A rule that answers by itself, with these filters.
#[track_caller]
pub(super) fn filtered(filters: FiltersSpec) -> Arc<Rule> {
    rule(
        ActionSpec::Respond {
            status: 200,
            body: String::new(),
        },
        filters,
    )
}
