//! BFCL's own types as JSON Schema.

use serde_json::{Map, Value, json};

/// A schema with BFCL's types (`dict`, `float`, `tuple`, `any`) in JSON Schema's words. `any` is left
/// out, which takes everything. Only places where a schema stands are changed: a parameter may be
/// called `type` too.
pub(super) fn from_bfcl(schema: &Value) -> Value {
    let Value::Object(keys) = schema else { return schema.clone() };
    let mut out = Map::new();
    for (key, value) in keys {
        let value = match (key.as_str(), value) {
            ("type", Value::String(name)) => match standard(name) {
                Some(name) => json!(name),
                None => continue,
            },
            ("properties", Value::Object(properties)) => Value::Object(
                properties.iter().map(|(name, each)| (name.clone(), from_bfcl(each))).collect(),
            ),
            ("items" | "additionalProperties", each) => from_bfcl(each),
            ("anyOf" | "oneOf" | "allOf", Value::Array(each)) => {
                Value::Array(each.iter().map(from_bfcl).collect())
            }
            (_, value) => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    Value::Object(out)
}

fn standard(name: &str) -> Option<&str> {
    match name {
        "dict" => Some("object"),
        "float" | "double" => Some("number"),
        "tuple" | "list" => Some("array"),
        "bool" => Some("boolean"),
        "any" | "Any" => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_changed_where_a_schema_stands_and_nowhere_else() {
        let schema = json!({"type": "dict", "properties": {
            "type": {"type": "string", "enum": ["dict", "float"], "default": "float"},
            "size": {"type": "tuple", "items": {"type": "float"}},
            "more": {"type": "any", "description": "any"},
            "nested": {"type": "array", "items": {"type": "dict", "properties": {"x": {"type": "float"}}}}
        }, "required": ["type"]});
        assert_eq!(
            from_bfcl(&schema),
            json!({"type": "object", "properties": {
                "type": {"type": "string", "enum": ["dict", "float"], "default": "float"},
                "size": {"type": "array", "items": {"type": "number"}},
                "more": {"description": "any"},
                "nested": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "number"}}}}
            }, "required": ["type"]})
        );
    }
}
