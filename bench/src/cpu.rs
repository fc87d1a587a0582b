//! CPU time and memory as the kernel accounts for them, read from `/proc`.

use std::fs;

use anyhow::Context as _;

/// CPU time that a group of processes has used since they started.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(crate) struct CpuTime {
    /// Time on a core in ns, exact: the scheduler's own account.
    total_ns: u64,
    /// Clock ticks found in user mode: only good for the share of user mode.
    user_ticks: u64,
    /// Clock ticks found in the kernel.
    system_ticks: u64,
}

/// CPU time used between two looks.
#[derive(Clone, Copy)]
pub(crate) struct CpuSpent {
    /// Time on a core in ns.
    pub(crate) total_ns: u64,
    /// How much of it was spent in user mode, 0 to 1, to the precision of clock ticks.
    pub(crate) user_share: f64,
}

impl CpuTime {
    /// What all threads of these processes have used until now.
    ///
    /// # Errors
    /// If one of them has ended.
    pub(crate) fn of(processes: &[u32]) -> anyhow::Result<CpuTime> {
        let mut sum = CpuTime::default();
        for &pid in processes {
            let one = CpuTime::of_one(pid).with_context(|| format!("CPU time of process {pid}"))?;
            sum.total_ns += one.total_ns;
            sum.user_ticks += one.user_ticks;
            sum.system_ticks += one.system_ticks;
        }
        Ok(sum)
    }

    fn of_one(pid: u32) -> anyhow::Result<CpuTime> {
        let mut total_ns = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
            total_ns += field(&schedstat, 0)?;
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The command's name stands in brackets and may hold spaces; fields are counted after it.
        let (_, after_name) = stat.rsplit_once(')').context("stat without a name")?;
        let (user_ticks, system_ticks) = (field(after_name, 11)?, field(after_name, 12)?);
        Ok(CpuTime {
            total_ns,
            user_ticks,
            system_ticks,
        })
    }

    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: CpuTime) -> CpuSpent {
        let user = self.user_ticks - earlier.user_ticks;
        let ticks = user + self.system_ticks - earlier.system_ticks;
        CpuSpent {
            total_ns: self.total_ns - earlier.total_ns,
            user_share: user as f64 / ticks.max(1) as f64,
        }
    }
}

/// How long `core` has been busy since the machine started, in ns, to the precision of clock ticks.
///
/// # Errors
/// If there is no such core.
pub(crate) fn busy_ns(core: usize) -> anyhow::Result<u64> {
    /// Fields of a core's line that are no work: idle and waiting for a disk.
    const IDLE_FIELDS: [usize; 2] = [3, 4];
    /// Fields before those of guests, which are counted in the others already.
    const FIELDS: usize = 8;
    let stat = fs::read_to_string("/proc/stat")?;
    let name = format!("cpu{core} ");
    let line = stat
        .lines()
        .find_map(|line| line.strip_prefix(&name))
        .context("no such core")?;
    let mut ticks = 0;
    for index in (0..FIELDS).filter(|index| !IDLE_FIELDS.contains(index)) {
        ticks += field(line, index)?;
    }
    Ok(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second())
}

/// The memory of these processes in bytes; pages that several share are counted once.
///
/// # Errors
/// If one of them has ended.
pub(crate) fn memory_bytes(processes: &[u32]) -> anyhow::Result<u64> {
    let mut sum = 0;
    for pid in processes {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        sum += field(line.context("no Pss")?, 0)? * 1024;
    }
    Ok(sum)
}

fn field(line: &str, index: usize) -> anyhow::Result<u64> {
    let field = line
        .split_whitespace()
        .nth(index)
        .context("a line that is too short")?;
    Ok(field.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_accounted_for() {
        let own = [std::process::id()];
        let before = CpuTime::of(&own).unwrap();
        // Looking is work; the kernel may account for it late, but not after so many looks.
        let mut looks = (0..100_000).map(|_| CpuTime::of(&own).unwrap().since(before));
        assert!(looks.any(|spent| spent.total_ns > 0));
        assert!(busy_ns(0).unwrap() > 0);
        assert!(busy_ns(1_000_000).is_err());
        assert!(memory_bytes(&own).unwrap() > 100_000);
    }

    #[test]
    fn the_user_share_is_that_of_the_ticks_between() {
        let earlier = CpuTime {
            total_ns: 5,
            user_ticks: 10,
            system_ticks: 10,
        };
        let later = CpuTime {
            total_ns: 105,
            user_ticks: 11,
            system_ticks: 13,
        };
        let spent = later.since(earlier);
        assert_eq!((spent.total_ns, spent.user_share), (100, 0.25));
        assert_eq!(earlier.since(earlier).user_share, 0.0);
    }
}
