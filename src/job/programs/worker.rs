//! The process that runs one program: it cuts itself off, starts Python, and stops it in time.

use std::path::PathBuf;

use super::Limits;

/// What a worker is to run and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The interpreter.
    pub python: PathBuf,
    /// An empty folder.
    pub folder: PathBuf,
    /// What the program may use.
    pub limits: Limits,
}

/// Runs the program that stands on standard input, and gives its exit status: 124 where it was
/// stopped, 125 where it could not be cut off, 126 where Python did not start.
#[cfg(target_os = "linux")]
pub fn run(work: &Work) -> u8 {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::{NO_PYTHON, NOT_ISOLATED, TICK, TIMED_OUT, code, isolation};

    if let Err(reason) = isolation::cut_off(work) {
        tell(&reason);
        return NOT_ISOLATED as u8;
    }
    let mut command = Command::new(&work.python);
    command
        // Without the user's own modules and settings, without compiled files, from standard input.
        .args(["-I", "-B", "-"])
        .current_dir(&work.folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("HOME", &work.folder)
        .env("TMPDIR", &work.folder)
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            tell(&error.to_string());
            return NO_PYTHON as u8;
        }
    };
    let end = Instant::now() + Duration::from_secs(work.limits.seconds);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return code(status) as u8,
            Ok(None) if Instant::now() < end => std::thread::sleep(TICK),
            // It is the first process of its own space: all that it started ends with it.
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return TIMED_OUT as u8;
            }
        }
    }
}

/// Programs are not run here.
#[cfg(not(target_os = "linux"))]
pub fn run(_: &Work) -> u8 {
    super::NOT_ISOLATED as u8
}

/// Writes a line where the process that started this one reads it.
#[cfg(target_os = "linux")]
fn tell(reason: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{reason}");
}
