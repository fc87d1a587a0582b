//! Whether the process has as much memory as it may: looked at 50 times a second, told by one flag.
//!
//! Where the limit is that of a control group, what counts is what the kernel counts for the group, sockets included, without
//! what it caches of files: it could give that back. Where we are told a limit, it is what the process itself holds.

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
    bound: Option<Bound>,
    short: AtomicBool,
}

#[derive(Debug)]
struct Bound {
    /// Bytes.
    limit: u64,
    /// Whose limit it is, if not the process's own.
    group: Option<Group>,
}

impl Memory {
    /// Within `limit` bytes, or else what the process's control group may have.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        let own = limit.map(|limit| Bound { limit, group: None });
        Self {
            bound: own.or_else(of_group),
            short: AtomicBool::new(false),
        }
    }

    /// Whether there is any limit to keep to.
    pub(crate) fn has_limit(&self) -> bool {
        self.bound.is_some()
    }

    /// Whether there is too little left to take on more.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Relaxed)
    }

    /// Looks at what is held.
    pub(crate) fn look(&self) {
        let Some(bound) = &self.bound else { return };
        if let Some(held) = bound.held() {
            self.judge(held, bound.limit);
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

impl Bound {
    fn held(&self) -> Option<u64> {
        match &self.group {
            None => held(),
            Some(group) => group.held(self.limit / 100 * ENOUGH_PERCENT),
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

/// What a version of control groups calls what we read of them.
#[derive(Debug)]
struct Names {
    limit: &'static str,
    used: &'static str,
    /// In `memory.stat`: what is cached of files, and what of it is none that could be given back.
    cached: [&'static str; 2],
}

/// cgroup-v1/memory.rst of the kernel's documentation.
const V1: Names = Names {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cached: ["total_cache ", "total_shmem "],
};
/// cgroup-v2.rst.
const V2: Names = Names {
    limit: "memory.max",
    used: "memory.current",
    cached: ["file ", "shmem "],
};

#[derive(Debug)]
struct Group {
    directory: PathBuf,
    names: &'static Names,
}

impl Group {
    fn limit(&self) -> Option<u64> {
        number(&self.directory.join(self.names.limit))
    }

    /// Bytes that the kernel cannot get back by itself, or more where that is not above `enough`: what it caches costs more to
    /// be told.
    fn held(&self, enough: u64) -> Option<u64> {
        let used = number(&self.directory.join(self.names.used))?;
        if used < enough {
            return Some(used);
        }
        let stat = fs::read_to_string(self.directory.join("memory.stat")).unwrap_or_default();
        let [cached, shared] = self.names.cached.map(|name| {
            let mut lines = stat.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.parse().ok());
            value.unwrap_or(0_u64)
        });
        Some(used.saturating_sub(cached.saturating_sub(shared)))
    }
}

/// The least that the process's control group, or one that it is in, may have.
fn of_group() -> Option<Bound> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    least(&groups, Path::new(GROUPS))
}

/// `groups` is as `/proc/self/cgroup`: lines of `NUMBER:CONTROLLERS:PATH`, without controllers in version 2.
fn least(groups: &str, root: &Path) -> Option<Bound> {
    let line = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let path = path.trim_start_matches('/').to_owned();
        match controllers {
            "" => Some((root.to_owned(), path, &V2)),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some((root.join("memory"), path, &V1))
            }
            _ => None,
        }
    };
    let of = |(root, path, names): (PathBuf, String, &'static Names)| {
        let inner = root.join(path);
        let above = inner
            .ancestors()
            .take_while(|group| group.starts_with(&root));
        let groups = above.map(|group| Group {
            directory: group.to_owned(),
            names,
        });
        let bounds = groups.filter_map(|group| {
            let (limit, group) = (group.limit()?, Some(group));
            Some(Bound { limit, group })
        });
        bounds.min_by_key(|bound| bound.limit)
    };
    let bounds = groups.lines().filter_map(line).filter_map(of);
    bounds.min_by_key(|bound| bound.limit)
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
        let bound = least(groups, root.path());
        let limit = bound.map(|bound| bound.limit);
        assert_eq!(limit, expected, "{groups:?} {files:?}");
    }

    #[track_caller]
    fn check_held(names: &'static Names, used: &str, stat: &str, expected: u64) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(names.used), used).unwrap();
        fs::write(directory.path().join("memory.stat"), stat).unwrap();
        let group = Group {
            directory: directory.path().to_owned(),
            names,
        };
        let bound = Bound {
            limit: 1_000,
            group: Some(group),
        };
        assert_eq!(bound.held(), Some(expected), "{used:?} {stat:?}");
    }

    #[test]
    fn a_group_holds_what_cannot_be_given_back() {
        let stat = "anon 500\nfile 300\nkernel 60\nshmem 100\nfile_mapped 9\n";
        check_held(&V2, "900\n", stat, 700);
        check_held(&V2, "849\n", stat, 849);
        check_held(&V2, "900\n", "", 900);
        let stat = "cache 1\nshmem 1\ntotal_cache 300\ntotal_shmem 100\n";
        check_held(&V1, "900\n", stat, 700);
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
