//! How a process cuts itself off before it runs a foreign program (Linux).
//!
//! New namespaces (`unshare(2)`) of users, network, processes, mounts and messages: no network but an
//! interface that is down, no other process to be seen or signalled, and the death of the program ends
//! whatever it started. All that is mounted becomes read-only; its folder is a small file system in
//! memory; `/proc` and `/run` (sockets of services) are empty. Limits of resources bound the rest.
//! A superuser becomes `nobody` first, because the kernel counts no processes of the superuser and
//! because nobody owns nothing.

use std::ffi::CString;
use std::fs;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change, mount_remount};
use rustix::process::{
    DumpableBehavior, Gid, Resource, Rlimit, Uid, getegid, geteuid, set_dumpable_behavior,
    setrlimit,
};
use rustix::thread::{
    UnshareFlags, set_thread_groups, set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
};

use super::Limits;
use super::worker::Work;

/// The user and group without rights.
const NOBODY: u32 = 65_534;
/// Open files at most.
const FILES: u64 = 64;
/// File systems of the kernel's own, of which nothing is kept: their files guard themselves.
const KERNEL_OWN: [&str; 14] = [
    "proc",
    "sysfs",
    "cgroup",
    "cgroup2",
    "devpts",
    "mqueue",
    "securityfs",
    "debugfs",
    "tracefs",
    "bpf",
    "configfs",
    "pstore",
    "binfmt_misc",
    "nsfs",
];

/// Cuts this process off and sets its limits; children inherit both. It must have one thread.
pub(super) fn cut_off(work: &Work) -> Result<(), String> {
    if geteuid().is_root() {
        become_nobody().map_err(|error| format!("becoming the user nobody: {error}"))?;
    }
    let (user, group) = (geteuid(), getegid());
    let spaces = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    // SAFETY: the danger is in `FILES`, which is not among the flags.
    #[expect(unsafe_code, reason = "a system call that some flags make unsafe")]
    unsafe { unshare_unsafe(spaces) }.map_err(|error| format!("namespaces: {error}"))?;
    keep_identity(user, group).map_err(|error| format!("identity in the namespace: {error}"))?;
    close_files(work)?;
    limit(work.limits).map_err(|error| format!("limits: {error}"))
}

fn become_nobody() -> rustix::io::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    // Else the files below /proc/self would still belong to the superuser.
    set_dumpable_behavior(DumpableBehavior::Dumpable)
}

/// Inside, the user and group are who they are outside, without rights.
fn keep_identity(user: Uid, group: Gid) -> std::io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    let (user, group) = (user.as_raw(), group.as_raw());
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// Makes everything read-only but an empty folder in memory, and hides processes and services.
fn close_files(work: &Work) -> Result<(), String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
    let alone = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", alone).map_err(|error| format!("mounts: {error}"))?;
    for line in mounts.lines() {
        let Some(mounted) = Mounted::parse(line) else { continue };
        if KERNEL_OWN.contains(&mounted.kind) {
            continue;
        }
        let flags = MountFlags::BIND | MountFlags::RDONLY | mounted.flags;
        match mount_remount(mounted.path.as_str(), flags, c"") {
            // Done; or covered by another mount, or gone, or out of this user's sight.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT | Errno::ACCESS) => {}
            Err(error) => return Err(format!("{}: read-only: {error}", mounted.path)),
        }
    }
    let in_memory = |place: &Path, options: String| -> Result<(), String> {
        let failed = |error: String| format!("{}: {error}", place.display());
        let options = CString::new(options).map_err(|error| failed(error.to_string()))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("hone", place, "tmpfs", flags, options.as_c_str())
            .map_err(|error| failed(error.to_string()))
    };
    in_memory(&work.folder, format!("size={}m,nr_inodes=1024,mode=700", work.limits.disk_mib))?;
    for hidden in ["/run", "/proc"] {
        let hidden = Path::new(hidden);
        // Not where the interpreter or the folder would be hidden too.
        if hidden.is_dir() && !work.folder.starts_with(hidden) && !work.python.starts_with(hidden) {
            in_memory(hidden, "size=4k,nr_inodes=1,mode=555".to_owned())?;
        }
    }
    Ok(())
}

/// A line of `/proc/self/mountinfo`.
struct Mounted<'a> {
    path: String,
    /// Flags that must stay, since they may not be taken away here.
    flags: MountFlags,
    kind: &'a str,
}

impl<'a> Mounted<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut fields = left.split(' ').skip(4);
        let (path, options) = (fields.next()?, fields.next()?);
        let mut flags = MountFlags::empty();
        for option in options.split(',') {
            flags |= match option {
                "nosuid" => MountFlags::NOSUID,
                "nodev" => MountFlags::NODEV,
                "noexec" => MountFlags::NOEXEC,
                "noatime" => MountFlags::NOATIME,
                "nodiratime" => MountFlags::NODIRATIME,
                "relatime" => MountFlags::RELATIME,
                _ => MountFlags::empty(),
            };
        }
        Some(Self { path: unescaped(path), flags, kind: right.split(' ').next()? })
    }
}

/// Blanks and the like stand as three octal digits after a backslash.
fn unescaped(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(path.to_owned(), |path, (code, character)| path.replace(code, character))
}

fn limit(limits: Limits) -> rustix::io::Result<()> {
    let mib = |count: u64| count << 20;
    for (resource, most) in [
        (Resource::As, mib(limits.memory_mib)),
        (Resource::Fsize, mib(limits.disk_mib)),
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::Nofile, FILES),
        (Resource::Nproc, limits.processes),
        (Resource::Core, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        let line = r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime,nosuid master:1 - ext3 /dev/root rw,errors=continue";
        let mounted = Mounted::parse(line).unwrap();
        assert_eq!((mounted.path.as_str(), mounted.kind), ("/mnt 2", "ext3"));
        assert_eq!(mounted.flags, MountFlags::NOATIME | MountFlags::NOSUID);
        assert!(Mounted::parse("").is_none());
    }
}
