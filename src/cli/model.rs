//! `hone model`: get, register, list and show models.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::failure::{Context, Failure, Result};
use crate::model::hub::{Trouble, sha256};
use crate::model::open::{self, Kind, Opened};
use crate::model::registry::{self, Manifest};
use crate::model::{Places, pull, safetensors};
use crate::progress::{OnProgress, Progress};

/// Arguments of `hone model`.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ModelCommand,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Get a model: smollm2-135m, qwen2.5-0.5b, qwen3-0.6b, gemma-3-270m, or OWNER/NAME on the hub
    Pull {
        /// Short name, or OWNER/NAME on the Hugging Face hub
        name: String,
        /// Use only what is on this machine
        #[arg(long)]
        offline: bool,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Register a GGUF file or a Hugging Face folder that is on this machine
    Add {
        /// The file or folder
        path: PathBuf,
        /// The name to open it by [default: the file's name]
        #[arg(long)]
        name: Option<String>,
        /// Copy it into hone's model folder instead of using it where it lies
        #[arg(long)]
        copy: bool,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the models that are installed
    List {
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show sizes, types, licence and checksum of a model
    Show {
        /// A name of `hone model list`, or a path
        name: String,
        /// Print the facts as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command; prints to `out`, reports long work to `on`.
///
/// # Errors
/// What the user can mend: names, files, network, disk.
pub fn run(args: ModelArgs, out: &mut dyn Write, on: &mut OnProgress<'_>) -> Result<()> {
    let places = Places::from_environment()?;
    match args.command {
        ModelCommand::Pull { name, offline, json } => {
            let options = pull::Options::from_environment(offline);
            let manifest = pull::pull(&places, &name, &options, on)?;
            installed(&manifest, json, out)
        }
        ModelCommand::Add { path, name, copy, json } => {
            let manifest = registry::add(&places, &path, name.as_deref(), copy)?;
            installed(&manifest, json, out)
        }
        ModelCommand::List { json } => list(&places, json, out),
        ModelCommand::Show { name, json } => {
            let opened = open::open_in(&places, &name)?;
            let sums = checksums(&opened, on)?;
            let facts = facts(&opened, &sums);
            if json { print_json(&facts, out) } else { print_facts(&facts, out) }
        }
    }
}

fn installed(manifest: &Manifest, as_json: bool, out: &mut dyn Write) -> Result<()> {
    if as_json {
        return print_json(&row(manifest), out);
    }
    line(out, &format!("{}  {}", manifest.name, manifest.path.display()))
}

fn list(places: &Places, as_json: bool, out: &mut dyn Write) -> Result<()> {
    let (manifests, broken) = registry::list(places)?;
    if as_json {
        let rows: Vec<Value> = manifests.iter().map(row).collect();
        let broken: Vec<&str> = broken.iter().map(|failure| failure.message.as_str()).collect();
        return print_json(&json!({"models": rows, "broken": broken}), out);
    }
    if manifests.is_empty() && broken.is_empty() {
        return line(out, "No models are installed. Get one: hone model pull smollm2-135m");
    }
    let longest = manifests.iter().map(|manifest| manifest.name.width()).max().unwrap_or(0);
    for manifest in &manifests {
        let gap = " ".repeat(longest - manifest.name.width());
        let state = if manifest.path.exists() { "" } else { "  (missing)" };
        let size = megabytes(size_of(manifest));
        line(
            out,
            &format!("{}{gap}  {size:>9}  {}{state}", manifest.name, manifest.path.display()),
        )?;
    }
    for failure in broken {
        line(out, &format!("broken: {failure}"))?;
    }
    Ok(())
}

fn row(manifest: &Manifest) -> Value {
    json!({
        "name": manifest.name,
        "kind": manifest.kind,
        "path": manifest.path,
        "source": manifest.source,
        "bytes": size_of(manifest),
        "present": manifest.path.exists(),
    })
}

/// Bytes of a model's weights; 0 when they are gone.
fn size_of(manifest: &Manifest) -> u64 {
    let length = |path: PathBuf| std::fs::metadata(path).map_or(0, |data| data.len());
    match manifest.kind {
        Kind::Gguf => length(manifest.path.clone()),
        Kind::Folder => safetensors::weight_files(&manifest.path)
            .unwrap_or_default()
            .iter()
            .map(|file| length(manifest.path.join(file)))
            .sum(),
    }
}

/// Name and SHA-256 of every weight file.
fn checksums(opened: &Opened, on: &mut OnProgress<'_>) -> Result<Vec<(String, String)>> {
    let path = &opened.description.path;
    let files = match opened.description.kind {
        Kind::Gguf => vec![path.clone()],
        Kind::Folder => {
            let names = safetensors::weight_files(path)?;
            names.iter().map(|name| path.join(name)).collect()
        }
    };
    let total = opened.description.bytes;
    let mut finished = 0;
    let mut sums = Vec::with_capacity(files.len());
    for file in files {
        let sum = sha256(&file, &mut |bytes| {
            on(Progress::new("verify", finished + bytes, Some(total), "bytes"))
        });
        let sum = sum.map_err(|trouble| match trouble {
            Trouble::Stopped => Failure::user("stopped"),
            Trouble::Storage(failure) | Trouble::Source(failure) => failure,
        })?;
        finished += std::fs::metadata(&file).map_or(0, |data| data.len());
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        sums.push((name, sum));
    }
    Ok(sums)
}

fn facts(opened: &Opened, sums: &[(String, String)]) -> Value {
    let description = &opened.description;
    let tokenizer = opened.codec.tokenizer();
    let stop: Vec<Value> = opened
        .codec
        .stop_ids()
        .into_iter()
        .map(|id| json!({"id": id, "text": tokenizer.spelling(id)}))
        .collect();
    let sums: Vec<Value> =
        sums.iter().map(|(file, sum)| json!({"file": file, "sha256": sum})).collect();
    json!({
        "name": opened.name,
        "path": description.path,
        "kind": description.kind,
        "bytes": description.bytes,
        "parameters": description.parameters,
        "config": opened.config,
        "tensor_types": description.tensor_types,
        "licence": description.licence,
        "template_writes_tools": description.native_tools,
        "call_form": opened.codec.template().tool_format().to_string(),
        "stop_tokens": stop,
        "checksums": sums,
    })
}

fn print_facts(facts: &Value, out: &mut dyn Write) -> Result<()> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let config = |key: &str| text(facts.pointer(&format!("/config/{key}")).unwrap_or(&Value::Null));
    let fact = |key: &str| text(facts.get(key).unwrap_or(&Value::Null));
    let number = |key: &str| facts.get(key).and_then(Value::as_u64).unwrap_or(0);
    let entries = |key: &str| facts.get(key).and_then(Value::as_object).into_iter().flatten();
    let types: Vec<String> =
        entries("tensor_types").map(|(name, count)| format!("{count} {name}")).collect();
    let list = |key: &str| facts.get(key).and_then(Value::as_array).into_iter().flatten();
    let stop: Vec<String> = list("stop_tokens")
        .filter_map(|token| Some(token.get("text")?.as_str()?.to_owned()))
        .collect();
    let tools = if facts.get("template_writes_tools") == Some(&Value::Bool(true)) {
        "written by the model's own template"
    } else {
        "written by hone into the system turn"
    };
    let mut rows = vec![
        ("name", fact("name")),
        ("path", fact("path")),
        ("size", megabytes(number("bytes"))),
        ("parameters", format!("{:.1} million", number("parameters") as f64 / 1e6)),
        ("family", config("architecture")),
        (
            "shape",
            format!(
                "{} layers, hidden {}, feed-forward {}, {} heads of {}, {} for keys and values",
                config("layers"),
                config("hidden_size"),
                config("ffn_size"),
                config("heads"),
                config("head_dim"),
                config("kv_heads"),
            ),
        ),
        ("vocabulary", config("vocab_size")),
        ("context", config("context_length")),
        ("tensors", types.join(", ")),
        ("tied head", config("tied_head")),
        ("tools", tools.to_owned()),
        ("calls", fact("call_form")),
        ("stops at", stop.join(" ")),
        ("licence", fact("licence")),
    ];
    for sum in list("checksums") {
        let part = |key: &str| sum.get(key).and_then(Value::as_str).unwrap_or_default();
        rows.push(("sha256", format!("{}  {}", part("sha256"), part("file"))));
    }
    for (key, value) in rows {
        line(out, &format!("{key:<11} {value}"))?;
    }
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn print_json(value: &Value, out: &mut dyn Write) -> Result<()> {
    line(out, &serde_json::to_string_pretty(value).because("JSON")?)
}

fn line(out: &mut dyn Write, text: &str) -> Result<()> {
    writeln!(out, "{text}").because("cannot write to the output")
}
