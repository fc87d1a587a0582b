use super::super::fake::{PATIENCE, Receiver, caller, hook};
use super::super::notice::example;
use super::*;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpSocket;
use tokio_rustls::TlsAcceptor;

async fn post(hook: &Hook) -> Result<(), CallFault> {
    caller(PATIENCE).post(hook, &example("Aborted")).await
}

#[tokio::test]
async fn only_success_is_done_and_redirects_are_not_followed() {
    let mut elsewhere = Receiver::answering(&[]).await;
    let redirect = format!("302 http://{}/", elsewhere.address);
    // answer, outcome
    let cases = [
        ("200", Ok(())),
        ("204", Ok(())),
        (redirect.as_str(), Err(CallFault::Status(302))),
        ("403", Err(CallFault::Status(403))),
        ("503", Err(CallFault::Status(503))),
    ];
    for (answer, expected) in cases {
        let receiver = Receiver::answering(&[answer]).await;
        assert_eq!(post(&receiver.hook("/")).await, expected, "{answer}");
    }
    assert!(elsewhere.is_silent());
}

#[tokio::test]
async fn it_posts_json_to_the_target() {
    let mut receiver = Receiver::answering(&[]).await;
    post(&receiver.hook("/hook?token=x")).await.unwrap();
    let heard = receiver.heard().await;
    assert_eq!(heard.target, "/hook?token=x");
    assert_eq!(heard.headers["content-type"], "application/json");
    assert_eq!(heard.headers["host"], receiver.address.to_string());
    assert!(
        heard.body.contains(r#""event":"Aborted""#),
        "{}",
        heard.body
    );
}

#[tokio::test]
async fn addresses_of_its_own_machine_are_not_called() {
    let mut receiver = Receiver::answering(&[]).await;
    let careful = Caller::new(Reach::default(), RootCertStore::empty(), PATIENCE);
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{}/", receiver.address.port());
        let posted = careful
            .post(&hook(&[("url", &url)]), &example("Aborted"))
            .await;
        assert_eq!(posted, Err(CallFault::Forbidden), "{host}");
    }
    assert!(receiver.is_silent());
}

#[tokio::test]
async fn what_is_not_there_or_never_answers_is_told_apart() {
    // Bound, so that nobody else gets the port, and not listening.
    let gone = TcpSocket::new_v4().unwrap();
    gone.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", gone.local_addr().unwrap());
    let posted = post(&hook(&[("url", &url)])).await;
    assert_eq!(posted, Err(CallFault::Connect));

    let silent = Receiver::answering(&["never"]).await;
    let patience = Patience {
        call: Duration::from_millis(50),
        ..PATIENCE
    };
    let hasty = caller(patience);
    let posted = hasty.post(&silent.hook("/"), &example("Aborted")).await;
    assert_eq!(posted, Err(CallFault::Slow));
}

#[tokio::test]
async fn credentials_go_to_those_whose_certificate_is_believed() {
    let names = vec!["localhost".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into());
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let mut receiver = Receiver::encrypted(acceptor).await;
    let url = format!("https://localhost:{}/", receiver.address.port());
    let pairs = [("url", url.as_str()), ("authorization", "Bearer x")];

    assert_eq!(post(&hook(&pairs)).await, Err(CallFault::Tls));
    assert!(receiver.is_silent());

    let pem = certified.cert.pem();
    let believed = hook(&[&pairs[..], &[("ca.crt", pem.as_str())]].concat());
    assert_eq!(post(&believed).await, Ok(()));
    let heard = receiver.heard().await;
    assert_eq!(heard.headers["authorization"], "Bearer x");
}
