//! The arguments of a tool's call as lines that a person fills in, by the tool's JSON Schema.

use serde_json::{Map, Value};

/// One parameter of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What may stand there; `any` where the schema does not say.
    pub kind: ParameterKind,
    /// Whether a call must have it.
    pub required: bool,
    /// What it is for.
    pub description: String,
    /// The only values there are; empty for any.
    pub choices: Vec<Value>,
}

/// How the text of a parameter is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// Text as typed.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Anything else, typed as JSON.
    Json,
}

impl ParameterKind {
    /// The JSON Schema name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Json => "json",
        }
    }
}

/// The parameters of a tool in the order of its schema, required ones first.
pub fn parameters(schema: &Value) -> Vec<Parameter> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut found: Vec<Parameter> = properties
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let choices = property.get("enum").and_then(Value::as_array);
            let mut choices = choices.cloned().unwrap_or_default();
            let kind = match property.get("type").and_then(Value::as_str) {
                Some("string") => ParameterKind::Text,
                Some("number") => ParameterKind::Number,
                Some("integer") => ParameterKind::Integer,
                Some("boolean") => ParameterKind::Boolean,
                None if choices.iter().all(Value::is_string) && !choices.is_empty() => {
                    ParameterKind::Text
                }
                _ => ParameterKind::Json,
            };
            if kind == ParameterKind::Boolean && choices.is_empty() {
                choices = vec![Value::Bool(true), Value::Bool(false)];
            }
            let description = property.get("description").and_then(Value::as_str);
            Parameter {
                name: name.clone(),
                kind,
                required: required.contains(&name.as_str()),
                description: description.unwrap_or_default().to_owned(),
                choices,
            }
        })
        .collect();
    found.sort_by_key(|parameter| !parameter.required);
    found
}

impl Parameter {
    /// Reads what was typed. None for an empty line, which leaves the parameter out. What is no
    /// value of its type comes back as text, for the schema to complain about.
    pub fn read(&self, typed: &str) -> Option<Value> {
        let typed = typed.trim();
        if typed.is_empty() {
            return None;
        }
        let text = || Value::from(typed);
        let json = || serde_json::from_str::<Value>(typed).ok();
        Some(match self.kind {
            ParameterKind::Text => text(),
            ParameterKind::Number => json().filter(Value::is_number).unwrap_or_else(text),
            ParameterKind::Integer => {
                json().filter(|value| value.is_i64() || value.is_u64()).unwrap_or_else(text)
            }
            ParameterKind::Boolean => json().filter(Value::is_boolean).unwrap_or_else(text),
            ParameterKind::Json => json().unwrap_or_else(text),
        })
    }

    /// A value as it is typed.
    pub fn show(&self, value: &Value) -> String {
        match (self.kind, value) {
            (ParameterKind::Json, value) => value.to_string(),
            (_, Value::String(text)) => text.clone(),
            (_, value) => value.to_string(),
        }
    }
}

/// The arguments that the typed lines make.
pub fn arguments<'a>(
    parameters: impl IntoIterator<Item = (&'a Parameter, &'a str)>,
) -> Map<String, Value> {
    let read = |(parameter, typed): (&Parameter, &str)| {
        parameter.read(typed).map(|value| (parameter.name.clone(), value))
    };
    parameters.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn typed_lines_become_arguments_of_the_right_types() {
        let schema = json!({
            "type": "object",
            "properties": {
                "unit": {"enum": ["mm", "m"]},
                "load": {"type": "number", "description": "kN/m²"},
                "floor": {"type": "integer"},
                "roof": {"type": "boolean"},
                "spans": {"type": "array", "items": {"type": "number"}},
                "note": {"type": "string"},
            },
            "required": ["load", "spans"],
        });
        let parameters = parameters(&schema);
        let names: Vec<_> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(names, ["load", "spans", "unit", "floor", "roof", "note"]);
        assert_eq!(parameters[4].choices, [json!(true), json!(false)]);
        let typed = ["2.5", "[6, 4.5]", "mm", "3", "true", " 30 "];
        let made = arguments(parameters.iter().zip(typed));
        let expected = json!({
            "load": 2.5, "spans": [6, 4.5], "unit": "mm", "floor": 3, "roof": true, "note": "30",
        });
        assert_eq!(Value::Object(made.clone()), expected);
        for parameter in &parameters {
            let value = &made[&parameter.name];
            assert_eq!(parameter.read(&parameter.show(value)).as_ref(), Some(value));
        }
        let wrong = arguments(parameters.iter().zip(["two", "", "", "1.5", "", ""]));
        assert_eq!(Value::Object(wrong), json!({"load": "two", "floor": "1.5"}));
    }

    #[test]
    fn a_schema_without_properties_has_no_lines() {
        for schema in [json!({}), json!(null), json!({"type": "object", "required": "x"})] {
            assert!(parameters(&schema).is_empty());
        }
    }
}
