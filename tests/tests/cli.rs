//! What `haldane check` and `haldane explain` print, and their exit codes.

use haldane_tests::manifests::{Manifests, SHOP, ingress, pod, service};
use haldane_tests::process::{Finished, run};
use haldane_tests::shop::Shop;

async fn haldane(args: &[&str], manifests: &Manifests) -> anyhow::Result<Finished> {
    let path = manifests.path().to_str().expect("a temporary path is text");
    let args = args
        .iter()
        .map(|arg| if *arg == "DIR" { path } else { arg });
    run(args).await
}

#[tokio::test]
async fn check_is_content_with_sound_manifests() -> anyhow::Result<()> {
    let shop = Shop::new(&[("haldane.dev/weights", "stable=90, canary=10")]).await?;
    let finished = haldane(&["check", "DIR"], &shop.manifests).await?;
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert!(
        finished
            .stdout
            .contains("1 rule over 2 backends, 0 problems\n"),
        "{}",
        finished.stdout
    );
    Ok(())
}

#[tokio::test]
async fn check_names_file_object_and_field_of_every_fault() -> anyhow::Result<()> {
    let shop = Shop::new(&[
        ("haldane.dev/weights", "stable=-1"),
        ("haldane.dev/wieghts", "a=1"),
    ])
    .await?;
    let finished = haldane(&["check", "DIR"], &shop.manifests).await?;
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    for field in ["haldane.dev/weights", "haldane.dev/wieghts"] {
        let wanted = format!("web.json: Service shop/web: metadata.annotations[{field}]: ");
        assert!(
            finished.stdout.contains(&wanted),
            "{wanted}: {}",
            finished.stdout
        );
    }
    Ok(())
}

#[tokio::test]
async fn check_prints_json_for_programs() -> anyhow::Result<()> {
    let shop = Shop::new(&[("haldane.dev/weights", "stable=-1")]).await?;
    let finished = haldane(&["check", "--output", "json", "DIR"], &shop.manifests).await?;
    let problems: serde_json::Value = serde_json::from_str(&finished.stdout)?;
    assert_eq!(problems[0]["severity"], "error");
    assert_eq!(problems[0]["object"], "Service shop/web");
    assert_eq!(
        problems[0]["field"],
        "metadata.annotations[haldane.dev/weights]"
    );
    Ok(())
}

#[tokio::test]
async fn a_wrong_argument_is_a_usage_error() -> anyhow::Result<()> {
    let finished = run(["serve", "--no-such-option"]).await?;
    assert_eq!(finished.status.code(), Some(2), "{finished:?}");
    Ok(())
}

/// Whoever sends `User-Agent: iPhone` is forced to the canary.
fn header_canary() -> anyhow::Result<Manifests> {
    let annotations = [("haldane.dev/match.canary", "header User-Agent ~ \"iPhone\"")];
    Manifests::of(&[
        service("web", &annotations),
        ingress("web", &[], SHOP, "web"),
        pod("web", "stable", "127.0.0.1:9".parse()?),
        pod("web", "canary", "127.0.0.1:10".parse()?),
    ])
}

#[tokio::test]
async fn explain_says_why() -> anyhow::Result<()> {
    let manifests = header_canary()?;
    let url = format!("http://{SHOP}/cart");
    // the User-Agent, what the explanation says
    let cases: [(&str, &[&str]); 2] = [
        (
            "Mozilla/5.0 (iPhone)",
            &["canary", "forced", "User-Agent", "shop/web"],
        ),
        ("curl/8", &["stable", "split", "shop/web"]),
    ];
    for (agent, wanted) in cases {
        let header = format!("User-Agent: {agent}");
        let finished = haldane(
            &["explain", &url, "-H", &header, "--manifests", "DIR"],
            &manifests,
        )
        .await?;
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        let said = finished.stdout.to_ascii_lowercase();
        for part in wanted {
            assert!(
                said.contains(&part.to_ascii_lowercase()),
                "{part:?} for {agent}: {said}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn explain_fails_where_no_rule_matches() -> anyhow::Result<()> {
    let manifests = header_canary()?;
    let finished = haldane(
        &["explain", "http://other.example.com/", "--manifests", "DIR"],
        &manifests,
    )
    .await?;
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    Ok(())
}
