//! Values that must not install.

use crate::helm::{self, Helm};

#[track_caller]
fn check(helm: &Helm, values: &[&str], message: &str) {
    let args: Vec<&str> = values.iter().flat_map(|value| ["--set", value]).collect();
    match helm.render(helm::RELEASE, &args) {
        Ok(_) => panic!("{values:?} is taken"),
        Err(error) => assert!(error.to_string().contains(message), "{values:?}: {error}"),
    }
}

#[test]
fn values_that_cannot_work_are_refused_with_their_name() {
    let Some(helm) = Helm::find() else { return };
    let autoscaled = ["proxy.kind=DaemonSet", "proxy.autoscaling.enabled=true"];
    let half = ["push.certificates.proxySecret=mine"];
    let claimless = ["proxy.state.type=persistentVolumeClaim"];

    check(&helm, &autoscaled, "proxy.autoscaling");
    check(&helm, &half, "push.certificates");
    check(&helm, &claimless, "proxy.state.claimName");
    check(&helm, &["proxy.replica=3"], "replica");
    check(&helm, &["proxi.replicas=3"], "proxi");
    check(&helm, &["proxy.kind=StatefulSet"], "/proxy/kind");
    check(&helm, &["proxy.ports.http=80"], "/proxy/ports/http");
    check(
        &helm,
        &["proxy.service.type=ExternalName"],
        "/proxy/service/type",
    );
    check(&helm, &["proxy.trusted[0]=everybody"], "/proxy/trusted/0");
    check(&helm, &["proxy.limits.head-time=5"], "head-time");
    check(
        &helm,
        &["proxy.limits.head-timeout=soon"],
        "/proxy/limits/head-timeout",
    );
    check(&helm, &["proxy.preStopSeconds=-1"], "/proxy/preStopSeconds");
    check(&helm, &["watch.secrets[0].names[0]=tls"], "namespace");
    check(
        &helm,
        &["watch.secrets[0].namespace=*"],
        "/watch/secrets/0/namespace",
    );
    check(&helm, &["watch.namespaces[0]=Shop"], "/watch/namespaces/0");
    check(&helm, &["proxy.image.digest=latest"], "/proxy/image/digest");
}

#[test]
fn pod_monitors_need_their_definitions() -> anyhow::Result<()> {
    let Some(helm) = Helm::find() else {
        return Ok(());
    };
    let chart = helm::chart();
    let monitor = "podMonitor.enabled=true";
    let output = helm.run(&["template", "x", helm::path(&chart), "--set", monitor])?;
    let errors = String::from_utf8(output.stderr)?;
    assert!(
        !output.status.success() && errors.contains("podMonitor.enabled"),
        "{errors}"
    );
    Ok(())
}

#[test]
fn lint_finds_nothing() -> anyhow::Result<()> {
    let Some(helm) = Helm::find() else {
        return Ok(());
    };
    let chart = helm::chart();
    for case in crate::CASES {
        let values = helm::values_file(case);
        let output = helm.run(&[
            "lint",
            "--strict",
            helm::path(&chart),
            "--values",
            helm::path(&values),
        ])?;
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{case}: {printed}");
    }
    Ok(())
}
