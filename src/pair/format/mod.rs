//! Files of pairs in the forms that other programs read and write.
//!
//! A file has a *container* (JSON Lines, a JSON array, CSV, Parquet), which gives rows, and its rows
//! have a *shape* (messages, ShareGPT, columns), which gives examples. Reading finds both out from
//! the content; writing takes both from the [`Format`] asked for. Everything here works on readers
//! and writers handed in.

mod columns;
mod container;
mod csv_rows;
pub(super) mod json_rows;
mod layout;
mod mapping;
mod messages;
mod parquet_rows;
mod parquet_write;
mod sharegpt;
mod write;

use std::io::BufRead;

use parquet::file::reader::ChunkReader;
use serde_json::{Map, Value};

pub use container::Container;
pub use layout::{Layout, Shape};
pub use mapping::Mapping;
pub use parquet_rows::row_count as parquet_row_count;
pub use write::{RowWriter, row};

use super::Problem;

/// One row of a file by its keys, before it is known what they mean.
pub type Record = Map<String, Value>;

/// A row as its container gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Line in the file, or number of the row in a Parquet file, from 1.
    pub place: usize,
    /// What stands there.
    pub raw: Raw,
}

/// What stands in a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    /// The text of one JSON value, not parsed yet: parsing is what can be shared between threads.
    Json(Vec<u8>),
    /// Keys and values.
    Record(Record),
}

impl Row {
    /// Keys and values of the row.
    ///
    /// # Errors
    /// Tells why the text is no JSON object.
    pub fn record(self) -> Result<Record, String> {
        match self.raw {
            Raw::Record(record) => Ok(record),
            Raw::Json(bytes) => json_rows::object(&bytes),
        }
    }
}

/// The rows of a text file (JSON or CSV) as it is read.
pub fn text_rows<'a>(container: Container, reader: impl BufRead + 'a) -> Rows<'a> {
    match container {
        Container::Values => Box::new(json_rows::Values::new(reader)),
        Container::Csv { delimiter } => Box::new(csv_rows::Records::new(reader, delimiter)),
        Container::Lines | Container::Parquet => Box::new(json_rows::Lines::new(reader)),
    }
}

/// The rows of a Parquet file.
pub fn parquet_rows<R: ChunkReader + 'static>(file: R) -> Rows<'static> {
    parquet_rows::records(file)
}

/// Rows of a file, or why one of them cannot be read.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, Problem>> + 'a>;

/// A form of files that other programs know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// Everything, `meta` included; see [`super::jsonl`].
    #[default]
    Canonical,
    /// OpenAI's fine-tuning: arguments as JSON strings, `content` null beside calls; see
    /// [`super::openai`].
    OpenAi,
    /// TRL's `SFTTrainer`: `messages` and `tools`, arguments as objects.
    Trl,
    /// ShareGPT: `conversations` of `from` and `value`, `tools` as one JSON string.
    ShareGpt,
    /// Stanford Alpaca, with `history` and `system` as LLaMA-Factory reads them.
    Alpaca,
    /// LLaMA-Factory with `"formatting": "sharegpt"`.
    LlamaFactory,
    /// LLaMA-Factory with `"formatting": "openai"`.
    LlamaFactoryOpenAi,
    /// Axolotl's `type: chat_template`: `tools` and arguments as JSON strings, which it parses.
    Axolotl,
    /// A table for spreadsheets: question, answer, source; other rows as JSON in a column.
    Csv,
    /// Parquet for Hugging Face datasets 4.7 and later.
    Parquet,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 10] = [
        Self::Canonical,
        Self::OpenAi,
        Self::Trl,
        Self::ShareGpt,
        Self::Alpaca,
        Self::LlamaFactory,
        Self::LlamaFactoryOpenAi,
        Self::Axolotl,
        Self::Csv,
        Self::Parquet,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Canonical => "canonical",
            Self::OpenAi => "openai",
            Self::Trl => "trl",
            Self::ShareGpt => "sharegpt",
            Self::Alpaca => "alpaca",
            Self::LlamaFactory => "llama-factory",
            Self::LlamaFactoryOpenAi => "llama-factory-openai",
            Self::Axolotl => "axolotl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// The usual ending of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            _ => "jsonl",
        }
    }

    /// What of an example the format has no place for, in every row. Rows that it cannot hold at all
    /// are refused one by one by [`RowWriter::write`].
    pub fn leaves_out(self) -> &'static [&'static str] {
        match self {
            Self::Canonical | Self::Parquet => &[],
            Self::OpenAi => &["meta", "names of result turns (found again by the call)"],
            Self::Trl | Self::LlamaFactoryOpenAi | Self::Axolotl | Self::Alpaca => &["meta"],
            Self::ShareGpt | Self::LlamaFactory => &["meta", "identifiers of calls"],
            Self::Csv => &["meta other than document, page and quote"],
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|format| format.name()).collect();
            format!("`{text}` is no format; there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests;
