//! Measures what a split costs: drawing its schedule, and taking a ticket from one and from several threads.
//!
//! `cargo run --release -p haldane-routing --example schedule`

use haldane_routing::Schedule;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

const TICKETS: u32 = 20_000_000;

fn main() {
    println!(
        "{:<28} {:>7} {:>12} {:>12} {:>12}",
        "weights", "period", "drawing", "1 thread", "2 threads"
    );
    for (name, weights) in splits() {
        let begin = Instant::now();
        let schedule = Schedule::new(&weights, 1).expect("the weights above are fine");
        let drawing = begin.elapsed();
        println!(
            "{name:<28} {:>7} {:>9} us {:>9.1} ns {:>9.1} ns",
            schedule.period(),
            drawing.as_micros(),
            take(&schedule, 1),
            take(&schedule, 2),
        );
    }
}

fn splits() -> Vec<(&'static str, Vec<u64>)> {
    vec![
        ("one version", vec![1]),
        ("90/10", vec![90, 10]),
        ("70/30", vec![70, 30]),
        ("97/3", vec![97, 3]),
        ("50/30/20", vec![50, 30, 20]),
        ("two, fine", vec![7_001, 2_999]),
        ("two, fine, small canary", vec![9_997, 3]),
        (
            "ten, fine",
            vec![3_001, 2_003, 1_501, 1_009, 907, 701, 503, 251, 103, 21],
        ),
        (
            "ten alike, fine",
            vec![
                1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_001, 999,
            ],
        ),
        ("64 versions, fine", (110..174).collect()),
    ]
}

/// Nanoseconds until each of so many threads has a ticket more.
fn take(schedule: &Schedule, threads: usize) -> f64 {
    let begin = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..TICKETS {
                    black_box(schedule.next());
                }
            });
        }
    });
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(TICKETS)
}
