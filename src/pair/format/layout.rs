//! What the keys of a file's rows mean.

use serde_json::Value;

use super::mapping::unfold;
use super::{Format, Mapping, Record, columns, messages, sharegpt};
use crate::pair::Example;

/// How a row says a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `messages` of `role` and `content`.
    Messages,
    /// `conversations` of `from` and `value`.
    ShareGpt,
    /// `instruction`, `input` and `output`.
    Alpaca,
    /// A question and an answer in columns of any name.
    Columns,
}

impl Shape {
    /// The shape's name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::ShareGpt => "ShareGPT",
            Self::Alpaca => "Alpaca",
            Self::Columns => "columns",
        }
    }
}

/// Shape of the rows and meaning of their columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// How a row says a conversation.
    pub shape: Shape,
    /// Columns that have another name than their meaning.
    pub mapping: Mapping,
}

impl Layout {
    /// Finds out the layout from the first rows of a file; `format` and `mapping` overrule.
    ///
    /// # Errors
    /// Tells which columns there are and what is missing or ambiguous.
    pub fn detect(
        sample: &[Record],
        format: Option<Format>,
        mapping: &Mapping,
    ) -> Result<Self, String> {
        let mut columns: Vec<String> = Vec::new();
        for key in sample.iter().flat_map(Record::keys) {
            if !columns.contains(key) {
                columns.push(key.clone());
            }
        }
        mapping.check(&columns)?;
        let shape = match format {
            Some(Format::ShareGpt | Format::LlamaFactory) => Shape::ShareGpt,
            Some(Format::Alpaca) => Shape::Alpaca,
            None | Some(Format::Csv | Format::Parquet) => shape(sample, mapping),
            Some(_) => Shape::Messages,
        };
        let mapping = match shape {
            Shape::Columns => mapping.guessed(&columns)?,
            _ => mapping.clone(),
        };
        Ok(Self { shape, mapping })
    }

    /// The example that a row means, in NFC. `unkept` gets the name of every key that is left out.
    ///
    /// # Errors
    /// Tells why the row is no example.
    pub fn example(&self, mut record: Record, unkept: &mut Vec<String>) -> Result<Example, String> {
        self.mapping.rename(&mut record);
        unfold(&mut record);
        match self.shape {
            // A table may hold rows of both kinds: simple ones in columns, others as messages.
            Shape::Columns if record.contains_key("messages") => {
                columns::drop_simple(&mut record);
                messages::example(record, unkept)
            }
            Shape::Messages if !speaks_in_turns(&record) && record.contains_key("question") => {
                columns::example(record, &self.mapping, unkept)
            }
            Shape::Messages => messages::example(record, unkept),
            Shape::ShareGpt => sharegpt::example(record, unkept),
            Shape::Alpaca => {
                columns::rename_alpaca(&mut record);
                columns::example(record, &self.mapping, unkept)
            }
            Shape::Columns => columns::example(record, &self.mapping, unkept),
        }
    }
}

const SHAPES: [Shape; 4] = [Shape::Messages, Shape::ShareGpt, Shape::Alpaca, Shape::Columns];

fn speaks_in_turns(record: &Record) -> bool {
    ["messages", "conversations", "prompt"].iter().any(|key| record.contains_key(*key))
}

/// The shape that most of the sample's rows have; columns where none is told.
fn shape(sample: &[Record], mapping: &Mapping) -> Shape {
    if mapping.column("question").is_some() || mapping.column("answer").is_some() {
        return Shape::Columns;
    }
    if mapping.column("messages").is_some() {
        return Shape::Messages;
    }
    let mut counts = [0_usize; 4];
    for record in sample {
        let mut record = record.clone();
        mapping.rename(&mut record);
        unfold(&mut record);
        let found = shape_of(&record);
        if let Some(count) = SHAPES.iter().position(|shape| *shape == found) {
            counts[count] += 1;
        }
    }
    let best = (0..SHAPES.len()).rev().max_by_key(|at| counts[*at]).unwrap_or(0);
    SHAPES[best]
}

fn shape_of(record: &Record) -> Shape {
    let list = |key: &str| record.get(key).and_then(Value::as_array);
    let speaks = |turns: &Vec<Value>, key: &str| turns.iter().any(|turn| turn.get(key).is_some());
    let table = record.contains_key("question") && record.contains_key("answer");
    if list("conversations").is_some_and(|turns| speaks(turns, "from")) {
        Shape::ShareGpt
    } else if table {
        Shape::Columns
    } else if ["messages", "conversations"].iter().any(|key| record.contains_key(*key))
        || (list("prompt").is_some() && list("completion").is_some())
    {
        Shape::Messages
    } else if record.contains_key("instruction") && record.contains_key("output") {
        Shape::Alpaca
    } else {
        Shape::Columns
    }
}
