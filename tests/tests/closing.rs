//! How a connection ends: the client gets what was written last, whatever it was still saying.

use haldane_tests::backend::{Backend, filler, handler};
use haldane_tests::manifests::{Manifests, shop};
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::serve::Serve;
use haldane_tests::shop::settled;
use http::Response;

/// More than a client's side takes unread, less than ours keeps for it.
const BODY_BYTES: usize = 256 << 10;
/// More than the proxy reads at once, so that some of it stays unread.
const MORE_BYTES: usize = 48 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_talking_gets_the_whole_answer_first() -> anyhow::Result<()> {
    let answer = handler(|_| async { Response::new(filler(BODY_BYTES)) });
    let web = Backend::with(answer).await?;
    let manifests = Manifests::of(&shop(&[], &[("1.0", web.address())]))?;
    let serve = Serve::start(manifests.path()).await?;
    let mut client = Raw::to(serve.http).await?;
    let mut bytes =
        b"GET / HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n".to_vec();
    bytes.resize(bytes.len() + MORE_BYTES, b'x');
    client.write(&bytes, Pace::Whole).await;
    // All of it is with the system by now; nobody has read any.
    settled(&serve, 1).await?;
    let read = client.read_to_end().await?;
    assert!(read.len() > BODY_BYTES, "{} bytes", read.len());
    assert!(read.ends_with("\r\n0\r\n\r\n"), "the body has an end");
    Ok(())
}
