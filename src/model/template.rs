//! Chat templates: how a conversation becomes one text.
//!
//! Templates are Jinja as `transformers` runs it (`utils/chat_template_utils.py`). A template that
//! writes tools, calls and results itself is left to do so in its own form, whatever that is
//! ([`ToolFormat`]). Where a template does not know tools, this program writes them into the
//! conversation, in the form of [`hermes`].

mod environment;
mod forms;
pub mod hermes;
mod ids;
mod probe;

use std::path::Path;

pub use forms::{CallForm, ToolFormat, has_mark, named, named_by};

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde_json::Map;

use crate::failure::{Context, Failure, Result};
use crate::model::gguf::GgufFile;
use crate::pair::{Message, Tool};

/// A template ready to render conversations.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    /// Whether a separate template for conversations with tools was given.
    separate_tools: bool,
    /// The template's own way with tools, if it has one.
    native: Option<probe::Native>,
    beginning: String,
    ending: String,
}

const MAIN: &str = "chat template";
const WITH_TOOLS: &str = "chat template with tools";

impl ChatTemplate {
    /// Compiles a template. `with_tools` is a second one for conversations with tools, where a
    /// model has two; `beginning` and `ending` are the spellings of the tokens that open and end
    /// a text.
    ///
    /// # Errors
    /// Gives the line of a syntax error.
    pub fn new(
        source: &str,
        with_tools: Option<&str>,
        beginning: &str,
        ending: &str,
    ) -> Result<Self> {
        let mut environment = environment::python_like();
        let mut add = |name: &'static str, source: &str| {
            environment
                .add_template_owned(name, environment::prepared(source))
                .map_err(|error| Failure::user(describe(name, &error)))
        };
        add(MAIN, source)?;
        if let Some(with_tools) = with_tools {
            add(WITH_TOOLS, with_tools)?;
        }
        let mut template = Self {
            environment,
            source: source.to_owned(),
            separate_tools: with_tools.is_some(),
            native: None,
            beginning: beginning.to_owned(),
            ending: ending.to_owned(),
        };
        template.native = probe::native(&template);
        Ok(template)
    }

    /// Reads the template of a Hugging Face folder: `chat_template.jinja`, or the key
    /// `chat_template` of `tokenizer_config.json` (text, or a list of named templates).
    ///
    /// # Errors
    /// Names the file that is malformed; says so when there is no template.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer_config.json");
        let settings: serde_json::Value = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).because(path.display())?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new().into(),
            Err(error) => return Err(Failure::user(format!("{}: {error}", path.display()))),
        };
        let token = |key: &str| {
            let value = settings.get(key);
            let text = value.and_then(|value| value.get("content").or(Some(value)));
            text.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
        };
        let file = std::fs::read_to_string(folder.join("chat_template.jinja")).ok();
        let stored = settings.get("chat_template");
        let named = |name: &str| {
            let list = stored?.as_array()?;
            let entry = list.iter().find(|entry| entry.get("name").is_some_and(|n| n == name))?;
            entry.get("template")?.as_str()
        };
        let main = file
            .as_deref()
            .or_else(|| stored.and_then(serde_json::Value::as_str))
            .or_else(|| named("default"))
            .ok_or_else(|| no_template(&folder.display().to_string()))?;
        Self::new(main, named("tool_use"), &token("bos_token"), &token("eos_token"))
            .map_err(|failure| failure.context(folder.display()))
    }

    /// Reads the template in a GGUF file's metadata.
    ///
    /// # Errors
    /// Says so when the file has none or it is malformed.
    pub fn from_gguf(file: &GgufFile) -> Result<Self> {
        let source = file
            .text("tokenizer.chat_template")
            .ok_or_else(|| no_template(&file.path().display().to_string()))?;
        let token = |key: &str| {
            let id = file.number(&format!("tokenizer.ggml.{key}_token_id"))?;
            match file.array("tokenizer.ggml.tokens")?.get(usize::try_from(id).ok()?)? {
                candle_core::quantized::gguf_file::Value::String(text) => Some(text.as_str()),
                _ => None,
            }
        };
        let with_tools = file.text("tokenizer.chat_template.tool_use");
        let (beginning, ending) = (token("bos"), token("eos"));
        Self::new(source, with_tools, beginning.unwrap_or_default(), ending.unwrap_or_default())
            .map_err(|failure| failure.context(file.path().display()))
    }

    /// Writes a conversation as the model was trained to read it. `add_generation_prompt` opens
    /// the assistant's next turn.
    ///
    /// Where the template writes tools itself, this is what `apply_chat_template(messages, tools=tools)`
    /// of `transformers` gives, in the form of [`Self::tool_format`]; what such a template leaves out
    /// (Llama 3 and Mistral: text beside a call) is left out. Only call ids are changed, and only for
    /// templates that refuse others than Mistral's of nine letters and digits. Elsewhere tools, calls and
    /// results are given to the template as plain turns in Hermes' form.
    ///
    /// # Errors
    /// When the template refuses the conversation, with its own message: Llama 3's refuse several
    /// calls in a turn, Mistral's turns that do not alternate. It is never written in another form.
    pub fn render(
        &self,
        messages: &[Message],
        tools: &[Tool],
        add_generation_prompt: bool,
    ) -> Result<String> {
        let Some(native) = &self.native else {
            let messages = hermes::plain_turns(messages, tools);
            return self.render_as_given(&messages, &[], add_generation_prompt);
        };
        let rendered = if native.nine_letter_ids {
            let messages = ids::of_nine_letters(messages);
            self.render_as_given(&messages, tools, add_generation_prompt)
        } else {
            self.render_as_given(messages, tools, add_generation_prompt)
        };
        let several = messages.iter().any(|message| message.tool_calls.len() > 1);
        rendered.map_err(|failure| {
            if native.format.is_single() && several {
                failure.hint("Give each call a turn of its own, followed by its result.")
            } else {
                failure
            }
        })
    }

    /// Whether the template itself writes tools, calls and results. If not, this program does.
    pub fn has_native_tools(&self) -> bool {
        self.native.is_some()
    }

    /// The form in which calls are written.
    pub fn tool_format(&self) -> &ToolFormat {
        self.native.as_ref().map_or(&ToolFormat::Hermes, |native| &native.format)
    }

    /// Spelling of the token that opens a text; empty if the model names none.
    pub fn beginning(&self) -> &str {
        &self.beginning
    }

    /// Spelling of the token that ends a text; empty if the model names none.
    pub fn ending(&self) -> &str {
        &self.ending
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Runs the template on just these turns and tools: what `apply_chat_template` of `transformers`
    /// gives. [`render`](Self::render) gives this too, of other call ids where the template wants
    /// Mistral's, and of [`hermes::plain_turns`] where it has no tools.
    ///
    /// # Errors
    /// When the template refuses the conversation, with its own message.
    pub fn render_as_given(
        &self,
        messages: &[Message],
        tools: &[Tool],
        add_generation_prompt: bool,
    ) -> Result<String> {
        let name = if self.separate_tools && !tools.is_empty() { WITH_TOOLS } else { MAIN };
        let tools = if tools.is_empty() { Value::from(()) } else { Value::from(Serde(tools)) };
        let variables = context! {
            messages => Value::from(Serde(messages)),
            tools => tools,
            add_generation_prompt => add_generation_prompt,
            // Templates of models that can think before they answer then open the answer behind an
            // empty thought, as they write the answers that are trained.
            enable_thinking => false,
            bos_token => self.beginning.as_str(),
            eos_token => self.ending.as_str(),
        };
        let rendered = self.environment.get_template(name).and_then(|t| t.render(variables));
        rendered.map_err(|error| {
            Failure::user(describe(name, &error))
                .hint("The model's template does not accept this order or kind of turns.")
        })
    }
}

fn no_template(place: &str) -> Failure {
    Failure::user(format!("{place}: the model has no chat template"))
        .hint("Choose an instruction-tuned model (its name often ends in -Instruct).")
}

/// Message, line and innermost cause of a template error.
fn describe(name: &str, error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let reason = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    format!("{name}{line}: {reason}")
}

#[cfg(test)]
mod native_tests;
#[cfg(test)]
mod tests;
