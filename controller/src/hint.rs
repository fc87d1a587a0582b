//! "Did you mean": the known name nearest to one that is not known.

/// At most this many letters may differ, and at most a third of them: beyond, a hint misleads.
const DISTANCE_MAX: usize = 3;

/// The nearest of `known`, if any is near enough to be meant.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let bound = DISTANCE_MAX.min(name.chars().count() / 3).max(1);
    let distance = |candidate: &&str| {
        strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase())
    };
    let best = known.into_iter().min_by_key(distance)?;
    (distance(&best) <= bound).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_offered() {
        let known = ["weights", "active", "preview", "canary-weight"];
        let cases = [
            ("weight", Some("weights")),
            ("wieghts", Some("weights")),
            ("Canary-Weight", Some("canary-weight")),
            ("canary-wieght", Some("canary-weight")),
            ("colour", None),
            ("x", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
