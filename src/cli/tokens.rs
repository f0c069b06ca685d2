//! `hone tokens`: how a model cuts a text into tokens.

use std::io::{Read, Write};

use clap::Args;
use serde_json::{Value, json};

use crate::failure::{Context, Result};
use crate::model::{Tokenizer, open};

/// Arguments of `hone tokens`.
#[derive(Debug, Args)]
pub struct TokensArgs {
    /// The text, or - to read standard input
    pub text: String,
    /// Model whose tokenizer is used: a name or a path
    #[arg(long, default_value = "smollm2-135m")]
    pub model: String,
    /// Print count, ids and pieces as JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the count of tokens and the piece of text each stands for.
///
/// # Errors
/// When the model is not installed or standard input is no UTF-8.
pub fn run(args: &TokensArgs, input: &mut dyn Read, out: &mut dyn Write) -> Result<()> {
    let text = if args.text == "-" {
        let mut text = String::new();
        input.read_to_string(&mut text).because("standard input")?;
        text
    } else {
        args.text.clone()
    };
    let opened = open(&args.model)?;
    let report = report(opened.codec.tokenizer(), &text, args.json)?;
    out.write_all(report.as_bytes()).because("cannot write to the output")
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
