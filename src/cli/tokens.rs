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
    /// Print count, ids and pieces as JSON; of rows, one JSON string a line, null where the template
    /// refuses a row
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

/// Writes each pair of a file as the template renders it. A pair that it refuses is left out (`null` in
/// JSON, so that lines keep their places), and said at the end.
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
    let mut refused = Vec::new();
    for row in file.examples(|_, _| {})? {
        let (line, example) = row.map_err(|problem| {
            Failure::user(format!("{}:{}: {}", rows.display(), problem.line, problem.reason))
        })?;
        let text = match template.render(&example.messages, &example.tools, false) {
            Ok(text) => Some(text),
            Err(failure) => {
                refused.push(failure.context(format!("{}:{line}", rows.display())));
                None
            }
        };
        let text = if args.json { Some(json!(text).to_string()) } else { text };
        if let Some(text) = text {
            writeln!(out, "{text}").because("cannot write to the output")?;
        }
    }
    let count = refused.len();
    match refused.into_iter().next() {
        Some(first) if count > 1 => {
            Err(first.context(format!("the template refuses {count} pairs, the first is")))
        }
        first => first.map_or(Ok(()), Err),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_the_template_refuses_does_not_hide_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let call =
            json!({"id": "call_1", "type": "function", "function": {"name": "f", "arguments": {}}});
        let row = |calls: usize| {
            let calls = vec![call.clone(); calls];
            let asked = json!({"role": "user", "content": "x"});
            json!({"messages": [asked, {"role": "assistant", "content": "", "tool_calls": calls}]})
        };
        let rows = folder.path().join("rows.jsonl");
        let lines = [row(1), row(2), row(1), row(2)].map(|row| row.to_string());
        std::fs::write(&rows, lines.join("\n")).unwrap();
        let template = "tests/fixtures/chat_templates/llama3.2.jinja";
        let mut args = TokensArgs {
            text: None,
            rows: Some(rows),
            template: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(template)),
            model: String::new(),
            json: true,
        };
        for json in [true, false] {
            args.json = json;
            let mut out = Vec::new();
            let failure = run(&args, &mut std::io::empty(), &mut out).unwrap_err();
            let start = "the template refuses 2 pairs, the first is: ";
            assert!(failure.message.starts_with(start), "{failure}");
            assert!(failure.message.contains("rows.jsonl:2: chat template, line "), "{failure}");
            let out = String::from_utf8(out).unwrap();
            let call = if json { "\\\"parameters\\\": {}" } else { "\"parameters\": {}" };
            assert_eq!(out.matches(call).count(), 2, "{out}");
            if json {
                let nulls: Vec<bool> = out.lines().map(|line| line == "null").collect();
                assert_eq!(nulls, [false, true, false, true]);
            }
        }
    }
}
