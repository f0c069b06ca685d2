//! Random walks over masks: each reaches an end, and what it reached is JSON by the schema.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::tests::{END, tool, vocabulary};
use super::*;

/// Schemas of what a grammar follows, nested.
fn schemas() -> impl Strategy<Value = Value> {
    let scalars = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "integer"})),
        Just(json!({"type": "number"})),
        Just(json!({"type": ["boolean", "null"]})),
        Just(json!({"enum": ["서울", "서산", "a\"\\b", 3, null, 1.5]})),
        Just(json!({"const": "부산\n"})),
        Just(json!({"type": "object"})),
        Just(json!({"$ref": "#/$defs/place"})),
        Just(json!({})),
    ];
    scalars.prop_recursive(3, 24, 4, |inner| {
        let names = prop::sample::subsequence(vec!["a", "ab", "도시", "with \"quote\"", "z"], 0..5);
        let object = (names, prop::collection::vec((inner.clone(), any::<bool>()), 5), 0..3u8)
            .prop_map(|(names, parts, others)| {
                let mut properties = Map::new();
                let mut required = Vec::new();
                for (name, (schema, must)) in names.into_iter().zip(parts) {
                    properties.insert(name.to_owned(), schema);
                    // Among names of any kind a walk hits on short ones only.
                    let is_met = others < 2 || name.len() == 1;
                    required.extend((must && is_met).then_some(name));
                }
                let mut schema = json!({"type": "object", "properties": properties, "required": required});
                match others {
                    0 => {}
                    1 => schema["additionalProperties"] = json!(false),
                    _ => schema["additionalProperties"] = json!({"type": "integer"}),
                }
                schema
            });
        prop_oneof![
            3 => object,
            1 => (inner.clone(), 0..3u32, 0..3u32).prop_map(|(items, least, more)| {
                json!({"type": "array", "items": items, "minItems": least, "maxItems": least + more})
            }),
            1 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| json!({"anyOf": parts})),
            1 => inner.prop_map(|part| json!({"oneOf": [part, false]})),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_walk_can_end_and_ends_in_calls_by_the_schema(
        schema in schemas(), seed in any::<u64>(), required in any::<bool>(), wander in 0..60usize
    ) {
        let schema = json!({"type": "object", "properties": {"x": schema, "y": {"type": "string"}},
            "required": ["x"], "$defs": {"place": {"type": "string", "enum": ["집", "들"]}}});
        let vocabulary = vocabulary();
        let tools = [tool("f", &schema), tool("다른", &json!({"type": "object", "properties": {}}))];
        let mut masks = Masks::new(Grammar::of_tools(&tools, required), vocabulary.clone());
        let mut state = masks.start();
        let mut text: Vec<u8> = Vec::new();
        if !required {
            text.extend(b"<tool_call>");
            state = masks.take_bytes(state, &text).unwrap();
        }
        let mut random = seed;
        let mut draw = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % below
        };
        let mut steps = 0;
        loop {
            let mask = masks.allowed(state);
            let ids: Vec<u32> = (0..vocabulary.size() as u32)
                .filter(|id| mask[*id as usize / 64] >> (id % 64) & 1 == 1)
                .collect();
            prop_assert!(!ids.is_empty(), "dead end behind {}", String::from_utf8_lossy(&text));
            if steps >= wander && ids.contains(&END) {
                break;
            }
            // First anywhere, then mostly to what closes.
            let closing: Vec<u32> = ids.iter().copied()
                .filter(|id| matches!(vocabulary.bytes(*id), [b'"' | b'}' | b']' | b'0' | b'<' | b'a' | b'z']))
                .collect();
            let from = if steps < wander || closing.is_empty() || draw(4) == 0 { &ids } else { &closing };
            let id = from[draw(from.len())];
            if id != END {
                text.extend(vocabulary.bytes(id));
                state = masks.take(state, id).unwrap();
            }
            steps += 1;
            prop_assert!(steps < 20_000, "no end: {}", String::from_utf8_lossy(&text));
        }
        let text = String::from_utf8(text).unwrap();
        let calls = read(&text);
        prop_assert!(calls.as_ref().is_some_and(|calls| !calls.is_empty()), "no calls: {text}");
        let validator = jsonschema::validator_for(&schema).unwrap();
        for (name, arguments) in calls.unwrap() {
            let fits = if name == "f" { validator.is_valid(&arguments) } else { arguments == json!({}) };
            prop_assert!(name == "f" || name == "다른");
            prop_assert!(fits, "{schema} does not take {arguments}");
        }
    }
}

/// The calls of a text that is nothing else.
fn read(text: &str) -> Option<Vec<(String, Value)>> {
    let parts = text.strip_prefix("<tool_call>\n")?.strip_suffix("\n</tool_call>")?;
    let call = |part: &str| {
        let value: Value = serde_json::from_str(part).ok()?;
        Some((value["name"].as_str()?.to_owned(), value["arguments"].clone()))
    };
    parts.split("\n</tool_call>\n<tool_call>\n").map(call).collect()
}
