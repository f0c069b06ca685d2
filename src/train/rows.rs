//! From examples to token rows, with what had to be left out and why.

use super::schedule::Schedule;
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
    pub left_out: Vec<(usize, Failure)>,
}

impl Rows {
    /// Fails when there were examples and none of them can be trained on.
    ///
    /// # Errors
    /// Names the first row left out, and says what to do.
    pub fn check_any(&self) -> Result<()> {
        let Some((_, first)) = self.left_out.first().filter(|_| self.rows.is_empty()) else {
            return Ok(());
        };
        let count = self.left_out.len();
        let what = if count == 1 { "the only row is" } else { "all rows are" };
        Err(first.clone().context(format!("{what} left out ({count}), the first because")))
    }
}

/// What one pass over the training rows takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// The rows.
    pub rows: Vec<Row>,
    /// Whether steps take the rows as they stand; shuffled by the schedule otherwise.
    ordered: bool,
}

impl Epoch {
    /// Rows that the schedule shuffles.
    pub fn shuffled(rows: Vec<Row>) -> Self {
        Self { rows, ordered: false }
    }

    /// Rows that steps take as they stand.
    pub fn in_order(rows: Vec<Row>) -> Self {
        Self { rows, ordered: true }
    }
}

/// The rows that an optimizer step takes.
pub(super) fn of_step(train: &[Epoch], schedule: &Schedule, step: u64) -> Vec<Row> {
    let epoch = &train[schedule.epoch_of(step) as usize % train.len()];
    if epoch.ordered {
        return epoch.rows[schedule.places(step)].to_vec();
    }
    schedule.batch(step).into_iter().map(|index| epoch.rows[index].clone()).collect()
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
            Err(failure) => {
                let place = format!("row {} (\"{}\")", index + 1, beginning(example));
                rows.left_out.push((index, failure.context(place)));
            }
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
        return Err(Failure::user(format!("{tokens} tokens, above the limit of {length_max}"))
            .hint("Split long conversations, or raise `length_max` up to the model's context."));
    }
    if !encoded.labels.contains(&true) {
        return Err(Failure::user("no assistant turn to train on")
            .hint("Write the answer on the Curate screen, or import rows that have one."));
    }
    Ok(Row { ids: encoded.ids, labels: encoded.labels })
}

/// The first words of what is asked, to find the row by.
fn beginning(example: &Example) -> String {
    const CHARACTERS: usize = 30;
    let question = example.question().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text: String = question.chars().take(CHARACTERS).collect();
    if text.len() < question.len() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChatTemplate, Tokenizer};
    use crate::pair::{Message, Role};

    fn codec() -> Codec {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = crate::model::toy::tokenizer_file(folder.path());
        let tokenizer = Tokenizer::from_file(&tokenizer).unwrap();
        let template = ChatTemplate::new(crate::model::toy::PLAIN_TEMPLATE, None, "", "").unwrap();
        Codec::new(tokenizer, template)
    }

    fn example(turns: &[(Role, &str)]) -> Example {
        let messages = turns.iter().map(|(role, text)| Message::text(*role, *text)).collect();
        Example { messages, ..Example::default() }
    }

    #[test]
    fn a_row_too_long_or_without_an_answer_is_left_out_by_name() {
        let examples = [
            example(&[(Role::User, "short"), (Role::Assistant, "yes")]),
            example(&[(Role::User, "a question of many more words"), (Role::Assistant, "no")]),
            example(&[(Role::User, "unanswered")]),
        ];
        let rows = encode(examples.iter(), &codec(), 60).unwrap();
        assert_eq!((rows.rows.len(), rows.left_out.len()), (1, 2));
        rows.check_any().unwrap();
        let (long, bare) = (&rows.left_out[0].1, &rows.left_out[1].1);
        assert!(long.message.starts_with("row 2 (\"a question of many more words\"): "), "{long}");
        assert!(long.message.ends_with("above the limit of 60"), "{long}");
        assert!(long.hints[0].contains("length_max"));
        assert!(bare.message.contains("row 3 (\"unanswered\"): no assistant turn"), "{bare}");

        let rows = encode(examples[1..].iter(), &codec(), 60).unwrap();
        let failure = rows.check_any().unwrap_err();
        assert!(failure.message.starts_with("all rows are left out (2)"), "{failure}");
        assert!(failure.message.contains("row 1 (\"a question"), "{failure}");
        assert!(!failure.hints.is_empty());
        Rows::default().check_any().unwrap();
    }
}
