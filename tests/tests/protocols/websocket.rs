//! WebSockets, with tungstenite on both sides.

use haldane_tests::manifests::{Manifests, SHOP, shop};
use haldane_tests::serve::Serve;
use haldane_tests::websocket::{Echo, Socket};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_back_and_the_end_is_seen_by_both() -> anyhow::Result<()> {
    let echo = Echo::start().await?;
    let manifests = Manifests::of(&shop(&[], &[("1.0", echo.address())]))?;
    let serve = Serve::start(manifests.path()).await?;
    let mut socket = Socket::open(serve.http, SHOP).await?;
    let large = Message::binary(vec![7; 1 << 20]);
    for message in [Message::text("hello"), large, Message::text("")] {
        assert!(
            socket.turn(message.clone()).await? == message,
            "{} bytes",
            message.len()
        );
    }
    let pong = socket.turn(Message::Ping("beat".into())).await?;
    assert_eq!(pong, Message::Pong("beat".into()));
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "done".into(),
    };
    let close = Message::Close(Some(frame));
    assert_eq!(socket.turn(close.clone()).await?, close);
    assert_eq!(echo.closed().await?, close);
    Ok(())
}
