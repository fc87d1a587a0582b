//! A browser without a window, where one is installed.

use haldane_tests::shop::Shop;
use haldane_tests::within;
use std::io::ErrorKind;
use tokio::process::Command;

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

async fn page(url: &str) -> anyhow::Result<Option<String>> {
    let profile = tempfile::tempdir()?;
    for browser in BROWSERS {
        let mut command = Command::new(browser);
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
            ])
            .args([
                "--host-resolver-rules=MAP shop.example.com 127.0.0.1",
                "--dump-dom",
                url,
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .kill_on_drop(true);
        match within(browser, command.output()).await? {
            Ok(output) => return Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    println!("none of {BROWSERS:?} is installed: nothing is tested with a browser");
    Ok(None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_the_page() -> anyhow::Result<()> {
    let shop = Shop::new(&[("haldane.dev/active", "stable")]).await?;
    let serve = shop.serve().await?;
    let url = format!("http://shop.example.com:{}/", serve.http.port());
    if let Some(page) = page(&url).await? {
        assert!(page.contains("stable"), "{page}");
    }
    Ok(())
}
