//! The part of a kubelet's own API that `kubectl logs` asks for, by way of the API server: what containers printed.

use super::{Host, launch};
use crate::certificates::{Authority, Subject};
use crate::network::KUBELET_PORT;
use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// How often a log that is followed is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How much of it is read at once.
const CHUNK_BYTES: usize = 64 << 10;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Listens for the API server; what it asks is answered as long as the future is polled.
///
/// # Errors
/// When the address is taken or no certificate can be made.
pub async fn listen(
    node: IpAddr,
    host: Arc<Host>,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + 'static> {
    let listener = TcpListener::bind((node, KUBELET_PORT)).await?;
    let acceptor = acceptor(node)?;
    Ok(async move {
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(stream, acceptor.clone(), host.clone()));
        }
    })
}

/// The API server of a bed does not ask who signed a kubelet's certificate.
fn acceptor(node: IpAddr) -> anyhow::Result<TlsAcceptor> {
    let issued = Authority::new("bed kubelet")?.issue(Subject {
        common_name: "bed",
        names: &[&node.to_string()],
        ..Subject::default()
    })?;
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(Arc::new(config).into())
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, host: Arc<Host>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(move |request| {
        let host = host.clone();
        async move { Ok::<_, Infallible>(answer(&host, &request).await) }
    });
    // A client that breaks off is its own affair.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(host: &Host, request: &Request<Incoming>) -> Response<Body> {
    match asked(request.uri()) {
        Some(asked) => match log(host, &asked).await {
            Ok(body) => Response::new(body),
            Err(error) => refusal(StatusCode::NOT_FOUND, format!("{error:#}\n")),
        },
        None => refusal(
            StatusCode::NOT_FOUND,
            "only /containerLogs is served\n".to_owned(),
        ),
    }
}

fn refusal(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
}

/// Which log is asked for, and how much of it.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    namespace: String,
    pod: String,
    container: String,
    follow: bool,
    tail: Option<usize>,
}

fn asked(uri: &http::Uri) -> Option<Asked> {
    let mut parts = uri
        .path()
        .strip_prefix("/containerLogs/")?
        .split('/')
        .map(str::to_owned);
    let mut asked = Asked {
        namespace: parts.next()?,
        pod: parts.next()?,
        container: parts.next()?,
        follow: false,
        tail: None,
    };
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "follow" => asked.follow = value == "true",
            "tailLines" => asked.tail = value.parse().ok(),
            _ => {}
        }
    }
    Some(asked)
}

async fn log(host: &Host, asked: &Asked) -> anyhow::Result<Body> {
    let path = launch::log(&folder(host, asked)?, &asked.container);
    let text = tokio::fs::read(&path)
        .await
        .context("nothing was printed")?;
    let length = text.len() as u64;
    let shown = Bytes::from(last_lines(&text, asked.tail).to_vec());
    if !asked.follow {
        return Ok(Full::new(shown)
            .map_err(|never| match never {})
            .boxed_unsync());
    }
    let (sender, body) = Channel::new(1);
    tokio::spawn(follow(sender, shown, path, length));
    Ok(body.boxed_unsync())
}

/// The newest Pod of that name: a StatefulSet uses names again.
fn folder(host: &Host, asked: &Asked) -> anyhow::Result<PathBuf> {
    let prefix = format!("{}_{}_", asked.namespace, asked.pod);
    let folders = std::fs::read_dir(&host.pods)?.filter_map(Result::ok);
    let named = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    let newest = named.max_by_key(|entry| entry.metadata().and_then(|data| data.modified()).ok());
    Ok(newest.context("no such pod runs here")?.path())
}

fn last_lines(text: &[u8], count: Option<usize>) -> &[u8] {
    let Some(count) = count else { return text };
    let ends = text
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n');
    // The last line's own end is not the start of another.
    let ended = usize::from(text.last() == Some(&b'\n'));
    let mut starts = ends.map(|(at, _)| at + 1).skip(ended);
    match count.checked_sub(1) {
        Some(before) => &text[starts.nth(before).unwrap_or(0)..],
        None => &[],
    }
}

/// Sends what is printed from now on, until the Pod or the reader is gone.
async fn follow(mut sender: Sender<Bytes, io::Error>, shown: Bytes, path: PathBuf, from: u64) {
    let mut done = from;
    let mut next = shown;
    while sender.send_data(next).await.is_ok() && path.exists() {
        tokio::time::sleep(LOOK_AGAIN).await;
        next = read_from(&path, done).await.unwrap_or_default();
        done += next.len() as u64;
    }
}

async fn read_from(path: &Path, from: u64) -> io::Result<Bytes> {
    use tokio::io::AsyncSeekExt as _;
    let mut file = File::open(path).await?;
    file.seek(io::SeekFrom::Start(from)).await?;
    let mut read = Vec::new();
    file.take(CHUNK_BYTES as u64).read_to_end(&mut read).await?;
    Ok(read.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole() {
        let check = |text: &str, count, expected: &str| {
            assert_eq!(last_lines(text.as_bytes(), count), expected.as_bytes());
        };
        check("a\nb\nc\n", None, "a\nb\nc\n");
        check("a\nb\nc\n", Some(2), "b\nc\n");
        check("a\nb\nc", Some(2), "b\nc");
        check("a\nb\n", Some(9), "a\nb\n");
        check("a\nb\n", Some(0), "");
        check("", Some(1), "");
    }

    #[test]
    fn a_log_is_asked_for_by_path_and_query() {
        let uri = "/containerLogs/shop/web-1/echo?follow=true&tailLines=5&x=y"
            .parse()
            .unwrap();
        let asked = asked(&uri).unwrap();
        assert_eq!(
            (asked.pod.as_str(), asked.follow, asked.tail),
            ("web-1", true, Some(5))
        );
        assert!(super::asked(&"/pods".parse().unwrap()).is_none());
    }
}
