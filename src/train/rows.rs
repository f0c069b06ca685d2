//! From examples to token rows, with what had to be left out and why.

use crate::engine::Row;
use crate::failure::Result;
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
        match codec.encode(example) {
            Err(failure) => rows.left_out.push((index, failure.message)),
            Ok(encoded) if encoded.ids.len() > length_max => rows.left_out.push((
                index,
                format!("{} tokens, above the limit of {length_max}", encoded.ids.len()),
            )),
            Ok(encoded) => {
                let labels = encoded.labels.iter().filter(|label| **label).count();
                if labels == 0 {
                    rows.left_out.push((index, "no assistant turn to train on".to_owned()));
                    continue;
                }
                rows.tokens += encoded.ids.len();
                rows.label_tokens += labels;
                rows.rows.push(Row { ids: encoded.ids, labels: encoded.labels });
            }
        }
    }
    Ok(rows)
}
