//! Lab 7: chosen users see the canary, the others by weight, and nobody is moved back.

use crate::lab::Lab;
use haldane_tests::asking::Record;
use haldane_tests::client::{Answer, Client, get_with};
use k8s_openapi::api::core::v1::Service;
use serde_json::json;
use std::time::Instant;

/// Requests of each cohort.
const EACH: u64 = 100;
/// Users who come back after each change.
const USERS: usize = 200;
/// Requests of the load around each change.
const AROUND: usize = 500;
const STABLE: &str = "1.14.0";
const CANARY: &str = "1.15.0";

/// Who sends what, and whether that leads to the canary.
const COHORTS: [(&str, &str, bool); 6] = [
    ("x-country", "KR", true),
    ("x-forwarded-for", "203.0.113.9", true),
    ("x-staff", "1", true),
    ("cookie", "beta=always", true),
    ("x-forwarded-for", "198.51.100.9", false),
    ("cookie", "beta=no", false),
];

/// Somebody with a cookie.
struct User {
    cookie: String,
    version: String,
}

pub(crate) async fn lab_7_cohorts() -> anyhow::Result<()> {
    let lab = Lab::begin("lab-7", "07-cohorts.yaml").await?;
    let host = lab.host("shop");
    lab.served(&host).await?;
    let mut all = Record::default();
    for (name, value, is_canary) in COHORTS {
        let record = lab.asking(&host, 1).with(name, value).times(EACH).await;
        let canary = record.versions().get(CANARY).copied().unwrap_or_default();
        let as_wanted = if is_canary {
            canary == EACH
        } else {
            canary <= EACH / 10
        };
        anyhow::ensure!(as_wanted, "{name}: {value} saw the canary {canary} times");
        all = all.and(record);
    }
    let clients = lab.clients(&host);
    let mut users = Vec::new();
    for number in 0..USERS {
        users.push(User::new(&lab, number).await?);
    }
    let mut shares = vec![on_canary(&users)];
    for weight in [25, 50] {
        set(&lab, weight).await?;
        for (number, user) in users.iter_mut().enumerate() {
            user.come_back(&lab, number).await?;
        }
        shares.push(on_canary(&users));
        clients.load.more(AROUND).await?;
    }
    all = all
        .and(clients.look.stop().await?)
        .and(clients.load.stop().await?);
    all.report(
        "lab 7, cohorts",
        &format!("of {USERS} users {shares:?} on the canary at 5, 25, 50 %, none moved back"),
    )?;
    lab.end().await
}

async fn set(lab: &Lab, weight: u64) -> anyhow::Result<()> {
    let weights = format!("1.14={}, canary={weight}", 100 - weight);
    let patched = Instant::now();
    lab.cluster
        .annotate::<Service>("shop", json!({ "haldane.dev/weights": weights }))
        .await?;
    lab.live(patched, "shop", "canary", weight).await?;
    Ok(())
}

fn on_canary(users: &[User]) -> usize {
    users.iter().filter(|user| user.version == CANARY).count()
}

/// The answer to one request, by one of the proxies.
async fn ask(lab: &Lab, number: usize, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
    let proxies = lab.haldane.proxies();
    let mut client = Client::h1(proxies[number % proxies.len()]).await?;
    let answer = client
        .ask(get_with(&lab.host("shop"), "/", headers))
        .await?;
    anyhow::ensure!(answer.status == 200, "{answer:?}");
    Ok(answer)
}

impl User {
    /// One who was never here.
    async fn new(lab: &Lab, number: usize) -> anyhow::Result<Self> {
        let answer = ask(lab, number, &[]).await?;
        let cookie = answer
            .header("set-cookie")
            .split(';')
            .next()
            .unwrap_or_default();
        anyhow::ensure!(!cookie.is_empty(), "no cookie: {answer:?}");
        let version = answer.header("x-version").to_owned();
        Ok(Self {
            cookie: cookie.to_owned(),
            version,
        })
    }

    /// Asks another proxy than before.
    async fn come_back(&mut self, lab: &Lab, number: usize) -> anyhow::Result<()> {
        let answer = ask(lab, number + 1, &[("cookie", &self.cookie)]).await?;
        let now = answer.header("x-version");
        let moved_back = self.version == CANARY && now == STABLE;
        anyhow::ensure!(!moved_back, "user {number} was moved back");
        now.clone_into(&mut self.version);
        let renewed = answer.header("set-cookie").split(';').next();
        if let Some(renewed) = renewed.filter(|renewed| !renewed.is_empty()) {
            renewed.clone_into(&mut self.cookie);
        }
        Ok(())
    }
}
