//! What a process may take, on samples of the files that Linux keeps.

use std::{fs, path::Path};

use super::*;

const GIB: u64 = 1 << 30;
const MEMINFO: &str = "MemTotal:       24684096 kB\nMemFree:         9342624 kB\nMemAvailable:   16777216 kB\nSwapFree:       99999999 kB\n";
const UNLIMITED: &str = "Limit                     Soft Limit           Hard Limit           Units     \nMax data size             unlimited            unlimited            bytes     \nMax address space         unlimited            unlimited            bytes     \n";
const STATUS: &str =
    "Name:\tmoescope\nVmPeak:\t 2097152 kB\nVmSize:\t 1048576 kB\nVmData:\t  524288 kB\n";
/// A container with a namespace of its own, as Docker and Kubernetes start them.
const V2: &[(&str, &str)] = &[
    ("proc/self/cgroup", "0::/\n"),
    (
        "proc/self/mountinfo",
        "735 734 0:29 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n",
    ),
    ("sys/fs/cgroup/memory.max", "1073741824\n"),
    ("sys/fs/cgroup/memory.high", "max\n"),
    ("sys/fs/cgroup/memory.current", "734003200\n"),
    (
        "sys/fs/cgroup/memory.stat",
        "anon 104857600\nfile 629145600\nkernel 0\ninactive_anon 0\nactive_anon 104857600\ninactive_file 419430400\nactive_file 209715200\nunevictable 0\n",
    ),
];
/// A group inside a machine's tree of the first version.
const V1: &[(&str, &str)] = &[
    (
        "proc/self/cgroup",
        "11:cpu,cpuacct:/jobs\n4:memory:/jobs/seven\n0::/elsewhere\n",
    ),
    (
        "proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n",
    ),
    (
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "9223372036854771712\n",
    ),
    (
        "sys/fs/cgroup/memory/jobs/memory.limit_in_bytes",
        "4294967296\n",
    ),
    (
        "sys/fs/cgroup/memory/jobs/memory.usage_in_bytes",
        "3221225472\n",
    ),
    (
        "sys/fs/cgroup/memory/jobs/memory.stat",
        "cache 1\ninactive_file 9\ntotal_inactive_file 536870912\ntotal_active_file 536870912\n",
    ),
    (
        "sys/fs/cgroup/memory/jobs/seven/memory.limit_in_bytes",
        "9223372036854771712\n",
    ),
    (
        "sys/fs/cgroup/memory/jobs/seven/memory.usage_in_bytes",
        "1073741824\n",
    ),
];

/// What is left where these files are there, a later one in place of an earlier.
fn left(files: &[&[(&str, &str)]]) -> Allowances {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files.iter().copied().flatten() {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Allowances::below(root.path())
}

fn check(files: &[&[(&str, &str)]], bytes: u64, limit: Limit) {
    let machine: &[(&str, &str)] = &[
        ("proc/meminfo", MEMINFO),
        ("proc/self/limits", UNLIMITED),
        ("proc/self/status", STATUS),
    ];
    let all: Vec<_> = [machine].into_iter().chain(files.iter().copied()).collect();
    assert_eq!(left(&all).own(), Some(Allowance { bytes, limit }));
}

#[test]
fn without_limits_it_is_what_is_free_and_swap_is_not_counted() {
    check(&[], 16 * GIB, Limit::FreeMemory);
}

#[test]
fn a_container_leaves_its_limit_less_what_no_file_can_give_back() {
    check(&[V2], GIB - 100 * (1 << 20), Limit::Container);
    // Above `high` a process is slowed down until it hardly runs.
    let high = [("sys/fs/cgroup/memory.high", "536870912\n")];
    check(&[V2, &high], 412 * (1 << 20), Limit::Container);
    let over = [("sys/fs/cgroup/memory.max", "1000\n")];
    check(&[V2, &over], 0, Limit::Container);
    let none = [("sys/fs/cgroup/memory.max", "max\n")];
    check(&[V2, &none], 16 * GIB, Limit::FreeMemory);
    let roomy = [("sys/fs/cgroup/memory.max", "1099511627776\n")];
    check(&[V2, &roomy], 16 * GIB, Limit::FreeMemory);
}

#[test]
fn a_group_around_the_process_counts_too() {
    check(&[V1], 2 * GIB, Limit::Container);
    let own = [(
        "sys/fs/cgroup/memory/jobs/seven/memory.limit_in_bytes",
        "1610612736\n",
    )];
    check(&[V1, &own], GIB / 2, Limit::Container);
    let two = [
        ("proc/self/cgroup", "0::/user.slice/app.scope\n"),
        ("sys/fs/cgroup/memory.max", "max\n"),
        ("sys/fs/cgroup/user.slice/memory.max", "2147483648\n"),
        ("sys/fs/cgroup/user.slice/memory.current", "1073741824\n"),
        ("sys/fs/cgroup/user.slice/app.scope/memory.max", "max\n"),
    ];
    check(&[V2, &two], GIB, Limit::Container);
}

#[test]
fn a_mount_that_shows_the_process_its_own_group_is_read_there() {
    // Docker without a namespace for groups: the path is the machine's, the mount begins at the container.
    let docker = [
        ("proc/self/cgroup", "4:memory:/docker/0a1b\n"),
        (
            "proc/self/mountinfo",
            "35 31 0:32 /docker/0a1b /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n",
        ),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "629145600\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n"),
    ];
    check(&[&docker], 600 * (1 << 20), Limit::Container);
    for path in [
        "4:memory:/docker/other\n",
        "4:memory:/docker/0a1b/../../x\n",
    ] {
        let outside = [("proc/self/cgroup", path)];
        check(&[&docker, &outside], 600 * (1 << 20), Limit::Container);
    }
}

#[test]
fn limits_of_the_process_leave_what_it_has_not_taken() {
    let space = "Max address space         4294967296           unlimited            bytes\n";
    check(
        &[&[("proc/self/limits", space)]],
        3 * GIB,
        Limit::AddressSpace,
    );
    let none_left = "Max address space         4096                 4096                 bytes\n";
    check(
        &[V2, &[("proc/self/limits", none_left)]],
        0,
        Limit::AddressSpace,
    );
    let data = "Max data size             1073741824           unlimited            bytes\n";
    check(&[&[("proc/self/limits", data)]], GIB / 2, Limit::Data);
}

#[test]
fn what_is_not_told_is_no_limit() {
    assert_eq!(left(&[]).own(), None);
    assert_eq!(left(&[]).pages(), None);
    let broken: &[(&str, &str)] = &[
        ("proc/meminfo", "MemAvailable: many kB\n"),
        ("proc/self/limits", "Max address space\n"),
        ("proc/self/status", "VmSize:\n"),
        ("proc/self/cgroup", "0\n:::\n0::\n4:memory\n"),
        (
            "proc/self/mountinfo",
            " - cgroup2 \nx - cgroup2 a b\n1 2 3 / / - cgroup2 a b\n- - -\n",
        ),
        ("memory.max", "-1\n"),
    ];
    assert_eq!(left(&[broken]).own(), None);
}

#[test]
fn files_are_held_by_what_the_machine_and_the_container_have() {
    let it = Allowances {
        free: Some(9),
        container: Some(5),
        address_space: Some(3),
        data: Some(2),
    };
    let of = |bytes, limit| Some(Allowance { bytes, limit });
    assert_eq!(it.pages(), of(5, Limit::Container));
    assert_eq!(it.to_map(), of(3, Limit::AddressSpace));
    assert_eq!(it.own(), of(2, Limit::Data));
}

#[test]
fn what_sets_the_limit_is_said() {
    for (limit, words) in [
        (Limit::FreeMemory, "600.0 MB are free"),
        (Limit::Container, "the container's limit leaves 600.0 MB"),
        (
            Limit::AddressSpace,
            "the limit of the address space (ulimit -v) leaves 600.0 MB",
        ),
        (
            Limit::Data,
            "the limit of the data (ulimit -d) leaves 600.0 MB",
        ),
    ] {
        let bytes = 600_000_000;
        assert_eq!(Allowance { bytes, limit }.to_string(), words);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn this_process_is_told_something() {
    let now = Allowances::now();
    assert!(now.own().is_some_and(|it| it.bytes > 0), "{now:?}");
    assert!(Path::new("/proc/self/limits").exists());
}
