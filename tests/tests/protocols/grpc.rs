//! gRPC, with tonic on both sides and messages that prost encodes.

use haldane_tests::backend::{Backend, handler};
use haldane_tests::client::Body;
use haldane_tests::manifests::{Manifests, ingress, pod, service, speaking};
use haldane_tests::serve::Serve;
use haldane_tests::within;
use http::uri::PathAndQuery;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::io;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

const HOST: &str = "greeter.example.com";

#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

impl Text {
    fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
        }
    }
}

type Codec = ProstCodec<Text, Text>;
type Client = tonic::client::Grpc<Channel>;

/// Says the text back, or fails with it.
async fn once(request: Request<Text>) -> Result<Response<Text>, Status> {
    if request.get_ref().text == "fail" {
        return Err(Status::failed_precondition("not today, \u{fc}ber all"));
    }
    let mut response = Response::new(request.get_ref().clone());
    if let Some(told) = request.metadata().get("x-told") {
        response.metadata_mut().insert("x-told", told.clone());
    }
    Ok(response)
}

/// One message for each word.
async fn words(
    request: Request<Text>,
) -> Result<Response<impl Stream<Item = Result<Text, Status>>>, Status> {
    let words: Vec<_> = request
        .get_ref()
        .text
        .split(' ')
        .map(|word| Ok(Text::of(word)))
        .collect();
    Ok(Response::new(tokio_stream::iter(words)))
}

/// Each message back as it comes; a bad one ends the call.
async fn chat(
    request: Request<Streaming<Text>>,
) -> Result<Response<impl Stream<Item = Result<Text, Status>>>, Status> {
    let messages = request.into_inner().map(|message| match message {
        Ok(message) if message.text == "fail" => Err(Status::aborted("enough")),
        other => other,
    });
    Ok(Response::new(messages))
}

async fn call(request: http::Request<Incoming>) -> http::Response<Body> {
    let mut grpc = tonic::server::Grpc::new(Codec::default());
    let path = request.uri().path().to_owned();
    let response = match path.as_str() {
        "/test.Greeter/Once" => grpc.unary(tower::service_fn(once), request).await,
        "/test.Greeter/Words" => {
            grpc.server_streaming(tower::service_fn(words), request)
                .await
        }
        "/test.Greeter/Chat" => grpc.streaming(tower::service_fn(chat), request).await,
        _ => Status::unimplemented(path).into_http(),
    };
    response.map(|body| body.map_err(io::Error::other).boxed_unsync())
}

/// A backend, a proxy before it, and a client of the proxy.
struct Greeter {
    serve: Serve,
    _manifests: Manifests,
    _backend: Backend,
}

impl Greeter {
    async fn start() -> anyhow::Result<Self> {
        let backend = Backend::with(handler(call)).await?;
        let manifests = Manifests::of(&[
            speaking(service("greeter", &[]), "kubernetes.io/h2c"),
            ingress("greeter", &[], HOST, "greeter"),
            pod("greeter", "1.0", backend.address()),
        ])?;
        let serve = Serve::start(manifests.path()).await?;
        Ok(Self {
            serve,
            _manifests: manifests,
            _backend: backend,
        })
    }

    async fn client(&self, host: &str) -> anyhow::Result<Client> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.serve.http))?;
        let endpoint = endpoint.origin(format!("http://{host}").parse()?);
        let mut client = Client::new(within("a channel", endpoint.connect()).await??);
        client.ready().await?;
        Ok(client)
    }
}

fn path(method: &str) -> PathAndQuery {
    format!("/test.Greeter/{method}")
        .parse()
        .expect("a valid path")
}

#[tokio::test(flavor = "multi_thread")]
async fn unary_calls_carry_messages_and_metadata() -> anyhow::Result<()> {
    let greeter = Greeter::start().await?;
    let mut client = greeter.client(HOST).await?;
    let large = "x".repeat(1 << 20);
    for text in ["", "hello", &large] {
        let mut request = Request::new(Text::of(text));
        request.metadata_mut().insert("x-told", "yes".parse()?);
        client.ready().await?;
        let response: Response<Text> = client
            .unary(request, path("Once"), Codec::default())
            .await?;
        assert_eq!(
            response
                .metadata()
                .get("x-told")
                .map(tonic::metadata::AsciiMetadataValue::as_bytes),
            Some(&b"yes"[..])
        );
        assert!(response.into_inner().text == text, "{} bytes", text.len());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_arrives_with_its_message() -> anyhow::Result<()> {
    let greeter = Greeter::start().await?;
    let mut client = greeter.client(HOST).await?;
    let failed = client
        .unary(
            Request::new(Text::of("fail")),
            path("Once"),
            Codec::default(),
        )
        .await;
    let status = failed
        .map(|_: Response<Text>| ())
        .expect_err("the call fails");
    assert_eq!(
        (status.code(), status.message()),
        (Code::FailedPrecondition, "not today, \u{fc}ber all")
    );
    client.ready().await?;
    let missing = client
        .unary(
            Request::new(Text::of("")),
            path("Missing"),
            Codec::default(),
        )
        .await;
    let status = missing
        .map(|_: Response<Text>| ())
        .expect_err("the method is missing");
    assert_eq!(status.code(), Code::Unimplemented);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_a_rule_is_a_status_too() -> anyhow::Result<()> {
    let greeter = Greeter::start().await?;
    let mut client = greeter.client("nobody.example.com").await?;
    let failed = client
        .unary(Request::new(Text::of("")), path("Once"), Codec::default())
        .await;
    let status = failed
        .map(|_: Response<Text>| ())
        .expect_err("the host is unknown");
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_from_the_server_arrives_whole() -> anyhow::Result<()> {
    let greeter = Greeter::start().await?;
    let mut client = greeter.client(HOST).await?;
    let request = Request::new(Text::of("one two three"));
    let response = client
        .server_streaming(request, path("Words"), Codec::default())
        .await?;
    let words: Vec<Result<Text, Status>> =
        within("all words", response.into_inner().collect()).await?;
    let words: Result<Vec<_>, _> = words.into_iter().collect();
    assert_eq!(words?, ["one", "two", "three"].map(Text::of));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_stream_move_one_message_at_a_time() -> anyhow::Result<()> {
    let greeter = Greeter::start().await?;
    let mut client = greeter.client(HOST).await?;
    let (sender, receiver) = mpsc::channel(1);
    let request = Request::new(ReceiverStream::new(receiver));
    sender.send(Text::of("0")).await?;
    let response = within(
        "the stream",
        client.streaming(request, path("Chat"), Codec::default()),
    )
    .await??;
    let mut answers: Streaming<Text> = response.into_inner();
    for turn in 1..10 {
        let answer = within("an answer", answers.message()).await??;
        assert_eq!(answer, Some(Text::of(&(turn - 1).to_string())));
        sender.send(Text::of(&turn.to_string())).await?;
    }
    assert_eq!(
        within("an answer", answers.message()).await??,
        Some(Text::of("9"))
    );
    sender.send(Text::of("fail")).await?;
    let status = within("the end", answers.message())
        .await?
        .expect_err("the call is aborted");
    assert_eq!((status.code(), status.message()), (Code::Aborted, "enough"));
    Ok(())
}
