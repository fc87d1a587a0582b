//! A receiver on loopback: it remembers what it was told, and answers as it is told to.

use super::call::{Caller, Patience};
use super::hook::Hook;
use super::reach::Reach;
use super::tell::{Counts, Webhooks};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::ByteString;
use prometheus::Registry;
use rustls::RootCertStore;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Longer than anything here takes on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What came in.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Receiver {
    /// Answers with these in turn, then with 200.
    pub(super) async fn answering(answers: &[&str]) -> Self {
        Self::start(answers, None).await
    }

    pub(super) async fn encrypted(acceptor: TlsAcceptor) -> Self {
        Self::start(&[], Some(acceptor)).await
    }

    async fn start(answers: &[&str], acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, heard) = mpsc::unbounded_channel();
        let answers = answers.iter().map(|answer| (*answer).to_owned());
        let answers = Arc::new(Mutex::new(answers.collect::<VecDeque<_>>()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (told, answers) = (told.clone(), answers.clone());
                match &acceptor {
                    None => drop(tokio::spawn(serve(stream, told, answers))),
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            tokio::spawn(serve(stream, told, answers));
                        }
                    }
                }
            }
        });
        Self { address, heard }
    }

    pub(super) fn hook(&self, target: &str) -> Hook {
        hook(&[("url", &format!("http://{}{target}", self.address))])
    }

    /// The next call.
    pub(super) async fn heard(&mut self) -> Heard {
        timeout(WAIT_MAX, self.heard.recv()).await.unwrap().unwrap()
    }

    /// Whether no call came so far.
    pub(super) fn is_silent(&mut self) -> bool {
        self.heard.try_recv().is_err()
    }
}

async fn serve<S>(
    stream: S,
    told: mpsc::UnboundedSender<Heard>,
    answers: Arc<Mutex<VecDeque<String>>>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let (told, answers) = (told.clone(), answers.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let heard = Heard {
                target: head.uri.to_string(),
                headers: head.headers,
                body: String::from_utf8(body.into()).unwrap(),
            };
            let answer = answers.lock().unwrap().pop_front();
            let _ = told.send(heard);
            Ok::<_, Infallible>(response(&answer.unwrap_or("200".to_owned())).await)
        }
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// `503`, `302 http://elsewhere` or `never`.
async fn response(answer: &str) -> Response<Empty<Bytes>> {
    let (status, location) = answer.split_once(' ').unwrap_or((answer, ""));
    if status == "never" {
        std::future::pending::<()>().await;
    }
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status.parse::<StatusCode>().unwrap();
    if !location.is_empty() {
        let location = location.parse().unwrap();
        response.headers_mut().insert("location", location);
    }
    response
}

pub(super) fn hook(pairs: &[(&str, &str)]) -> Hook {
    let data = pairs.iter();
    let data = data.map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().into())));
    Hook::read(&data.collect()).unwrap()
}

/// Repeats at once.
pub(super) const PATIENCE: Patience = Patience {
    call: WAIT_MAX,
    pause: Duration::ZERO,
    closed: Duration::ZERO,
    open: WAIT_MAX,
};

/// Calls loopback.
pub(super) fn caller(patience: Patience) -> Caller {
    let reach = Reach::new(vec!["127.0.0.0/8".parse().unwrap()]);
    Caller::new(reach, RootCertStore::empty(), patience)
}

pub(super) fn webhooks(patience: Patience) -> Webhooks {
    let counts = Counts::register(&Registry::new()).unwrap();
    Webhooks::new(caller(patience), counts)
}
