//! From examples to token rows, with what had to be left out and why.

use crate::engine::Row;
use crate::failure::{Failure, Result};
use crate::model::Codec;
use crate::pair::Example;

/// Training rows and what was left out.
#[derive(Debug, Default)]
pub struct Rows {
    /// Rows in the order of the examples.
    pub rows: Vec<Row>,
    /// Tokens of all rows.
    pub tokens: usize,
    /// Trained tokens of all rows.
    pub label_tokens: usize,
    /// Position of each example left out, and why.
    pub left_out: Vec<(usize, String)>,
}

/// Encodes `examples` by the model's own chat template, labels on assistant turns only. Rows longer
/// than `length_max` tokens or without a trained token are left out, never cut.
pub fn encode<'a>(
    examples: impl Iterator<Item = &'a Example>,
    codec: &Codec,
    length_max: usize,
) -> Result<Rows> {
    let mut rows = Rows::default();
    for (index, example) in examples.enumerate() {
        match encode_one(example, codec, length_max) {
            Err(failure) => rows.left_out.push((index, failure.message)),
            Ok(row) => {
                rows.tokens += row.ids.len();
                rows.label_tokens += row.labels.iter().filter(|label| **label).count();
                rows.rows.push(row);
            }
        }
    }
    Ok(rows)
}

/// Encodes one example, or says why it is left out.
pub(super) fn encode_one(example: &Example, codec: &Codec, length_max: usize) -> Result<Row> {
    let encoded = codec.encode(example)?;
    if encoded.ids.len() > length_max {
        let tokens = encoded.ids.len();
        return Err(Failure::user(format!("{tokens} tokens, above the limit of {length_max}")));
    }
    if !encoded.labels.contains(&true) {
        return Err(Failure::user("no assistant turn to train on"));
    }
    Ok(Row { ids: encoded.ids, labels: encoded.labels })
}
