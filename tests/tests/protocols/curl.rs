//! curl, where it is installed.

use haldane_tests::shop::Shop;
use haldane_tests::within;
use std::io::ErrorKind;
use tokio::process::Command;

/// What curl prints, or `None` where there is no curl.
async fn curl(args: &[&str]) -> anyhow::Result<Option<String>> {
    let mut command = Command::new("curl");
    command
        .args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "20",
        ])
        .args(["--write-out", " %{http_code} %{http_version}"])
        .args(args)
        .kill_on_drop(true);
    match within("curl", command.output()).await? {
        Ok(output) => Ok(Some(
            String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?,
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("curl is not installed: nothing is tested with it");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_speaks_every_version_in_clear() -> anyhow::Result<()> {
    let shop = Shop::new(&[("haldane.dev/weights", "stable=1, canary=0")]).await?;
    let serve = shop.serve().await?;
    let resolve = format!("shop.example.com:{}:127.0.0.1", serve.http.port());
    let url = format!("http://shop.example.com:{}/", serve.http.port());
    // how curl is told to speak, what it prints
    let cases: [(&[&str], &str); 5] = [
        (&["--http1.0"], "stable 200 1"),
        (&["--http1.1"], "stable 200 1.1"),
        // RFC 9113 has no upgrade from HTTP/1.1 any more, so a server need not follow this one.
        (&["--http2"], "stable 200 1.1"),
        (&["--http2-prior-knowledge"], "stable 200 2"),
        (
            &[
                "--http1.1",
                "--header",
                "Expect: 100-continue",
                "--data",
                "x=1",
            ],
            "stable 200 1.1",
        ),
    ];
    for (how, expected) in cases {
        let args: Vec<&str> = ["--resolve", &resolve, &url]
            .iter()
            .chain(how)
            .copied()
            .collect();
        if let Some(printed) = curl(&args).await? {
            assert_eq!(printed, expected, "{how:?}");
        }
    }
    Ok(())
}
