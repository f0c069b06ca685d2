//! Cases whose arguments are source text of Java or JavaScript, as BFCL has them: the schemas name the
//! language's types, and each argument is a text of the language.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Case, ExpectedCall};
use crate::evaluate::calls::{Dispatch, Expectation, Language};
use crate::pair::example::Tool;

/// What a case's tools declare in the types of another language. The tools that are offered ask for
/// texts instead ([`offered`]), since a call is JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The language.
    pub language: Language,
    /// The tools as they were declared.
    pub declared: Vec<Tool>,
}

impl Case {
    /// The calls expected, ready to be compared with replies.
    pub fn expectation(&self, expected: &[ExpectedCall]) -> Expectation {
        let (language, tools) = match &self.written {
            Some(written) => (Some(written.language), &written.declared),
            None => (None, &self.tools),
        };
        Expectation::written_in(language, expected, tools, Dispatch::Parallel)
    }
}

/// The tools as a model is offered them: every argument a text, with the type it is written in told in
/// its description.
pub fn offered(language: Language, declared: &[Tool]) -> Vec<Tool> {
    let name = language.name();
    let offer = |tool: &Tool| {
        let mut tool = tool.clone();
        let told = tool.function.description.trim_end();
        let told = format!("{told} Arguments are {name} source text.");
        told.trim_start().clone_into(&mut tool.function.description);
        let mut schema = match &tool.function.parameters {
            Value::Object(schema) => schema.clone(),
            _ => Map::new(),
        };
        schema.insert("type".to_owned(), json!("object"));
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            for property in properties.values_mut() {
                *property = text_of(name, property);
            }
        }
        tool.function.parameters = Value::Object(schema);
        tool
    };
    declared.iter().map(offer).collect()
}

/// A property as a text that holds a value of its type.
fn text_of(language: &str, property: &Value) -> Value {
    let kind = |value: &Value| value.get("type").and_then(Value::as_str).map(str::to_owned);
    let told = property.get("description").and_then(Value::as_str).unwrap_or_default();
    let mut told = told.trim_end().to_owned();
    match kind(property).as_deref() {
        None | Some("any") => {
            let _ = write!(told, " {language} source text of any type.");
        }
        Some(name) => {
            let _ = write!(told, " {language} source text of type {name}");
            if let Some(items) = property.get("items").and_then(kind) {
                let _ = write!(told, " of {items}");
            }
            told.push('.');
        }
    }
    json!({"type": "string", "description": told.trim_start()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_ask_for_texts_and_tell_the_types() {
        let tool: Tool = serde_json::from_value(json!({"function": {
            "name": "Sorter.sort", "description": "Sorts.",
            "parameters": {"type": "dict", "required": ["rows"], "properties": {
                "rows": {"type": "ArrayList", "description": "The rows.", "items": {"type": "integer"}},
                "by": {"type": "any", "description": "The key."},
                "deep": {"type": "boolean"}
            }}
        }}))
        .unwrap();
        let offered = offered(Language::Java, &[tool]);
        assert_eq!(offered[0].function.description, "Sorts. Arguments are Java source text.");
        assert_eq!(
            offered[0].function.parameters,
            json!({"type": "object", "required": ["rows"], "properties": {
                "rows": {"type": "string",
                    "description": "The rows. Java source text of type ArrayList of integer."},
                "by": {"type": "string", "description": "The key. Java source text of any type."},
                "deep": {"type": "string", "description": "Java source text of type boolean."}
            }})
        );
    }
}
