//! SIGHUP, which would end a process that does not ask for it: the access log is opened anew, as log rotation wants, and
//! nothing else happens, since tables and certificates are watched anyway.

use crate::proxy::Proxy;
use std::io;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Obeys hang-ups from now on, in a task that lives as long as the runtime.
///
/// # Errors
/// When the system does not let us listen.
pub fn obey_hang_ups(proxy: &Arc<Proxy>) -> io::Result<()> {
    let mut hang_ups = signal(SignalKind::hangup())?;
    let proxy = Arc::downgrade(proxy);
    tokio::spawn(async move {
        while hang_ups.recv().await.is_some() {
            if let Some(proxy) = proxy.upgrade() {
                proxy.reopen_access_log();
            }
        }
    });
    Ok(())
}
