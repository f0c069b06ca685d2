//! Parquet as Hugging Face datasets 4.7 and later write and read columns of JSON.
//!
//! `messages` and `tools` are lists of JSON texts, `meta` one text; the key `huggingface` in the file's
//! metadata says so, and `load_dataset` gives dictionaries. Nested columns would give every message
//! and every call the keys of all others, filled with null, and those would be trained.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde::Serialize;

use crate::pair::Example;

const SCHEMA: &str = "message schema {
    optional group messages (LIST) { repeated group list { optional binary element (JSON); } }
    optional group tools (LIST) { repeated group list { optional binary element (JSON); } }
    optional binary meta (JSON);
}";
const FEATURES: &str = r#"{"info": {"features": {"messages": {"feature": {"_type": "Json"}, "_type": "List"}, "tools": {"feature": {"_type": "Json"}, "_type": "List"}, "meta": {"_type": "Json"}}}}"#;
/// Bytes of text after which a group of rows is written.
const GROUP_BYTES: usize = 16 << 20;

/// Levels of definition in a column of lists: no list (a list without elements would be 1), an
/// element (2 would be one that is null).
const LIST_NONE: i16 = 0;
const LIST_ELEMENT: i16 = 3;

/// Writes examples to a Parquet file, one group of rows after the other.
pub(super) struct ParquetRows<W: Write> {
    file: SerializedFileWriter<Vec<u8>>,
    out: W,
    messages: Column,
    tools: Column,
    meta: Column,
}

impl<W: Write> ParquetRows<W> {
    pub fn new(out: W) -> io::Result<Self> {
        let open = || -> Result<_> {
            let schema = Arc::new(parse_message_type(SCHEMA)?);
            let features = KeyValue::new("huggingface".to_owned(), FEATURES.to_owned());
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
                .set_key_value_metadata(Some(vec![features]))
                .set_dictionary_enabled(true)
                .build();
            SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))
        };
        let file = open().map_err(io::Error::other)?;
        let column = Column::default;
        Ok(Self { file, out, messages: column(), tools: column(), meta: column() })
    }

    pub fn write(&mut self, example: &Example) -> io::Result<()> {
        self.messages.list(&example.messages)?;
        self.tools.list(&example.tools)?;
        let meta = (!example.meta.is_empty()).then_some(&example.meta);
        self.meta.single(meta)?;
        let held = self.messages.bytes + self.tools.bytes + self.meta.bytes;
        if held >= GROUP_BYTES { self.group() } else { Ok(()) }
    }

    pub fn finish(mut self) -> io::Result<W> {
        if !self.messages.definition.is_empty() {
            self.group()?;
        }
        let rest = self.file.into_inner().map_err(io::Error::other)?;
        self.out.write_all(&rest)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn group(&mut self) -> io::Result<()> {
        let mut write = || -> Result<()> {
            let mut group = self.file.next_row_group()?;
            for column in [&mut self.messages, &mut self.tools, &mut self.meta] {
                let Some(mut writer) = group.next_column()? else { break };
                let repetition =
                    (!column.repetition.is_empty()).then_some(column.repetition.as_slice());
                writer.typed::<ByteArrayType>().write_batch(
                    &column.texts,
                    Some(&column.definition),
                    repetition,
                )?;
                writer.close()?;
                *column = Column::default();
            }
            group.close().map(drop)
        };
        write().map_err(io::Error::other)?;
        // What the file writer still holds back comes out later, in order.
        self.out.write_all(&std::mem::take(self.file.inner_mut()))
    }
}

/// A column's values with the levels that say where they stand.
#[derive(Default)]
struct Column {
    texts: Vec<ByteArray>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
    bytes: usize,
}

impl Column {
    fn list<T: Serialize>(&mut self, items: &[T]) -> io::Result<()> {
        if items.is_empty() {
            self.definition.push(LIST_NONE);
            self.repetition.push(0);
        }
        for (at, item) in items.iter().enumerate() {
            self.text(item)?;
            self.definition.push(LIST_ELEMENT);
            self.repetition.push(i16::from(at > 0));
        }
        Ok(())
    }

    fn single<T: Serialize>(&mut self, item: Option<&T>) -> io::Result<()> {
        self.definition.push(i16::from(item.is_some()));
        item.map_or(Ok(()), |item| self.text(item))
    }

    fn text<T: Serialize>(&mut self, item: &T) -> io::Result<()> {
        let text = serde_json::to_vec(item)?;
        self.bytes += text.len();
        self.texts.push(ByteArray::from(text));
        Ok(())
    }
}
