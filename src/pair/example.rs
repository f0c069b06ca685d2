//! The canonical training example: OpenAI-style `messages` and `tools`.
//!
//! Differences from OpenAI's wire format, both deliberate: `arguments` is always an object (a JSON
//! string would be trained double-encoded by most chat templates), and `content` is always a
//! string (`""` beside calls; `null` breaks many templates).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text::Span;

/// One training conversation with the tools offered in it and where it came from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Example {
    /// The turns, oldest first.
    pub messages: Vec<Message>,
    /// Tools offered to the model; empty for plain conversation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Source, author and review state; never shown to the model.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

impl Example {
    /// What is asked: the last user turn's text, `""` when there is none.
    pub fn question(&self) -> &str {
        self.last_text(Role::User)
    }

    /// What the model should say: the last assistant turn's text, `""` when there is none.
    pub fn answer(&self) -> &str {
        self.last_text(Role::Assistant)
    }

    /// The standing instructions; empty for none.
    pub fn system(&self) -> &str {
        let first = self.messages.first().filter(|message| message.role == Role::System);
        first.map_or("", |message| &message.content)
    }

    /// Sets the standing instructions; an empty text takes them away.
    pub fn set_system(&mut self, text: &str) {
        if self.messages.first().is_some_and(|message| message.role == Role::System) {
            self.messages.remove(0);
        }
        if !text.is_empty() {
            self.messages.insert(0, Message::text(Role::System, text));
        }
    }

    /// The answer as text: what is said, or one JSON object a line for each call.
    pub fn answer_text(&self) -> String {
        let turn = self.messages.iter().rfind(|message| message.role == Role::Assistant);
        turn.map(Message::text_or_calls).unwrap_or_default()
    }

    /// All calls the assistant makes, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.messages.iter().flat_map(|message| &message.tool_calls)
    }

    /// Tells whether tools are offered or called.
    pub fn is_about_tools(&self) -> bool {
        !self.tools.is_empty() || self.calls().next().is_some()
    }

    /// The language of the conversation: as recorded, else Korean if any Hangul stands in it.
    pub fn language(&self) -> Language {
        self.meta.language.unwrap_or_else(|| {
            let hangul = |c: char| ('\u{ac00}'..='\u{d7a3}').contains(&c);
            if self.messages.iter().any(|message| message.content.contains(hangul)) {
                Language::Korean
            } else {
                Language::English
            }
        })
    }

    fn last_text(&self, role: Role) -> &str {
        let mut turns = self.messages.iter().rev();
        turns.find(|message| message.role == role).map_or("", |message| &message.content)
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Standing instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// The role's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; `""` beside tool calls.
    pub content: String,
    /// Calls the assistant makes in this turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// For a tool's turn: the call it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// For a tool's turn: the tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Message {
    /// A turn of plain text.
    pub fn text(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
        }
    }

    /// What is said, or one JSON object a line for each call.
    pub fn text_or_calls(&self) -> String {
        if self.tool_calls.is_empty() {
            return self.content.clone();
        }
        let calls = self.tool_calls.iter().map(|call| {
            let mut object = Map::new();
            object.insert("name".to_owned(), Value::from(call.function.name.clone()));
            let arguments = call.function.arguments.clone();
            object.insert("arguments".to_owned(), Value::Object(arguments));
            Value::Object(object).to_string()
        });
        calls.collect::<Vec<_>>().join("\n")
    }

    /// An assistant's turn that makes calls and says nothing.
    pub fn calls(tool_calls: Vec<ToolCall>) -> Self {
        Self { tool_calls, ..Self::text(Role::Assistant, "") }
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Identifier unique in the conversation, `call_1` and so on.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type", default = "function_kind")]
    pub kind: String,
    /// What is called.
    pub function: FunctionCall,
}

impl ToolCall {
    /// Makes a function call.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        arguments: Map<String, Value>,
    ) -> Self {
        Self {
            id: id.into(),
            kind: function_kind(),
            function: FunctionCall { name: name.into(), arguments },
        }
    }
}

/// Name and arguments of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The tool's name.
    pub name: String,
    /// Arguments by parameter name; always an object.
    pub arguments: Map<String, Value>,
}

/// A tool offered to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Always `function`.
    #[serde(rename = "type", default = "function_kind")]
    pub kind: String,
    /// The definition.
    pub function: FunctionDefinition,
}

impl Tool {
    /// A tool that takes no arguments.
    pub fn named(name: impl Into<String>) -> Self {
        let parameters = serde_json::json!({"type": "object", "properties": {}});
        let function =
            FunctionDefinition { name: name.into(), description: String::new(), parameters };
        Self { kind: function_kind(), function }
    }
}

/// Name, description and parameter schema of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionDefinition {
    /// The name calls use.
    pub name: String,
    /// What it does, for the model.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the arguments object.
    #[serde(default)]
    pub parameters: Value,
}

fn function_kind() -> String {
    "function".to_owned()
}

/// Language of an example's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    /// Korean.
    #[serde(rename = "ko")]
    Korean,
    /// English.
    #[serde(rename = "en")]
    English,
}

impl Language {
    /// The ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Korean => "ko",
            Self::English => "en",
        }
    }
}

impl std::str::FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ko" => Ok(Self::Korean),
            "en" => Ok(Self::English),
            _ => Err("the languages are `ko` and `en`".to_owned()),
        }
    }
}

/// How far a person has judged an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReviewState {
    /// Proposed by a model or imported unreviewed; never trained on.
    #[default]
    Draft,
    /// A person stands behind it; trained on.
    Accepted,
    /// A person refused it; kept for the record.
    Rejected,
}

/// Where an example came from and what was decided about it. Unknown keys survive in `other`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Meta {
    /// Identifier given by whoever made the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Language of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// File name of the source document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Page number in the document, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Where on the page the quote stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// Verbatim text of the source that supports the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Person or model that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Review state; absent means the importer decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ReviewState>,
    /// How good a person found it, 1 (poor) to 5. Other people's figures that are no such score
    /// are left out.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "score")]
    pub score: Option<u8>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Everything else found under `meta`, kept as it was.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Meta {
    /// Tells whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn score<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u8>, D::Error> {
    let score = Value::deserialize(from)?.as_f64().map(f64::round);
    Ok(score.filter(|score| (1.0..=5.0).contains(score)).map(|score| score as u8))
}
