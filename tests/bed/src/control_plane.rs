//! etcd, the API server and the controller manager: the real ones.

use crate::certificates::{Authority, Issued, Subject};
use crate::daemon::Daemon;
use crate::network::{API_PORT, API_SERVICE, ETCD, ETCD_PEERS, NODE, SERVICES};
use crate::programs::Programs;
use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;

/// The longest that any of the three may take: ten times what they do on two busy cores.
const START_MAX: Duration = Duration::from_secs(90);
/// The controllers that a bed needs: none that acts on a node without a heartbeat.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,\
    job-controller,endpointslice-controller,endpoints-controller,namespace-controller,garbage-collector-controller,\
    serviceaccount-controller,root-ca-certificate-publisher-controller,clusterrole-aggregation-controller,\
    disruption-controller";
/// What the API server writes down of each request: who, which verb, on what.
const AUDIT_POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
  "omitStages": ["RequestReceived"], "rules": [{ "level": "Metadata" }]
}"#;

/// A running control plane.
pub struct ControlPlane {
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The administrator's client.
    pub client: Client,
    _daemons: [Daemon; 3],
}

/// Starts one whose files are in `state`, and waits until it is ready.
///
/// # Errors
/// When a part is not ready in time: with the end of its log.
pub async fn start(programs: &Programs, state: &Path) -> anyhow::Result<ControlPlane> {
    let pki = Pki::write(state)?;
    let etcd = start_etcd(programs, state).await?;
    let (api_server, client) = start_api_server(programs, &pki, state).await?;
    let controllers = start_controllers(programs, &pki, state, &client).await?;
    Ok(ControlPlane {
        kubeconfig: pki.kubeconfig,
        client,
        _daemons: [etcd, api_server, controllers],
    })
}

/// The files that say who is who.
struct Pki {
    authority: PathBuf,
    server: PathBuf,
    server_key: PathBuf,
    accounts: PathBuf,
    accounts_key: PathBuf,
    kubeconfig: PathBuf,
}

impl Pki {
    fn write(state: &Path) -> anyhow::Result<Self> {
        let authority = Authority::new("haldane bed")?;
        let node = NODE.to_string();
        let service = API_SERVICE.to_string();
        let server = authority.issue(Subject {
            common_name: "kube-apiserver",
            names: &[
                "localhost",
                "kubernetes.default.svc",
                "127.0.0.1",
                &node,
                &service,
            ],
            ..Subject::default()
        })?;
        // The group that no rule can refuse anything.
        let administrator = authority.issue(Subject {
            common_name: "administrator",
            organization: Some("system:masters"),
            ..Subject::default()
        })?;
        // What tokens of ServiceAccounts are signed with.
        let accounts = rcgen::KeyPair::generate()?;
        let put = |name: &str, text: &str| write(&state.join(name), text);
        Ok(Self {
            authority: put("ca.crt", authority.pem())?,
            server: put("server.crt", &server.certificate)?,
            server_key: put("server.key", &server.key)?,
            accounts: put("accounts.pub", &accounts.public_key_pem())?,
            accounts_key: put("accounts.key", &accounts.serialize_pem())?,
            kubeconfig: put("kubeconfig", &kubeconfig(authority.pem(), &administrator))?,
        })
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<PathBuf> {
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path.to_owned())
}

fn kubeconfig(authority: &str, user: &Issued) -> String {
    let encode = |text: &str| BASE64_STANDARD.encode(text);
    let cluster = json!({
        "server": format!("https://127.0.0.1:{API_PORT}"),
        "certificate-authority-data": encode(authority),
    });
    let user = json!({
        "client-certificate-data": encode(&user.certificate),
        "client-key-data": encode(&user.key),
    });
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bed",
        "clusters": [{ "name": "bed", "cluster": cluster }],
        "users": [{ "name": "administrator", "user": user }],
        "contexts": [{ "name": "bed", "context": { "cluster": "bed", "user": "administrator" } }],
    })
    .to_string()
}

async fn start_etcd(programs: &Programs, state: &Path) -> anyhow::Result<Daemon> {
    let args = flags(&[
        ("data-dir", &state.join("etcd").display()),
        ("listen-client-urls", &format!("http://{ETCD}")),
        ("advertise-client-urls", &format!("http://{ETCD}")),
        ("listen-peer-urls", &format!("http://{ETCD_PEERS}")),
        // What is in memory anyway needs no flush.
        ("unsafe-no-fsync", &true),
    ]);
    let mut etcd = Daemon::start("etcd", &programs.path("etcd"), &args, state)?;
    let connects = async || TcpStream::connect(ETCD).await.is_ok();
    etcd.wait_until("ready", START_MAX, connects).await?;
    Ok(etcd)
}

async fn start_api_server(
    programs: &Programs,
    pki: &Pki,
    state: &Path,
) -> anyhow::Result<(Daemon, Client)> {
    let audit_policy = write(&state.join("audit-policy.json"), AUDIT_POLICY)?;
    let args = flags(&[
        ("etcd-servers", &format!("http://{ETCD}")),
        ("cert-dir", &state.join("api-server").display()),
        ("tls-cert-file", &pki.server.display()),
        ("tls-private-key-file", &pki.server_key.display()),
        ("client-ca-file", &pki.authority.display()),
        ("secure-port", &API_PORT),
        // There is no default route to guess an address from.
        ("advertise-address", &NODE),
        ("service-cluster-ip-range", &SERVICES),
        ("service-account-issuer", &"https://kubernetes.default.svc"),
        ("service-account-key-file", &pki.accounts.display()),
        (
            "service-account-signing-key-file",
            &pki.accounts_key.display(),
        ),
        ("authorization-mode", &"RBAC"),
        ("allow-privileged", &true),
        ("endpoint-reconciler-type", &"none"),
        ("kubelet-preferred-address-types", &"InternalIP"),
        ("audit-policy-file", &audit_policy.display()),
        ("audit-log-path", &state.join("audit.log").display()),
    ]);
    let path = programs.path("kube-apiserver");
    let mut server = Daemon::start("kube-apiserver", &path, &args, state)?;
    let client = client(&pki.kubeconfig).await?;
    let is_ready = async || is_ready(&client).await;
    server.wait_until("ready", START_MAX, is_ready).await?;
    Ok((server, client))
}

/// The client of a kubeconfig.
///
/// # Errors
/// When the file is none.
pub async fn client(kubeconfig: &Path) -> anyhow::Result<Client> {
    let read = Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

async fn is_ready(client: &Client) -> bool {
    let request = http::Request::get("/readyz").body(Vec::new());
    let request = request.expect("a path makes a request");
    client.request_text(request).await.is_ok()
}

async fn start_controllers(
    programs: &Programs,
    pki: &Pki,
    state: &Path,
    client: &Client,
) -> anyhow::Result<Daemon> {
    let args = flags(&[
        ("kubeconfig", &pki.kubeconfig.display()),
        ("leader-elect", &false),
        (
            "service-account-private-key-file",
            &pki.accounts_key.display(),
        ),
        ("root-ca-file", &pki.authority.display()),
        ("use-service-account-credentials", &false),
        ("kube-api-qps", &500),
        ("kube-api-burst", &1000),
        ("secure-port", &0),
        ("controllers", &CONTROLLERS),
    ]);
    let path = programs.path("kube-controller-manager");
    let mut controllers = Daemon::start("kube-controller-manager", &path, &args, state)?;
    // The first thing it does that others wait for: without the account no pod is admitted.
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
    let has_account = async || accounts.get("default").await.is_ok();
    controllers
        .wait_until("at work", START_MAX, has_account)
        .await?;
    Ok(controllers)
}

fn flags(flags: &[(&str, &dyn std::fmt::Display)]) -> Vec<String> {
    let written = flags
        .iter()
        .map(|(name, value)| format!("--{name}={value}"));
    written.collect()
}
