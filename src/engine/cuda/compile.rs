//! Kernels from their sources: compiled on the machine they run on, once.

use std::ffi::{CString, c_char};
use std::fmt::Write as _;

use super::library::{Compiler, Handle, Search};
use crate::digest;
use crate::failure::{Failure, Result};

const COMMON: &str = include_str!("kernels/common.cuh");
const TILE: &str = include_str!("kernels/tile.cuh");
const SOURCES: [&str; 8] = [
    include_str!("kernels/weights.cu"),
    include_str!("kernels/norm.cu"),
    include_str!("kernels/heads.cu"),
    include_str!("kernels/gate.cu"),
    include_str!("kernels/loss.cu"),
    include_str!("kernels/optimizer.cu"),
    include_str!("kernels/product.cu"),
    include_str!("kernels/mask.cu"),
];
const ATTENTION: &str = include_str!("kernels/attention.cu");

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

fn source(dim: usize) -> String {
    let mut text = COMMON.to_owned();
    for source in SOURCES {
        text.push_str(source);
    }
    let _ = write!(text, "\n#define DIM {dim}\n#define PAD {}\n", padded(dim));
    text + TILE + ATTENTION
}

/// The kernels for heads of width `dim`, from the cache or compiled.
///
/// # Errors
/// When they have to be compiled and there is no compiler.
pub(super) fn code(
    search: &Search,
    (capability, driver): (u32, u32),
    dim: usize,
    cache: &dyn KernelCache,
) -> Result<Vec<u8>> {
    let source = source(dim);
    let name = format!("sm{capability}-{driver}-{}.cubin", &digest::sha256(&source)[..16]);
    if let Some(code) = cache.get(&name) {
        return Ok(code);
    }
    let compiler = Compiler::load(search).map_err(|why| {
        Failure::user(format!("the compiler of GPU kernels (NVRTC) was not found: {why}")).hint(
            "Install it with `pip install nvidia-cuda-nvrtc`, or set HONE_CUDA_PATH to a CUDA toolkit; \
             `--device cpu` trains without.",
        )
    })?;
    let code = compile(&compiler, &source, capability)?;
    cache.put(&name, &code);
    Ok(code)
}

/// The compiler that is there: its version and file.
pub(super) fn found(search: &Search) -> Result<String, String> {
    let compiler = Compiler::load(search)?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both places outlive the call.
    unsafe { (compiler.version)(&raw mut major, &raw mut minor) };
    Ok(format!("{major}.{minor} ({})", compiler.path.display()))
}

fn compile(compiler: &Compiler, source: &str, capability: u32) -> Result<Vec<u8>> {
    let text =
        |value: String| CString::new(value).map_err(|_| Failure::defect("a kernel's source"));
    let (source, name) = (text(source.to_owned())?, text("hone.cu".to_owned())?);
    let options =
        [text(format!("--gpu-architecture=sm_{capability}"))?, text("--std=c++17".to_owned())?];
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
        let result = if status == 0 && (compiler.code_size)(program, &raw mut size) == 0 {
            let mut code = vec![0u8; size];
            (compiler.code)(program, code.as_mut_ptr().cast());
            Ok(code)
        } else {
            (compiler.log_size)(program, &raw mut size);
            let mut log = vec![0u8; size];
            (compiler.log)(program, log.as_mut_ptr().cast());
            let log = String::from_utf8_lossy(&log).trim_end_matches('\0').to_owned();
            let first = log.lines().find(|line| line.contains("error")).unwrap_or(&log).to_owned();
            Err(Failure::user(format!(
                "NVRTC could not compile the GPU kernels for compute capability {}.{}: {first}",
                capability / 10,
                capability % 10
            ))
            .hint("A newer CUDA toolkit may know this GPU; `--device cpu` trains without."))
        };
        (compiler.destroy)(&raw mut program);
        result
    }
}
