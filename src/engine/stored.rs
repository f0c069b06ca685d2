//! Values kept from the forward to the backward pass.

use half::bf16;
use rayon::prelude::*;

use super::base::Precision;
use super::cpu::aligned::Aligned;
use super::cpu::panels::{Element as _, widen};
use super::cpu::team::Together as _;
use super::cpu::values::{Values, ValuesMut};

/// Values that one task rounds or widens.
const CHUNK: usize = 1 << 15;

/// A buffer of f32 values, held as they are or, where products round to bf16 anyway, rounded.
///
/// Rounded values are worked on in a buffer that all layers share, so that it stays in the cache
/// and only half the bytes go to memory.
#[derive(Debug, Default)]
pub(super) struct Stored {
    full: Aligned<f32>,
    half: Vec<bf16>,
}

impl Stored {
    /// Where `len` values are to be computed.
    pub(super) fn space<'a>(
        &'a mut self,
        len: usize,
        precision: Precision,
        shared: &'a mut Aligned<f32>,
    ) -> &'a mut [f32] {
        match precision {
            Precision::F32 => self.full.fit(len),
            Precision::Bf16 => shared.fit(len),
        }
    }

    /// The values just computed.
    pub(super) fn fresh<'a>(
        &'a self,
        len: usize,
        precision: Precision,
        shared: &'a [f32],
    ) -> &'a [f32] {
        match precision {
            Precision::F32 => &self.full[..len],
            Precision::Bf16 => &shared[..len],
        }
    }

    /// Keeps what was computed.
    pub(super) fn keep(&mut self, len: usize, precision: Precision, shared: &[f32]) {
        if precision == Precision::Bf16 {
            self.half.resize(len, bf16::ZERO);
            let chunks = self.half.par_chunks_mut(CHUNK).zip(shared[..len].par_chunks(CHUNK));
            chunks.together(|(to, from)| bf16::narrow(from, to));
        }
    }

    /// The kept values, to be used up.
    pub(super) fn open<'a>(
        &'a mut self,
        precision: Precision,
        shared: &'a mut Aligned<f32>,
    ) -> &'a mut [f32] {
        match precision {
            Precision::F32 => &mut self.full,
            Precision::Bf16 => {
                let shared = shared.fit(self.half.len());
                let chunks = shared.par_chunks_mut(CHUNK).zip(self.half.par_chunks(CHUNK));
                chunks.together(|(to, from)| widen(from, to));
                shared
            }
        }
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.full.len() * 4 + self.half.len() * 2
    }
}

/// Activations in the precision of products, from cache lines on.
#[derive(Debug, Default)]
pub(super) struct Rounded {
    full: Aligned<f32>,
    half: Aligned<bf16>,
}

impl Rounded {
    /// The first `len` values, to be written.
    pub(super) fn space(&mut self, len: usize, precision: Precision) -> ValuesMut<'_> {
        match precision {
            Precision::F32 => ValuesMut::Full(self.full.fit(len)),
            Precision::Bf16 => ValuesMut::Half(self.half.fit(len)),
        }
    }

    /// The first `len` values.
    pub(super) fn values(&self, len: usize, precision: Precision) -> Values<'_> {
        match precision {
            Precision::F32 => Values::Full(self.full.get(len)),
            Precision::Bf16 => Values::Half(self.half.get(len)),
        }
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        size_of_val(&self.full[..]) + size_of_val(&self.half[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were_kept() {
        let values: Vec<f32> = (0..70_000).map(|i| (i as f32 * 0.37).sin()).collect();
        for precision in [Precision::F32, Precision::Bf16] {
            let (mut stored, mut shared) = (Stored::default(), Aligned::default());
            stored.space(values.len(), precision, &mut shared).copy_from_slice(&values);
            assert_eq!(stored.fresh(values.len(), precision, &shared), values);
            stored.keep(values.len(), precision, &shared);
            shared.fill(f32::NAN);
            let back = stored.open(precision, &mut shared);
            for (back, value) in back.iter().zip(&values) {
                let want = match precision {
                    Precision::F32 => *value,
                    Precision::Bf16 => bf16::from_f32(*value).to_f32(),
                };
                assert_eq!(*back, want);
            }
        }
    }
}
