use super::*;

/// One annotation a line, `name: value`.
fn read(text: &str) -> Result<Option<Plan>, Vec<Fault>> {
    Plan::read(text.lines().filter_map(|line| line.trim().split_once(": ")))
}

fn faults(text: &str) -> String {
    let faults = read(text).unwrap_err();
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

#[test]
fn without_rollout_there_is_no_plan() {
    assert_eq!(read("steps: nonsense"), Ok(None));
}

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(read("rollout: auto"), Ok(Some(Plan::default())));
}

#[test]
fn everything_can_be_said() {
    let plan = read(
        "rollout: manual
        steps: 0.5, 20%, 100
        step-interval: 5m
        tolerance: errors<2x
        margin: errors<3x+1%
        latency: p99<300ms
        alpha: 0.1%
        beta: 0.02
        min-requests: 7
        max-duration: 2h
        warm-up: 30s
        rollback-window: 10m
        freeze: 22:00 - 06:00 UTC; Fri 18:00 - Mon 08:00 Asia/Seoul
        on-abort: undo
        pause: true
        promote: v2
        abort: true
        retry: false",
    );
    let plan = plan.unwrap().unwrap();
    let steps: Vec<_> = plan.steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["0.5%", "20%", "100%"]);
    assert_eq!(
        (plan.mode, plan.on_abort, plan.min_requests),
        (Mode::Manual, OnAbort::Undo, 7)
    );
    assert_eq!((plan.alpha, plan.beta), (0.001, 0.02));
    assert_eq!(plan.freezes.len(), 2);
    assert_eq!(plan.step_interval, Duration::from_secs(300));
    assert_eq!(
        plan.hand,
        Hand {
            pause: true,
            promote: Some(Order::Version("v2".to_owned())),
            abort: Some(Order::Any),
            retry: None,
            rollback: None,
        }
    );
}

#[test]
fn every_fault_is_told_at_once() {
    insta::assert_snapshot!(faults(
        "rollout: yes
        steps: 5,5,100
        step-interval: 2
        tolerance: errors>1%
        margin: errors<x
        latency: fast
        alpha: 0
        beta: 0.5
        min-requests: -1
        max-duration: 1000d
        warm-up: soon
        freeze: weekends
        on-abort: panic
        pause: yes"
    ), @r#"
    haldane.dev/tolerance: "errors>1%" is not a tolerance such as "errors<1.25x+0.1%" (either part may be left out)
    haldane.dev/rollout: "yes" is none of "auto", "manual"
    haldane.dev/steps: step 5% does not rise above 5%
    haldane.dev/step-interval: "2" is not a duration such as "2m" or "1h 30m", of at most 28days
    haldane.dev/margin: "" is not a number such as 10 or 0.05, with at most 6 decimals
    haldane.dev/latency: "fast" is neither "stable" nor an objective such as "p99<300ms"
    haldane.dev/alpha: "0" is not a probability above 0 and below 0.5, such as 0.01 or 1%
    haldane.dev/beta: "0.5" is not a probability above 0 and below 0.5, such as 0.01 or 1%
    haldane.dev/min-requests: "-1" is not a whole number up to 1000000000
    haldane.dev/max-duration: "1000d" is not a duration such as "2m" or "1h 30m", of at most 28days
    haldane.dev/warm-up: "soon" is not a duration such as "2m" or "1h 30m", of at most 28days
    haldane.dev/freeze: "weekends" is not a time such as "Fri 18:00 - Mon 08:00 Asia/Seoul" or "22:00 - 06:00 UTC"
    haldane.dev/on-abort: "panic" is none of "hold", "scale-down", "undo"
    haldane.dev/pause: "yes" is none of "true", "false"
    "#);
}

#[test]
fn a_ladder_rises_from_nothing_to_everything() {
    for (steps, expected) in [
        ("100", "ok"),
        ("1,5,10,25,50,100", "ok"),
        ("0,100", "step 0% does not rise above 0%"),
        ("10,5,100", "step 5% does not rise above 10%"),
        ("10,50", "the last step is 50%, not 100"),
        ("10,101", "not a percentage"),
    ] {
        let text = format!("rollout: auto\nsteps: {steps}");
        let seen = read(&text).map_or_else(|faults| faults[0].to_string(), |_| "ok".to_owned());
        assert!(seen.contains(expected), "{steps}: {seen}");
    }
}

#[test]
fn a_margin_accepts_what_the_tolerance_does() {
    let narrow = "rollout: auto\ntolerance: errors<2x\nmargin: errors<1.5x+1%";
    insta::assert_snapshot!(faults(narrow), @"haldane.dev/margin: errors<1.5x+1% is narrower than the tolerance errors<2x: a canary could be neither worse nor good enough");
    for (tolerance, margin) in [
        ("errors<1.25x+0.1%", "errors<1.5x+0.5%"),
        ("errors<2x+1%", "errors<2x+2%"),
        ("errors<1%", "errors<1.5x+2%"),
        ("errors<0x+1%", "errors<1.5x+2%"),
        ("errors<1x+90%", "errors<1.5x+95%"),
    ] {
        let plan = read(&format!("rollout: auto\ntolerance: {tolerance}"))
            .unwrap()
            .unwrap();
        assert_eq!(plan.margin.to_string(), margin, "{tolerance}");
    }
}
