//! What a process has used so far, as the system counts it.

use anyhow::Context as _;
use std::fs;

/// Nanoseconds for which the threads of a process have run, in the system too.
///
/// # Errors
/// When there is no such process.
pub fn cpu_ns(process: u32) -> anyhow::Result<u64> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread that ends meanwhile takes its time with it.
        let Ok(counted) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let ran = counted.split(' ').next().and_then(|ran| ran.parse().ok());
        total += ran.unwrap_or(0);
    }
    Ok(total)
}

/// Bytes of memory that a process has by this field of its status: `VmRSS` now, `VmHWM` at most so far.
///
/// # Errors
/// When there is no such process or no such field.
pub fn memory(process: u32, field: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.trim_start_matches(':').trim().split(' ').next());
    Ok(number.context("a number")?.parse::<u64>()? << 10)
}
