//! What is known about a Pod's containers, and how the API is told.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// One container.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) phase: Phase,
    /// Its readiness probe succeeds, or it has none and runs.
    pub(super) ready: bool,
    /// Its startup probe has succeeded, or it has none and runs.
    pub(super) started: bool,
    pub(super) restarts: i32,
}

/// Where a container is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting {
        reason: &'static str,
        message: String,
    },
    Running {
        since: Timestamp,
    },
    Ended {
        code: i32,
    },
}

/// What a shell calls the end of a process: its code, or 128 and the signal.
pub(super) fn exit_code(status: ExitStatus) -> i32 {
    let by_signal = || 128 + status.signal().unwrap_or_default();
    status.code().unwrap_or_else(by_signal)
}

impl Seen {
    /// One that is not started yet.
    pub(super) fn new(name: &str, image: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: image.to_owned(),
            phase: Phase::Waiting {
                reason: "ContainerCreating",
                message: String::new(),
            },
            ready: false,
            started: false,
            restarts: 0,
        }
    }

    fn status(&self) -> ContainerStatus {
        ContainerStatus {
            name: self.name.clone(),
            image: self.image.clone(),
            ready: self.ready,
            started: Some(self.started),
            restart_count: self.restarts,
            state: Some(self.state()),
            ..ContainerStatus::default()
        }
    }

    fn state(&self) -> ContainerState {
        let mut state = ContainerState::default();
        match &self.phase {
            Phase::Waiting { reason, message } => {
                let reason = Some((*reason).to_owned());
                let message = Some(message.clone()).filter(|message| !message.is_empty());
                state.waiting = Some(ContainerStateWaiting { message, reason });
            }
            Phase::Running { since } => {
                let started_at = Some(Time(*since));
                state.running = Some(ContainerStateRunning { started_at });
            }
            Phase::Ended { code } => {
                let reason = if *code == 0 { "Completed" } else { "Error" };
                state.terminated = Some(ContainerStateTerminated {
                    exit_code: *code,
                    reason: Some(reason.to_owned()),
                    ..ContainerStateTerminated::default()
                });
            }
        }
        state
    }

    /// It runs, or waits to be started again.
    fn has_run(&self) -> bool {
        self.restarts > 0 || matches!(self.phase, Phase::Running { .. })
    }

    fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    fn has_succeeded(&self) -> bool {
        self.phase == Phase::Ended { code: 0 }
    }
}

/// All containers of a Pod.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) address: IpAddr,
    pub(super) began: Timestamp,
    pub(super) init: Vec<Seen>,
    pub(super) main: Vec<Seen>,
}

impl Whole {
    /// As the API has it.
    pub(super) fn status(&self) -> PodStatus {
        let address = self.address.to_string();
        PodStatus {
            phase: Some(self.phase().to_owned()),
            conditions: Some(self.conditions()),
            host_ip: Some(crate::network::NODE.to_string()),
            pod_ip: Some(address.clone()),
            pod_ips: Some(vec![PodIP { ip: address }]),
            start_time: Some(Time(self.began)),
            init_container_statuses: Some(self.init.iter().map(Seen::status).collect()),
            container_statuses: Some(self.main.iter().map(Seen::status).collect()),
            ..PodStatus::default()
        }
    }

    fn phase(&self) -> &'static str {
        let init_failed = self
            .init
            .iter()
            .any(|seen| seen.has_ended() && !seen.has_succeeded());
        if self.main.iter().all(Seen::has_succeeded) {
            "Succeeded"
        } else if init_failed || self.main.iter().all(Seen::has_ended) {
            "Failed"
        } else if self.main.iter().any(Seen::has_run) {
            "Running"
        } else {
            "Pending"
        }
    }

    fn conditions(&self) -> Vec<PodCondition> {
        let ready = self.main.iter().all(|seen| seen.ready);
        let initialized = self.init.iter().all(Seen::has_succeeded);
        [
            ("PodScheduled", true),
            ("Initialized", initialized),
            ("ContainersReady", ready),
            ("Ready", ready),
        ]
        .map(|(kind, is_so)| condition(kind, is_so))
        .into()
    }
}

fn condition(kind: &str, is_so: bool) -> PodCondition {
    PodCondition {
        type_: kind.to_owned(),
        status: if is_so { "True" } else { "False" }.to_owned(),
        ..PodCondition::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(phase: Phase) -> Seen {
        let ready = matches!(phase, Phase::Running { .. });
        Seen {
            phase,
            ready,
            ..Seen::new("web", "echo")
        }
    }

    /// A Pod's phase and whether it is ready, from its containers' phases.
    #[track_caller]
    fn check(init: &[&str], main: &[&str], expected: &str) {
        let parse = |phase: &&str| match *phase {
            "waits" => seen(Phase::Waiting {
                reason: "",
                message: String::new(),
            }),
            "runs" => seen(Phase::Running {
                since: Timestamp::UNIX_EPOCH,
            }),
            code => seen(Phase::Ended {
                code: code.parse().unwrap(),
            }),
        };
        let whole = Whole {
            address: [10, 244, 0, 1].into(),
            began: Timestamp::UNIX_EPOCH,
            init: init.iter().map(parse).collect(),
            main: main.iter().map(parse).collect(),
        };
        let status = whole.status();
        let ready = status.conditions.unwrap().pop().unwrap().status;
        assert_eq!(format!("{} {ready}", status.phase.unwrap()), expected);
    }

    #[test]
    fn a_pod_is_what_its_containers_are() {
        check(&[], &["waits"], "Pending False");
        check(&[], &["runs"], "Running True");
        check(&[], &["runs", "waits"], "Running False");
        check(&[], &["0", "0"], "Succeeded False");
        check(&[], &["0", "1"], "Failed False");
        check(&["1"], &["waits"], "Failed False");
        check(&["runs"], &["waits"], "Pending False");
    }
}
