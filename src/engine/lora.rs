//! Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685): `y = x (W + s B A)^T`, `s = alpha / r`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt;

use crate::failure::{Failure, Result};
use crate::model::DecoderConfig;

/// A projection of a decoder block that can be adapted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// Query projection.
    Query,
    /// Key projection.
    Key,
    /// Value projection.
    Value,
    /// Attention output projection.
    Output,
    /// Gate of the feed-forward layer.
    Gate,
    /// Up projection of the feed-forward layer.
    Up,
    /// Down projection of the feed-forward layer.
    Down,
}

impl Target {
    /// All projections, in the order in which a block uses them.
    pub const ALL: [Self; 7] =
        [Self::Query, Self::Key, Self::Value, Self::Output, Self::Gate, Self::Up, Self::Down];

    /// The name PEFT gives it in `target_modules`.
    pub fn peft_name(self) -> &'static str {
        match self {
            Self::Query => "q_proj",
            Self::Key => "k_proj",
            Self::Value => "v_proj",
            Self::Output => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
        }
    }

    /// The projection that PEFT calls `name`.
    ///
    /// # Errors
    /// If no projection has that name; lists those that exist.
    pub fn from_peft_name(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|target| target.peft_name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::peft_name).join(", ");
            Failure::user(format!("\"{name}\" is no projection that can be adapted"))
                .hint(format!("The projections are {known}."))
        })
    }

    /// The module that holds it in a Hugging Face model: `self_attn` or `mlp`.
    pub fn module(self) -> &'static str {
        match self {
            Self::Query | Self::Key | Self::Value | Self::Output => "self_attn",
            Self::Gate | Self::Up | Self::Down => "mlp",
        }
    }

    /// Inputs and outputs of the projection.
    pub fn shape(self, config: &DecoderConfig) -> (usize, usize) {
        let (hidden, query, kv) = (config.hidden_size, config.query_size(), config.kv_size());
        match self {
            Self::Query => (hidden, query),
            Self::Key | Self::Value => (hidden, kv),
            Self::Output => (query, hidden),
            Self::Gate | Self::Up => (hidden, config.ffn_size),
            Self::Down => (config.ffn_size, hidden),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.peft_name())
    }
}

/// What to adapt, and how much.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraConfig {
    /// Rank r.
    pub rank: usize,
    /// The update is scaled by `alpha / rank`, or by `alpha / sqrt(rank)`.
    pub alpha: f32,
    /// Rank-stabilized scaling (rsLoRA, Kalajdzievski 2023, arXiv 2312.03732): `alpha / sqrt(rank)`.
    pub rank_stabilized: bool,
    /// Adapted projections; order and repetition do not matter.
    pub targets: Vec<Target>,
    /// Seed of the first values of A.
    pub seed: u64,
}

impl LoraConfig {
    /// The factor of B A.
    pub fn scale(&self) -> f32 {
        let rank = self.rank.max(1) as f32;
        self.alpha / if self.rank_stabilized { rank.sqrt() } else { rank }
    }
}

/// Where one projection's A and B lie in the flat parameters of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) target: Target,
    /// Inputs of the projection: columns of A.
    pub(super) inputs: usize,
    /// Outputs of the projection: rows of B.
    pub(super) outputs: usize,
    /// First value of A in the layer.
    pub(super) a: usize,
    /// First value of B in the layer.
    pub(super) b: usize,
}

/// A LoRA adapter of a whole decoder, in f32.
///
/// All parameters lie in one flat vector, layer after layer; within a layer the As of projections
/// that share their input lie side by side, then their Bs.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    decoder: DecoderConfig,
    config: LoraConfig,
    slots: Vec<Slot>,
    layer_len: usize,
    values: Vec<f32>,
}

impl Adapter {
    /// Makes an adapter that changes nothing yet: A uniform in ±1/sqrt(inputs) (PEFT's default,
    /// Kaiming with a = sqrt 5), B zero.
    ///
    /// The values of A depend on the seed, the layer and the projection, not on which other
    /// projections are adapted.
    pub fn new(decoder: &DecoderConfig, config: &LoraConfig) -> Self {
        let mut slots = Vec::new();
        let mut at = 0;
        let groups: [&[Target]; 4] = [
            &[Target::Query, Target::Key, Target::Value],
            &[Target::Output],
            &[Target::Gate, Target::Up],
            &[Target::Down],
        ];
        for group in groups {
            let first = slots.len();
            for target in group.iter().filter(|target| config.targets.contains(target)) {
                let (inputs, outputs) = target.shape(decoder);
                slots.push(Slot { target: *target, inputs, outputs, a: at, b: 0 });
                at += config.rank * inputs;
            }
            for slot in &mut slots[first..] {
                slot.b = at;
                at += slot.outputs * config.rank;
            }
        }
        let mut adapter = Self {
            decoder: decoder.clone(),
            config: config.clone(),
            slots,
            layer_len: at,
            values: vec![0.0; at * decoder.layers],
        };
        for layer in 0..decoder.layers {
            for index in 0..adapter.slots.len() {
                let slot = adapter.slots[index];
                let mut random = ChaCha8Rng::seed_from_u64(config.seed);
                random.set_stream((layer * Target::ALL.len() + slot.target as usize) as u64);
                let limit = 1.0 / (slot.inputs as f32).sqrt();
                for value in adapter.a_mut(layer, slot) {
                    *value = random.random_range(-limit..=limit);
                }
            }
        }
        adapter
    }

    /// What is adapted.
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// Shape of the decoder it was made for.
    pub fn decoder(&self) -> &DecoderConfig {
        &self.decoder
    }

    /// Number of trained values.
    pub fn parameter_count(&self) -> usize {
        self.values.len()
    }

    /// All pairs as (layer, projection, A `[rank, inputs]`, B `[outputs, rank]`), row-major, in a
    /// fixed order.
    pub fn tensors(&self) -> impl Iterator<Item = (usize, Target, &[f32], &[f32])> {
        (0..self.decoder.layers).flat_map(move |layer| {
            self.slots.iter().map(move |slot| {
                let (a, b) = self.pair(layer, *slot);
                (layer, slot.target, a, b)
            })
        })
    }

    /// Sets one pair.
    ///
    /// # Errors
    /// If the layer or projection is not part of the adapter, or a length does not fit.
    pub fn set(&mut self, layer: usize, target: Target, a: &[f32], b: &[f32]) -> Result<()> {
        let slot = self.slot(target).filter(|_| layer < self.decoder.layers);
        let slot = slot.ok_or_else(|| {
            Failure::user(format!("the adapter has no {target} in layer {layer}"))
        })?;
        for (name, given, wanted) in [
            ("A", a.len(), self.config.rank * slot.inputs),
            ("B", b.len(), self.config.rank * slot.outputs),
        ] {
            if given != wanted {
                return Err(Failure::user(format!(
                    "{name} of {target} in layer {layer} has {given} values, not {wanted}"
                )));
            }
        }
        self.a_mut(layer, slot).copy_from_slice(a);
        let start = layer * self.layer_len + slot.b;
        self.values[start..start + b.len()].copy_from_slice(b);
        Ok(())
    }

    /// Fails unless the adapter was made for decoders of this shape.
    pub(super) fn check(&self, decoder: &DecoderConfig) -> Result<()> {
        let fits = self.decoder.layers == decoder.layers
            && Target::ALL
                .into_iter()
                .all(|target| target.shape(&self.decoder) == target.shape(decoder));
        if fits {
            Ok(())
        } else {
            Err(Failure::user("the adapter was made for a model of another shape"))
        }
    }

    /// All parameters.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// All parameters, to be updated.
    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Lengths of all matrices in the order in which their values lie.
    pub(super) fn lengths(&self) -> Vec<usize> {
        let mut places: Vec<(usize, usize)> = self
            .slots
            .iter()
            .flat_map(|slot| {
                let rank = self.config.rank;
                [(slot.a, rank * slot.inputs), (slot.b, rank * slot.outputs)]
            })
            .collect();
        places.sort_unstable();
        let layer: Vec<usize> = places.into_iter().map(|(_, len)| len).collect();
        layer.repeat(self.decoder.layers)
    }

    /// Parameters of one layer.
    pub(super) fn layer_len(&self) -> usize {
        self.layer_len
    }

    /// Where a projection's values lie in a layer; none when it is not adapted.
    pub(super) fn slot(&self, target: Target) -> Option<Slot> {
        self.slots.iter().copied().find(|slot| slot.target == target)
    }

    /// A and B of one slot.
    pub(super) fn pair(&self, layer: usize, slot: Slot) -> (&[f32], &[f32]) {
        let values = &self.values[layer * self.layer_len..(layer + 1) * self.layer_len];
        (
            &values[slot.a..slot.a + self.config.rank * slot.inputs],
            &values[slot.b..slot.b + self.config.rank * slot.outputs],
        )
    }

    fn a_mut(&mut self, layer: usize, slot: Slot) -> &mut [f32] {
        let start = layer * self.layer_len + slot.a;
        &mut self.values[start..start + self.config.rank * slot.inputs]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::toy;

    fn config(targets: &[Target]) -> LoraConfig {
        LoraConfig {
            rank: 4,
            alpha: 8.0,
            rank_stabilized: false,
            targets: targets.to_vec(),
            seed: 3,
        }
    }

    #[test]
    fn the_scale_is_by_the_rank_or_its_root() {
        let plain = config(&[Target::Up]);
        assert_eq!(plain.scale(), 2.0);
        assert_eq!(LoraConfig { rank_stabilized: true, ..plain }.scale(), 4.0);
    }

    #[test]
    fn names_go_both_ways() {
        for target in Target::ALL {
            assert_eq!(Target::from_peft_name(target.peft_name()), Ok(target));
        }
        let failure = Target::from_peft_name("lm_head").unwrap_err();
        assert!(failure.hints[0].contains("down_proj"));
    }

    #[test]
    fn first_values_are_uniform_and_independent_of_other_targets() {
        let decoder = toy::llama();
        let all = Adapter::new(&decoder, &config(&Target::ALL));
        let one = Adapter::new(&decoder, &config(&[Target::Up]));
        assert_eq!(all.tensors().count(), 7 * decoder.layers);
        let per_layer: usize = Target::ALL
            .iter()
            .map(|target| target.shape(&decoder))
            .map(|(inputs, outputs)| 4 * (inputs + outputs))
            .sum();
        assert_eq!(all.parameter_count(), per_layer * decoder.layers);
        for (layer, target, a, b) in all.tensors() {
            let limit = 1.0 / (target.shape(&decoder).0 as f32).sqrt();
            let most = a.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            assert!(most <= limit && most > 0.8 * limit);
            assert!(b.iter().all(|x| *x == 0.0));
            if target == Target::Up {
                let same = one.tensors().find(|(other, ..)| *other == layer).unwrap();
                assert_eq!(same.2, a);
            }
        }
    }

    #[test]
    fn set_checks_place_and_lengths() {
        let decoder = toy::llama();
        let mut adapter = Adapter::new(&decoder, &config(&[Target::Key]));
        let (inputs, outputs) = Target::Key.shape(&decoder);
        let (a, b) = (vec![1.0; 4 * inputs], vec![2.0; 4 * outputs]);
        adapter.set(1, Target::Key, &a, &b).unwrap();
        let (_, _, got_a, got_b) = adapter.tensors().nth(1).unwrap();
        assert_eq!((got_a, got_b), (&a[..], &b[..]));
        assert!(adapter.set(0, Target::Query, &a, &b).is_err());
        assert!(adapter.set(99, Target::Key, &a, &b).is_err());
        assert!(adapter.set(0, Target::Key, &b[1..], &b).is_err());
    }
}
