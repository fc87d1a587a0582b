//! An API server that does what a real one cannot be made to do: forgets, stalls, repeats itself and answers nonsense.

use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;

type Body = BoxBody<Bytes, Infallible>;

/// A fault that is answered once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    Status(u16),
    /// The connection stays open and nothing comes.
    Silence,
    /// A list without anything in it.
    Empty,
}

#[derive(Default)]
struct State {
    version: u64,
    /// Watches from an earlier version are told that it is gone.
    compacted: u64,
    /// Whether they are told so in the stream rather than by the status.
    gone_in_stream: bool,
    objects: HashMap<String, Vec<Value>>,
    faults: HashMap<(String, &'static str), VecDeque<Fault>>,
    watchers: Vec<(String, mpsc::UnboundedSender<Bytes>)>,
}

/// The server; it ends with the test's runtime.
#[derive(Clone)]
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Every request, such as `ingresses list` or `secrets watch metadata.name=x`.
    pub(super) asked: watch::Sender<Vec<String>>,
}

impl Fake {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has ports");
        let fake = Self {
            address: listener.local_addr().expect("it is bound"),
            state: Arc::default(),
            asked: watch::Sender::default(),
        };
        tokio::spawn(fake.clone().accept(listener));
        fake
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let fake = self.clone();
            let service = service_fn(move |request| {
                let fake = fake.clone();
                async move { Ok::<_, Infallible>(fake.answer(&request).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with it")
    }

    /// Puts an object in and tells nobody; returns it with its version.
    pub(super) fn put_silently(&self, resource: &str, manifest: &str) -> Value {
        let mut state = self.state();
        state.version += 1;
        let mut object: Value = serde_saphyr::from_str(manifest).expect("the manifest is valid");
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        let objects = state.objects.entry(resource.to_owned()).or_default();
        objects.retain(|known| known["metadata"]["name"] != object["metadata"]["name"]);
        objects.push(object.clone());
        object
    }

    /// Takes out everything, and tells nobody.
    pub(super) fn clear_silently(&self, resource: &str) {
        let mut state = self.state();
        state.version += 1;
        state.objects.remove(resource);
    }

    /// Sends an event, whatever it says.
    pub(super) fn send(&self, resource: &str, kind: &str, object: &Value) {
        let line = json!({ "type": kind, "object": object }).to_string() + "\n";
        let state = self.state();
        let watchers = state
            .watchers
            .iter()
            .filter(|(watched, _)| watched == resource);
        for (_, watcher) in watchers {
            let _ = watcher.send(line.clone().into());
        }
    }

    /// Ends every watch of a resource, and forgets what was before now.
    pub(super) fn forget(&self, resource: &str, gone_in_stream: bool) {
        let mut state = self.state();
        state.version += 1;
        state.compacted = state.version;
        state.gone_in_stream = gone_in_stream;
        state.watchers.retain(|(watched, _)| watched != resource);
    }

    pub(super) fn fail(&self, resource: &str, verb: &'static str, faults: &[Fault]) {
        let mut state = self.state();
        let queue = state.faults.entry((resource.to_owned(), verb)).or_default();
        queue.extend(faults);
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let resource = request
            .uri()
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let query = request.uri().query().unwrap_or_default();
        let parameters: HashMap<_, _> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let verb = if parameters.contains_key("watch") {
            "watch"
        } else {
            "list"
        };
        let selector = parameters
            .get("fieldSelector")
            .map(|text| text.replace("%3D", "="));
        let asked = format!("{resource} {verb} {}", selector.unwrap_or_default());
        self.asked
            .send_modify(|all| all.push(asked.trim_end().to_owned()));
        let fault = {
            let mut state = self.state();
            let queue = state.faults.get_mut(&(resource.clone(), verb));
            queue.and_then(VecDeque::pop_front)
        };
        match fault {
            Some(Fault::Status(code)) => refusal(code),
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Empty) => self.list(&resource, true),
            None if verb == "list" => self.list(&resource, false),
            None => self.watch(resource, parameters.get("resourceVersion").copied()),
        }
    }

    fn list(&self, resource: &str, empty: bool) -> Response<Body> {
        let state = self.state();
        let objects = state.objects.get(resource).filter(|_| !empty);
        whole(
            StatusCode::OK,
            json!({
                "kind": "List", "apiVersion": "v1",
                "metadata": { "resourceVersion": state.version.to_string() },
                "items": objects.cloned().unwrap_or_default(),
            }),
        )
    }

    fn watch(&self, resource: String, from: Option<&str>) -> Response<Body> {
        let mut state = self.state();
        let from: u64 = from.and_then(|from| from.parse().ok()).unwrap_or(0);
        let (sender, receiver) = mpsc::unbounded_channel();
        if from < state.compacted {
            if !state.gone_in_stream {
                return refusal(410);
            }
            let event = json!({ "type": "ERROR", "object": status(410) });
            let _ = sender.send(format!("{event}\n").into());
        }
        state.watchers.push((resource, sender));
        let frames = UnboundedReceiverStream::new(receiver).map(|line| Ok(Frame::data(line)));
        Response::new(StreamBody::new(frames).boxed())
    }
}

fn refusal(code: u16) -> Response<Body> {
    let known = StatusCode::from_u16(code).expect("the test knows its codes");
    whole(known, status(code))
}

fn status(code: u16) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "as the test wants it", "reason": "Test", "code": code,
    })
}

fn whole(status: StatusCode, body: Value) -> Response<Body> {
    let mut response = Response::new(Full::from(body.to_string()).boxed());
    *response.status_mut() = status;
    response
}
