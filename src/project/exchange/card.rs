//! The card of an exported set, and the file its reader needs beside it.
//!
//! The card is a README.md with a YAML head as Hugging Face specifies it for data sets
//! (`huggingface/hub-docs`, `datasetcard.md`).

use std::fmt::Write as _;

use serde_json::json;

use super::figures::States;
use super::{Exported, Figures, Selection, Target};
use crate::pair::ReviewState;
use crate::pair::format::Format;

/// Writes the card of a set whose rows are in the file `rows`.
pub(super) fn card(
    figures: &Figures,
    exported: &Exported,
    selection: Selection,
    target: Target<'_>,
    rows: &str,
) -> String {
    let mut text = head(figures, exported, selection, target, rows);
    let _ = writeln!(text, "# {}\n", target.name);
    let what = match selection.state {
        Some(ReviewState::Accepted) => "pairs, each accepted by a person",
        Some(ReviewState::Draft) => "drafts that nobody has reviewed",
        Some(ReviewState::Rejected) => "rejected pairs",
        None => "pairs of every state of review, drafts and rejected ones among them",
    };
    let format = selection.format.name();
    let _ = writeln!(text, "{} {what}, in `{rows}`, format `{format}`.", exported.written);
    if exported.refused > 0 {
        let _ =
            writeln!(text, "{} more are left out: the format cannot hold them.", exported.refused);
    }
    let lost = selection.format.leaves_out();
    if !lost.is_empty() {
        let _ = writeln!(
            text,
            "Not in the rows, because the format has no place for it: {}.",
            lost.join("; ")
        );
    }
    sources(&mut text, figures);
    counts(&mut text, figures);
    authors(&mut text, figures);
    text.push_str("\n## Prompts used for drafting\n\n");
    listed(&mut text, figures.prompts.iter().map(|(prompt, count)| (prompt.as_str(), *count)));
    text.push_str("\n## Rejected, by reason\n\n");
    listed(
        &mut text,
        figures.reasons.iter().map(|(reason, count)| match reason.as_str() {
            "" => ("no reason recorded", *count),
            reason => (reason, *count),
        }),
    );
    let _ = write!(text, "\n## Loading\n\n{}", loading(selection.format, rows));
    text
}

fn head(
    figures: &Figures,
    exported: &Exported,
    selection: Selection,
    target: Target<'_>,
    rows: &str,
) -> String {
    let mut text = "---\n".to_owned();
    let counted = |states: &States| match selection.state {
        Some(ReviewState::Draft) => states.draft,
        Some(ReviewState::Accepted) => states.accepted,
        Some(ReviewState::Rejected) => states.rejected,
        None => states.draft + states.accepted + states.rejected,
    };
    let languages = ["ko", "en"].into_iter().filter(|language| {
        let mut kinds = figures.by_kind.iter().filter(|((_, of), _)| of == language);
        kinds.any(|(_, states)| counted(states) > 0)
    });
    let languages: Vec<&str> = languages.collect();
    if !languages.is_empty() {
        let _ = writeln!(text, "language:\n- {}", languages.join("\n- "));
    }
    let size = match exported.written {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        _ => "1M<n<10M",
    };
    let _ = writeln!(
        text,
        "license: {}\ntask_categories:\n- text-generation\nsize_categories:\n- {size}\ntags:\n- hone\n\
         configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {rows}\n---\n",
        target.license
    );
    text
}

fn sources(text: &mut String, figures: &Figures) {
    text.push_str("\n## Sources\n\n");
    let known = |name: &str| figures.documents.iter().any(|document| document.name == name);
    let strange = figures.by_document.keys().filter(|name| !known(name));
    let named = figures.documents.iter().map(|d| (d.name.as_str(), d.pages, d.sha256.as_str()));
    let all: Vec<(String, String, String)> = named
        .map(|(name, pages, hash)| (name.to_owned(), pages.to_string(), format!("`{hash}`")))
        .chain(strange.map(|name| (name.clone(), String::new(), "not in the project".to_owned())))
        .collect();
    if all.is_empty() {
        text.push_str("No documents.\n");
        return;
    }
    text.push_str("| document | pages | accepted pairs | SHA-256 |\n|---|---|---|---|\n");
    for (name, pages, hash) in all {
        let pairs = figures.by_document.get(&name).map_or(0, |states| states.accepted);
        let _ = writeln!(text, "| {} | {pages} | {pairs} | {hash} |", cell(&name));
    }
}

fn counts(text: &mut String, figures: &Figures) {
    text.push_str(
        "\n## Pairs of the project\n\n| kind | language | accepted | draft | rejected |\n|---|---|---|---|---|\n",
    );
    for ((kind, language), states) in &figures.by_kind {
        let States { draft, accepted, rejected } = states;
        let _ = writeln!(text, "| {kind} | {language} | {accepted} | {draft} | {rejected} |");
    }
}

fn authors(text: &mut String, figures: &Figures) {
    text.push_str(
        "\n## Acceptance by author\n\n| author | accepted | rejected | not judged | accepted of those judged |\n|---|---|---|---|---|\n",
    );
    for (author, states) in &figures.by_author {
        let author = if author.is_empty() { "not recorded".to_owned() } else { cell(author) };
        let States { draft, accepted, rejected } = states;
        let share =
            states.acceptance().map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share));
        let _ = writeln!(text, "| {author} | {accepted} | {rejected} | {draft} | {share} |");
    }
}

fn listed<'a>(text: &mut String, items: impl Iterator<Item = (&'a str, usize)>) {
    let before = text.len();
    for (item, count) in items {
        let _ = writeln!(text, "- {count}: {}", cell(item));
    }
    if text.len() == before {
        text.push_str("None recorded.\n");
    }
}

/// Text that stays in its cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn loading(format: Format, rows: &str) -> String {
    let python =
        |code: &str| format!("```python\nfrom datasets import load_dataset\n\n{code}\n```\n");
    match format {
        Format::Csv => python(&format!(
            "rows = load_dataset(\"csv\", data_files=\"{rows}\", split=\"train\")"
        )),
        Format::Parquet => python(&format!(
            "# datasets 4.7 or later: older ones do not know columns of JSON\n\
             rows = load_dataset(\"parquet\", data_files=\"{rows}\", split=\"train\")"
        )),
        Format::LlamaFactory | Format::LlamaFactoryOpenAi | Format::Alpaca => {
            "LLaMA-Factory: `dataset_dir` is this folder, `dataset: pairs` (see `dataset_info.json`).\n"
                .to_owned()
        }
        Format::Axolotl => "Axolotl: the entry under `datasets` in `axolotl.yaml`.\n".to_owned(),
        _ => python(&format!(
            "rows = load_dataset(\"json\", data_files=\"{rows}\", split=\"train\")"
        )),
    }
}

/// Name and text of the file by which a reader finds its way in the rows.
pub(super) fn companion(format: Format, rows: &str) -> Option<(&'static str, String)> {
    let set = match format {
        Format::LlamaFactory => json!({
            "file_name": rows,
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "tools": "tools"},
            "tags": {
                "role_tag": "from", "content_tag": "value", "user_tag": "human",
                "assistant_tag": "gpt", "observation_tag": "observation",
                "function_tag": "function_call", "system_tag": "system",
            },
        }),
        Format::LlamaFactoryOpenAi => json!({
            "file_name": rows,
            "formatting": "openai",
            "columns": {"messages": "messages", "tools": "tools"},
            "tags": {
                "role_tag": "role", "content_tag": "content", "user_tag": "user",
                "assistant_tag": "assistant", "observation_tag": "tool",
                "function_tag": "function_call", "system_tag": "system",
            },
        }),
        Format::Alpaca => json!({
            "file_name": rows,
            "formatting": "alpaca",
            "columns": {
                "prompt": "instruction", "query": "input", "response": "output",
                "system": "system", "history": "history", "tools": "tools",
            },
        }),
        Format::Axolotl => {
            let text = format!(
                "# `path` is meant from where axolotl is started.\ndatasets:\n  - path: {rows}\n    \
                 ds_type: json\n    type: chat_template\n    field_messages: messages\n    \
                 field_tools: tools\n    roles_to_train: [assistant]\n"
            );
            return Some(("axolotl.yaml", text));
        }
        _ => return None,
    };
    let text = serde_json::to_string_pretty(&json!({"pairs": set})).unwrap_or_default();
    Some(("dataset_info.json", text + "\n"))
}
