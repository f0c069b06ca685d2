//! Examples as rows of a format.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::Format;
use super::parquet_write::ParquetRows;
use super::sharegpt::{self, Dialect};
use crate::pair::{Example, Message, Role, openai};

/// Writes examples in one format, one by one.
pub struct RowWriter<W: Write>(Kind<W>);

enum Kind<W: Write> {
    Lines(Format, W),
    Csv(Box<csv::Writer<W>>),
    Parquet(Box<ParquetRows<W>>),
}

/// Columns of a table, in order.
const CSV_COLUMNS: [&str; 8] =
    ["question", "answer", "system", "document", "page", "quote", "messages", "tools"];

impl<W: Write> RowWriter<W> {
    /// Begins a file.
    pub fn new(format: Format, mut out: W) -> io::Result<Self> {
        Ok(Self(match format {
            Format::Csv => {
                // Without the mark, spreadsheet programs on Korean Windows read UTF-8 as CP949.
                out.write_all("\u{feff}".as_bytes())?;
                let mut table = csv::Writer::from_writer(out);
                table.write_record(CSV_COLUMNS)?;
                Kind::Csv(Box::new(table))
            }
            Format::Parquet => Kind::Parquet(Box::new(ParquetRows::new(out)?)),
            _ => Kind::Lines(format, out),
        }))
    }

    /// Writes one example; the inner error tells why this format cannot hold it, and then nothing of
    /// it is written.
    pub fn write(&mut self, example: &Example) -> io::Result<Result<(), String>> {
        match &mut self.0 {
            Kind::Lines(Format::Canonical, out) => {
                serde_json::to_writer(&mut *out, example)?;
                out.write_all(b"\n")?;
            }
            Kind::Lines(format, out) => match row(*format, example) {
                Ok(value) => {
                    serde_json::to_writer(&mut *out, &value)?;
                    out.write_all(b"\n")?;
                }
                Err(reason) => return Ok(Err(reason)),
            },
            Kind::Csv(table) => table.write_record(cells(example)?)?,
            Kind::Parquet(file) => file.write(example)?,
        }
        Ok(Ok(()))
    }

    /// Ends the file and gives the writer back.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Kind::Lines(_, mut out) => out.flush().map(|()| out),
            Kind::Csv(table) => table.into_inner().map_err(csv::IntoInnerError::into_error),
            Kind::Parquet(file) => file.finish(),
        }
    }
}

/// One example as a row of a format whose rows are JSON objects; of a table, the canonical one.
///
/// # Errors
/// Tells what of the example the format cannot hold.
pub fn row(format: Format, example: &Example) -> Result<Value, String> {
    match format {
        Format::Canonical | Format::Csv | Format::Parquet => {
            serde_json::to_value(example).map_err(|error| error.to_string())
        }
        Format::OpenAi => Ok(openai::to_value(example)),
        Format::Trl => Ok(conversation(example, Arguments::Objects)),
        Format::Axolotl => Ok(conversation(example, Arguments::Strings)),
        Format::LlamaFactoryOpenAi => {
            // Checked by the rows of the other kind, which the same program reads by the same rules.
            sharegpt::row(example, Dialect::LlamaFactory)?;
            if example.messages.iter().any(|m| !m.tool_calls.is_empty() && !m.content.is_empty()) {
                return Err("a text beside calls would be dropped".to_owned());
            }
            Ok(conversation(example, Arguments::Objects))
        }
        Format::ShareGpt => sharegpt::row(example, Dialect::Plain),
        Format::LlamaFactory => sharegpt::row(example, Dialect::LlamaFactory),
        Format::Alpaca => alpaca(example),
    }
}

/// How calls' arguments and the list of tools are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arguments {
    /// As JSON, which templates expect.
    Objects,
    /// As JSON in strings, which columns of one type can hold whatever the arguments are.
    Strings,
}

/// `messages` and `tools`; every turn has its `content`, a string.
fn conversation(example: &Example, arguments: Arguments) -> Value {
    let as_text = arguments == Arguments::Strings;
    let turn = |message: &Message| {
        let mut turn = Map::new();
        turn.insert("role".to_owned(), json!(message.role));
        turn.insert("content".to_owned(), json!(message.content));
        if !message.tool_calls.is_empty() {
            let calls = message.tool_calls.iter().map(|call| {
                let arguments = Value::Object(call.function.arguments.clone());
                let arguments =
                    if as_text { Value::String(arguments.to_string()) } else { arguments };
                json!({"id": call.id, "type": call.kind,
                    "function": {"name": call.function.name, "arguments": arguments}})
            });
            turn.insert("tool_calls".to_owned(), calls.collect());
        }
        for (key, value) in [("tool_call_id", &message.tool_call_id), ("name", &message.name)] {
            if let Some(value) = value {
                turn.insert(key.to_owned(), json!(value));
            }
        }
        Value::Object(turn)
    };
    let mut row = Map::new();
    row.insert("messages".to_owned(), example.messages.iter().map(turn).collect());
    if !example.tools.is_empty() {
        let tools = json!(example.tools);
        let tools = if as_text { Value::String(tools.to_string()) } else { tools };
        row.insert("tools".to_owned(), tools);
    }
    Value::Object(row)
}

/// System's text and the pairs of question and answer, where an example is nothing else.
fn plain_pairs<'a>(example: &'a Example) -> Option<(&'a str, Vec<(&'a str, &'a str)>)> {
    let (system, turns) = match example.messages.as_slice() {
        [first, rest @ ..] if first.role == Role::System => (first.content.as_str(), rest),
        turns => ("", turns),
    };
    let pair = |two: &'a [Message]| match two {
        [asked, said]
            if asked.role == Role::User
                && said.role == Role::Assistant
                && said.tool_calls.is_empty() =>
        {
            Some((asked.content.as_str(), said.content.as_str()))
        }
        _ => None,
    };
    let pairs = turns.chunks(2).map(pair).collect::<Option<Vec<_>>>()?;
    (!pairs.is_empty()).then_some((system, pairs))
}

fn alpaca(example: &Example) -> Result<Value, String> {
    if example.calls().next().is_some() {
        return Err("Alpaca has no place for calls of tools".to_owned());
    }
    let (system, pairs) =
        plain_pairs(example).ok_or("it is not questions and answers in turn".to_owned())?;
    let Some(((question, answer), history)) = pairs.split_last() else {
        return Err("it holds no question".to_owned());
    };
    let tools =
        if example.tools.is_empty() { String::new() } else { json!(example.tools).to_string() };
    let history: Vec<[&str; 2]> = history.iter().map(|(asked, said)| [*asked, *said]).collect();
    Ok(json!({
        "instruction": question,
        "input": "",
        "output": answer,
        "system": system,
        "history": history,
        "tools": tools,
    }))
}

/// The cells of a row: a single question and answer in columns of their own, anything else as
/// messages.
fn cells(example: &Example) -> io::Result<[String; CSV_COLUMNS.len()]> {
    let meta = &example.meta;
    let simple = plain_pairs(example).filter(|(_, pairs)| pairs.len() == 1);
    let (question, answer, system, messages) = match simple {
        Some((system, pairs)) => {
            let (question, answer) = pairs.first().copied().unwrap_or_default();
            (question, answer, system, String::new())
        }
        None => ("", "", "", serde_json::to_string(&example.messages)?),
    };
    let tools = if example.tools.is_empty() {
        String::new()
    } else {
        serde_json::to_string(&example.tools)?
    };
    Ok([
        question.to_owned(),
        answer.to_owned(),
        system.to_owned(),
        meta.document.clone().unwrap_or_default(),
        meta.page.map(|page| page.to_string()).unwrap_or_default(),
        meta.quote.clone().unwrap_or_default(),
        messages,
        tools,
    ])
}
