//! `hone doctor`: what this machine offers and what is missing.

use std::process::Command;

use clap::Args;
use serde_json::json;

use super::{print::Output, say};
use crate::engine::cpu;
use crate::engine::cuda::{CAPABILITY_MIN, Found, READY_WIDTHS};
use crate::failure::Result;
use crate::job::gpu;
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
                "gpu": gpu_json(&Found::look(&gpu::search())),
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
    for (name, text) in gpu_lines(&Found::look(&gpu::search())) {
        say(out, format!("{name:<11} {text}"))?;
    }
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

/// What was found of a GPU, and for each thing missing what it costs and how to get it.
fn gpu_lines(found: &Found) -> Vec<(&'static str, String)> {
    let facts = match &found.device {
        Ok(facts) => facts,
        Err(why) => {
            return vec![(
                "gpu",
                format!("none that can be used ({why}); training runs on the processor"),
            )];
        }
    };
    let mib = |bytes: usize| bytes >> 20;
    let mut lines = vec![(
        "gpu",
        format!(
            "{}, compute capability {}.{}, driver for CUDA {}.{}, {} of {} MiB free",
            facts.name,
            facts.capability / 10,
            facts.capability % 10,
            facts.driver / 1000,
            facts.driver % 1000 / 10,
            mib(facts.free),
            mib(facts.total)
        ),
    )];
    if facts.capability < CAPABILITY_MIN {
        let (major, minor) = (CAPABILITY_MIN / 10, CAPABILITY_MIN % 10);
        let text =
            format!("needs compute capability {major}.{minor}; training runs on the processor");
        lines.push(("", text));
    }
    lines.push((
        "nvrtc",
        match &found.compiler {
            Ok(text) => format!("{text}; compiles the kernels once"),
            Err(why) => format!(
                "not found ({why}): kernels of training and answers come ready made, for models whose heads are {} wide; \
                 others need it, and with it Hopper and newer are quicker. `pip install \
                 nvidia-cuda-nvrtc` brings it, {}=FOLDER names a CUDA toolkit",
                READY_WIDTHS.map(|width| width.to_string()).join(", "),
                gpu::PATH_VARIABLE
            ),
        },
    ));
    lines.push((
        "cublaslt",
        match &found.products {
            Ok(path) => path.clone(),
            Err(why) => format!(
                "not found ({why}): large products take the program's own kernels, with which training is less than half \
                 as quick on an H100; \
                 `pip install nvidia-cublas` brings it, {}=FOLDER names a CUDA toolkit",
                gpu::PATH_VARIABLE
            ),
        },
    ));
    lines
}

fn gpu_json(found: &Found) -> serde_json::Value {
    let text = |result: &Result<String, String>| match result {
        Ok(text) => json!({ "found": text }),
        Err(why) => json!({ "missing": why }),
    };
    let device = match &found.device {
        Ok(facts) => json!({
            "name": facts.name,
            "compute_capability": f64::from(facts.capability) / 10.0,
            "cuda": facts.driver,
            "library": facts.library,
            "free_mib": facts.free >> 20,
            "memory_mib": facts.total >> 20,
        }),
        Err(why) => json!({ "missing": why }),
    };
    json!({ "device": device, "nvrtc": text(&found.compiler), "cublaslt": text(&found.products) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cuda::DeviceFacts;

    #[test]
    fn what_is_missing_is_said_with_what_it_costs_and_how_to_get_it() {
        let facts = DeviceFacts {
            name: "RTX".to_owned(),
            capability: 86,
            multiprocessors: 28,
            driver: 12040,
            free: 5 << 30,
            total: 6 << 30,
            library: "libcuda.so.1".to_owned(),
        };
        let missing = || Err("no file".to_owned());
        let device = Err("no file".to_owned());
        let found = Found { device, compiler: missing(), products: missing() };
        let lines = gpu_lines(&found);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].1.contains("no file") && lines[0].1.contains("processor"));
        let found = Found { device: Ok(facts.clone()), ..found };
        let lines = gpu_lines(&found);
        assert!(lines[0].1.contains("8.6, driver for CUDA 12.4, 5120 of 6144 MiB"), "{lines:?}");
        assert!(lines[1].1.contains("training and answers come ready made"), "{lines:?}");
        assert!(lines[1].1.contains("for models whose heads are 64, 128, 256 wide"));
        assert!(lines[1].1.contains("install nvidia-cuda-nvrtc"));
        assert!(lines[2].1.contains("pip install nvidia-cublas"));
        assert_eq!(gpu_json(&found)["nvrtc"]["missing"], "no file");
        let old = Found { device: Ok(DeviceFacts { capability: 75, ..facts }), ..found };
        assert!(gpu_lines(&old)[1].1.contains("8.0"));
    }
}
