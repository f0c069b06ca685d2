//! Adapter, gradients and what the optimizer remembers, on the device.

use std::sync::Arc;

use super::driver::{Bump, Gpu, Memory, arguments};
use super::kernels::Kernels;
use crate::engine::eight_bit::{BLOCK, EightBit, LENGTH_MIN};
use crate::engine::lora::Adapter;
use crate::engine::nf4::{DYNAMIC_MAP, UNSIGNED_MAP};
use crate::engine::optimizer::{OptimizerConfig, OptimizerState};
use crate::failure::Result;

/// Values of the adapter that one block of threads updates.
const RUN: usize = 4096;
/// Gradients whose squares one block of threads adds up.
const SQUARES: usize = 65536;
/// Threads of a kernel over values.
const THREADS: usize = 256;

/// Stretches of values, each for one block of threads.
#[derive(Debug, Default)]
struct Runs {
    /// First value, first moment, count, and index of the scale, of each.
    words: Vec<u32>,
    at: u64,
}

impl Runs {
    fn push(&mut self, value: usize, moment: usize, count: usize, scale: usize) {
        self.words.extend([value as u32, moment as u32, count as u32, scale as u32]);
    }

    fn count(&self) -> usize {
        self.words.len() / 4
    }
}

pub(super) struct Adam {
    gpu: Arc<Gpu>,
    pub(super) memory: Memory,
    parameters: usize,
    pub(super) values: u64,
    pub(super) grads: u64,
    /// Sum of nats, then sums of squares.
    sums: u64,
    first: u64,
    second: u64,
    codes: [u64; 2],
    scales: [u64; 2],
    maps: u64,
    full: Runs,
    eight: Runs,
    /// Moments held in f32, and in 8 bits.
    held: (usize, usize),
    /// The state as it was, for what does not change.
    like: OptimizerState,
}

/// The work of the optimizer cut into runs: in f32 and in 8 bits, and the moments held in each.
fn runs(adapter: &Adapter, eight_bit: bool) -> (Runs, Runs, (usize, usize)) {
    let (mut full, mut eight) = (Runs::default(), Runs::default());
    let lengths = if eight_bit { adapter.lengths() } else { vec![adapter.parameter_count()] };
    let (mut value, mut small, mut large, mut scale) = (0, 0, 0, 0);
    for length in lengths {
        if eight_bit && length >= LENGTH_MIN {
            for first in (0..length).step_by(BLOCK) {
                eight.push(value + first, large + first, BLOCK.min(length - first), scale);
                scale += 1;
            }
            large += length;
        } else {
            for first in (0..length).step_by(RUN) {
                full.push(value + first, small + first, RUN.min(length - first), 0);
            }
            small += length;
        }
        value += length;
    }
    (full, eight, (small, large))
}

impl Adam {
    pub(super) fn new(gpu: &Arc<Gpu>, adapter: &Adapter, state: &OptimizerState) -> Result<Self> {
        let (full, eight, held) = runs(adapter, state.eight_bit.is_some());
        let parameters = adapter.parameter_count();
        let lay = |bump: &mut Bump| {
            let mut of = |bytes: usize| bump.take(bytes);
            [
                of(parameters * 4),
                of(parameters * 4),
                of(8 + parameters.div_ceil(SQUARES) * 8),
                of(held.0 * 4),
                of(held.0 * 4),
                of(held.1),
                of(held.1),
                of(eight.count() * 4),
                of(eight.count() * 4),
                of(4096),
                of(full.words.len() * 4),
                of(eight.words.len() * 4),
            ]
        };
        let mut measure = Bump::default();
        lay(&mut measure);
        let memory = Memory::new(gpu, measure.used())?;
        let places = lay(&mut Bump::at(memory.at));
        let [values, grads, sums, first, second, codes1, codes2, scales1, scales2, maps, a, b] =
            places;
        let mut adam = Self {
            gpu: Arc::clone(gpu),
            memory,
            parameters,
            values,
            grads,
            sums,
            first,
            second,
            codes: [codes1, codes2],
            scales: [scales1, scales2],
            maps,
            full: Runs { at: a, ..full },
            eight: Runs { at: b, ..eight },
            held,
            like: state.clone(),
        };
        gpu.upload(a, &adam.full.words)?;
        gpu.upload(b, &adam.eight.words)?;
        let limits = |map: &[f32; 256]| -> Vec<f32> {
            let middles = map.windows(2).map(|pair| f32::midpoint(pair[0], pair[1]));
            middles.chain([f32::INFINITY]).collect()
        };
        let mut tables = Vec::with_capacity(1024);
        tables.extend_from_slice(&DYNAMIC_MAP[..]);
        tables.extend_from_slice(&UNSIGNED_MAP[..]);
        tables.extend(limits(&DYNAMIC_MAP));
        tables.extend(limits(&UNSIGNED_MAP));
        gpu.upload(maps, &tables)?;
        gpu.upload(values, adapter.values())?;
        adam.restore(state)?;
        Ok(adam)
    }

    /// Takes a state from the host.
    pub(super) fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        self.gpu.upload(self.first, &state.first)?;
        self.gpu.upload(self.second, &state.second)?;
        if let Some(eight) = &state.eight_bit {
            self.gpu.upload(self.codes[0], &eight.first_codes)?;
            self.gpu.upload(self.codes[1], &eight.second_codes)?;
            self.gpu.upload(self.scales[0], &eight.first_scales)?;
            self.gpu.upload(self.scales[1], &eight.second_scales)?;
        }
        self.like = state.clone();
        Ok(())
    }

    /// Gives adapter and moments to the host.
    pub(super) fn fetch(&self, values: &mut [f32], state: &mut OptimizerState) -> Result<()> {
        self.gpu.download(self.values, values)?;
        self.gpu.download(self.first, &mut state.first[..self.held.0])?;
        self.gpu.download(self.second, &mut state.second[..self.held.0])?;
        if let Some(EightBit { first_codes, first_scales, second_codes, second_scales, .. }) =
            &mut state.eight_bit
        {
            self.gpu.download(self.codes[0], first_codes)?;
            self.gpu.download(self.codes[1], second_codes)?;
            self.gpu.download(self.scales[0], first_scales)?;
            self.gpu.download(self.scales[1], second_scales)?;
        }
        Ok(())
    }

    /// Where the sum of nats is.
    pub(super) fn nats(&self) -> u64 {
        self.sums
    }

    /// Forgets gradients and losses.
    pub(super) fn clear(&self) -> Result<()> {
        self.gpu.clear(self.sums, 8)?;
        self.gpu.clear(self.grads, self.parameters * 4)
    }

    /// The sum of nats and the gradient's norm.
    pub(super) fn sums(&self, kernels: &Kernels) -> Result<(f64, f64)> {
        let blocks = self.parameters.div_ceil(SQUARES);
        let arguments = arguments![self.grads, self.parameters, self.sums + 8];
        self.gpu.launch(kernels.squares, (blocks, 1), THREADS, 0, arguments)?;
        let mut sums = vec![0.0f64; 1 + blocks];
        self.gpu.download(self.sums, &mut sums)?;
        Ok((sums[0], sums[1..].iter().sum::<f64>().sqrt()))
    }

    /// The gradients.
    pub(super) fn gradients(&self, out: &mut [f32]) -> Result<()> {
        self.gpu.download(self.grads, out)
    }

    /// One step; `numbers` as for the reference's.
    pub(super) fn update(
        &self,
        kernels: &Kernels,
        config: &OptimizerConfig,
        [factor, size, root, keep]: [f32; 4],
    ) -> Result<()> {
        let numbers = [config.beta1, config.beta2, config.epsilon, factor, size, root, keep, 0.0];
        let numbers = numbers.map(f32::to_bits);
        let (values, grads) = (self.values, self.grads);
        let arguments = arguments![values, grads, self.first, self.second, self.full.at, numbers];
        self.gpu.launch(kernels.adam_full, (self.full.count(), 1), THREADS, 0, arguments)?;
        let ([codes1, codes2], [scales1, scales2]) = (self.codes, self.scales);
        let arguments = arguments![
            values,
            grads,
            codes1,
            scales1,
            codes2,
            scales2,
            self.eight.at,
            self.maps,
            numbers
        ];
        self.gpu.launch(kernels.adam_eight, (self.eight.count(), 1), BLOCK, 0, arguments)
    }
}
