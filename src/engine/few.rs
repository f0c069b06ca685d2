//! Products for a few tokens at a time, as in decoding: bound by reading the weights once.
//!
//! Weights go from their stored form into registers ([`super::cpu::few`]); widths that those kernels
//! cannot read, and tables in f32, take plain loops here. Each output is one sum over the inputs in a
//! fixed order, so a token's result does not depend on how many tokens are beside it.
//!
//! Where products are in bf16 and pairs of it are quick, `x` and the codes are rounded to it, as in
//! products of many tokens.

use half::bf16;
use rayon::prelude::*;

use super::base::{Base, Group, Precision};
use super::coarse::{self, Coarse};
use super::cpu::ahead;
use super::cpu::few::{self, Out, Tail, Tokens};
use super::cpu::kernel;
use super::cpu::shared::Shared;
use super::cpu::team::Together as _;
use super::cpu::vector::{multiply_add, vectorized};
use super::effective;
use super::lora::Adapter;
use super::nf4;
use super::sample;
use super::table::Table;

/// Lanes of a sum of plain loops.
const LANES: usize = 16;

/// Weight rows and tokens whose sums run at the same time in plain loops.
const BLOCK: usize = 4;

/// Weight values that one task takes: they stay in the second-level cache while several tokens
/// are multiplied with them.
const PANEL_VALUES: usize = 1 << 15;

/// Panels that are handed out at a time, at most: few enough that threads of cores that are not equally fast end together.
const PANELS: usize = 4;

/// Fewest products that are worth a second thread.
const PARALLEL: usize = 1 << 15;

/// Where the coarse copy leaves more than one in so many rows, all logits are computed.
const EXACT_SHARE: usize = 4;

/// An adapter, and which of the tokens it is on for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adapted<'a> {
    pub(super) adapter: &'a Adapter,
    pub(super) on: &'a [bool],
}

/// Buffers of products.
#[derive(Debug, Default)]
pub(super) struct Few {
    tokens: Tokens,
    /// What the adapter adds to each of a group's projections.
    tails: [Tail; 3],
    /// `[columns, tokens]`: x A^T, transposed.
    reduced: Vec<f32>,
    search: coarse::Scratch,
    logits: Vec<f32>,
}

/// Rows of weights of one projection, or of a table.
#[derive(Clone, Copy)]
struct Source<'a> {
    weights: Stored<'a>,
    rows: usize,
    /// Where the first row's output goes.
    output: usize,
    /// B, and u of each token.
    adapter: Option<(&'a [f32], &'a Tail)>,
}

#[derive(Clone, Copy)]
enum Stored<'a> {
    Nf4(&'a nf4::Quantized),
    Table(&'a Table),
}

impl Few {
    /// `out = x (W + s B A)^T` for `count` rows of `x`, with the adapter for those it is on for.
    pub(super) fn group(
        &mut self,
        base: &Base,
        adapted: Option<Adapted<'_>>,
        (layer, group): (usize, Group),
        x: &[f32],
        count: usize,
        out: &mut [f32],
    ) {
        let matrix = base.matrix(layer, group);
        let adapted = adapted.filter(|adapted| adapted.on.contains(&true));
        let parts = adapted.map_or_else(Vec::new, |all| effective::parts(all.adapter, group));
        if let Some((adapted, first)) = adapted.zip(parts.first()) {
            // The As of a group lie side by side.
            let adapter = adapted.adapter;
            let (rank, scale) = (adapter.config().rank, adapter.config().scale());
            let start = layer * adapter.layer_len() + first.slot.a;
            let a = &adapter.values()[start..][..parts.len() * rank * matrix.inputs()];
            self.reduced.resize(parts.len() * rank * count, 0.0);
            reduce(x, a, matrix.inputs(), &mut self.reduced);
            for (part, tail) in parts.iter().zip(&mut self.tails) {
                let (u, pitch) = tail.set(count, rank);
                for (token, _) in adapted.on.iter().enumerate().filter(|(_, on)| **on) {
                    let reduced = self.reduced[part.column * count + token..].iter();
                    for (u, reduced) in
                        u[token * pitch..][..rank].iter_mut().zip(reduced.step_by(count))
                    {
                        *u = scale * reduced;
                    }
                }
            }
        }
        let mut sources = Vec::with_capacity(3);
        let mut output = 0;
        for weights in matrix.parts() {
            let at = parts.iter().position(|part| part.output == output);
            let adapter = adapted.zip(at).map(|(adapted, at)| {
                let (_, b) = adapted.adapter.pair(layer, parts[at].slot);
                (b, &self.tails[at])
            });
            let rows = weights.len / matrix.inputs();
            sources.push(Source { weights: Stored::Nf4(weights), rows, output, adapter });
            output += rows;
        }
        products(
            &mut self.tokens,
            &sources,
            base.precision(),
            (x, count, matrix.inputs()),
            (out, matrix.outputs()),
        );
    }

    /// The logits of `count` rows of `x`.
    pub(super) fn head(&mut self, base: &Base, x: &[f32], count: usize, out: &mut [f32]) {
        let source = Source::head(base.head());
        let (precision, sizes) = (base.precision(), (x, count, x.len() / count));
        products(&mut self.tokens, &[source], precision, sizes, (out, source.rows));
    }

    /// The tokens with the largest logits after `count` rows of `x`, the first of equals: those that
    /// [`Few::head`] gives, found by a coarse copy of the head.
    pub(super) fn likeliest(
        &mut self,
        base: &Base,
        coarse: &Coarse,
        (x, count): (&[f32], usize),
        chosen: &mut Vec<u32>,
    ) {
        let (width, source) = (x.len() / count, Source::head(base.head()));
        chosen.clear();
        // As the products of the head read them.
        let rounded = coarse
            .rounds()
            .then(|| x.iter().map(|x| bf16::from_f32(*x).to_f32()).collect::<Vec<_>>());
        coarse.search(rounded.as_deref().unwrap_or(x), &mut self.search);
        let limit = source.rows / EXACT_SHARE;
        for (token, x) in x.chunks_exact(width).enumerate() {
            let mut logits = std::mem::take(&mut self.logits);
            set_tokens(&mut self.tokens, source.weights, base.precision(), (x, 1, width));
            let rivals = coarse.first(&self.search, token).and_then(|first| {
                some_rows(&self.tokens, &source, &[first], (x, width), &mut logits);
                coarse.rivals(&self.search, token, logits[0], limit)
            });
            chosen.push(if let Some(rows) = rivals {
                some_rows(&self.tokens, &source, &rows, (x, width), &mut logits);
                rows[sample::likeliest(&logits)] as u32
            } else {
                logits.resize(source.rows, 0.0);
                self.head(base, x, 1, &mut logits);
                sample::likeliest(&logits) as u32
            });
            self.logits = logits;
        }
    }
}

/// Some rows of a source by one token.
fn some_rows(
    tokens: &Tokens,
    source: &Source<'_>,
    rows: &[usize],
    (x, width): (&[f32], usize),
    out: &mut Vec<f32>,
) {
    out.clear();
    out.resize(rows.len(), 0.0);
    let values = Shared::new(out);
    let one = |buffer: &mut Vec<f32>, (at, row): (usize, &usize)| {
        let out = Out { values, first: at, pitch: 1 };
        panel(tokens, source, (*row, 1), (x, 1, width), buffer, out);
    };
    let all = rows.par_iter().enumerate().with_min_len((PARALLEL / width).max(1));
    all.together_init(Vec::new, one);
}

impl<'a> Source<'a> {
    fn head(table: &'a Table) -> Self {
        Self { weights: Stored::Table(table), rows: table.rows(), output: 0, adapter: None }
    }
}

/// `out[column, token] = a[column] . x[token]`.
fn reduce(x: &[f32], a: &[f32], inputs: usize, out: &mut [f32]) {
    let count = x.len() / inputs;
    if a.len() * count < PARALLEL {
        return multiply(x, a, inputs, out);
    }
    let rows =
        (a.len() / inputs).div_ceil(2 * rayon::current_num_threads()).next_multiple_of(BLOCK);
    out.par_chunks_mut(rows * count).zip(a.par_chunks(rows * inputs)).together(|(out, a)| {
        multiply(x, a, inputs, out);
    });
}

/// All rows of the sources, over threads; rows of `out` are `pitch` wide.
fn products(
    tokens: &mut Tokens,
    sources: &[Source<'_>],
    precision: Precision,
    (x, count, inputs): (&[f32], usize, usize),
    (out, pitch): (&mut [f32], usize),
) {
    assert!(x.len() == count * inputs && out.len() >= count * pitch, "sizes of a product");
    if let Some(source) = sources.first() {
        set_tokens(tokens, source.weights, precision, (x, count, inputs));
    }
    let height = (PANEL_VALUES / inputs).clamp(BLOCK, 1024) & !1;
    let tasks: Vec<(&Source<'_>, usize)> = sources
        .iter()
        .flat_map(|source| (0..source.rows).step_by(height).map(move |first| (source, first)))
        .collect();
    let values = Shared::new(out);
    tasks.into_par_iter().with_max_len(PANELS).together_init(
        Vec::new,
        |buffer, (source, first)| {
            let rows = height.min(source.rows - first);
            let out = Out { values, first: source.output + first, pitch };
            panel(tokens, source, (first, rows), (x, count, inputs), buffer, out);
        },
    );
}

/// Takes `x` for [`panel`]s of weights like these.
fn set_tokens(
    tokens: &mut Tokens,
    weights: Stored<'_>,
    precision: Precision,
    (x, count, inputs): (&[f32], usize, usize),
) {
    if few::fits(inputs) {
        let kind = match weights {
            Stored::Table(_) => few::Kind::Half,
            Stored::Nf4(_) => few::Kind::Coded,
        };
        tokens.set(x, (count, inputs), (kernel(), kind), precision == Precision::Bf16);
    }
}

/// Some rows of a source by all tokens. A row's results do not depend on the rows beside it.
fn panel(
    tokens: &Tokens,
    source: &Source<'_>,
    (first, rows): (usize, usize),
    (x, count, inputs): (&[f32], usize, usize),
    buffer: &mut Vec<f32>,
    out: Out<'_>,
) {
    let adapter = source.adapter.map(|(b, tail)| {
        let rank = b.len() / source.rows;
        (&b[first * rank..(first + rows) * rank], tail)
    });
    let weights = match source.weights {
        Stored::Nf4(weights) if few::fits(inputs) => {
            let blocks = inputs / nf4::BLOCK;
            buffer.resize(rows * blocks, 0.0);
            weights.decode_magnitudes(first * blocks, buffer);
            // Those of the panel after it: short reads far apart would wait for memory.
            let next = &weights.magnitudes[((first + rows) * blocks)..];
            ahead::near(&next[..next.len().min(rows * blocks)]);
            let codes = &weights.codes[first * inputs / 2..(first + rows) * inputs / 2];
            Some(few::Weights::Coded(codes, buffer))
        }
        Stored::Table(table) if few::fits(inputs) => {
            table.halves(first, rows).map(few::Weights::Half)
        }
        _ => None,
    };
    if let Some(weights) = weights {
        few::multiply(kernel(), weights, tokens, adapter, out);
    } else {
        plain(source.weights, (first, rows), (x, inputs), buffer);
        for (row, tokens) in buffer[..rows * count].chunks_exact(count).enumerate() {
            for (token, value) in tokens.iter().enumerate() {
                let added = adapter.map_or(0.0, |(b, tail)| tail.dot(b, row, token));
                out.set(row, token, value + added);
            }
        }
    }
}

/// `out[row, token]` of some rows, whose weights are decoded a few rows at a time, so that they stay in
/// the first-level cache.
fn plain(
    weights: Stored<'_>,
    (first, rows): (usize, usize),
    (x, inputs): (&[f32], usize),
    out: &mut Vec<f32>,
) {
    let count = x.len() / inputs;
    out.resize(rows * count, 0.0);
    let mut decoded = vec![0.0; BLOCK * inputs];
    for (block, out) in out.chunks_mut(BLOCK * count).enumerate() {
        let decoded = &mut decoded[..out.len() / count * inputs];
        let first = first + block * BLOCK;
        match weights {
            Stored::Nf4(weights) => weights.dequantize(first * inputs, decoded),
            Stored::Table(table) => table.read(first, decoded),
        }
        multiply(x, decoded, inputs, out);
    }
}

vectorized! {
    /// `out[row, token] = weights[row] . x[token]`, all rows `inputs` long.
    fn multiply(x: &[f32], weights: &[f32], inputs: usize, out: &mut [f32]) {
        let count = x.len() / inputs;
        let rows = weights.len() / inputs;
        let mut row = 0;
        while row < rows {
            let height = if row + BLOCK <= rows { BLOCK } else { 1 };
            let weights = &weights[row * inputs..(row + height) * inputs];
            let out = &mut out[row * count..(row + height) * count];
            let mut token = 0;
            while token < count {
                let width = if token + BLOCK <= count { BLOCK } else { 1 };
                let x = &x[token * inputs..(token + width) * inputs];
                let out = &mut out[token..];
                match (height, width) {
                    (BLOCK, BLOCK) => dots::<FUSED, BLOCK, BLOCK>(x, weights, inputs, out, count),
                    (BLOCK, _) => dots::<FUSED, BLOCK, 1>(x, weights, inputs, out, count),
                    (_, BLOCK) => dots::<FUSED, 1, BLOCK>(x, weights, inputs, out, count),
                    _ => dots::<FUSED, 1, 1>(x, weights, inputs, out, count),
                }
                token += width;
            }
            row += height;
        }
    }
}

/// `R` rows by `C` tokens at once; output rows lie `pitch` apart.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn dots<const FUSED: bool, const R: usize, const C: usize>(
    x: &[f32],
    weights: &[f32],
    inputs: usize,
    out: &mut [f32],
    pitch: usize,
) {
    let chunks = inputs / LANES;
    let weights: [&[f32]; R] = std::array::from_fn(|i| &weights[i * inputs..][..inputs]);
    let tokens: [&[f32]; C] = std::array::from_fn(|i| &x[i * inputs..][..inputs]);
    let weight_chunks = weights.map(|row| &row.as_chunks::<LANES>().0[..chunks]);
    let token_chunks = tokens.map(|row| &row.as_chunks::<LANES>().0[..chunks]);
    let mut sums = [[[0.0f32; LANES]; C]; R];
    for at in 0..chunks {
        for (sums, weights) in sums.iter_mut().zip(&weight_chunks) {
            for (sums, tokens) in sums.iter_mut().zip(&token_chunks) {
                for lane in 0..LANES {
                    sums[lane] =
                        multiply_add::<FUSED>(weights[at][lane], tokens[at][lane], sums[lane]);
                }
            }
        }
    }
    // A copy, so that the sums above stay in registers.
    let finished = sums;
    for (i, sums) in finished.iter().enumerate() {
        for (j, sums) in sums.iter().enumerate() {
            let rest = (&weights[i][chunks * LANES..], &tokens[j][chunks * LANES..]);
            out[i * pitch + j] = total::<FUSED>(*sums, rest);
        }
    }
}

/// Adds up lanes and the products of what is left over.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn total<const FUSED: bool>(lanes: [f32; LANES], rest: (&[f32], &[f32])) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    let mut sum = (four[0] + four[2]) + (four[1] + four[3]);
    for (a, b) in rest.0.iter().zip(rest.1) {
        sum = multiply_add::<FUSED>(*a, *b, sum);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effective::{Place, Weights};
    use crate::engine::lora::{LoraConfig, Target};
    use crate::engine::toy;
    use crate::model::DecoderConfig;

    #[test]
    fn few_and_many_tokens_agree_and_neighbours_do_not_matter() {
        for config in [toy::qwen2(), toy::llama()] {
            few_and_many_agree(&config);
        }
    }

    fn few_and_many_agree(config: &DecoderConfig) {
        let lora = LoraConfig {
            rank: 3,
            alpha: 6.0,
            rank_stabilized: false,
            targets: vec![Target::Query, Target::Value, Target::Down],
            seed: 1,
        };
        let mut adapter = Adapter::new(config, &lora);
        for (i, value) in adapter.values_mut().iter_mut().enumerate() {
            *value = (i as f32 * 0.37).sin() * 0.1;
        }
        let base = toy::load(config, 3);
        {
            for adapter in [None, Some(&adapter)] {
                for group in Group::ALL {
                    let (inputs, outputs) = group.shape(config);
                    let count = 19;
                    let x: Vec<f32> = (0..count * inputs).map(|i| (i as f32).cos()).collect();
                    let mut got = vec![0.0; count * outputs];
                    let mut few = Few::default();
                    let on = vec![true; count];
                    let all = adapter.map(|adapter| Adapted { adapter, on: &on });
                    few.group(&base, all, (1, group), &x, count, &mut got);
                    let mut weights = Weights::new(Precision::F32);
                    let place = Place { base: &base, adapter, layer: 1, group };
                    let width = outputs + place.columns();
                    let mut want = vec![0.0; count * width];
                    weights.project(place, x[..].into(), count, (&mut want[..]).into());
                    for (got, want) in got.chunks(outputs).zip(want.chunks(width)) {
                        for (got, want) in got.iter().zip(want) {
                            assert!((got - want).abs() < 1e-4, "{got} {want}");
                        }
                    }
                    let mut one = vec![0.0; outputs];
                    few.group(
                        &base,
                        adapter.map(|adapter| Adapted { adapter, on: &on[..1] }),
                        (1, group),
                        &x[17 * inputs..18 * inputs],
                        1,
                        &mut one,
                    );
                    assert_eq!(one, got[17 * outputs..18 * outputs]);
                    // With the adapter on for some: each is as if all were alike.
                    let some: Vec<bool> = (0..count).map(|i| i % 3 == 0).collect();
                    let (mut base_only, mut mixed) = (got.clone(), got.clone());
                    few.group(&base, None, (1, group), &x, count, &mut base_only);
                    let half = adapter.map(|adapter| Adapted { adapter, on: &some });
                    few.group(&base, half, (1, group), &x, count, &mut mixed);
                    for (token, mixed) in mixed.chunks(outputs).enumerate() {
                        let want = if some[token] { &got } else { &base_only };
                        assert_eq!(*mixed, want[token * outputs..][..outputs]);
                    }
                    // Many at once: the same but for rounding, whoever it is on for.
                    let none = vec![false; count];
                    for (on, keep) in [(&on, false), (&some, true), (&some, true), (&none, true)] {
                        let adapted = adapter.map(|_| &on[..]);
                        weights.project_some(place, &x, (adapted, keep), &mut mixed);
                        for (token, mixed) in mixed.chunks(outputs).enumerate() {
                            let want = if on[token] { &got } else { &base_only };
                            let want = &want[token * outputs..][..outputs];
                            for (mixed, want) in mixed.iter().zip(want) {
                                assert!((mixed - want).abs() < 1e-4, "{mixed} {want}");
                            }
                        }
                    }
                }
            }
        }
    }
}
