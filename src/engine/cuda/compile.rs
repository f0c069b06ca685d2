//! Kernels from their sources: compiled on the machine they run on, once; where it has no compiler, those
//! that were made ready.

use std::ffi::{CString, c_char};
use std::fmt::Write as _;

use super::device::CAPABILITY_MIN;
use super::driver::Code;
use super::library::{Compiler, Handle, Search};
use super::ready;
use crate::digest;
use crate::failure::{Failure, Result};

const COMMON: &str = include_str!("kernels/common.cuh");
const TENSOR: &str = include_str!("kernels/tensor.cuh");
const TILE: &str = include_str!("kernels/tile.cuh");
const SOURCES: [&str; 7] = [
    include_str!("kernels/weights.cu"),
    include_str!("kernels/norm.cu"),
    include_str!("kernels/heads.cu"),
    include_str!("kernels/gate.cu"),
    include_str!("kernels/loss.cu"),
    include_str!("kernels/optimizer.cu"),
    include_str!("kernels/mask.cu"),
];
const ATTENTION: [&str; 4] = [
    include_str!("kernels/attention.cu"),
    include_str!("kernels/hopper.cuh"),
    include_str!("kernels/attention_hopper.cu"),
    include_str!("kernels/attention_hopper_back.cu"),
];
const PRODUCT: &str = include_str!("kernels/product.cu");
const EARLY: &str = include_str!("kernels/early.cuh");
const FEW: &str = include_str!("kernels/few.cu");
const ONE: &str = include_str!("kernels/one.cu");

/// Compute capability from which on kernels may begin before those before them have ended.
const EARLY_FROM: u32 = 90;

/// Where compiled kernels are kept from one run to the next, by name. The engine itself opens no files.
pub trait KernelCache {
    /// The code kept under a name.
    fn get(&self, name: &str) -> Option<Vec<u8>>;
    /// Keeps code; that it cannot be kept is no error.
    fn put(&self, name: &str, code: &[u8]);
}

/// Width of a head as attention works on it.
pub(super) fn padded(dim: usize) -> usize {
    dim.next_multiple_of(16)
}

/// Query heads of one key head that a block of attention works on at most, where it goes one token further: as many as
/// there is shared memory for.
pub(super) fn pieces(dim: usize) -> usize {
    if dim > 128 { 4 } else { 8 }
}

/// What of the kernels is asked for; each is compiled by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Whole passes, forward and backward, for heads of this width.
    Passes {
        /// Width of a head.
        dim: usize,
    },
    /// Matrix products where there is no cuBLASLt.
    Products,
    /// Products of a step's few tokens.
    Few,
    /// One token further: heads of this width, so many query heads of one key head at a time.
    One {
        /// Width of a head.
        dim: usize,
        /// Query heads.
        piece: usize,
    },
}

/// All kernels of a kind.
pub(super) fn source(kind: Kind) -> String {
    match kind {
        Kind::Passes { dim } => passes(dim),
        Kind::Products => [COMMON, TENSOR, PRODUCT].concat(),
        Kind::Few => [COMMON, EARLY, FEW].concat(),
        Kind::One { dim, piece } => {
            let head = format!("#define DIM {dim}\n#define PIECE {piece}\n");
            [&head[..], COMMON, EARLY, ONE].concat()
        }
    }
}

fn passes(dim: usize) -> String {
    let mut text = [COMMON, TENSOR].concat();
    for source in SOURCES {
        text.push_str(source);
    }
    let _ = write!(text, "\n#define DIM {dim}\n#define PAD {}\n", padded(dim));
    text + TILE + &ATTENTION.concat()
}

/// Variable that has ready kernels taken although there is a compiler.
const READY_VARIABLE: &str = "HONE_CUDA_READY";

/// The capability whose own instructions (of `sm_90a`) attention has kernels with, and the compiler's major version
/// from which on they are used: older ones know them too, but nobody has compared what those make of the kernels.
const HOPPER: u32 = 90;
const HOPPER_KNOWN: i32 = 13;

/// What is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Code of devices of this compute capability.
    Device(u32),
    /// PTX for the oldest devices, which drivers turn into code of any.
    #[cfg_attr(not(test), expect(dead_code, reason = "only what ships is made so"))]
    Any,
}

/// The kernels of a kind, from the cache, compiled, or made ready.
///
/// # Errors
/// When they have to be compiled and there is no compiler that can.
pub(super) fn code(
    search: &Search,
    (capability, driver): (u32, u32),
    kind: Kind,
    cache: &dyn KernelCache,
) -> Result<Code> {
    let source = source(kind);
    let own = |image: Vec<u8>| Code { image, waits: capability >= EARLY_FROM };
    let name = format!("sm{capability}-{driver}-{}.cubin", &digest::sha256(&source)[..16]);
    if std::env::var_os(READY_VARIABLE).is_some()
        && let Some(code) = ready::code(kind, &source)
    {
        return Ok(code);
    }
    if let Some(image) = cache.get(&name) {
        return Ok(own(image));
    }
    let compiler = Compiler::load(search).map_err(|why| {
        let what = match kind {
            Kind::Passes { dim } | Kind::One { dim, .. } => {
                format!("for heads {dim} wide, as this model's,")
            }
            Kind::Products => "to multiply without cuBLASLt".to_owned(),
            Kind::Few => "to answer on the GPU".to_owned(),
        };
        Failure::user(format!(
            "{what} the compiler of GPU kernels (NVRTC) is needed, which was not found: {why}"
        ))
        .hint(
            "Install it with `pip install nvidia-cuda-nvrtc`, or set HONE_CUDA_PATH to a CUDA toolkit; \
             `--device cpu` does without.",
        )
    });
    match compiler.and_then(|it| compile(&it, &source, Target::Device(capability))) {
        Ok(image) => {
            cache.put(&name, &image);
            Ok(own(image))
        }
        Err(failure) => ready::code(kind, &source).ok_or(failure),
    }
}

fn version(compiler: &Compiler) -> (i32, i32) {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both places outlive the call.
    unsafe { (compiler.version)(&raw mut major, &raw mut minor) };
    (major, minor)
}

/// The compiler that is there: its version and file.
pub(super) fn found(search: &Search) -> Result<String, String> {
    let compiler = Compiler::load(search)?;
    let (major, minor) = version(&compiler);
    Ok(format!("{major}.{minor} ({})", compiler.path.display()))
}

/// Compiles.
///
/// # Errors
/// With the compiler's first complaint.
pub(super) fn compile(compiler: &Compiler, source: &str, target: Target) -> Result<Vec<u8>> {
    let architecture = match target {
        // Its own instructions are only in code for it alone.
        Target::Device(HOPPER) if version(compiler).0 >= HOPPER_KNOWN => format!("sm_{HOPPER}a"),
        Target::Device(capability) => format!("sm_{capability}"),
        Target::Any => format!("compute_{CAPABILITY_MIN}"),
    };
    let text =
        |value: String| CString::new(value).map_err(|_| Failure::defect("a kernel's source"));
    let (source, name) = (text(source.to_owned())?, text("hone.cu".to_owned())?);
    let options =
        [text(format!("--gpu-architecture={architecture}"))?, text("--std=c++17".to_owned())?];
    let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
    let mut program = Handle::NONE;
    // SAFETY: all texts end with zero and outlive the calls; sizes are asked for before the buffers
    // they are for are filled.
    unsafe {
        let none = std::ptr::null();
        let made = (compiler.create)(
            &raw mut program,
            source.as_ptr(),
            name.as_ptr(),
            0,
            none,
            std::ptr::null(),
        );
        if made != 0 {
            return Err(Failure::defect(format!("NVRTC takes no program: status {made}")));
        }
        let status = (compiler.compile)(program, pointers.len() as i32, pointers.as_ptr());
        let mut size = 0;
        let (size_of, give) = match target {
            Target::Device(_) => (compiler.code_size, compiler.code),
            Target::Any => (compiler.text_size, compiler.text),
        };
        let result = if status == 0 && size_of(program, &raw mut size) == 0 {
            let mut code = vec![0u8; size];
            give(program, code.as_mut_ptr().cast());
            Ok(code)
        } else {
            (compiler.log_size)(program, &raw mut size);
            let mut log = vec![0u8; size];
            (compiler.log)(program, log.as_mut_ptr().cast());
            let log = String::from_utf8_lossy(&log).trim_end_matches('\0').to_owned();
            let first = log.lines().find(|line| line.contains("error")).unwrap_or(&log).to_owned();
            Err(Failure::user(format!(
                "NVRTC could not compile the GPU kernels for {architecture}: {first}"
            ))
            .hint("A newer CUDA toolkit may know this GPU; `--device cpu` trains without."))
        };
        (compiler.destroy)(&raw mut program);
        result
    }
}
