//! `hone tokens`: how a model cuts a text into tokens.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::failure::{Context, Failure, Result};
use crate::model::{ChatTemplate, Tokenizer, open};
use crate::project::pair_file::{PairFile, ReadAs};

/// Arguments of `hone tokens`.
#[derive(Debug, Args)]
pub struct TokensArgs {
    /// The text, or - to read standard input
    #[arg(required_unless_present = "rows", conflicts_with = "rows")]
    pub text: Option<String>,
    /// Show the pairs of a file as the model reads them: its chat template applied
    #[arg(long, value_name = "FILE")]
    pub rows: Option<PathBuf>,
    /// Chat template to show them in (Jinja), instead of the model's
    #[arg(long, value_name = "FILE", requires = "rows")]
    pub template: Option<PathBuf>,
    /// Model whose tokenizer is used: a name or a path
    #[arg(long, default_value = "smollm2-135m")]
    pub model: String,
    /// Print count, ids and pieces as JSON; of rows, one JSON string a line
    #[arg(long)]
    pub json: bool,
}

/// Prints the count of tokens and the piece of text each stands for.
///
/// # Errors
/// When the model is not installed or standard input is no UTF-8.
pub fn run(args: &TokensArgs, input: &mut dyn Read, out: &mut dyn Write) -> Result<()> {
    if let Some(rows) = &args.rows {
        return rendered(args, rows, out);
    }
    let text = match args.text.as_deref() {
        Some("-") => {
            let mut text = String::new();
            input.read_to_string(&mut text).because("standard input")?;
            text
        }
        text => text.unwrap_or_default().to_owned(),
    };
    let opened = open(&args.model)?;
    let report = report(opened.codec.tokenizer(), &text, args.json)?;
    out.write_all(report.as_bytes()).because("cannot write to the output")
}

/// Writes each pair of a file as the template renders it.
fn rendered(args: &TokensArgs, rows: &Path, out: &mut dyn Write) -> Result<()> {
    let opened;
    let given;
    let template = if let Some(path) = &args.template {
        let source = std::fs::read_to_string(path).because(path.display())?;
        given = ChatTemplate::new(&source, None, "", "")
            .map_err(|failure| failure.context(path.display()))?;
        &given
    } else {
        opened = open(&args.model)?;
        opened.codec.template()
    };
    let file = PairFile::open(rows, &ReadAs::default())?;
    for row in file.examples(|_, _| {})? {
        let (line, example) = row.map_err(|problem| {
            Failure::user(format!("{}:{}: {}", rows.display(), problem.line, problem.reason))
        })?;
        let text = template
            .render(&example.messages, &example.tools, false)
            .map_err(|failure| failure.context(format!("{}:{line}", rows.display())))?;
        let text = if args.json { json!(text).to_string() } else { text };
        writeln!(out, "{text}").because("cannot write to the output")?;
    }
    Ok(())
}

fn report(tokenizer: &Tokenizer, text: &str, as_json: bool) -> Result<String> {
    let ids = tokenizer.encode(text);
    let pieces: Vec<String> = ids.iter().map(|id| piece(tokenizer, *id)).collect();
    let characters = text.chars().count();
    if as_json {
        let rows: Vec<Value> =
            ids.iter().zip(&pieces).map(|(id, piece)| json!({"id": id, "piece": piece})).collect();
        let report = json!({"tokens": ids.len(), "characters": characters, "pieces": rows});
        return Ok(serde_json::to_string_pretty(&report).because("JSON")? + "\n");
    }
    let shown: Vec<String> = pieces.iter().map(|piece| piece.escape_debug().to_string()).collect();
    let count = ids.len();
    Ok(format!("{count} tokens, {characters} characters\n{}\n", shown.join("|")))
}

/// The text of one token; where it is part of a character, its bytes as `<E2>`.
fn piece(tokenizer: &Tokenizer, id: u32) -> String {
    let text = tokenizer.decode_all(&[id]);
    if !text.contains('\u{FFFD}') {
        return text;
    }
    let bytes = tokenizer.bytes(id);
    let spelled = |bytes: Vec<u8>| -> Vec<String> {
        bytes.iter().map(|byte| format!("<{byte:02X}>")).collect()
    };
    bytes.map_or(text, |bytes| spelled(bytes).concat())
}
