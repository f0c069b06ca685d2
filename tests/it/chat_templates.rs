//! Conversations as hone writes them beside what transformers writes (`tests/fixtures/chat_templates`).
//!
//! What transformers gave for the templates of that folder is kept there and checked always. With a Python
//! that has transformers (`HONE_PYTHON`, else `python3`) it is asked again, also about the installed SmolLM2
//! and about all models and templates in the folder `HONE_CHAT_TEMPLATES` names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use hone::model::template::hermes;
use hone::model::{ChatTemplate, Codec, GgufFile, Tokenizer, ToolFormat};
use hone::pair::{Example, FunctionCall, Message, Role, Tool};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    messages: Vec<Message>,
    #[serde(default)]
    tools: Vec<Tool>,
}

impl Case {
    fn has_tools(&self) -> bool {
        let about_tools =
            |message: &Message| message.role == Role::Tool || !message.tool_calls.is_empty();
        !self.tools.is_empty() || self.messages.iter().any(about_tools)
    }
}

/// What transformers made of one conversation.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Rendered {
    text: Option<String>,
    ids: Option<Vec<u32>>,
    error: Option<String>,
}

type Expected = BTreeMap<String, BTreeMap<String, Rendered>>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/chat_templates")
}

fn cases() -> Vec<Case> {
    serde_json::from_str(&std::fs::read_to_string(folder().join("cases.json")).unwrap()).unwrap()
}

fn bare(path: &Path) -> ChatTemplate {
    ChatTemplate::new(&std::fs::read_to_string(path).unwrap(), None, "<s>", "</s>").unwrap()
}

/// What differs between hone and transformers for one model, and how many conversations were compared.
struct Comparison {
    compared: usize,
    /// Those of them that hone trains and asks with in just this form: all where the template has tools of
    /// its own, elsewhere those without tools.
    trained: usize,
    refused: usize,
    differences: Vec<String>,
}

fn compare(
    template: &ChatTemplate,
    tokenizer: Option<&Tokenizer>,
    expected: &BTreeMap<String, Rendered>,
) -> Comparison {
    let date = ChatTemplate::new("{{ strftime_now('%d %b %Y') }}", None, "", "").unwrap();
    let today = date.render_as_given(&[], &[], false).unwrap();
    let mut result = Comparison { compared: 0, trained: 0, refused: 0, differences: Vec::new() };
    for case in cases() {
        for opened in [false, true] {
            let name = if opened { format!("{}+open", case.name) } else { case.name.clone() };
            let theirs = &expected[&name];
            result.compared += 1;
            let given = template.render_as_given(&case.messages, &case.tools, opened);
            if template.has_native_tools() || !case.has_tools() {
                result.trained += 1;
                let rendered = template.render(&case.messages, &case.tools, opened);
                if rendered.as_ref().ok() != given.as_ref().ok() {
                    let what = format!("{name}: trained is {rendered:?}");
                    result.differences.push(what);
                }
            }
            let differs = match given {
                Err(failure) => {
                    result.refused += 1;
                    theirs.error.is_none().then(|| failure.to_string())
                }
                // What Python cannot do (iterate over None) may be done here.
                Ok(_) if theirs.error.as_ref().is_some_and(|said| said.contains("Error: ")) => None,
                Ok(text) => {
                    let undated = text.replace(&today, "@today@");
                    let text_differs = first_difference(
                        &undated.chars().collect::<Vec<_>>(),
                        &theirs.text.as_deref().unwrap_or_default().chars().collect::<Vec<_>>(),
                    );
                    text_differs
                        .map(|(ours, theirs)| {
                            let text = |part: &[char]| part.iter().collect::<String>();
                            format!("{:?} not {:?}", text(&ours), text(&theirs))
                        })
                        .or_else(|| {
                            first_difference(&tokenizer?.encode(&text), theirs.ids.as_deref()?)
                                .map(|(ours, theirs)| format!("{ours:?} not {theirs:?}"))
                        })
                }
            };
            result.differences.extend(differs.map(|what| format!("{name}: {what}")));
        }
    }
    result
}

/// The assistant's turns with calls whose trained tokens, decoded as an answer is, are the calls again;
/// and what those turns are that are not.
fn calls_read_back(codec: &Codec) -> (usize, Vec<String>) {
    let (mut read, mut wrong) = (0, Vec::new());
    for case in cases().into_iter().filter(Case::has_tools) {
        let example = Example { messages: case.messages, tools: case.tools, ..Example::default() };
        let Ok(encoded) = codec
            .parts(&example)
            .iter()
            .map(|part| codec.encode(part))
            .collect::<Result<Vec<_>, _>>()
        else {
            continue;
        };
        let mut turns: Vec<Vec<u32>> = Vec::new();
        for row in &encoded {
            let tokens: Vec<(u32, bool)> =
                row.ids.iter().copied().zip(row.labels.iter().copied()).collect();
            let runs = tokens.chunk_by(|a, b| a.1 == b.1).filter(|run| run[0].1);
            turns.extend(runs.map(|run| run.iter().map(|(id, _)| *id).collect()));
        }
        let said = example.messages.iter().filter(|message| message.role == Role::Assistant);
        for (turn, message) in turns.iter().zip(said).filter(|(_, m)| !m.tool_calls.is_empty()) {
            let (end, tokens) = turn.split_last().unwrap();
            let text = codec.tokenizer().decode(tokens);
            let calls: Vec<FunctionCall> =
                message.tool_calls.iter().map(|call| call.function.clone()).collect();
            let right = match codec.template().tool_format() {
                ToolFormat::Own(form) => form.read(&text).as_ref() == Some(&calls),
                ToolFormat::Hermes => {
                    let calls: Vec<String> = calls.iter().map(hermes::call_text).collect();
                    text.ends_with(&calls.join("\n"))
                }
            };
            if right && codec.tokenizer().is_stop(*end) {
                read += 1;
            } else {
                wrong.push(format!("{}: trained as {text:?}", case.name));
            }
        }
    }
    (read, wrong)
}

/// What stands around the first place where two sequences differ.
fn first_difference<T: PartialEq + Clone>(ours: &[T], theirs: &[T]) -> Option<(Vec<T>, Vec<T>)> {
    let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
    let around = |all: &[T]| {
        all[same.saturating_sub(30).min(all.len())..(same + 30).min(all.len())].to_vec()
    };
    (ours != theirs).then(|| (around(ours), around(theirs)))
}

#[test]
fn templates_give_the_text_transformers_gave() {
    let text = std::fs::read_to_string(folder().join("rendered.json")).unwrap();
    let expected: Expected = serde_json::from_str(&text).unwrap();
    assert!(expected.len() >= 4);
    for (name, expected) in &expected {
        let template = bare(&folder().join(format!("{name}.jinja")));
        let result = compare(&template, None, expected);
        assert!(result.differences.is_empty(), "{name}: {}", result.differences.join("\n"));
        assert!(result.compared >= 36 && result.refused < result.compared / 2, "{name}");
        let native = !["constructs", "gemma3"].contains(&name.as_str());
        assert_eq!(template.has_native_tools(), native, "{name}");
        assert_eq!(result.trained == result.compared, native, "{name}");
    }
}

/// Templates and tokenizers of models by name.
fn models() -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut add = |path: PathBuf| {
        found.insert(path.file_stem().unwrap().to_string_lossy().into_owned(), path);
    };
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    for path in entries(&folder()) {
        if path.extension().is_some_and(|end| end == "jinja") {
            add(path);
        }
    }
    if let Ok(places) = hone::model::Places::from_environment() {
        for path in entries(&places.models.join("smollm2-135m")) {
            if path.extension().is_some_and(|end| end == "gguf") {
                add(path);
            }
        }
    }
    if let Some(folder) = std::env::var_os("HONE_CHAT_TEMPLATES") {
        entries(Path::new(&folder)).into_iter().for_each(add);
    }
    found
}

#[test]
fn real_templates_and_tokenizers_give_what_transformers_gives_now() {
    let python = std::env::var("HONE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let models = models();
    let mut command = Command::new(&python);
    command.arg(folder().join("render.py")).env("HF_HUB_OFFLINE", "1");
    command.args(models.iter().map(|(name, path)| format!("{name}={}", path.display())));
    let expected: Expected = match command.output() {
        Ok(output) if output.status.success() => {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice(&output.stdout).unwrap()
        }
        _ => {
            eprintln!("skipped: {python} has no transformers (HONE_PYTHON names one that has)");
            return;
        }
    };
    let mut wrong = Vec::new();
    let (mut native, mut trained) = (0, 0);
    for (name, path) in models {
        let Some(expected) = expected.get(&name) else {
            continue;
        };
        let opened = if path.is_dir() {
            let template = ChatTemplate::from_folder(&path);
            template.and_then(|template| {
                Ok((template, Some(Tokenizer::from_file(&path.join("tokenizer.json"))?)))
            })
        } else if path.extension().is_some_and(|end| end == "gguf") {
            GgufFile::open(&path).and_then(|file| {
                Ok((ChatTemplate::from_gguf(&file)?, Some(Tokenizer::from_gguf(&file)?)))
            })
        } else {
            let source = std::fs::read_to_string(&path).unwrap();
            ChatTemplate::new(&source, None, "<s>", "</s>").map(|template| (template, None))
        };
        let (template, tokenizer) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                wrong.push(format!("{name}: {failure}"));
                continue;
            }
        };
        let result = compare(&template, tokenizer.as_ref(), expected);
        if template.has_native_tools() {
            native += 1;
            trained += result.trained;
        }
        let form = if template.has_native_tools() {
            format!("calls as {}", template.tool_format()).replace('\n', "\\n")
        } else {
            "no tools of its own".to_owned()
        };
        eprintln!(
            "{name}: {form}: {} conversations, {} trained as they are{}, {} refused by the template, \
             {} differ",
            result.compared,
            result.trained,
            if tokenizer.is_some() { " with token ids" } else { "" },
            result.refused,
            result.differences.len()
        );
        if let Some(tokenizer) = tokenizer {
            let (read, unread) = calls_read_back(&Codec::new(tokenizer, template));
            eprintln!("{name}: {read} turns with calls read back from their trained tokens");
            wrong.extend(unread.iter().map(|what| format!("{name}: {what}")));
        }
        wrong.extend(result.differences.iter().map(|what| format!("{name}: {what}")));
    }
    eprintln!(
        "{native} templates have tools of their own: {trained} conversations are trained as they are"
    );
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
