//! `hone doctor`: what this machine offers and what is missing.

use std::process::Command;

use clap::Args;
use serde_json::json;

use super::{print::Output, say};
use crate::engine::cpu;
use crate::failure::Result;
use crate::model;

/// Arguments of `hone doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `hone doctor`.
pub fn run(args: &DoctorArgs, out: &mut Output) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = memory_mib();
    let (manifests, _) = model::registry::list(&model::Places::from_environment()?)?;
    let models: Vec<String> = manifests.into_iter().map(|manifest| manifest.name).collect();
    let tesseract = Command::new("tesseract").arg("--version").output().is_ok();
    if args.json {
        return say(
            out,
            json!({
                "version": env!("CARGO_PKG_VERSION"),
                "cores": cores,
                "kernel": cpu::kernel().name(),
                "memory_mib": memory,
                "models": models,
                "tesseract": tesseract,
            }),
        );
    }
    say(out, format!("hone        {}", env!("CARGO_PKG_VERSION")))?;
    say(out, format!("processor   {cores} cores"))?;
    say(out, format!("products    {}", products()))?;
    let memory = memory.map_or_else(|| "unknown".to_owned(), |mib| format!("{mib} MiB available"));
    say(out, format!("memory      {memory}"))?;
    let models = if models.is_empty() {
        "none installed; `hone model pull smollm2-135m` fetches a small one".to_owned()
    } else {
        models.join(", ")
    };
    say(out, format!("models      {models}"))?;
    let recognition = if tesseract {
        "tesseract is installed"
    } else {
        "tesseract is not installed; scanned pages stay without text"
    };
    say(out, format!("recognition {recognition}"))?;
    say(out, "terminal    the two rows below should end at the same column:")?;
    say(out, "            가나다라마바사 …→│·①※─●█|")?;
    say(out, "            abcdefghijklmn abcdefghi|")
}

/// What products run on here, in words.
fn products() -> String {
    let kernel = cpu::kernel();
    let others: Vec<&str> = cpu::Kernel::ALL
        .into_iter()
        .filter(|other| *other != kernel && other.is_supported())
        .map(cpu::Kernel::name)
        .collect();
    let precision = if kernel.is_half() { "bf16 with sums in f32" } else { "f32" };
    let others = others.join(", ");
    format!(
        "{} ({precision}); {}={others} would force another",
        kernel.name(),
        cpu::KERNEL_VARIABLE
    )
}

/// Memory available to new programs, as Linux tells it.
fn memory_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}
