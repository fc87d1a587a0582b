//! The reports that h2spec writes: JUnit's XML as Go's encoder makes it, and no other.

use super::Case;

/// All cases of a report; one that was skipped has not shown anything and counts as failed.
pub(crate) fn cases(report: &str) -> Vec<Case> {
    let pieces = report.split("<testcase ").skip(1);
    pieces.filter_map(case).collect()
}

fn case(piece: &str) -> Option<Case> {
    let (attributes, rest) = piece.split_once('>')?;
    let (inside, _) = rest.split_once("</testcase>")?;
    let name = format!(
        "{} {}",
        attribute(attributes, "package")?,
        attribute(attributes, "classname")?
    );
    Some(Case {
        name,
        failure: failure(inside),
    })
}

/// The value between the quotes. The encoder escapes quotes and angles inside.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let (_, rest) = attributes.split_once(&format!("{name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(plain(value))
}

fn failure(inside: &str) -> Option<String> {
    let text = |kind: &str| {
        let (_, rest) = inside.split_once(&format!("<{kind}>"))?;
        let (text, _) = rest.split_once(&format!("</{kind}>"))?;
        Some(plain(text))
    };
    let said = text("failure").or_else(|| text("error"));
    said.or_else(|| text("skipped").map(|_| "was skipped".to_owned()))
}

fn plain(text: &str) -> String {
    let escapes = [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#xA;", " "),
        // Last, so that nothing is unescaped twice.
        ("&amp;", "&"),
    ];
    let unescape = |text: String, (escape, meant): &(&str, &str)| text.replace(escape, meant);
    escapes.iter().fold(text.replace('\n', " "), unescape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_pass_has_failed() {
        let report = r#"<testsuite name="1. A" package="http2/1">
    <testcase package="http2/1" classname="Says &#34;a&#34;" time="0.1"></testcase>
    <testcase package="http2/1" classname="b" time="0.1">
      <error>Timeout
&lt;here&gt;</error>
    </testcase>
    <testcase package="http2/1" classname="c" time="0.1">
      <skipped></skipped>
    </testcase>"#;
        let read: Vec<(String, Option<String>)> = cases(report)
            .into_iter()
            .map(|case| (case.name, case.failure))
            .collect();
        let expected = [
            ("http2/1 Says \"a\"", None),
            ("http2/1 b", Some("Timeout <here>")),
            ("http2/1 c", Some("was skipped")),
        ];
        let expected = expected.map(|(name, why)| (name.to_owned(), why.map(str::to_owned)));
        assert_eq!(read, expected);
    }
}
