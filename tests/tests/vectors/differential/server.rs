//! A server that is not ours, and what it reads.

use haldane_tests::backend::{Backend, handler, whole};
use haldane_tests::process::{Mark, Process};
use http::Response;
use http_body_util::BodyExt as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A request as a server read it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// `METHOD TARGET`.
    pub(crate) line: String,
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} \"{}\"", self.line, self.body.escape_ascii())
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    pub(crate) tells: Tells,
    /// What it was started with goes away with it.
    pub(crate) _folder: tempfile::TempDir,
}

/// How one learns what a server read.
pub(crate) enum Tells {
    /// It prints a line for each request.
    Printing,
    /// It passes each request on to a backend of the test.
    Passing(Behind),
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that was read so far, the request for `target` included.
    pub(crate) async fn readings_until(&self, target: &str) -> anyhow::Result<Vec<Reading>> {
        match &self.tells {
            Tells::Passing(behind) => Ok(behind.readings()),
            Tells::Printing => {
                let probe = format!("read GET {target} ");
                self.process.line(Mark::default(), &probe).await?;
                let lines = self.process.stdout();
                Ok(lines.iter().filter_map(|line| printed(line)).collect())
            }
        }
    }
}

/// `read METHOD TARGET BODY`, the body in hexadecimal digits.
fn printed(line: &str) -> Option<Reading> {
    let (line, body) = line.strip_prefix("read ")?.rsplit_once(' ')?;
    let digits = body.as_bytes().chunks(2);
    let body = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    Some(Reading {
        line: line.to_owned(),
        body: body.collect::<Option<_>>()?,
    })
}

/// What a server passes on is what it read, written anew by it.
pub(crate) struct Behind {
    pub(crate) backend: Backend,
    read: Arc<Mutex<Vec<Reading>>>,
}

impl Behind {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let read: Arc<Mutex<Vec<Reading>>> = Arc::default();
        let keeps = read.clone();
        let backend = Backend::with(handler(move |request| {
            let keeps = keeps.clone();
            async move {
                let line = format!("{} {}", request.method(), request.uri());
                // One that breaks off was not read as a request.
                if let Ok(body) = request.into_body().collect().await {
                    let body = body.to_bytes().to_vec();
                    let mut keeps = keeps.lock().unwrap_or_else(PoisonError::into_inner);
                    keeps.push(Reading { line, body });
                }
                Response::new(whole("read"))
            }
        }));
        Ok(Self {
            backend: backend.await?,
            read,
        })
    }

    fn readings(&self) -> Vec<Reading> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.clone()
    }
}

/// The first of these programs that is installed; none, with a word about it, where none is.
pub(crate) fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Where servers are, and not everybody's path leads.
    folders.push("/usr/sbin".into());
    let places = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = places.into_iter().find(|program| program.is_file());
    if found.is_none() {
        println!(
            "{} is not installed, so it is not asked",
            names.join(", or ")
        );
    }
    found
}
