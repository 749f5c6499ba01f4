//! How much memory this process may still take: what the machine has free, what its container (cgroup) leaves it, and
//! what its own limits (`ulimit -v`, `ulimit -d`) do.
//!
//! Pages of files that the system can drop are free: a container that is full of them is empty. Swap is not counted:
//! a model that runs from there does not run. All of it is read from files that Linux keeps; other systems have
//! neither of these limits, and are asked for what is free.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
};

use serde::Serialize;

/// What the tightest of the limits is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// What the machine has free.
    FreeMemory,
    /// The memory limit of the process's control group, or of one around it.
    Container,
    /// The largest address space of the process (`ulimit -v`).
    AddressSpace,
    /// The largest data segment of the process (`ulimit -d`).
    Data,
}

/// Bytes that may still be taken, and what sets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Number of bytes.
    pub bytes: u64,
    /// By which limit.
    pub limit: Limit,
}

/// What each of the limits leaves, in bytes; `None` where there is no such limit, or it is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowances {
    free: Option<u64>,
    container: Option<u64>,
    address_space: Option<u64>,
    data: Option<u64>,
}

impl Allowances {
    /// Those of this process, now.
    #[must_use]
    pub fn now() -> Self {
        #[cfg(target_os = "linux")]
        let found = Self::below(Path::new("/"));
        #[cfg(not(target_os = "linux"))]
        let found = Self {
            free: elsewhere(),
            ..Self::default()
        };
        found
    }

    /// The same, read from `proc` and the control groups below `root`.
    #[cfg_attr(
        not(any(target_os = "linux", test)),
        expect(dead_code, reason = "these files are Linux's")
    )]
    fn below(root: &Path) -> Self {
        let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_default();
        let (limits, status) = (read("proc/self/limits"), read("proc/self/status"));
        let left = |limit: &str, used: &str| {
            let most = limit_of(&limits, limit)?;
            Some(most.saturating_sub(kilobytes(&status, used)?))
        };
        Self {
            free: kilobytes(&read("proc/meminfo"), "MemAvailable:"),
            container: container(
                root,
                &read("proc/self/cgroup"),
                &read("proc/self/mountinfo"),
            ),
            address_space: left("Max address space", "VmSize:"),
            data: left("Max data size", "VmData:"),
        }
    }

    /// A machine with so much free and no other limit.
    #[cfg(test)]
    #[must_use]
    pub fn free(bytes: u64) -> Self {
        Self {
            free: Some(bytes),
            ..Self::default()
        }
    }

    /// What may be taken of memory that is the program's own: the least of all.
    #[must_use]
    pub fn own(&self) -> Option<Allowance> {
        least([
            (self.container, Limit::Container),
            (self.address_space, Limit::AddressSpace),
            (self.data, Limit::Data),
            (self.free, Limit::FreeMemory),
        ])
    }

    /// How much of files can lie in memory at once.
    #[must_use]
    pub fn pages(&self) -> Option<Allowance> {
        least([
            (self.container, Limit::Container),
            (self.free, Limit::FreeMemory),
        ])
    }

    /// How much more can be mapped.
    #[must_use]
    pub fn to_map(&self) -> Option<Allowance> {
        least([(self.address_space, Limit::AddressSpace)])
    }
}

fn least<const N: usize>(all: [(Option<u64>, Limit); N]) -> Option<Allowance> {
    let told = all.into_iter().filter_map(|(bytes, limit)| {
        Some(Allowance {
            bytes: bytes?,
            limit,
        })
    });
    told.min_by_key(|it| it.bytes)
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = gigabytes(self.bytes);
        match self.limit {
            Limit::FreeMemory => write!(f, "{bytes} are free"),
            Limit::Container => write!(f, "the container's limit leaves {bytes}"),
            Limit::AddressSpace => write!(
                f,
                "the limit of the address space (ulimit -v) leaves {bytes}"
            ),
            Limit::Data => write!(f, "the limit of the data (ulimit -d) leaves {bytes}"),
        }
    }
}

/// What the machine has free.
#[cfg(not(target_os = "linux"))]
fn elsewhere() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    Some(system.available_memory()).filter(|it| *it > 0)
}

/// The bytes on the line `name   123 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|it| it.strip_prefix(name))?;
    let n: u64 = line.split_whitespace().next()?.parse().ok()?;
    n.checked_mul(1024)
}

/// The soft limit on the line `name   soft   hard   unit`; none where there is no limit.
fn limit_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|it| it.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The number on the line `name 123`.
fn counted(text: &str, name: &str) -> u64 {
    let values = text.lines().filter_map(|it| it.split_once(' '));
    let mut found = values.filter(|it| it.0 == name);
    found
        .find_map(|it| it.1.trim().parse().ok())
        .unwrap_or_default()
}

/// What the control groups around this process leave, of either version.
fn container(root: &Path, groups: &str, mounts: &str) -> Option<u64> {
    let mut left = None;
    for mount in mounts.lines().filter_map(Mount::parse) {
        let Some(inside) = groups.lines().find_map(|it| mount.version.group(it)) else {
            continue;
        };
        // A mount may show a part of the tree only, and the process may be outside of it.
        let inside = Path::new(inside).strip_prefix(mount.shows).ok();
        let inside = inside.filter(|it| it.components().all(|it| it != Component::ParentDir));
        let top = root.join(mount.at.strip_prefix("/").unwrap_or(&mount.at));
        let mut folder = top.join(inside.unwrap_or(Path::new("")));
        while folder.starts_with(&top) {
            let here = mount.version.left(&folder);
            left = [left, here].into_iter().flatten().min();
            if !folder.pop() {
                break;
            }
        }
    }
    left
}

/// Where a tree of control groups is.
struct Mount<'a> {
    version: Version,
    /// The group that the mount's folder is.
    shows: &'a str,
    at: PathBuf,
}

impl<'a> Mount<'a> {
    /// Reads `id parent major:minor root at options… - type source options`.
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let version = match (after.next()?, after.nth(1)?) {
            ("cgroup2", _) => Version::Two,
            ("cgroup", options) if options.split(',').any(|it| it == "memory") => Version::One,
            _ => return None,
        };
        let mut before = before.split(' ').skip(3);
        Some(Self {
            version,
            shows: before.next()?,
            at: PathBuf::from(before.next()?),
        })
    }
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

impl Version {
    /// The group that a line `number:controllers:group` names, where it is of this tree.
    fn group(self, line: &str) -> Option<&str> {
        let (number, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let is_it = match self {
            Self::One => controllers.split(',').any(|it| it == "memory"),
            Self::Two => number == "0" && controllers.is_empty(),
        };
        is_it.then_some(group)
    }

    /// What one group leaves of its limit; none where it has none. What its files take can be dropped.
    fn left(self, folder: &Path) -> Option<u64> {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let number = |name: &str| read(name).trim().parse::<u64>().ok();
        let (limit, used, prefix) = match self {
            Self::One => (
                // No limit is the largest whole number of pages.
                number("memory.limit_in_bytes").filter(|it| *it < 1 << 62),
                number("memory.usage_in_bytes"),
                "total_",
            ),
            Self::Two => (
                // "max" is no number.
                [number("memory.max"), number("memory.high")]
                    .into_iter()
                    .flatten()
                    .min(),
                number("memory.current"),
                "",
            ),
        };
        let limit = limit?;
        let stat = read("memory.stat");
        let droppable = ["inactive_file", "active_file"]
            .map(|it| counted(&stat, &format!("{prefix}{it}")))
            .into_iter()
            .fold(0, u64::saturating_add);
        let used = used.unwrap_or_default().saturating_sub(droppable);
        Some(limit.saturating_sub(used))
    }
}

/// A size as people read it: `3.8 GB`, `14.4 MB`.
#[must_use]
pub fn gigabytes(n_bytes: u64) -> String {
    let n = n_bytes as f64;
    if n >= 1e9 {
        format!("{:.1} GB", n / 1e9)
    } else if n >= 1e6 {
        format!("{:.1} MB", n / 1e6)
    } else {
        format!("{:.1} kB", n / 1e3)
    }
}

#[cfg(test)]
#[path = "allowance_tests.rs"]
mod tests;
