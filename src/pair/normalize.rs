//! Unicode NFC at the entrance: decomposed Hangul (from PDF files and macOS) looks right and
//! compares, tokenizes and deletes wrong.

use serde_json::{Map, Value};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use super::Example;

/// Brings every text of an example to NFC: turns, calls, tools and meta.
pub fn normalize(example: &mut Example) {
    for message in &mut example.messages {
        text(&mut message.content);
        optional(&mut message.tool_call_id);
        optional(&mut message.name);
        for call in &mut message.tool_calls {
            text(&mut call.id);
            text(&mut call.function.name);
            map(&mut call.function.arguments);
        }
    }
    for tool in &mut example.tools {
        text(&mut tool.function.name);
        text(&mut tool.function.description);
        value(&mut tool.function.parameters);
    }
    let meta = &mut example.meta;
    for part in [&mut meta.id, &mut meta.document, &mut meta.quote, &mut meta.author] {
        optional(part);
    }
    meta.tags.iter_mut().for_each(text);
    map(&mut meta.other);
}

/// Brings one text to NFC; costs one scan when it already is.
pub fn text(text: &mut String) {
    if is_nfc_quick(text.chars()) != IsNormalized::Yes {
        *text = text.nfc().collect();
    }
}

fn optional(part: &mut Option<String>) {
    part.iter_mut().for_each(text);
}

fn value(json: &mut Value) {
    match json {
        Value::String(string) => text(string),
        Value::Array(items) => items.iter_mut().for_each(value),
        Value::Object(members) => map(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn map(members: &mut Map<String, Value>) {
    members.values_mut().for_each(value);
    if members.keys().any(|key| is_nfc_quick(key.chars()) != IsNormalized::Yes) {
        *members = std::mem::take(members)
            .into_iter()
            .map(|(key, member)| (key.nfc().collect(), member))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decomposed_hangul_is_composed_everywhere() {
        let composed = r#"{"messages":[{"role":"user","content":"벽체"},
            {"role":"assistant","content":"","tool_calls":[{"id":"가","type":"function",
             "function":{"name":"조회","arguments":{"지역":["울릉도",{"층":"지하"}]}}}]}],
            "tools":[{"type":"function","function":{"name":"조회","description":"찾기",
             "parameters":{"properties":{"지역":{"type":"string"}}}}}],
            "meta":{"document":"기준.pdf","quote":"두께","tags":["구조"],"출처":"국토부"}}"#;
        let decomposed: String = composed.nfd().collect();
        assert_ne!(composed, decomposed);
        let mut example: Example = serde_json::from_str(&decomposed).unwrap();
        normalize(&mut example);
        assert_eq!(example, serde_json::from_str(composed).unwrap());
    }
}
