//! Matrix products: operands in bf16, sums in f32; by cuBLASLt where it is found, by kernels of our
//! own otherwise.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::sync::Arc;

use super::compile::Kind;
use super::device::Device;
use super::driver::{Gpu, Memory};
use super::library::{Handle, Products as Library, Search};
use super::own::Own;
use crate::failure::{Failure, Result};

/// Bytes a product may work in.
const WORKSPACE: usize = 24 << 20;

/// Numbers of the library.
const BF16: c_int = 14;
const F32: c_int = 0;
const COMPUTE_F32: c_int = 68;
const TURN_A: c_int = 3;
const TURN_B: c_int = 4;
const WORKSPACE_BYTES: c_int = 1;
/// Of the first operand, the second, the result and what it is added to.
const ALIGNMENTS: [c_int; 4] = [5, 6, 7, 8];
/// Bytes of what the library says about a way to multiply.
const CHOICE: usize = 96;
const ALGORITHM: usize = 64;

/// How the operands of `out [m, n]` of depth `k` lie, all by rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lie {
    /// `a [m, k]`, `b [n, k]`: `a b^T`.
    Turned,
    /// `a [m, k]`, `b [k, n]`: `a b`.
    Plain,
    /// `a [k, m]`, `b [k, n]`: `a^T b`.
    Deep,
}

/// A product's shape and how its matrices lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) lie: Lie,
    /// Rows and columns of the result, and depth.
    pub(super) sizes: [usize; 3],
    /// Values from one row to the next of `a`, `b` and `out`.
    pub(super) pitches: [usize; 3],
    /// The result is in f32, and added to what is there.
    pub(super) adds: bool,
}

/// A product as the library has it.
struct Prepared {
    product: Handle,
    layouts: [Handle; 3],
    algorithm: [u64; ALGORITHM / 8],
}

struct Lt {
    library: Library,
    handle: Handle,
    preference: Handle,
    prepared: RefCell<HashMap<(Shape, [u32; 3]), Prepared>>,
    workspace: Memory,
}

/// By what products are made.
enum By {
    Library(Lt),
    Own(Own),
}

pub(super) struct Products {
    gpu: Arc<Gpu>,
    by: By,
}

/// Variable that has our own kernels taken although there is cuBLASLt.
const OWN_VARIABLE: &str = "HONE_CUDA_OWN";

/// cuBLASLt where it is found and not forbidden.
pub(super) fn library(search: &Search) -> Option<Library> {
    if std::env::var_os(OWN_VARIABLE).is_some() {
        return None;
    }
    Library::load(search).ok()
}

impl Products {
    pub(super) fn new(device: &Device) -> Result<Self> {
        let gpu = device.gpu();
        let by = match library(device.search()) {
            Some(library) => By::Library(Lt::new(gpu, library)?),
            None => By::Own(Own::new(device.module(Kind::Products)?)?),
        };
        Ok(Self { gpu: Arc::clone(gpu), by })
    }

    /// Fails unless there is something to multiply with.
    pub(super) fn ready(device: &Device) -> Result<()> {
        if !device.opens_library() {
            device.module(Kind::Products)?;
        }
        Ok(())
    }

    /// What multiplies, in words.
    pub(super) fn name(&self) -> &'static str {
        match self.by {
            By::Library(_) => "cublaslt",
            By::Own(_) => "own",
        }
    }

    /// Bytes of the device held.
    pub(super) fn bytes(&self) -> usize {
        match &self.by {
            By::Library(lt) => lt.workspace.bytes,
            By::Own(_) => 0,
        }
    }

    /// `out = scale a b`, or `out += scale a b`, for matrices at `a`, `b` and `out`.
    pub(super) fn multiply(&self, shape: Shape, places: [u64; 3], scale: f32) -> Result<()> {
        if shape.sizes.contains(&0) {
            return Ok(());
        }
        match &self.by {
            By::Library(lt) => lt.multiply(&self.gpu, shape, places, scale),
            By::Own(own) => own.multiply(&self.gpu, shape, places, scale),
        }
    }
}

/// The library's status as a failure.
fn check(what: &str, status: c_int) -> Result<()> {
    if status == 0 {
        return Ok(());
    }
    Err(Failure::user(format!("cuBLASLt could not {what}: status {status}"))
        .hint("`--device cpu` trains without it."))
}

impl Lt {
    fn new(gpu: &Arc<Gpu>, library: Library) -> Result<Self> {
        let (mut handle, mut preference) = (Handle::NONE, Handle::NONE);
        let bytes = WORKSPACE;
        // SAFETY: the places outlive the calls; the attribute is a size.
        unsafe {
            check("start", (library.create)(&raw mut handle))?;
            check("be asked", (library.preference_new)(&raw mut preference))?;
            let status = (library.preference_set)(
                preference,
                WORKSPACE_BYTES,
                (&raw const bytes).cast::<c_void>(),
                size_of::<usize>(),
            );
            check("be asked", status)?;
        }
        let workspace = Memory::new(gpu, WORKSPACE)?;
        Ok(Self { library, handle, preference, prepared: RefCell::default(), workspace })
    }

    /// The library counts by columns: what it calls a result is ours turned, so that our `b` is its
    /// first operand.
    fn prepare(&self, shape: Shape, [a_align, b_align, out_align]: [u32; 3]) -> Result<Prepared> {
        let Shape { lie, sizes: [m, n, k], pitches: [pa, pb, po], adds } = shape;
        let (turn_first, turn_second) = (lie == Lie::Turned, lie == Lie::Deep);
        let first = if turn_first { (k, n, pb) } else { (n, k, pb) };
        let second = if turn_second { (m, k, pa) } else { (k, m, pa) };
        let library = &self.library;
        let mut made = Prepared {
            product: Handle::NONE,
            layouts: [Handle::NONE; 3],
            algorithm: [0; ALGORITHM / 8],
        };
        // SAFETY: all places outlive the calls; attributes are of the sizes the library asks for.
        unsafe {
            check(
                "describe a product",
                (library.product_new)(&raw mut made.product, COMPUTE_F32, F32),
            )?;
            for (which, turned) in [(TURN_A, turn_first), (TURN_B, turn_second)] {
                let turned = c_int::from(turned);
                let value = (&raw const turned).cast::<c_void>();
                let status = (library.product_set)(made.product, which, value, 4);
                check("describe a product", status)?;
            }
            let kind = if adds { F32 } else { BF16 };
            let three = [(BF16, first), (BF16, second), (kind, (n, m, po))];
            for (layout, (kind, (rows, columns, pitch))) in made.layouts.iter_mut().zip(three) {
                let (rows, columns) = (rows as u64, columns as u64);
                let status =
                    (library.layout_new)(&raw mut *layout, kind, rows, columns, pitch as i64);
                check("describe a matrix", status)?;
            }
            let alignments = [b_align, a_align, out_align, out_align];
            for (which, bytes) in ALIGNMENTS.into_iter().zip(alignments) {
                let value = (&raw const bytes).cast::<c_void>();
                check("be asked", (library.preference_set)(self.preference, which, value, 4))?;
            }
            let mut choice = [0u64; CHOICE / 8];
            let mut found = 0;
            let [a, b, c] = made.layouts;
            let status = (library.choose)(
                self.handle,
                made.product,
                a,
                b,
                c,
                c,
                self.preference,
                1,
                choice.as_mut_ptr().cast::<c_void>(),
                &raw mut found,
            );
            if status != 0 || found == 0 {
                return Err(Failure::user(format!(
                    "cuBLASLt knows no way to multiply {shape:?}: status {status}"
                )));
            }
            made.algorithm.copy_from_slice(&choice[..ALGORITHM / 8]);
        }
        Ok(made)
    }

    fn multiply(&self, gpu: &Gpu, shape: Shape, [a, b, out]: [u64; 3], scale: f32) -> Result<()> {
        let mut prepared = self.prepared.borrow_mut();
        // The library takes places to be of 256 bytes each unless told.
        let alignments = [a, b, out].map(|at| 1 << at.trailing_zeros().min(8));
        let known = match prepared.entry((shape, alignments)) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(self.prepare(shape, alignments)?)
            }
        };
        let old: f32 = if shape.adds { 1.0 } else { 0.0 };
        let [first, second, result] = known.layouts;
        // SAFETY: the matrices lie on the device as the shape says; scalars are read before the call returns.
        let status = unsafe {
            (self.library.multiply)(
                self.handle,
                known.product,
                (&raw const scale).cast::<c_void>(),
                b as *const c_void,
                first,
                a as *const c_void,
                second,
                (&raw const old).cast::<c_void>(),
                out as *const c_void,
                result,
                out as *mut c_void,
                result,
                known.algorithm.as_ptr().cast::<c_void>(),
                self.workspace.at as *mut c_void,
                self.workspace.bytes,
                gpu.stream(),
            )
        };
        check("multiply", status)
    }
}

impl Drop for Lt {
    fn drop(&mut self) {
        // SAFETY: the objects are the library's and are not used again.
        unsafe {
            for made in self.prepared.get_mut().values() {
                for layout in made.layouts {
                    (self.library.layout_free)(layout);
                }
                (self.library.product_free)(made.product);
            }
            (self.library.preference_free)(self.preference);
            (self.library.destroy)(self.handle);
        }
    }
}
