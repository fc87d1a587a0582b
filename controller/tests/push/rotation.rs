//! Certificates that are replaced while proxies follow.

use crate::authority::{Authority, CONTROLLER};
use crate::fake::{Fake, Served};
use crate::tables::{generation, table};
use haldane_wire::Credentials;

/// The certificate that a new connection is shown.
async fn shown(served: &Served) -> Vec<u8> {
    let stream = served.connect(&served.proxy()).await;
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].to_vec()
}

async fn push(served: &Served, proxy: &mut Fake, number: u64) {
    let name = number.to_string();
    let published = served
        .publisher
        .publish(generation(1, number), &table(&[&name]));
    published.unwrap();
    let (_, candidate) = proxy.change().await;
    proxy.apply(candidate).await;
    served.wait_live(generation(1, number)).await;
}

fn renewed(served: &Served) -> Credentials {
    served.authority.credentials(CONTROLLER, &served.authority)
}

#[tokio::test]
async fn the_next_handshake_has_the_new_certificate_and_streams_go_on() {
    let served = Served::leading().await;
    let mut proxy = served.follow("1").await;
    let mut before = shown(&served).await;
    for number in 1..=10 {
        served.files.write(&renewed(&served));
        push(&served, &mut proxy, number).await;
        let now = shown(&served).await;
        assert_ne!(before, now);
        before = now;
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_old_ones_in_use() {
    let served = Served::leading().await;
    let before = shown(&served).await;
    let mixed = Credentials {
        key_pem: renewed(&served).key_pem,
        ..renewed(&served)
    };
    served.files.write(&mixed);
    assert_eq!(shown(&served).await, before, "a key of another certificate");
    std::fs::write(served.files.path("ca.crt"), "").unwrap();
    assert_eq!(shown(&served).await, before, "no authority");
    std::fs::remove_file(served.files.path("tls.key")).unwrap();
    assert_eq!(shown(&served).await, before, "no key");
    served.files.write(&renewed(&served));
    assert_ne!(shown(&served).await, before);
}

#[tokio::test]
async fn a_new_authority_is_believed_and_the_old_one_no_more() {
    let mut served = Served::leading().await;
    let mut proxy = served.follow("1").await;
    let next = Authority::new("next");
    served.files.write(&next.credentials(CONTROLLER, &next));
    served.authority = next;
    drop(served.follow("2").await);
    served
        .wait("it to go", |publisher| publisher.proxies().len() == 1)
        .await;
    push(&served, &mut proxy, 1).await;
}
