//! What training needs of memory, and how it can do with less: layers compute again in the
//! backward pass what they do not keep, and fewer tokens go through the model at once.

use super::base::{Base, Group, Precision};
use super::block::Kept;
use super::effective::{self, Weights};
use super::gradient::GradientBuffers;
use super::lora::Adapter;
use super::nf4;
use super::optimizer;
use super::pack::{self, Row};
use super::trainer;
use super::{loss, table};
use crate::model::{DecoderConfig, TensorName};

/// Most tokens that go through the model at once in training.
pub const MICRO_TOKENS_MAX: usize = 2048;

/// Tokens that go through the model at once, most first.
const MICRO_TOKENS: [usize; 7] = [MICRO_TOKENS_MAX, 1024, 512, 256, 128, 64, 32];

/// Computing all layers again takes about this share of a step's time.
const AGAIN: f64 = 0.22;
/// Making the weights ready for a micro-batch takes as long as this many tokens.
const DECODING: f64 = 50.0;
/// Share of a step's time that layer by layer has to save to be worth the memory of all micro-batches.
const WORTH: f64 = 0.03;

/// How a run goes through memory. What is computed does not depend on the kept layers, and on
/// the micro-batches only in rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryPlan {
    /// Tokens that go through the model at once; a longer row goes alone.
    pub micro_tokens: usize,
    /// Tokens of the largest micro-batch there is.
    pub tokens: usize,
    /// Layers that keep what their backward pass needs; the others compute it again.
    pub kept_layers: usize,
    /// Of the others, layers that keep all of it but gate and up, on a GPU.
    pub partly_kept_layers: usize,
    /// Inputs of layers that lie in the machine's memory between the passes, on a GPU.
    pub hosted_inputs: usize,
    /// Bytes of that memory.
    pub hosted_bytes: usize,
    /// All micro-batches of a step pass through a layer before the next has its turn (see
    /// [`super::Trainer::with_layer_by_layer`]).
    pub layer_by_layer: bool,
    /// Bytes that training takes beside the base; on a GPU, of its memory and base included.
    pub bytes: usize,
}

/// What else decides what training takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryUse {
    /// The optimizer keeps its moments in 8 bits.
    pub eight_bit: bool,
    /// There is dropout.
    pub dropout: bool,
}

/// What the steps of a run are made of, for a number of tokens that go through the model at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepSize {
    /// Tokens of the largest micro-batch.
    pub largest: usize,
    /// Tokens of all micro-batches of a step, at most: the largest first ones, the largest second ones,
    /// and so on.
    pub whole: usize,
}

impl StepSize {
    /// Of a run, from the rows of each of its steps.
    pub fn of(steps: impl Iterator<Item = impl AsRef<[Row]>>, micro_tokens: usize) -> Self {
        let mut sizes: Vec<usize> = Vec::new();
        for rows in steps {
            for (index, size) in pack::sizes(rows.as_ref(), micro_tokens, true).enumerate() {
                match sizes.get_mut(index) {
                    Some(most) => *most = size.max(*most),
                    None => sizes.push(size),
                }
            }
        }
        Self { largest: sizes.iter().copied().max().unwrap_or(0), whole: sizes.iter().sum() }
    }
}

/// Chooses the quickest way through training that takes at most `limit` bytes beside the base.
///
/// `sizes` tells what steps are made of for a number of tokens that go through the model at once. With
/// `micro_tokens`, that number is given.
///
/// # Errors
/// When nothing fits: the plan that takes least.
pub fn plan(
    base: &Base,
    adapter: &Adapter,
    options: MemoryUse,
    limit: usize,
    micro_tokens: Option<usize>,
    sizes: &mut dyn FnMut(usize) -> StepSize,
) -> Result<MemoryPlan, MemoryPlan> {
    let layers = base.config().layers;
    let mut best: Option<(f64, MemoryPlan)> = None;
    let mut least: Option<MemoryPlan> = None;
    let given = micro_tokens.as_ref().map(std::slice::from_ref);
    for micro_tokens in given.unwrap_or(&MICRO_TOKENS) {
        let size = sizes(*micro_tokens);
        for layer_by_layer in [false, true] {
            // One micro-batch is all of the step already.
            if layer_by_layer && size.whole <= size.largest {
                continue;
            }
            let with = |kept_layers: usize| MemoryPlan {
                micro_tokens: *micro_tokens,
                tokens: size.largest,
                kept_layers,
                layer_by_layer,
                bytes: bytes(base, adapter, options, size, (kept_layers, layer_by_layer)),
                ..MemoryPlan::default()
            };
            let lowest = with(0);
            if least.is_none_or(|least| lowest.bytes < least.bytes) {
                least = Some(lowest);
            }
            let Some(plan) = (0..=layers).rev().map(with).find(|plan| plan.bytes <= limit) else {
                continue;
            };
            let again = (layers - plan.kept_layers) as f64 / layers as f64;
            let (decoded_for, price) =
                if layer_by_layer { (size.whole, WORTH) } else { (size.largest, 0.0) };
            let cost = AGAIN * again + DECODING / decoded_for.max(1) as f64 + price;
            if best.is_none_or(|(lowest, _)| cost < lowest) {
                best = Some((cost, plan));
            }
        }
    }
    best.map(|(_, plan)| plan).ok_or(least.unwrap_or_default())
}

/// Tokens of the largest micro-batch that an optimizer step on `rows` goes through.
pub fn largest_micro_batch(rows: &[Row], micro_tokens: usize) -> usize {
    pack::sizes(rows, micro_tokens, true).max().unwrap_or(0)
}

/// Bytes a training run needs besides the base: adapter, gradients, optimizer, activations of
/// `micro_tokens` tokens with everything kept, buffers and the head. An estimate from above that
/// can be shown before a run.
pub fn training_bytes(base: &Base, adapter: &Adapter, micro_tokens: usize) -> usize {
    let size = StepSize { largest: micro_tokens, whole: micro_tokens };
    bytes(base, adapter, MemoryUse::default(), size, (base.config().layers, false))
}

/// [`training_bytes`] where all micro-batches of a step pass through a layer in turn.
pub fn layered_bytes(base: &Base, adapter: &Adapter, size: StepSize) -> usize {
    bytes(base, adapter, MemoryUse::default(), size, (base.config().layers, true))
}

/// Bytes that the optimizer remembers.
pub fn optimizer_bytes(adapter: &Adapter, eight_bit: bool) -> usize {
    optimizer::bytes(adapter, eight_bit)
}

fn bytes(
    base: &Base,
    adapter: &Adapter,
    options: MemoryUse,
    StepSize { largest, whole }: StepSize,
    (kept_layers, layer_by_layer): (usize, bool),
) -> usize {
    let config = base.config();
    // Of the micro-batches of a pass. Layers that are computed again share one place, for one of them.
    let passing = if layer_by_layer { whole } else { largest };
    let again = if kept_layers < config.layers { largest } else { 0 };
    let kept = Kept::bytes(base, Some(adapter)) * (kept_layers * passing + again);
    let precision = base.precision();
    let columns = Group::ALL.iter().map(|group| effective::columns(Some(adapter), *group));
    let columns = columns.max().unwrap_or(0);
    // Dropout has a copy of the widest input for products and one for gradients, and works in f32.
    let masked = match precision {
        _ if !options.dropout => 0,
        Precision::F32 => 2 * config.ffn_size.max(config.hidden_size),
        Precision::Bf16 => 4 * config.ffn_size.max(config.hidden_size) + columns,
    };
    let masked = masked * 4;
    adapter.parameter_count() * 8
        + optimizer::bytes(adapter, options.eight_bit)
        + passing * trainer::pass_bytes(base, adapter)
        + kept
        + largest * (masked + trainer::buffer_bytes(base, adapter))
        + Weights::bytes(base, Some(adapter), layer_by_layer)
        + GradientBuffers::bytes(precision, largest, columns)
        + loss::bytes(config, precision, largest)
}

/// Bytes that scoring rows takes beside the base, for `tokens` tokens at once.
pub fn scoring_bytes(base: &Base, adapter: &Adapter, tokens: usize) -> usize {
    let config = base.config();
    let wide = 2 * config.ffn_size + 2 * config.query_size() + 2 * config.kv_size();
    let buffers = 4 * (6 * config.hidden_size + wide);
    tokens * (Kept::bytes(base, Some(adapter)) + buffers)
        + Weights::bytes(base, Some(adapter), false)
        + loss::bytes(config, base.precision(), tokens)
}

/// Bytes that loading a model takes at most: the weights as they are held, and the largest matrix as it
/// is read.
pub fn loading_bytes(config: &DecoderConfig, precision: Precision) -> usize {
    let mut held = 0;
    let mut largest = 0;
    for name in TensorName::all(config) {
        let (rows, columns) = name.shape(config);
        let count = rows * columns;
        let table = matches!(name, TensorName::Embedding | TensorName::Head);
        largest = largest.max(if table { count.min(table::PART.max(columns)) } else { count });
        held += match name {
            _ if table => table::bytes(count, precision),
            _ if columns == 1 => count * 4,
            _ => nf4::bytes(count),
        };
    }
    held + largest * 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::lora::{LoraConfig, Target};
    use crate::engine::toy;

    fn made() -> (Base, Adapter) {
        let config = toy::llama();
        let lora = LoraConfig {
            rank: 4,
            alpha: 8.0,
            rank_stabilized: false,
            targets: Target::ALL.to_vec(),
            seed: 1,
        };
        (toy::load(&config, 1), Adapter::new(&config, &lora))
    }

    #[test]
    fn less_memory_keeps_fewer_layers_or_takes_fewer_tokens() {
        let (base, adapter) = made();
        let mut sizes = |micro: usize| {
            let largest = micro.clamp(50, 1500);
            StepSize { largest, whole: largest }
        };
        let mut planned =
            |limit: usize| plan(&base, &adapter, MemoryUse::default(), limit, None, &mut sizes);
        let all = planned(usize::MAX).unwrap();
        assert_eq!((all.micro_tokens, all.tokens, all.kept_layers), (2048, 1500, 2));
        let mut last = all;
        let mut limit = all.bytes;
        let least = loop {
            limit -= limit / 20;
            match planned(limit) {
                Ok(plan) => {
                    assert!(plan.bytes <= limit);
                    assert!(plan.tokens <= last.tokens || plan.kept_layers >= last.kept_layers);
                    last = plan;
                }
                Err(least) => break least,
            }
        };
        assert!(least.bytes > limit, "{least:?} {limit}");
        assert_eq!((least.tokens, least.kept_layers), (50, 0));
        // What is said to be least is enough.
        assert_eq!(planned(least.bytes), Ok(least));
        // A number of tokens that is given is kept to.
        let given =
            plan(&base, &adapter, MemoryUse::default(), usize::MAX, Some(512), &mut sizes).unwrap();
        assert_eq!((given.micro_tokens, given.kept_layers), (512, 2));
    }

    #[test]
    fn layer_by_layer_is_chosen_where_micro_batches_are_small_and_memory_allows() {
        let (base, adapter) = made();
        // 4,000 tokens a step, in micro-batches of at most 512.
        let mut sizes = |micro: usize| StepSize { largest: micro.min(512), whole: 4000 };
        let mut planned = |limit: usize| {
            plan(&base, &adapter, MemoryUse::default(), limit, Some(512), &mut sizes)
        };
        let all = planned(usize::MAX).unwrap();
        assert!(all.layer_by_layer && all.kept_layers == 2, "{all:?}");
        let usual = planned(all.bytes - 1).unwrap();
        assert!(usual.bytes < all.bytes && usual != all);
        let tight = planned(training_bytes(&base, &adapter, 512)).unwrap();
        assert!(!tight.layer_by_layer && tight.kept_layers == 2, "{tight:?}");
        // Of one micro-batch a step the usual order is as good.
        let mut one = |_: usize| StepSize { largest: 512, whole: 512 };
        let plan =
            plan(&base, &adapter, MemoryUse::default(), usize::MAX, Some(512), &mut one).unwrap();
        assert!(!plan.layer_by_layer);
    }

    #[test]
    fn loading_needs_at_least_what_is_held() {
        let (base, _) = made();
        let told = loading_bytes(base.config(), base.precision());
        assert!(told >= base.bytes(), "{told} {}", base.bytes());
        assert!(told <= 3 * base.bytes(), "{told} {}", base.bytes());
    }
}
