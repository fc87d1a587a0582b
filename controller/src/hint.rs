//! "Did you mean": the known name nearest to one that is not known.

/// At most this many letters may differ, and at most a third of them: beyond, a hint misleads.
const DISTANCE_MAX: usize = 3;

/// Shorter beginnings of a name could be anything.
const PREFIX_MIN: usize = 5;

/// The nearest of `known`, if any is near enough to be meant.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let bound = DISTANCE_MAX.min(name.chars().count() / 3).max(1);
    let distance = |candidate: &&str| {
        strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase())
    };
    // Half a word is no typing error, but it is clear what was meant.
    let cut_short = |candidate: &&str| name.len() > PREFIX_MIN && candidate.starts_with(name);
    let known: Vec<_> = known
        .into_iter()
        .filter(|candidate| *candidate != name)
        .collect();
    let best = known.iter().copied().min_by_key(distance)?;
    if distance(&best) <= bound {
        Some(best)
    } else {
        known.into_iter().find(cut_short)
    }
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
            ("canary-wei", Some("canary-weight")),
            ("weights", None),
            ("colour", None),
            ("x", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
