//! Runs programs that a model wrote, where they can do no harm.
//!
//! This program runs itself as a worker (`hone program-worker`), which cuts itself off ([`worker`]) and
//! then runs `python3` under limits. The source goes in by standard input; what counts is a line that
//! only the program's end writes.

#[cfg(target_os = "linux")]
mod isolation;
mod worker;

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use rand::Rng as _;
pub use worker::{Work, run as worker};

use crate::evaluate::ProgramRunner;
use crate::evaluate::programs::{Limit, Ran};
use crate::failure::{Context as _, Failure, Result};

/// What a program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Seconds on the clock.
    pub seconds: u64,
    /// Seconds of the processor.
    pub cpu_seconds: u64,
    /// Mebibytes of address space.
    pub memory_mib: u64,
    /// Mebibytes of its folder, and of each file in it.
    pub disk_mib: u64,
    /// Processes and threads.
    pub processes: u64,
}

impl Default for Limits {
    /// Ample for the test of one function: HumanEval's own harness gives it three seconds.
    fn default() -> Self {
        Self { seconds: 10, cpu_seconds: 5, memory_mib: 512, disk_mib: 16, processes: 16 }
    }
}

/// Exit status of a worker that could not cut itself off.
const NOT_ISOLATED: i32 = 125;
/// Exit status of a worker that could not start Python.
const NO_PYTHON: i32 = 126;
/// Exit status of a worker that stopped the program.
const TIMED_OUT: i32 = 124;
/// Exit statuses of a program that the kernel stopped: SIGKILL and SIGXCPU, as limits of processor time
/// end it.
const KILLED: [i32; 2] = [128 + 9, 128 + 24];
/// Bytes kept of what a program writes: the end of it.
const KEPT: usize = 64 << 10;
/// Seconds that a worker is given beyond its program's before it is killed itself.
const GRACE: Duration = Duration::from_secs(3);
/// Characters of an error that are told.
const ERROR_CHARACTERS: usize = 200;

/// Runs programs in processes of their own, cut off from network, files and other processes.
#[derive(Debug)]
pub struct Sandbox {
    worker: PathBuf,
    python: PathBuf,
    limits: Limits,
}

impl Sandbox {
    /// Makes sure that programs can be run on this machine.
    ///
    /// # Errors
    /// Where they cannot be cut off, or there is no Python.
    pub fn new() -> Result<Self> {
        let worker = std::env::current_exe().because("this program's own file cannot be found")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        Self::with(&worker, &folders, Limits::default())
    }

    /// As [`Sandbox::new`], with `worker` as this program's file, the first `python3` of `folders` that
    /// runs, and limits.
    ///
    /// # Errors
    /// As there.
    pub fn with(worker: &Path, folders: &[PathBuf], limits: Limits) -> Result<Self> {
        if !cfg!(target_os = "linux") {
            return Err(Failure::user("programs can be run on Linux only: elsewhere they cannot be cut off from this machine")
                .hint("without `--run-programs` such cases are left out"));
        }
        let mut refused = Vec::new();
        let candidates = folders.iter().map(|folder| folder.join("python3"));
        for python in candidates.filter(|python| python.is_file()) {
            let mut sandbox = Self { worker: worker.to_owned(), python, limits };
            let ended = sandbox.start(PROBE)?;
            let told = ended.output.lines().find_map(|line| line.strip_prefix(PROBED));
            match (ended.status, told) {
                (Some(0), Some(executable)) => {
                    // A launcher (pyenv, for example) is passed by.
                    if Path::new(executable).is_absolute() {
                        sandbox.python = PathBuf::from(executable);
                    }
                    return Ok(sandbox);
                }
                (Some(NOT_ISOLATED), _) => return Err(not_isolated(&ended.errors)),
                _ => refused.push(format!(
                    "{}: {}",
                    sandbox.python.display(),
                    last_line(&ended.errors).unwrap_or_else(|| "it does not run".to_owned())
                )),
            }
        }
        Err(Failure::user(match refused.as_slice() {
            [] => "programs cannot be run: there is no python3".to_owned(),
            refused => format!(
                "programs cannot be run: no python3 runs cut off from this machine\n{}",
                refused.join("\n")
            ),
        })
        .hint("install Python 3 where every user may read it (for example `apt install python3`)")
        .hint("without `--run-programs` such cases are left out"))
    }

    /// Runs a source to its end or to a limit.
    fn start(&self, source: &str) -> Result<Ended> {
        let folder = tempfile::tempdir().because("a temporary folder")?;
        let limits = self.limits;
        let mut command = Command::new(&self.worker);
        command
            .arg("program-worker")
            .arg(&self.python)
            .arg(folder.path())
            .args(["--seconds", &limits.seconds.to_string()])
            .args(["--cpu-seconds", &limits.cpu_seconds.to_string()])
            .args(["--memory-mib", &limits.memory_mib.to_string()])
            .args(["--disk-mib", &limits.disk_mib.to_string()])
            .args(["--processes", &limits.processes.to_string()])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child =
            command.spawn().because(format!("cannot start {}", self.worker.display()))?;
        let input = child.stdin.take();
        let text = source.to_owned();
        // A program that ended already does not read it.
        let write = move || drop(input.map(|mut input| input.write_all(text.as_bytes())));
        spawn("program-input", write)?;
        let output = kept(child.stdout.take())?;
        let errors = kept(child.stderr.take())?;
        let status = wait(&mut child, Duration::from_secs(limits.seconds) + GRACE)?;
        Ok(Ended { status, output: received(&output), errors: received(&errors) })
    }
}

/// Says where its interpreter is.
const PROBE: &str =
    "import sys\nassert sys.version_info >= (3, 8)\nprint('python: ' + sys.executable)\n";
const PROBED: &str = "python: ";

impl ProgramRunner for Sandbox {
    fn run(&self, source: &str, mark: &str) -> Result<Ran> {
        let ended = self.start(source)?;
        let last = last_line(&ended.errors);
        Ok(match ended.status {
            Some(0) if ended.output.lines().any(|line| line == mark) => Ran::Passed,
            Some(0) => Ran::Failed("it ended before its test did".to_owned()),
            Some(NOT_ISOLATED) => return Err(not_isolated(&ended.errors)),
            Some(NO_PYTHON) => {
                return Err(Failure::user(format!(
                    "{}: {}",
                    self.python.display(),
                    last.unwrap_or_default()
                )));
            }
            None | Some(TIMED_OUT) => Ran::Stopped(Limit::Time),
            Some(status) if KILLED.contains(&status) => Ran::Stopped(Limit::Time),
            Some(_) if last.as_ref().is_some_and(|line| line.starts_with("MemoryError")) => {
                Ran::Stopped(Limit::Memory)
            }
            Some(status) if status > 128 => {
                Ran::Failed(last.unwrap_or_else(|| format!("ended by signal {}", status - 128)))
            }
            Some(status) => Ran::Failed(last.unwrap_or_else(|| format!("exit status {status}"))),
        })
    }

    fn mark(&self) -> String {
        let mut random = rand::rng();
        format!("{:032x}", random.random::<u128>())
    }
}

/// How a worker ended; no status where it had to be killed.
struct Ended {
    status: Option<i32>,
    output: String,
    errors: String,
}

fn not_isolated(errors: &str) -> Failure {
    let why = last_line(errors).unwrap_or_else(|| "no reason was given".to_owned());
    Failure::user(format!("programs cannot be cut off from this machine, so none is run: {why}"))
        .hint(
            "user namespaces must be allowed: `sysctl kernel.apparmor_restrict_unprivileged_userns=0` on \
             newer Ubuntu, `kernel.unprivileged_userns_clone=1` on Debian, `--security-opt \
             seccomp=unconfined` for a container",
        )
        .hint("without `--run-programs` such cases are left out")
}

fn last_line(text: &str) -> Option<String> {
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(ERROR_CHARACTERS).collect())
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).because("cannot start a thread")
}

/// Reads to the end, and keeps the last of it.
fn kept(pipe: Option<impl Read + Send + 'static>) -> Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = bounded(1);
    let mut pipe = pipe.ok_or_else(|| Failure::defect("the worker has no output"))?;
    spawn("program-output", move || {
        let (mut all, mut buffer) = (Vec::new(), [0; 8192]);
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            all.extend_from_slice(buffer.get(..count).unwrap_or_default());
            if all.len() > 2 * KEPT {
                all.drain(..all.len() - KEPT);
            }
        }
        let _ = sender.send(all);
    })?;
    Ok(receiver)
}

fn received(output: &Receiver<Vec<u8>>) -> String {
    // Nobody writes any more; a process that escaped and holds the pipe is not waited for.
    let bytes = output.recv_timeout(GRACE).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits for the worker to end; kills it with its process group when it takes too long.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<i32>> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().because("the worker")? {
            return Ok(Some(code(status)));
        }
        std::thread::sleep(TICK);
    }
    #[cfg(unix)]
    if let Some(group) = rustix::process::Pid::from_raw(child.id() as i32) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
    Ok(None)
}

/// How often it is looked whether a process ended.
const TICK: Duration = Duration::from_millis(4);

/// The exit status; 128 and the signal where one ended it.
fn code(status: std::process::ExitStatus) -> i32 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None::<i32>;
    status.code().or(signal.map(|signal| 128 + signal)).unwrap_or(1)
}
