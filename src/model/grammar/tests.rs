use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::model::tokenizer::Tokenizer;
use crate::model::toy;
use crate::pair::Tool;

pub(super) const END: u32 = 256;

pub(super) fn tool(name: &str, parameters: &Value) -> Tool {
    let function = json!({"name": name, "parameters": parameters});
    serde_json::from_value(json!({"type": "function", "function": function})).unwrap()
}

/// All bytes, an end, and tokens across the borders of what a grammar tells apart: Korean characters cut in the
/// middle, ends of strings with what follows, the mark of a call.
pub(super) fn vocabulary() -> Arc<Vocabulary> {
    let mut bytes: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
    bytes.push(Vec::new());
    let busan = "부산".as_bytes();
    for text in [
        "<tool_call>",
        "</tool_call>",
        "\": \"",
        "\", \"",
        "\"}}\n",
        "}}",
        "서울",
        " {\"",
        "[[",
        "12",
        "1.5",
        "\\\"",
    ] {
        bytes.push(text.as_bytes().to_vec());
    }
    bytes.extend([
        busan[..2].to_vec(),
        busan[1..4].to_vec(),
        busan[4..].to_vec(),
        b"true".to_vec(),
    ]);
    Arc::new(Vocabulary::from_bytes(bytes, vec![END]).unwrap())
}

fn masks(parameters: &Value) -> Masks {
    Masks::new(Grammar::of_tools(&[tool("f", parameters)], true), vocabulary())
}

/// Whether a call with these arguments, as text, may be the whole reply.
fn takes(parameters: &Value, arguments: &str) -> bool {
    let mut masks = masks(parameters);
    let call =
        format!("<tool_call>\n{{\"name\": \"f\", \"arguments\": {arguments}}}\n</tool_call>");
    let start = masks.start();
    let end = masks.take_bytes(start, call.as_bytes());
    end.is_some_and(|end| masks.may_end(end))
}

#[test]
fn arguments_follow_the_schema() {
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let required = |properties: Value, names: Value| json!({"type": "object", "properties": properties, "required": names});
    let one = |schema: Value| required(json!({"x": schema}), json!(["x"]));
    let defined = json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/place"}},
        "$defs": {"place": {"type": "string", "enum": ["집"]}}});
    let itself = json!({"type": "object", "properties": {"x": {"$ref": "#"}}});
    #[rustfmt::skip]
    let cases: &[(Value, &[&str], &[&str])] = &[
        (one(json!({"type": "string"})), &[r#"{"x": "가\n\"\u00e9😀"}"#, r#"{"x": "<</b> <\/tool_call>"}"#, r#"{"x":""}"#],
            &[r#"{"x": 1}"#, "{}", r#"{"x": "a"#, r#"{"x": "</tool_call>"}"#, r#"{"x": "\ud83d"}"#, r#"{"x": "\x"}"#, "{\"x\": \"a\nb\"}", r#"{"y": "a"}"#,
              r#"{"x": "a", "x": "b"}"#, r#"{"x" : "a"}"#]),
        (one(json!({"type": "integer"})), &[r#"{"x": 0}"#, r#"{"x": -12}"#],
            &[r#"{"x": 01}"#, r#"{"x": 1.0}"#, r#"{"x": -0}"#, r#"{"x": 1e3}"#, r#"{"x": "1"}"#, r#"{"x": -}"#]),
        (one(json!({"type": "number"})), &[r#"{"x": 0.25}"#, r#"{"x": -1.5e-10}"#, r#"{"x": 3}"#],
            &[r#"{"x": 1.}"#, r#"{"x": .5}"#, r#"{"x": 1e999}"#, r#"{"x": NaN}"#]),
        (one(json!({"type": ["boolean", "null"]})), &[r#"{"x": true}"#, r#"{"x": null}"#], &[r#"{"x": 0}"#]),
        (one(json!({"type": "string", "enum": ["서울", "서산", "a\"b", 3]})),
            &[r#"{"x": "서울"}"#, r#"{"x": "서산"}"#, r#"{"x": "a\"b"}"#], &[r#"{"x": "서"}"#, r#"{"x": 3}"#, r#"{"x": "부산"}"#]),
        (one(json!({"const": {"a": [1]}})), &[r#"{"x": {"a":[1]}}"#], &[r#"{"x": {}}"#]),
        (one(json!({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2})),
            &[r#"{"x": [1]}"#, r#"{"x": [1, 2]}"#, r#"{"x": [1,2]}"#],
            &[r#"{"x": []}"#, r#"{"x": [1, 2, 3]}"#, r#"{"x": [1,]}"#, r#"{"x": ["1"]}"#]),
        (one(json!({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"enum": ["a", "b"]}}]})),
            &[r#"{"x": 1}"#, r#"{"x": ["b", "a"]}"#], &[r#"{"x": "a"}"#, r#"{"x": ["c"]}"#]),
        (required(json!({"a": {"type": "integer"}, "b": {"type": "object", "properties": {"c": {}}}}), json!(["b"])),
            &[r#"{"b": {}, "a": 1}"#, r#"{"a": 1, "b": {"c": [{"z": null}]}}"#, r#"{"b": {}}"#],
            &[r#"{"a": 1}"#, r#"{"b": {"d": 1}}"#, r#"{"b": {}, }"#]),
        (json!({"type": "object", "properties": {"ab": {"type": "integer"}}, "additionalProperties": {"type": "string"}}),
            &[r#"{"ab": 1, "a": "x", "abc": "y", "나": ""}"#, "{}"], &[r#"{"ab": "x"}"#, r#"{"a": 1}"#, r#"{"\u0061b": "x"}"#]),
        (json!({"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            &[r#"{"a": 1}"#, r#"{"b": 1}"#, r#"{"a": 1, "b": 2}"#], &["{}"]),
        (json!({"allOf": [{"properties": {"a": {"type": "integer"}}}, {"required": ["a"]}]}), &[r#"{"a": 1}"#], &["{}", r#"{"a": ""}"#]),
        (defined, &[r#"{"x": "집"}"#, "{}"], &[r#"{"x": "들"}"#]),
        (itself, &[r#"{"x": {"x": {}}}"#, "{}"], &[r#"{"x": 1}"#, r#"{"x": {"x": 1}}"#, r#"{"y": 1}"#]),
        (object(json!({})), &["{}"], &[r#"{"a": 1}"#, "[]"]),
        // What is no schema, or cannot be followed, is any object.
        (Value::Null, &["{}", r#"{"a": [1, "b"]}"#], &["[]", "1", "{"]),
        (json!("?"), &["{}"], &["[]"]),
        (json!({"type": 7, "required": 3, "properties": "p", "enum": {}, "pattern": "["}), &[r#"{"a": 1}"#], &["1"]),
        (required(json!({"x": false}), json!(["x"])), &["{}"], &["3"]),
    ];
    for (schema, good, bad) in cases {
        for arguments in *good {
            assert!(takes(schema, arguments), "{schema} should take {arguments}");
        }
        for arguments in *bad {
            assert!(!takes(schema, arguments), "{schema} should not take {arguments}");
        }
    }
}

#[test]
fn text_is_free_until_a_call_begins_and_calls_follow_calls() {
    let tools =
        [tool("f", &json!({"type": "object", "properties": {}})), tool("지도", &Value::Null)];
    let mut masks = Masks::new(Grammar::of_tools(&tools, false), vocabulary());
    let f = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>";
    let map = "<tool_call>\n{\"name\": \"지도\", \"arguments\": {\"a\": 1}}\n</tool_call>";
    let mut ends = |text: &str| {
        let start = masks.start();
        let state = masks.take_bytes(start, text.as_bytes());
        state.map(|state| masks.may_end(state))
    };
    for text in [
        "",
        "안녕하세요.",
        "a <tool_cal",
        "<<tool>",
        f,
        map,
        &format!("\n\n{f}\n{map}"),
        &format!("네.\n{map}"),
    ] {
        assert_eq!(ends(text), Some(true), "{text}");
    }
    assert_eq!(ends("<tool_call>\n{\"name\": \"f\", \"argu"), Some(false));
    assert_eq!(ends("<<tool_call>\n{\"name\": \""), Some(false));
    for text in
        ["<tool_call>{", "<tool_call>\n{\"name\": \"g\"", &format!("{f} "), &format!("{f}\n\n")]
    {
        assert_eq!(ends(text), None, "{text}");
    }
    // Without tools nothing can be called, and nothing has to be.
    let mut masks = Masks::new(Grammar::of_tools(&[], true), vocabulary());
    let start = masks.start();
    assert!(masks.may_end(start) && masks.take_bytes(start, f.as_bytes()).is_some());
}

#[test]
fn masks_are_of_the_tokens_that_may_come() {
    let schema = json!({"type": "object", "properties": {"city": {"enum": ["서울", "부산"]}}, "required": ["city"]});
    let vocabulary = vocabulary();
    let mut masks =
        Masks::new(Grammar::of_tools(&[tool("f", &schema)], true), Arc::clone(&vocabulary));
    let start = masks.start();
    let texts = [
        "",
        "<tool_call>\n{\"name\": \"f\", \"arguments\": ",
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"",
    ];
    for text in texts {
        let state = masks.take_bytes(start, text.as_bytes()).unwrap();
        let mask = masks.allowed(state);
        for id in 0..vocabulary.size() as u32 {
            let allowed = mask[id as usize / 64] >> (id % 64) & 1 == 1;
            let taken = masks.take(state, id).is_some() || (id == END && masks.may_end(state));
            assert_eq!(
                allowed,
                taken,
                "{text} {:?}",
                String::from_utf8_lossy(vocabulary.bytes(id))
            );
        }
        assert!(Rc::ptr_eq(&mask, &masks.allowed(state)));
    }
    // Both cities begin with bytes of their own; 서울 whole, 부산 in three parts.
    let state = masks.take_bytes(start, texts[2].as_bytes()).unwrap();
    let pieces = |masks: &mut Masks, state| -> Vec<Vec<u8>> {
        let mask = masks.allowed(state);
        let all = (0..vocabulary.size() as u32)
            .filter(|id| mask[*id as usize / 64] >> (id % 64) & 1 == 1);
        all.map(|id| vocabulary.bytes(id).to_vec()).collect()
    };
    let busan = "부산".as_bytes();
    let expected =
        [vec![busan[0]], vec!["서".as_bytes()[0]], "서울".as_bytes().to_vec(), busan[..2].to_vec()];
    let mut found = pieces(&mut masks, state);
    let mut expected = expected.to_vec();
    found.sort();
    expected.sort();
    expected.dedup();
    assert_eq!(found, expected);
    let after = masks.take_bytes(state, &busan[..1]).unwrap();
    assert_eq!(pieces(&mut masks, after), [busan[1..2].to_vec(), busan[1..4].to_vec()]);
}

#[test]
fn tokenizers_of_bytes_are_read_and_others_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::from_file(&toy::tokenizer_file(folder.path())).unwrap();
    let vocabulary = Vocabulary::new(&tokenizer).unwrap();
    let ids = tokenizer.encode("값 \"<\n");
    let bytes: Vec<u8> = ids.iter().flat_map(|id| vocabulary.bytes(*id).to_vec()).collect();
    assert_eq!(bytes, "값 \"<\n".as_bytes());
    for id in tokenizer.stop_ids() {
        assert!(vocabulary.is_end(id) && vocabulary.bytes(id).is_empty());
    }
    let without = |lacking: &dyn Fn(u8) -> bool| {
        let all = (0..=255u8).map(|byte| if lacking(byte) { Vec::new() } else { vec![byte] });
        Vocabulary::from_bytes(all.collect(), vec![])
    };
    for (low, high, name) in [(b'{', b'{', "0x7B"), (0x80, 0x8f, "0x80")] {
        let failure = without(&|byte| (low..=high).contains(&byte)).unwrap_err();
        assert!(failure.message.contains(name), "{failure}");
    }
    // A rare character of a fixed text is escaped where its first byte is no token.
    let vocabulary = Arc::new(without(&|byte| byte >= 0xf0).unwrap());
    let schema = json!({"properties": {"x": {"enum": ["😀값"]}}});
    let mut masks = Masks::new(Grammar::of_tools(&[tool("f", &schema)], true), vocabulary);
    let start = masks.start();
    let mut takes = |value: &str| {
        let text =
            format!("<tool_call>\n{{\"name\": \"f\", \"arguments\": {{\"x\": \"{value}\"}}}}");
        masks.take_bytes(start, text.as_bytes()).is_some()
    };
    let escaped = "\\ud83d\\ude00\\uac12";
    assert!(takes(escaped) && !takes("😀값"));
    assert_eq!(serde_json::from_str::<String>(&format!("\"{escaped}\"")).unwrap(), "😀값");
}
