//! Which kernels this machine runs, and which of them it should.

use std::sync::OnceLock;
use std::time::Instant;

use super::tile;
use crate::failure::{Failure, Result};

/// Environment variable that forces a kernel by name.
pub const KERNEL_VARIABLE: &str = "HONE_CPU";

static KERNEL: OnceLock<Kernel> = OnceLock::new();

/// Instruction sets that products are written for, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Tiles of bf16 with sums in f32 (Intel Xeon since 2023).
    Amx,
    /// Pairs of bf16 with sums in f32; twice the rate of f32 on AMD, half of it on Intel.
    Avx512Bf16,
    /// f32, 16 lanes.
    Avx512,
    /// f32, 8 lanes, with FMA.
    Avx2,
    /// f32, whatever the compiler makes of plain loops.
    Portable,
}

impl Kernel {
    /// All kernels, best first.
    pub const ALL: [Self; 5] =
        [Self::Amx, Self::Avx512Bf16, Self::Avx512, Self::Avx2, Self::Portable];

    /// The name that `HONE_CPU` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amx => "amx",
            Self::Avx512Bf16 => "avx512bf16",
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether its products round their operands to bf16.
    pub fn is_half(self) -> bool {
        matches!(self, Self::Amx | Self::Avx512Bf16)
    }

    /// Whether this machine can run it.
    pub fn is_supported(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let middle = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let wide = middle
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            match self {
                Self::Amx => wide && tile::amx::is_permitted(),
                Self::Avx512Bf16 => wide && is_x86_feature_detected!("avx512bf16"),
                Self::Avx512 => wide,
                Self::Avx2 => middle,
                Self::Portable => true,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Portable
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kernel| kernel.name() == name)
    }
}

/// The kernel of this process: the one that `HONE_CPU` names where this machine can run it, or
/// else the fastest. Whether bf16 pairs beat f32 is measured once, in about two milliseconds.
pub fn kernel() -> Kernel {
    *KERNEL.get_or_init(|| forced().unwrap_or_else(fastest))
}

/// Takes the named kernel instead of measuring, unless the process has one already, `HONE_CPU`
/// names another, or this machine cannot run it. A resumed run asks for the kernel it began with:
/// two kernels sum in different orders, so only the same one goes on with the same bits.
pub fn prefer(name: &str) {
    let forced = forced();
    if let Some(kernel) = Kernel::from_name(name).filter(|kernel| kernel.is_supported()) {
        KERNEL.get_or_init(|| forced.unwrap_or(kernel));
    }
}

/// Fails when `HONE_CPU` names no kernel, or one that this machine cannot run.
pub fn check_environment() -> Result<()> {
    asked().map(|_| ())
}

/// The kernel of this process if it has one by now, or else the one that will be, if `HONE_CPU` names it.
pub(super) fn chosen() -> Option<Kernel> {
    KERNEL.get().copied().or_else(forced)
}

/// The kernel that `HONE_CPU` names, where this machine can run it.
fn forced() -> Option<Kernel> {
    static FORCED: OnceLock<Option<Kernel>> = OnceLock::new();
    *FORCED.get_or_init(|| asked().ok().flatten())
}

fn asked() -> Result<Option<Kernel>> {
    let Some(name) = std::env::var_os(KERNEL_VARIABLE).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let name = name.to_string_lossy();
    let runs: Vec<&str> =
        Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()).map(Kernel::name).collect();
    let hint = format!("This machine runs: {}.", runs.join(", "));
    match Kernel::from_name(&name) {
        None => Err(Failure::user(format!("{KERNEL_VARIABLE}={name} is no kernel")).hint(hint)),
        Some(kernel) if !kernel.is_supported() => {
            Err(Failure::user(format!("{KERNEL_VARIABLE}={name}: this processor cannot run it"))
                .hint(hint))
        }
        Some(kernel) => Ok(Some(kernel)),
    }
}

fn fastest() -> Kernel {
    Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported())
        .find(|kernel| *kernel != Kernel::Avx512Bf16 || pairs_beat_f32())
        .unwrap_or(Kernel::Portable)
}

/// Whether a product of bf16 pairs is clearly quicker here than one of f32.
fn pairs_beat_f32() -> bool {
    let timed = |run: &dyn Fn()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    let (mut half, mut full) = (f64::INFINITY, f64::INFINITY);
    // In turn, and the quickest of each: other work on the machine then slows both alike. The first
    // turn warms up.
    for turn in 0..9 {
        let times = (
            timed(&|| tile::probe::<half::bf16>(Kernel::Avx512Bf16)),
            timed(&|| tile::probe::<f32>(Kernel::Avx512)),
        );
        if turn > 0 {
            (half, full) = (half.min(times.0), full.min(times.1));
        }
    }
    half * 1.2 < full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_the_choice_runs_here() {
        for kernel in Kernel::ALL {
            assert_eq!(Kernel::from_name(kernel.name()), Some(kernel));
        }
        assert_eq!(Kernel::from_name("sse"), None);
        assert!(Kernel::Portable.is_supported());
        assert!(fastest().is_supported());
        assert!(kernel().is_supported());
    }
}
