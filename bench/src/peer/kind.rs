//! Which proxies there are, what each can take part in, and where its program is.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::case::{Case, Stage, Way};
use crate::process::find_program;

/// Where `bench/fetch-envoy` puts Envoy.
const ENVOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cache/envoy");

/// Where `bench/pingora/build` puts a proxy made of Pingora.
const PINGORA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/pingora/target/release/haldane-bench-pingora"
);

/// A proxy that can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Ours.
    #[default]
    Haldane,
    /// The yardstick.
    Nginx,
    /// HAProxy.
    Haproxy,
    /// Envoy.
    Envoy,
    /// A proxy made of Pingora.
    Pingora,
    /// A relay that parses nothing: the floor.
    Relay,
    /// A bare hyper server and client pool.
    BareHyper,
}

impl Kind {
    /// The name to print and to type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Haldane => "haldane",
            Kind::Nginx => "nginx",
            Kind::Haproxy => "haproxy",
            Kind::Envoy => "envoy",
            Kind::Pingora => "pingora",
            Kind::Relay => "relay",
            Kind::BareHyper => "bare-hyper",
        }
    }

    /// Whether it stands for what people use: not Haldane itself, no floor and no reference.
    pub(crate) fn is_rival(self) -> bool {
        matches!(
            self,
            Kind::Nginx | Kind::Haproxy | Kind::Envoy | Kind::Pingora
        )
    }

    /// Whether it can do what `case` asks of it.
    pub(crate) fn takes(self, case: &Case) -> bool {
        match (self, case.stage) {
            (Kind::Haldane, _) => true,
            (_, Stage::Still | Stage::Swaps) => false,
            (Kind::Nginx | Kind::Haproxy | Kind::Envoy, _) => true,
            // It does not know which answer is the last, so it never ends a connection by itself.
            // Ten thousand connections that stay open would be twice as many here.
            (Kind::Relay, _) => case.is_plain() && !matches!(case.way, Way::Anew | Way::Idle),
            (Kind::Pingora | Kind::BareHyper, _) => case.is_plain(),
        }
    }

    /// The program to run, or none if it is not installed; `haldane` is which Haldane.
    pub(crate) fn program(self, haldane: &Path) -> Option<PathBuf> {
        let installed = |path: &Path| path.is_file().then(|| path.to_owned());
        match self {
            Kind::Haldane => installed(haldane),
            Kind::Nginx => find_program("nginx"),
            Kind::Haproxy => find_program("haproxy"),
            Kind::Envoy => installed(Path::new(ENVOY)),
            Kind::Pingora => installed(Path::new(PINGORA)),
            Kind::Relay | Kind::BareHyper => std::env::current_exe().ok(),
        }
    }

    /// How to get the program where it is missing.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Kind::Haldane => "cargo build --release --package haldane, or --haldane PATH",
            Kind::Nginx | Kind::Haproxy => "apt-get install nginx-light haproxy",
            Kind::Envoy => "bench/fetch-envoy",
            Kind::Pingora => "bench/pingora/build",
            Kind::Relay | Kind::BareHyper => "it is part of haldane-bench",
        }
    }

    /// The option that makes the program print its version.
    pub(crate) fn version_option(self) -> &'static str {
        match self {
            Kind::Nginx | Kind::Haproxy => "-v",
            _ => "--version",
        }
    }
}
