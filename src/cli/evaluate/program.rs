//! `hone program-worker`: the process that runs one program. Started by this program only.

use std::path::PathBuf;

use clap::Args;

use crate::job::programs::{self, Limits, Work};

/// Arguments of `hone program-worker`.
#[derive(Debug, Args)]
pub struct ProgramArgs {
    /// The interpreter.
    python: PathBuf,
    /// An empty folder.
    folder: PathBuf,
    /// Seconds on the clock.
    #[arg(long)]
    seconds: u64,
    /// Seconds of the processor.
    #[arg(long)]
    cpu_seconds: u64,
    /// Mebibytes of address space.
    #[arg(long)]
    memory_mib: u64,
    /// Mebibytes of the folder.
    #[arg(long)]
    disk_mib: u64,
    /// Processes and threads.
    #[arg(long)]
    processes: u64,
}

/// Runs the program on standard input; gives its exit status.
pub fn run_program(args: &ProgramArgs) -> u8 {
    programs::worker(&Work {
        python: args.python.clone(),
        folder: args.folder.clone(),
        limits: Limits {
            seconds: args.seconds,
            cpu_seconds: args.cpu_seconds,
            memory_mib: args.memory_mib,
            disk_mib: args.disk_mib,
            processes: args.processes,
        },
    })
}
