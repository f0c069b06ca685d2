//! AdamW with both moments in 8 bits (Dettmers et al. 2021, arXiv 2110.02861), as bitsandbytes has
//! it: a tensor is cut into blocks of 256 values; a block keeps its largest magnitude and for each
//! value the index of the nearest entry of a dynamic map, signed for the first moment, unsigned for
//! the second. Tensors of fewer than 4096 values keep f32.

use std::sync::LazyLock;

use rayon::prelude::*;

use super::nf4::{DYNAMIC_MAP, UNSIGNED_MAP, nearest_in_map};
use super::optimizer::{OptimizerConfig, apply};
use crate::failure::{Failure, Result};

/// Values that share one magnitude.
pub(super) const BLOCK: usize = 256;
/// Tensors of fewer values keep f32.
pub(super) const LENGTH_MIN: usize = 4096;
/// Index of 0 in the signed map; in the unsigned one it is 0.
const SIGNED_ZERO: u8 = 127;

/// Moments in 8 bits, tensor after tensor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EightBit {
    /// Values of each tensor, also of those that are not held here.
    lengths: Vec<usize>,
    /// Indices into the signed map.
    pub first_codes: Vec<u8>,
    /// The first moment's magnitude of each block.
    pub first_scales: Vec<f32>,
    /// Indices into the unsigned map.
    pub second_codes: Vec<u8>,
    /// The second moment's magnitude of each block.
    pub second_scales: Vec<f32>,
}

/// The state of some blocks.
struct Blocks<'a> {
    first_codes: &'a mut [u8],
    first_scales: &'a mut [f32],
    second_codes: &'a mut [u8],
    second_scales: &'a mut [f32],
}

/// Work on one tensor.
struct Tensor<'a> {
    values: &'a mut [f32],
    grads: &'a [f32],
    state: State<'a>,
}

enum State<'a> {
    Full(&'a mut [f32], &'a mut [f32]),
    Eight(Blocks<'a>),
}

impl EightBit {
    /// Zeros, for tensors of these lengths.
    pub(super) fn new(lengths: Vec<usize>) -> Self {
        let held = lengths.iter().filter(|len| **len >= LENGTH_MIN);
        let (values, blocks) =
            held.fold((0, 0), |(values, blocks), len| (values + len, blocks + len.div_ceil(BLOCK)));
        Self {
            lengths,
            first_codes: vec![SIGNED_ZERO; values],
            first_scales: vec![0.0; blocks],
            second_codes: vec![0; values],
            second_scales: vec![0.0; blocks],
        }
    }

    /// Values of the tensors that keep f32.
    pub(super) fn small(&self) -> usize {
        self.lengths.iter().filter(|len| **len < LENGTH_MIN).sum()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.first_codes.len() * 2 + self.first_scales.len() * 8
    }

    /// Fails unless it is of the right lengths and its magnitudes can be.
    pub(super) fn check(&self, lengths: &[usize]) -> Result<()> {
        let like = Self::new(lengths.to_vec());
        let sizes = |state: &Self| {
            let codes = (state.first_codes.len(), state.second_codes.len());
            (codes, state.first_scales.len(), state.second_scales.len())
        };
        if self.lengths != lengths || sizes(self) != sizes(&like) {
            return Err(Failure::user("the 8-bit optimizer state is that of another adapter"));
        }
        let usable = |scale: &f32| scale.is_finite() && *scale >= 0.0;
        if !self.first_scales.iter().chain(&self.second_scales).all(usable) {
            return Err(Failure::user("the optimizer state has values that are not finite"));
        }
        Ok(())
    }

    /// One step over all tensors; `first` and `second` are the moments of the small ones, `numbers`
    /// as for [`apply`].
    pub(super) fn update(
        &mut self,
        mut values: &mut [f32],
        mut grads: &[f32],
        (mut first, mut second): (&mut [f32], &mut [f32]),
        config: OptimizerConfig,
        numbers: [f32; 4],
    ) {
        let mut tensors = Vec::with_capacity(self.lengths.len());
        let (mut codes1, mut scales1) = (&mut self.first_codes[..], &mut self.first_scales[..]);
        let (mut codes2, mut scales2) = (&mut self.second_codes[..], &mut self.second_scales[..]);
        for len in &self.lengths {
            let (own_grads, rest) = grads.split_at(*len);
            grads = rest;
            let state = if *len < LENGTH_MIN {
                State::Full(
                    first.split_off_mut(..*len).unwrap_or_default(),
                    second.split_off_mut(..*len).unwrap_or_default(),
                )
            } else {
                let blocks = len.div_ceil(BLOCK);
                State::Eight(Blocks {
                    first_codes: codes1.split_off_mut(..*len).unwrap_or_default(),
                    first_scales: scales1.split_off_mut(..blocks).unwrap_or_default(),
                    second_codes: codes2.split_off_mut(..*len).unwrap_or_default(),
                    second_scales: scales2.split_off_mut(..blocks).unwrap_or_default(),
                })
            };
            tensors.push(Tensor {
                values: values.split_off_mut(..*len).unwrap_or_default(),
                grads: own_grads,
                state,
            });
        }
        tensors.into_par_iter().for_each(|tensor| tensor.step(config, numbers));
    }
}

impl Tensor<'_> {
    fn step(self, config: OptimizerConfig, numbers: [f32; 4]) {
        let Blocks { first_codes, first_scales, second_codes, second_scales } = match self.state {
            State::Full(first, second) => {
                return apply(self.values, self.grads, first, second, config, numbers);
            }
            State::Eight(blocks) => blocks,
        };
        let codes = first_codes.chunks_mut(BLOCK).zip(second_codes.chunks_mut(BLOCK));
        let scales = first_scales.iter_mut().zip(second_scales);
        let values = self.values.chunks_mut(BLOCK).zip(self.grads.chunks(BLOCK));
        for (((values, grads), (codes1, codes2)), (scale1, scale2)) in values.zip(codes).zip(scales)
        {
            let (mut first, mut second) = ([0.0; BLOCK], [0.0; BLOCK]);
            let (first, second) = (&mut first[..values.len()], &mut second[..values.len()]);
            for (moment, code) in first.iter_mut().zip(&*codes1) {
                *moment = DYNAMIC_MAP[usize::from(*code)] * *scale1;
            }
            for (moment, code) in second.iter_mut().zip(&*codes2) {
                *moment = UNSIGNED_MAP[usize::from(*code)] * *scale2;
            }
            apply(values, grads, first, second, config, numbers);
            *scale1 = largest(first);
            *scale2 = largest(second);
            for (code, moment) in codes1.iter_mut().zip(&*first) {
                *code = signed_code(*moment, *scale1);
            }
            for (code, moment) in codes2.iter_mut().zip(&*second) {
                *code = unsigned_code(*moment, *scale2);
            }
        }
    }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// The nearest entry of the signed map, but never one of the other sign (as bitsandbytes).
fn signed_code(moment: f32, scale: f32) -> u8 {
    if scale == 0.0 {
        return SIGNED_ZERO;
    }
    let code = nearest_in_map(moment / scale);
    let stored = DYNAMIC_MAP[usize::from(code)];
    if stored.is_sign_negative() == moment.is_sign_negative() {
        code
    } else if moment > 0.0 {
        code.saturating_add(1)
    } else if moment < 0.0 {
        code.saturating_sub(1)
    } else {
        code
    }
}

/// The nearest entry of the unsigned map; a moment that is not zero never becomes zero, which would
/// leave nothing but epsilon to divide by.
fn unsigned_code(moment: f32, scale: f32) -> u8 {
    static LIMITS: LazyLock<Vec<f32>> = LazyLock::new(|| {
        UNSIGNED_MAP.windows(2).map(|pair| f32::midpoint(pair[0], pair[1])).collect()
    });
    if moment == 0.0 || scale == 0.0 {
        return 0;
    }
    let x = moment / scale;
    (LIMITS.partition_point(|limit| x > *limit) as u8).max(1)
}

#[cfg(test)]
mod tests;
