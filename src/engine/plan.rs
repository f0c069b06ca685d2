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

/// Chooses the quickest way through training that takes at most `limit` bytes beside the base.
///
/// `largest` tells the tokens of the largest micro-batch for a number of tokens that go through
/// the model at once (see [`largest_micro_batch`]). With `micro_tokens`, that number is given.
///
/// # Errors
/// When nothing fits: the plan that takes least.
pub fn plan(
    base: &Base,
    adapter: &Adapter,
    options: MemoryUse,
    limit: usize,
    micro_tokens: Option<usize>,
    largest: &mut dyn FnMut(usize) -> usize,
) -> Result<MemoryPlan, MemoryPlan> {
    let layers = base.config().layers;
    let mut best: Option<(f64, MemoryPlan)> = None;
    let mut least: Option<MemoryPlan> = None;
    let given = micro_tokens.as_ref().map(std::slice::from_ref);
    for micro_tokens in given.unwrap_or(&MICRO_TOKENS) {
        let tokens = largest(*micro_tokens);
        let with = |kept_layers: usize| MemoryPlan {
            micro_tokens: *micro_tokens,
            tokens,
            kept_layers,
            bytes: bytes(base, adapter, options, tokens, kept_layers),
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
        let cost = AGAIN * again + DECODING / tokens.max(1) as f64;
        if best.is_none_or(|(lowest, _)| cost < lowest) {
            best = Some((cost, plan));
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
    bytes(base, adapter, MemoryUse::default(), micro_tokens, base.config().layers)
}

/// Bytes that the optimizer remembers.
pub fn optimizer_bytes(adapter: &Adapter, eight_bit: bool) -> usize {
    optimizer::bytes(adapter, eight_bit)
}

fn bytes(
    base: &Base,
    adapter: &Adapter,
    options: MemoryUse,
    tokens: usize,
    kept_layers: usize,
) -> usize {
    let config = base.config();
    // Layers that are computed again share one place.
    let places = kept_layers + usize::from(kept_layers < config.layers);
    let inputs = config.hidden_size * 4 * config.layers;
    let kept = Kept::bytes(base, Some(adapter)) * places;
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
        + tokens * (inputs + kept + masked + trainer::buffer_bytes(base, adapter))
        + Weights::bytes(base, Some(adapter))
        + GradientBuffers::bytes(precision, tokens, (columns, adapter.config().rank))
        + loss::bytes(config, precision, tokens)
}

/// Bytes that scoring rows takes beside the base, for `tokens` tokens at once.
pub fn scoring_bytes(base: &Base, adapter: &Adapter, tokens: usize) -> usize {
    let config = base.config();
    let wide = 2 * config.ffn_size + 2 * config.query_size() + 2 * config.kv_size();
    let buffers = 4 * (6 * config.hidden_size + wide);
    tokens * (Kept::bytes(base, Some(adapter)) + buffers)
        + Weights::bytes(base, Some(adapter))
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
        let mut largest = |micro: usize| micro.clamp(50, 1500);
        let mut planned =
            |limit: usize| plan(&base, &adapter, MemoryUse::default(), limit, None, &mut largest);
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
            plan(&base, &adapter, MemoryUse::default(), usize::MAX, Some(512), &mut largest)
                .unwrap();
        assert_eq!((given.micro_tokens, given.kept_layers), (512, 2));
    }

    #[test]
    fn loading_needs_at_least_what_is_held() {
        let (base, _) = made();
        let told = loading_bytes(base.config(), base.precision());
        assert!(told >= base.bytes(), "{told} {}", base.bytes());
        assert!(told <= 3 * base.bytes(), "{told} {}", base.bytes());
    }
}
