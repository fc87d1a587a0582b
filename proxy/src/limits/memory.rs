//! Whether the process has as much memory as it may: looked at 50 times a second, told by one flag.
//!
//! What counts is what the process itself holds, not what the kernel caches of files for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// How often the process is looked at. Whoever floods it with thousands of requests a second may have no more until the next
/// look than there is between [`SHORT_PERCENT`] and the limit; a look takes some 20 us.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Percent of the limit from which on requests are refused: what is under way needs the rest.
const SHORT_PERCENT: u64 = 90;
/// Percent of the limit below which they are taken again. Not the same number, so that it does not flutter; above 83, so that
/// a fifth more than it needs is enough for a process.
const ENOUGH_PERCENT: u64 = 85;

/// Where Linux shows control groups.
const GROUPS: &str = "/sys/fs/cgroup";

/// The memory of the process.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Bytes.
    limit: Option<u64>,
    short: AtomicBool,
}

impl Memory {
    /// Within `limit` bytes, or else what the process's control group may have.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self {
            limit: limit.or_else(of_group),
            short: AtomicBool::new(false),
        }
    }

    /// Whether there is any limit to keep to.
    pub(crate) fn has_limit(&self) -> bool {
        self.limit.is_some()
    }

    /// Whether there is too little left to take on more.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Relaxed)
    }

    /// Looks at what the process holds.
    pub(crate) fn look(&self) {
        if let (Some(limit), Some(held)) = (self.limit, held()) {
            self.judge(held, limit);
        }
    }

    fn judge(&self, held: u64, limit: u64) {
        let before = self.is_short();
        let percent = if before {
            ENOUGH_PERCENT
        } else {
            SHORT_PERCENT
        };
        let short = held >= limit / 100 * percent;
        if short != before {
            tracing::warn!(held, limit, short, "memory");
            self.short.store(short, Relaxed);
        }
    }
}

/// Bytes in memory, shared ones included.
fn held() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1_024)
}

/// The least that the process's control group, or one that it is in, may have.
fn of_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    least(&groups, Path::new(GROUPS))
}

/// `groups` is as `/proc/self/cgroup`: lines of `NUMBER:CONTROLLERS:PATH`, without controllers in version 2.
fn least(groups: &str, root: &Path) -> Option<u64> {
    let line = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let path = path.trim_start_matches('/').to_owned();
        match controllers {
            "" => Some((root.to_owned(), path, "memory.max")),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some((root.join("memory"), path, "memory.limit_in_bytes"))
            }
            _ => None,
        }
    };
    let of = |(root, path, file): (PathBuf, String, &'static str)| {
        let group = root.join(path);
        let above = group
            .ancestors()
            .take_while(|group| group.starts_with(&root));
        above.filter_map(|group| number(&group.join(file))).min()
    };
    groups.lines().filter_map(line).filter_map(of).min()
}

/// The number in a file; `max`, or no file, is none.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_short_from_one_bound_to_another() {
        let memory = Memory::new(Some(1_000));
        for (held, short) in [
            (0, false),
            (899, false),
            (900, true),
            (860, true),
            (849, false),
        ] {
            memory.judge(held, 1_000);
            assert_eq!(memory.is_short(), short, "{held}");
        }
    }

    #[test]
    fn a_process_holds_something() {
        assert!(held().unwrap() > 1 << 20);
    }

    #[track_caller]
    fn check(groups: &str, files: &[(&str, &str)], expected: Option<u64>) {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        assert_eq!(least(groups, root.path()), expected, "{groups:?} {files:?}");
    }

    #[test]
    fn the_least_of_all_groups_counts() {
        check("0::/\n", &[], None);
        check("0::/\n", &[("memory.max", "max\n")], None);
        check("0::/\n", &[("memory.max", "1024\n")], Some(1_024));
        let inner = [("a/memory.max", "512\n"), ("a/b/memory.max", "max\n")];
        check("0::/a/b\n", &inner, Some(512));
        check("0::/elsewhere\n", &[("memory.max", "64\n")], Some(64));
        let first = "5:cpu:/a\n4:memory:/a\n";
        check(
            first,
            &[("memory/a/memory.limit_in_bytes", "256\n")],
            Some(256),
        );
        check("5:cpu:/a\n", &[("a/memory.max", "1\n")], None);
    }
}
