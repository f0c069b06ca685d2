//! The compiled kernels by name.

use super::compile::padded;
use super::driver::{Kernel, Module};
use crate::failure::Result;

pub(super) struct Kernels {
    pub(super) decode: Kernel<3>,
    pub(super) fold: Kernel<4>,
    pub(super) embed: Kernel<6>,
    pub(super) add_norm: Kernel<10>,
    pub(super) norm_back: Kernel<10>,
    pub(super) gather_norm: Kernel<6>,
    pub(super) scatter_norm_back: Kernel<8>,
    pub(super) heads_forward: Kernel<13>,
    pub(super) heads_back: Kernel<15>,
    pub(super) gate_forward: Kernel<6>,
    pub(super) gate_back: Kernel<6>,
    pub(super) copy_columns: Kernel<6>,
    pub(super) attend: Kernel<11>,
    pub(super) attend_delta: Kernel<7>,
    pub(super) attend_back_query: Kernel<15>,
    pub(super) attend_back_key: Kernel<15>,
    pub(super) cross_entropy: Kernel<6>,
    pub(super) mask_rows: Kernel<10>,
    pub(super) sum_up: Kernel<3>,
    pub(super) squares: Kernel<3>,
    pub(super) adam_full: Kernel<6>,
    pub(super) adam_eight: Kernel<9>,
    /// Attention where the code is for Hopper alone and heads are 64 or 128 wide.
    pub(super) hopper: Option<Hopper>,
    /// Shared memory of attention, forward and backward.
    pub(super) attend_shared: usize,
    pub(super) attend_back_shared: usize,
}

/// Where kernels are found by their names.
pub(super) trait Find {
    /// A kernel that takes `N` arguments and may ask for so many bytes of shared memory.
    ///
    /// # Errors
    /// If there is none of this name, or the memory is more than there is.
    fn kernel<const N: usize>(&self, name: &str, shared: usize) -> Result<Kernel<N>>;

    /// Whether there is a kernel of this name.
    fn has(&self, name: &str) -> bool;
}

impl Find for Module {
    fn kernel<const N: usize>(&self, name: &str, shared: usize) -> Result<Kernel<N>> {
        self.function(name, shared)
    }

    fn has(&self, name: &str) -> bool {
        self.function::<0>(name, 0).is_ok()
    }
}

/// Attention by pairs of tiles.
#[derive(Clone, Copy)]
pub(super) struct Hopper {
    pub(super) attend: Kernel<12>,
    pub(super) back_query: Kernel<16>,
    pub(super) back_key: Kernel<16>,
    /// Shared memory of each.
    pub(super) shared: usize,
}

impl Hopper {
    /// Threads of a block.
    pub(super) const THREADS: usize = 384;

    fn find(module: &impl Find, dim: usize) -> Result<Option<Self>> {
        let name = "attend_pairs";
        if !module.has(name) {
            return Ok(None);
        }
        // Tiles, and what is lost where they begin at multiples of 1,024 bytes. Forward two pairs each of queries, keys and
        // values, backward two pairs that stay and four tiles each of two that change.
        let shared = 12 * super::tiles::TILE * dim * 2 + 1024;
        Ok(Some(Self {
            attend: module.kernel(name, shared)?,
            back_query: module.kernel("attend_pairs_back_query", shared)?,
            back_key: module.kernel("attend_pairs_back_key", shared)?,
            shared,
        }))
    }
}

impl Kernels {
    /// All kernels of a module for heads of width `dim`.
    pub(super) fn new(module: &impl Find, dim: usize) -> Result<Self> {
        let pad = padded(dim);
        let tile = super::tiles::TILE * (pad + 8) * 2;
        // Queries, then keys and values: twice where they fit.
        let attend_shared = tile * if pad <= 128 { 5 } else { 3 };
        let attend_back_shared = tile * 4;
        Ok(Self {
            decode: module.kernel("decode", 0)?,
            fold: module.kernel("fold", 0)?,
            embed: module.kernel("embed", 0)?,
            add_norm: module.kernel("add_norm", 0)?,
            norm_back: module.kernel("norm_back", 0)?,
            gather_norm: module.kernel("gather_norm", 0)?,
            scatter_norm_back: module.kernel("scatter_norm_back", 0)?,
            heads_forward: module.kernel("heads_forward", 0)?,
            heads_back: module.kernel("heads_back", 0)?,
            gate_forward: module.kernel("gate_forward", 0)?,
            gate_back: module.kernel("gate_back", 0)?,
            copy_columns: module.kernel("copy_columns", 0)?,
            attend: module.kernel("attend", attend_shared)?,
            attend_delta: module.kernel("attend_delta", 0)?,
            attend_back_query: module.kernel("attend_back_query", attend_back_shared)?,
            attend_back_key: module.kernel("attend_back_key", attend_back_shared)?,
            cross_entropy: module.kernel("cross_entropy", 0)?,
            mask_rows: module.kernel("mask_rows", 0)?,
            sum_up: module.kernel("sum_up", 0)?,
            squares: module.kernel("squares", 0)?,
            adam_full: module.kernel("adam_full", 0)?,
            adam_eight: module.kernel("adam_eight", 0)?,
            hopper: Hopper::find(module, dim)?,
            attend_shared,
            attend_back_shared,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::super::compile::{Kind, source};
    use super::super::generation::StepKernels;
    use super::super::own;
    use super::*;

    /// Kernels as their sources declare them: names and numbers of parameters.
    struct Declared {
        counts: BTreeMap<String, usize>,
        asked: RefCell<Vec<String>>,
    }

    /// The name and the number of parameters of a declaration behind `KERNEL`.
    fn declaration(text: &str) -> Option<(&str, usize)> {
        let bounds = text.trim_start();
        let bounds = bounds.strip_prefix("__launch_bounds__(").map_or(bounds, |rest| {
            rest.split_once(')').map_or(rest, |(_, after)| after).trim_start()
        });
        let (name, rest) = bounds.split_once('(')?;
        Some((name, rest.split_once(')')?.0.split(',').count()))
    }

    impl Declared {
        fn new(kind: Kind) -> Self {
            let text = source(kind).replace("\\\n", " ");
            let mut counts = BTreeMap::new();
            // A macro of one line declares kernels under the names it is used with.
            let mut macros = Vec::new();
            for line in text.split('\n') {
                let define = line.strip_prefix("#define ").and_then(|rest| rest.split_once('('));
                if let Some((name, (_, declared))) =
                    define.and_then(|(name, rest)| Some((name, rest.split_once("KERNEL ")?)))
                    && let Some((_, count)) = declaration(declared)
                {
                    macros.push((name.to_owned(), count));
                }
                for (name, count) in &macros {
                    let used =
                        line.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('('));
                    if let Some(used) = used {
                        let kernel = used.split([',', ')']).next().unwrap_or_default();
                        counts.insert(kernel.to_owned(), *count);
                    }
                }
            }
            for at in text.match_indices("\nKERNEL ").map(|(at, found)| at + found.len()) {
                let (name, count) = declaration(&text[at..]).unwrap();
                counts.insert(name.to_owned(), count);
            }
            Self { counts, asked: RefCell::default() }
        }

        /// Whether every kernel that is declared was asked for.
        fn all_asked(&self) -> bool {
            self.counts.keys().all(|name| self.asked.borrow().contains(name))
        }
    }

    impl Find for Declared {
        fn kernel<const N: usize>(&self, name: &str, _: usize) -> Result<Kernel<N>> {
            assert_eq!(self.counts.get(name), Some(&N), "{name}");
            self.asked.borrow_mut().push(name.to_owned());
            Ok(Kernel::nowhere())
        }

        fn has(&self, name: &str) -> bool {
            self.counts.contains_key(name)
        }
    }

    /// The driver reads as many arguments as a kernel declares: one too few is memory of whatever comes next.
    #[test]
    fn kernels_take_as_many_arguments_as_they_are_given() {
        let passes = Declared::new(Kind::Passes { dim: 64 });
        Kernels::new(&passes, 64).unwrap();
        assert!(passes.all_asked(), "{:?}", passes.counts);
        let products = Declared::new(Kind::Products);
        own::kernels(&products).unwrap();
        assert!(products.all_asked(), "{:?}", products.counts);
        let few = Declared::new(Kind::Few);
        let one = Declared::new(Kind::One { dim: 64, piece: 6 });
        StepKernels::new(&few, &one, 0).unwrap();
        assert!(few.all_asked() && one.all_asked(), "{:?} {:?}", few.counts, one.counts);
    }
}
