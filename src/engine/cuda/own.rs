//! Matrix products by kernels of our own, where there is no cuBLASLt.

use std::sync::Arc;

use super::driver::{Gpu, Kernel, Module, arguments};
use super::kernels::Find;
use super::products::Shape;
use crate::failure::Result;

/// Threads of a block.
const THREADS: usize = 128;
/// Bytes of shared memory of a block: four stages of what it multiplies, half as much in the middle size.
const SHARED: usize = 64 << 10;

/// What part of a result a block makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// 128 rows and columns.
    Large,
    /// 64 rows and columns: where large ones are too few for all multiprocessors.
    Middle,
    /// 32 rows and columns, a quarter of the depths for each warp: results of few rows or columns, and
    /// operands that begin anywhere.
    Thin,
}

impl Size {
    /// As kernels are named, in the order of the variants.
    const NAMES: [&str; 3] = ["large", "middle", "thin"];

    fn edge(self) -> usize {
        match self {
            Self::Large => 128,
            Self::Middle => 64,
            Self::Thin => 32,
        }
    }

    fn blocks(self, m: usize, n: usize) -> usize {
        m.div_ceil(self.edge()) * n.div_ceil(self.edge())
    }

    fn shared(self) -> usize {
        if self == Self::Middle { SHARED / 2 } else { SHARED }
    }

    /// For a result of `m` rows and `n` columns.
    fn of(m: usize, n: usize, aligned: bool, multiprocessors: usize) -> Self {
        if !aligned || m.min(n) <= 48 {
            Self::Thin
        } else if Self::Large.blocks(m, n) < multiprocessors {
            Self::Middle
        } else {
            Self::Large
        }
    }
}

/// By size and how operands lie.
type Kernels = [[Kernel<12>; 3]; 3];

pub(super) struct Own {
    kernels: Kernels,
    /// Keeps the kernels loaded.
    _module: Arc<Module>,
}

/// All kernels of a module.
pub(super) fn kernels(module: &impl Find) -> Result<Kernels> {
    let of = |size: Size| {
        let kernel = |lie: &str| {
            let name = Size::NAMES[size as usize];
            module.kernel(&format!("multiply_{lie}_{name}"), size.shared())
        };
        Ok([kernel("turned")?, kernel("plain")?, kernel("deep")?])
    };
    Ok([of(Size::Large)?, of(Size::Middle)?, of(Size::Thin)?])
}

impl Own {
    pub(super) fn new(module: Arc<Module>) -> Result<Self> {
        Ok(Self { kernels: kernels(&*module)?, _module: module })
    }

    /// `out = scale a b`, or `out += scale a b`.
    pub(super) fn multiply(
        &self,
        gpu: &Gpu,
        shape: Shape,
        [a, b, out]: [u64; 3],
        scale: f32,
    ) -> Result<()> {
        let Shape { lie, sizes: [m, n, k], pitches: [pa, pb, po], adds } = shape;
        // Eight values are copied at once.
        let aligned = (a | b) % 16 == 0 && (pa | pb) % 8 == 0;
        let size = Size::of(m, n, aligned, gpu.facts.multiprocessors as usize);
        let kernel = self.kernels[size as usize][lie as usize];
        let (adds, whole) = (u32::from(adds), u32::from(aligned));
        let arguments = arguments![a, pa, b, pb, out, po, m, n, k, scale, adds, whole];
        gpu.launch(kernel, (size.blocks(m, n), 1), THREADS, size.shared(), arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_large_where_they_are_many() {
        assert_eq!(Size::of(4096, 17920, true, 132), Size::Large);
        assert_eq!(Size::of(512, 1536, true, 132), Size::Middle);
        assert_eq!(Size::of(512, 1536, true, 28), Size::Large);
        assert_eq!(Size::of(4096, 16, true, 132), Size::Thin);
        assert_eq!(Size::of(4096, 17920, false, 132), Size::Thin);
        assert_eq!(Size::Large.blocks(4096, 17920), 32 * 140);
        assert_eq!(Size::Thin.blocks(33, 1), 2);
    }
}
