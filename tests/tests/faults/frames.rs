//! HTTP/2 answers and requests that break off at every byte of every frame.

use crate::stand::{Stand, pods};
use bytes::Bytes;
use haldane_tests::backend::whole;
use haldane_tests::client::{Client, get};
use haldane_tests::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, Frames, HEADERS, PREFACE, RST_STREAM, SETTINGS, block,
};
use haldane_tests::ledger::{Ledger, Target, Then, name_of};
use haldane_tests::manifests::{Manifests, SHOP, ingress, pod, service, shop, speaking};
use haldane_tests::plane::until;
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::scale::{Sample, scaled};
use haldane_tests::serve::Serve;
use http::Method;
use http_body_util::{BodyExt as _, Collected};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const BODY: &[u8] = b"the whole body";

/// The frames of an answer: a head, a body in two parts and an end that is one of its own, or one that trailers bring.
fn answer(stream: u32, trailers: bool) -> Vec<Frame> {
    let head = block([(":status", "200"), ("content-type", "text/plain")]);
    let (first, second) = BODY.split_at(5);
    let end = match trailers {
        true => Frame::new(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            block([("grpc-status", "0")]),
        ),
        false => Frame::new(DATA, END_STREAM, stream, []),
    };
    vec![
        Frame::new(HEADERS, END_HEADERS, stream, head),
        Frame::new(DATA, 0, stream, first),
        Frame::new(DATA, 0, stream, second),
        end,
    ]
}

fn bytes(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::bytes).collect()
}

/// Where an answer breaks off, and how.
#[derive(Clone, Copy, Debug)]
struct Cut {
    trailers: bool,
    at: usize,
    then: Then,
}

impl Cut {
    fn all(then: &[Then]) -> Vec<Self> {
        let mut cuts = Vec::new();
        for trailers in [false, true] {
            let length = bytes(&answer(1, trailers)).len();
            for at in 0..length {
                cuts.extend(then.iter().map(|&then| Self { trailers, at, then }));
            }
        }
        cuts
    }

    /// Whether a client may see this of it: the proxy's own status before there is a head, and never a good end. A reset may
    /// overtake what came before it.
    fn fits(self, seen: &Seen, own: u16) -> bool {
        let has_head = self.at >= answer(1, self.trailers)[0].bytes().len();
        match seen {
            Seen::Own(status) => *status == own && (!has_head || self.then != Then::Stall),
            Seen::Broken => has_head,
            Seen::Whole => false,
        }
    }
}

/// What a client saw.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Own(u16),
    Broken,
    Whole,
}

/// A backend that cuts its answers.
struct Cutter {
    address: SocketAddr,
    inside: Arc<Inside>,
    _accepting: JoinSet<()>,
}

struct Inside {
    cut: Mutex<Cut>,
    requests: AtomicU64,
}

impl Cutter {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let none = Cut {
            trailers: false,
            at: 0,
            then: Then::Close,
        };
        let inside = Arc::new(Inside {
            cut: Mutex::new(none),
            requests: AtomicU64::new(0),
        });
        let (own, mut accepting) = (inside.clone(), JoinSet::new());
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let own = own.clone();
                // However a connection ends: its client says what came of it.
                connections.spawn(async move { _ = own.serve(stream).await });
            }
        });
        Ok(Self {
            address,
            inside,
            _accepting: accepting,
        })
    }

    fn cuts(&self, cut: Cut) {
        *self
            .inside
            .cut
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = cut;
        self.inside.requests.store(0, SeqCst);
    }
}

impl Inside {
    async fn serve(&self, stream: TcpStream) -> anyhow::Result<()> {
        let mut frames = Frames::serving(stream).await?;
        loop {
            let stream = frames.until(HEADERS).await?.stream;
            self.requests.fetch_add(1, SeqCst);
            let cut = *self.cut.lock().unwrap_or_else(PoisonError::into_inner);
            frames
                .send(&bytes(&answer(stream, cut.trailers))[..cut.at])
                .await;
            match cut.then {
                Then::Listen => {}
                // Behind half a frame there is no other: once the proxy gives up, so does the connection.
                Then::Stall => {
                    frames.until(RST_STREAM).await?;
                    return Ok(());
                }
                Then::Close => return Ok(()),
                Then::Reset => {
                    frames.reset();
                    return Ok(());
                }
            }
        }
    }
}

async fn see(proxy: SocketAddr, h2: bool, method: &Method) -> anyhow::Result<Seen> {
    let mut client = match h2 {
        true => Client::h2(proxy).await?,
        false => Client::h1(proxy).await?,
    };
    let mut request = get(SHOP, "/");
    *request.method_mut() = method.clone();
    if *method == Method::POST {
        *request.body_mut() = whole(BODY);
    }
    let Ok(response) = client.send(request).await else {
        return Ok(Seen::Broken);
    };
    let status = response.status().as_u16();
    let body = response.into_body().collect().await;
    Ok(match body.map(Collected::to_bytes) {
        Ok(body) if status == 200 => {
            anyhow::ensure!(body == Bytes::from_static(BODY), "{body:?} ended in order");
            Seen::Whole
        }
        Ok(_) => Seen::Own(status),
        Err(_) => Seen::Broken,
    })
}

async fn check(cuts: Vec<Cut>, own: u16) -> anyhow::Result<()> {
    let cutter = Cutter::start().await?;
    let timeout = [("haldane.dev/proxy-read-timeout", "1")];
    let manifests = Manifests::of(&[
        speaking(service("web", &[]), "kubernetes.io/h2c"),
        ingress("web", &timeout, SHOP, "web"),
        pod("web", "1.0", cutter.address),
    ])?;
    let serve = Serve::start(manifests.path()).await?;
    for (number, cut) in cuts.into_iter().enumerate() {
        let h2 = number % 2 == 0;
        for method in [Method::GET, Method::POST] {
            // What the one before was cut with is not for this one.
            until("no connection to be left", || async {
                let metrics = serve.metrics().await?;
                let open = metrics.sum("haldane_upstream_connections", &[]);
                Ok((open == 0.0).then_some(()))
            })
            .await?;
            cutter.cuts(cut);
            let seen = see(serve.http, h2, &method).await?;
            assert!(
                cut.fits(&seen, own),
                "{method}, h2: {h2}, {cut:?}: {seen:?}"
            );
            let sent = cutter.inside.requests.load(SeqCst);
            let most = if method == Method::POST { 1 } else { 3 };
            assert!(
                (1..=most).contains(&sent),
                "{method} sent {sent} times: {cut:?}"
            );
        }
    }
    // What does not break off is whole, over the same proxy.
    cutter.cuts(Cut {
        trailers: true,
        at: bytes(&answer(1, true)).len(),
        then: Then::Listen,
    });
    for h2 in [false, true] {
        assert_eq!(see(serve.http, h2, &Method::GET).await?, Seen::Whole);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_an_http2_answer_that_breaks_off_anywhere_is_seen_to() -> anyhow::Result<()> {
    check(Cut::all(&[Then::Close, Then::Reset]), 502).await
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_an_http2_answer_that_stops_anywhere_is_given_up() -> anyhow::Result<()> {
    let some = Sample::new().of(Cut::all(&[Then::Stall]), scaled(4) as usize);
    check(some, 504).await
}

/// A POST in frames, which is whole with its last byte.
fn post(id: u64) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", SHOP),
        (":path", "/"),
        ("x-request-id", &name_of(id)),
    ];
    let body = [
        Frame::new(SETTINGS, 0, 0, []),
        Frame::new(HEADERS, END_HEADERS, 1, block(fields)),
        Frame::new(DATA, 0, 1, &b"0123"[..]),
        Frame::new(DATA, END_STREAM, 1, &b"45678"[..]),
    ];
    [PREFACE.to_vec(), bytes(&body)].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_an_http2_request_that_breaks_off_anywhere_is_not_acted_on() -> anyhow::Result<()> {
    const ID: u64 = 1_000_000;
    let ledger = Ledger::default();
    let target = Target::start(&ledger, "good")?;
    let stand = Stand::of(&ledger, &shop(&[], &pods(&[&target])), &[]).await?;
    let whole = post(ID);
    stand.break_off(&whole[..whole.len() - 1]).await?;
    // Others are served as ever, over the same connections to the backend.
    stand.clients().ask(200).await?;
    assert!(ledger.executions().iter().all(|line| line.id < ID));
    // With its last byte it is acted on.
    let mut raw = Raw::to(stand.serve.http).await?;
    raw.write(&whole, Pace::Whole).await;
    raw.read_until(|_| ledger.executions().iter().any(|line| line.id == ID))
        .await?;
    assert!(ledger.executions().iter().any(|line| line.id == ID));
    Ok(())
}
