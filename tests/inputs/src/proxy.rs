//! The whole proxy, over loopback: whatever a client sends, a backend gets canonical requests only, and nothing panics.

use crate::shop::{self, Annotations};
use crate::strict;
use haldane_proxy::{Config, Limits, Proxy};
use haldane_routing::Table;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

/// How long a head may take: a client that says nothing more is not waited for.
const HEAD_TIME: Duration = Duration::from_millis(200);

/// How long an answer is waited for before it is given up.
const PATIENCE: Duration = Duration::from_secs(20);

static RUNNING: LazyLock<Running> = LazyLock::new(|| Running::start().expect("a proxy starts"));

/// A thread of the proxy has panicked.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// What no backend should have got.
type Faults = Arc<Mutex<Vec<String>>>;

struct Running {
    address: SocketAddr,
    faults: Faults,
    _proxy: Proxy,
}

/// Sends all of it, says that nothing follows, and reads what comes back.
pub(crate) fn check(data: &[u8]) {
    // Whoever was refused may be reset before all is sent or read: that is no fault.
    let _ = exchange(RUNNING.address, data);
    let faults = RUNNING
        .faults
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    assert!(faults.is_empty(), "{faults:?}");
    assert!(!PANICKED.load(SeqCst), "the proxy has panicked");
}

fn exchange(proxy: SocketAddr, data: &[u8]) -> io::Result<()> {
    let mut client = TcpStream::connect(proxy)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.write_all(data)?;
    client.shutdown(Shutdown::Write)?;
    client.read_to_end(&mut Vec::new())?;
    Ok(())
}

impl Running {
    fn start() -> io::Result<Self> {
        note_panics();
        let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (pods, faults) = (backend.local_addr()?, Faults::default());
        let keeps = faults.clone();
        std::thread::spawn(move || accept(&backend, &keeps));
        let proxy = Proxy::start(Config {
            http: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            workers: 1,
            limits: Limits {
                head: HEAD_TIME,
                keep_alive: HEAD_TIME,
                ..Limits::default()
            },
            ..Config::default()
        });
        let proxy = proxy.map_err(io::Error::other)?;
        let spec = shop::table(&Annotations::new(), &Annotations::new(), pods).table;
        let table = Table::build(&spec, None, 0).expect("a sound table");
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let installed = runtime.block_on(proxy.install(Arc::new(table)));
        installed.map_err(io::Error::other)?;
        Ok(Self {
            address: proxy.http_address().expect("it was asked for"),
            faults,
            _proxy: proxy,
        })
    }
}

fn note_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICKED.store(true, SeqCst);
        before(info);
    }));
}

fn accept(backend: &TcpListener, faults: &Faults) {
    for stream in backend.incoming().flatten() {
        let faults = faults.clone();
        std::thread::spawn(move || {
            // A connection that breaks off is the proxy's affair.
            let _ = serve(stream, &faults);
        });
    }
}

/// Answers every request, and keeps what is none.
fn serve(mut stream: TcpStream, faults: &Faults) -> io::Result<()> {
    let (mut unread, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        unread.extend_from_slice(&buffer[..count]);
        loop {
            match strict::parse(&unread) {
                Ok(None) => break,
                Ok(Some((_, length))) => {
                    unread.drain(..length);
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
                }
                Err(fault) => {
                    let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
                    faults.push(format!("{fault:?} in {}", unread.escape_ascii()));
                    return Ok(());
                }
            }
        }
    }
}
