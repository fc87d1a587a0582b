//! One container's life: started, probed, started again when it ends, and stopped as the Pod asks.

use super::ask::Target;
use super::launch::Launch;
use super::life::{Life, Slot};
use super::probe::{Opinion, Watch};
use super::state::{Phase, exit_code};
use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::net::IpAddr;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::{Instant, timeout_at};

/// The pause before a container is started again; doubled each time. Short: tests wait for it.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(10);
/// What is left for the program itself when a hook has used up all grace, as in the real one.
const GRACE_MIN: Duration = Duration::from_secs(2);
/// The exit code of what could not be started.
const NOT_STARTED: i32 = 128;

/// A container that is to run.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) container: Container,
    pub(super) launch: Launch,
    pub(super) life: Life,
    pub(super) slot: Slot,
    pub(super) address: IpAddr,
    /// The Pod's `restartPolicy`; for one that must succeed once, `OnFailure`.
    pub(super) restart: Restart,
}

/// When a container that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    Always,
    OnFailure,
    Never,
}

/// Why a container does not run any more.
enum Over {
    Ended(i32),
    Deleted,
}

/// What happens to a container that runs.
enum Turn {
    Ended(io::Result<ExitStatus>),
    Unhealthy,
    Deleted(Duration),
}

impl Restart {
    /// As a Pod writes it.
    pub(super) fn parse(text: Option<&str>) -> Self {
        match text {
            Some("Never") => Self::Never,
            Some("OnFailure") => Self::OnFailure,
            _ => Self::Always,
        }
    }

    fn after(self, code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => code != 0,
            Self::Never => false,
        }
    }
}

impl Runner {
    /// Runs it until it is over for good.
    pub(super) async fn run(&self) {
        let mut pause = RESTART_PAUSE;
        loop {
            match self.once().await {
                Over::Ended(code) if self.restart.after(code) => {}
                Over::Ended(_) | Over::Deleted => return,
            }
            self.note_waiting("CrashLoopBackOff");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.life.deleted() => return,
            }
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
        }
    }

    async fn once(&self) -> Over {
        let over = match self.launch.start() {
            Ok(child) => self.until_over(child).await,
            Err(error) => {
                tracing::warn!(container = self.container.name, %error, "starting a container");
                Over::Ended(NOT_STARTED)
            }
        };
        let code = match over {
            Over::Ended(code) => code,
            Over::Deleted => 0,
        };
        self.life.note(self.slot, |seen| {
            (seen.phase, seen.ready, seen.started) = (Phase::Ended { code }, false, false);
        });
        over
    }

    async fn until_over(&self, mut child: Child) -> Over {
        // A child that was not waited for has an id.
        let pid = child.id().unwrap_or_default();
        let since = Timestamp::now();
        self.life
            .note(self.slot, |seen| seen.phase = Phase::Running { since });
        let turn = tokio::select! {
            status = child.wait() => Turn::Ended(status),
            () = self.unhealthy(pid) => Turn::Unhealthy,
            grace = self.life.deleted() => Turn::Deleted(grace),
        };
        match turn {
            Turn::Ended(status) => Over::Ended(status.map_or(NOT_STARTED, exit_code)),
            Turn::Unhealthy => Over::Ended(self.stop(child, pid, self.own_grace()).await),
            Turn::Deleted(grace) => {
                // What is told about readiness stays true to the end: it says whether to send what cannot go elsewhere.
                tokio::select! {
                    _ = self.stop(child, pid, grace) => {}
                    () = self.readiness(pid) => {}
                }
                Over::Deleted
            }
        }
    }

    /// Returns once the container must be started again.
    async fn unhealthy(&self, pid: u32) {
        if let Some(startup) = &self.container.startup_probe
            && !self.watch(startup, pid, false).settled().await
        {
            return;
        }
        self.life.note(self.slot, |seen| seen.started = true);
        tokio::select! {
            () = self.liveness(pid) => {}
            () = self.readiness(pid) => {}
        }
    }

    async fn liveness(&self, pid: u32) {
        match &self.container.liveness_probe {
            Some(probe) => while self.watch(probe, pid, true).turned().await {},
            None => std::future::pending().await,
        }
    }

    /// Never returns.
    async fn readiness(&self, pid: u32) {
        let Some(probe) = &self.container.readiness_probe else {
            self.note_ready(true);
            return std::future::pending().await;
        };
        let was_ready = self.is_ready();
        let mut watch = self.watch(probe, pid, was_ready);
        loop {
            let ready = watch.turned().await;
            self.note_ready(ready);
        }
    }

    fn watch<'p>(&'p self, probe: &'p Probe, pid: u32, good: bool) -> Watch<'p> {
        Watch::new(probe, self.target(pid), Opinion::new(good))
    }

    fn target(&self, pid: u32) -> Target<'_> {
        Target {
            container: &self.container,
            environment: self.launch.environment(),
            address: self.address,
            pid,
        }
    }

    fn is_ready(&self) -> bool {
        let noted = self.life.noted();
        let whole = noted.borrow();
        match self.slot {
            Slot::Init(index) => whole.init[index].ready,
            Slot::Main(index) => whole.main[index].ready,
        }
    }

    fn note_ready(&self, ready: bool) {
        self.life.note(self.slot, |seen| seen.ready = ready);
    }

    fn note_waiting(&self, reason: &'static str) {
        self.life.note(self.slot, |seen| {
            seen.phase = Phase::Waiting {
                reason,
                message: String::new(),
            };
            seen.restarts += 1;
        });
    }

    /// The grace that the Pod gives where nobody else says.
    fn own_grace(&self) -> Duration {
        let pod = self.life.pod();
        let spec = pod.spec.as_ref();
        let seconds = spec.and_then(|spec| spec.termination_grace_period_seconds);
        Duration::from_secs(
            seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .unwrap_or(30),
        )
    }

    /// The hook, SIGTERM, and SIGKILL when `grace` is over; its exit code.
    async fn stop(&self, mut child: Child, pid: u32, grace: Duration) -> i32 {
        let end = Instant::now() + grace;
        self.pre_stop(&mut child, pid, end).await;
        signal(pid, Signal::TERM);
        let end = end.max(Instant::now() + GRACE_MIN);
        if let Ok(status) = timeout_at(end, child.wait()).await {
            return status.map_or(NOT_STARTED, exit_code);
        }
        signal(pid, Signal::KILL);
        child.wait().await.map_or(NOT_STARTED, exit_code)
    }

    async fn pre_stop(&self, child: &mut Child, pid: u32, end: Instant) {
        let hooks = self.container.lifecycle.as_ref();
        let Some(hook) = hooks.and_then(|hooks| hooks.pre_stop.as_ref()) else {
            return;
        };
        let target = self.target(pid);
        tokio::select! {
            done = timeout_at(end, target.hook(hook)) => {
                if let Ok(Err(error)) = done {
                    tracing::warn!(container = self.container.name, %error, "a preStop hook failed");
                }
            }
            _ = child.wait() => {}
        }
    }
}

/// A process that has ended needs none.
fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
