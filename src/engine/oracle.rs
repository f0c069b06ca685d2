//! The same decoder in candle's differentiable operations: what ours is tested against.

use candle_core::{D, DType, Device, IndexOp, Tensor, Var, backprop::GradStore};
use candle_nn::ops::{log_softmax, rms_norm_slow, silu, softmax};
use candle_nn::rotary_emb::rope_slow;

use super::base::{Base, Group};
use super::lora::{Adapter, Target};
use super::pack::Row;
use crate::model::Activation;

/// A base and adapter as tensors; A and B are variables.
pub(super) struct Oracle<'a> {
    base: &'a Base,
    scale: f64,
    pairs: Vec<(usize, Target, Var, Var)>,
}

fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

impl<'a> Oracle<'a> {
    pub(super) fn new(base: &'a Base, adapter: &Adapter) -> Self {
        let rank = adapter.config().rank;
        let pairs = adapter.tensors().map(|(layer, target, a, b)| {
            let a = tensor(a, &[rank, a.len() / rank]);
            let b = tensor(b, &[b.len() / rank, rank]);
            let (a, b) = (Var::from_tensor(&a).unwrap(), Var::from_tensor(&b).unwrap());
            (layer, target, a, b)
        });
        Self { base, scale: f64::from(adapter.config().scale()), pairs: pairs.collect() }
    }

    /// Mean loss over all label tokens of all rows, each row by itself, whole.
    pub(super) fn loss(&self, rows: &[Row]) -> Tensor {
        let mut sum = Tensor::zeros((), DType::F32, &Device::Cpu).unwrap();
        let mut count = 0usize;
        for row in rows {
            let chances = log_softmax(&self.logits(&row.ids), D::Minus1).unwrap();
            for (i, id) in row.ids.iter().enumerate().skip(1) {
                if row.labels[i] {
                    sum = (sum - chances.i((i - 1, *id as usize)).unwrap()).unwrap();
                    count += 1;
                }
            }
        }
        (sum / count as f64).unwrap()
    }

    /// Gradients of the loss in the order of [`Adapter::tensors`].
    pub(super) fn gradients(&self, rows: &[Row]) -> Vec<(Vec<f32>, Vec<f32>)> {
        let grads = self.loss(rows).backward().unwrap();
        let values = |grads: &GradStore, var: &Var| {
            let grad = grads.get(var).unwrap();
            grad.flatten_all().unwrap().to_vec1().unwrap()
        };
        self.pairs.iter().map(|(_, _, a, b)| (values(&grads, a), values(&grads, b))).collect()
    }

    /// Logits `[tokens, vocab]`.
    pub(super) fn logits(&self, ids: &[u32]) -> Tensor {
        let config = self.base.config();
        let (tokens, hidden) = (ids.len(), config.hidden_size);
        let mut embedded = vec![0.0; tokens * hidden];
        self.base.embed(ids, &mut embedded);
        let mut x = tensor(&embedded, &[tokens, hidden]);
        for layer in 0..config.layers {
            let parameters = self.base.layer(layer);
            let after = |y: Tensor, index: usize| match &parameters.post_norms {
                Some(norms) => self.norm(&y, &norms[index]),
                None => y,
            };
            let normed = self.norm(&x, &parameters.attention_norm);
            x = (&x + after(self.attention(layer, &normed), 0)).unwrap();
            let normed = self.norm(&x, &parameters.ffn_norm);
            let gate = self.project(layer, Target::Gate, &normed);
            let gate = match config.architecture.activation() {
                Activation::Silu => silu(&gate),
                Activation::Gelu => gate.gelu(),
            };
            let inner = (gate.unwrap() * self.project(layer, Target::Up, &normed)).unwrap();
            x = (&x + after(self.project(layer, Target::Down, &inner), 1)).unwrap();
        }
        let mut head = vec![0.0; config.vocab_size * hidden];
        self.base.head().read(0, &mut head);
        let head = tensor(&head, &[config.vocab_size, hidden]);
        let normed = self.norm(&x, self.base.final_norm());
        normed.matmul(&head.t().unwrap()).unwrap()
    }

    fn norm(&self, x: &Tensor, weight: &[f32]) -> Tensor {
        let weight = tensor(weight, &[weight.len()]);
        rms_norm_slow(x, &weight, self.base.config().norm_eps).unwrap()
    }

    fn project(&self, layer: usize, target: Target, x: &Tensor) -> Tensor {
        let config = self.base.config();
        let (inputs, outputs) = target.shape(config);
        let group = Group::ALL.into_iter().find(|group| group.targets().contains(&target));
        let group = group.unwrap();
        let before = group.targets().iter().take_while(|other| **other != target);
        let first: usize = before.map(|other| other.shape(config).1).sum();
        let mut weights = vec![0.0; inputs * outputs];
        self.base.matrix(layer, group).rows(first, &mut weights);
        let mut y = x.matmul(&tensor(&weights, &[outputs, inputs]).t().unwrap()).unwrap();
        if let (Group::Attention, Some(bias)) = (group, &self.base.layer(layer).bias) {
            y = y.broadcast_add(&tensor(&bias[first..first + outputs], &[outputs])).unwrap();
        }
        let pair = self.pairs.iter().find(|pair| (pair.0, pair.1) == (layer, target));
        if let Some((_, _, a, b)) = pair {
            let update = x.matmul(&a.t().unwrap()).unwrap().matmul(&b.t().unwrap()).unwrap();
            y = (y + (update * self.scale).unwrap()).unwrap();
        }
        y
    }

    fn attention(&self, layer: usize, x: &Tensor) -> Tensor {
        let config = self.base.config();
        let (tokens, dim) = (x.dim(0).unwrap(), config.head_dim);
        let heads = |target: Target, count: usize| {
            let mut y = self.project(layer, target, x).reshape((1, tokens, count, dim)).unwrap();
            let norms = self.base.layer(layer).head_norms.as_ref();
            if let Some(norms) = norms.filter(|_| target != Target::Value) {
                y = self.norm(&y, &norms[usize::from(target == Target::Key)]);
            }
            y.transpose(1, 2).unwrap().contiguous().unwrap()
        };
        let (cosines, sines) = self.angles(layer, tokens);
        let query = rope_slow(&heads(Target::Query, config.heads), &cosines, &sines).unwrap();
        let key = rope_slow(&heads(Target::Key, config.kv_heads), &cosines, &sines).unwrap();
        let value = heads(Target::Value, config.kv_heads);
        let share = config.heads / config.kv_heads;
        let spread = |y: Tensor| {
            let y = y.unsqueeze(2).unwrap();
            let y = y.broadcast_as((1, config.kv_heads, share, tokens, dim)).unwrap();
            y.contiguous().unwrap().reshape((1, config.heads, tokens, dim)).unwrap()
        };
        let (key, value) = (spread(key), spread(value));
        let scores = query.matmul(&key.transpose(2, 3).unwrap().contiguous().unwrap()).unwrap();
        let scale = config.score_scale.map_or(1.0 / (dim as f64).sqrt(), f64::from);
        let scores = (scores * scale).unwrap();
        let window = config.window(layer).unwrap_or(tokens);
        let sees = |query: usize, key: usize| key <= query && query - key < window;
        let mask: Vec<f32> = (0..tokens * tokens)
            .map(|i| if sees(i / tokens, i % tokens) { 0.0 } else { f32::NEG_INFINITY })
            .collect();
        let scores = scores.broadcast_add(&tensor(&mask, &[tokens, tokens])).unwrap();
        let mixed = softmax(&scores, D::Minus1).unwrap().matmul(&value).unwrap();
        let mixed = mixed.transpose(1, 2).unwrap().contiguous().unwrap();
        let mixed = mixed.reshape((tokens, config.query_size())).unwrap();
        self.project(layer, Target::Output, &mixed)
    }

    /// Cosines and sines `[tokens, dim / 2]`, from the definition.
    fn angles(&self, layer: usize, tokens: usize) -> (Tensor, Tensor) {
        let config = self.base.config();
        let half = config.head_dim / 2;
        let windows = config.windows.as_ref();
        let own = config.window(layer).and(windows.and_then(|windows| windows.rope_base));
        let (base, factors) = match own {
            Some(base) => (base, None),
            None => (config.rope_base, config.rope_factors.as_ref()),
        };
        let angle = |i: usize| {
            let (position, pair) = (i / half, i % half);
            let factor = factors.map_or(1.0, |all| f64::from(all[pair]));
            let exponent = -2.0 * pair as f64 / config.head_dim as f64;
            position as f64 * f64::from(base).powf(exponent) / factor
        };
        let all = |f: fn(f64) -> f64| {
            let values: Vec<f32> = (0..tokens * half).map(|i| f(angle(i)) as f32).collect();
            tensor(&values, &[tokens, half])
        };
        (all(f64::cos), all(f64::sin))
    }
}
