//! What models say is scored whatever it is: no panic, no endless work, and JSON that serde_json
//! takes is read to the same value.

#![no_main]

use std::sync::LazyLock;

use hone_fuzz::evaluate::calls::{Rules, read_json};
use hone_fuzz::evaluate::parse;
use hone_fuzz::evaluate::recorded::{Cases, Decoder, Row, parse_case};
use libfuzzer_sys::fuzz_target;

static CASES: LazyLock<Cases> = LazyLock::new(|| {
    let mut cases = Cases::default();
    for line in [
        r#"{"id":"parallel_1","functions":[{"name":"f","parameters":{"type":"dict","properties":{"x":{"type":"integer"},"s":{"type":"string"},"l":{"type":"array","items":{"type":"float"}},"d":{"type":"dict"},"m":{"type":"array","items":{"type":"dict"}}},"required":["x"]}}],"ground_truth":[{"f":{"x":[1],"s":["서울",""],"l":[[1.0],""],"d":[{"k":["a",""]},""],"m":[[{"k":[1]}],""]}},{"f":{"x":[2]}}]}"#,
        r#"{"id":"irrelevance_1","functions":[],"ground_truth":null}"#,
        r#"{"id":"live_relevance_1","functions":[],"ground_truth":null}"#,
    ] {
        cases.insert(parse_case(line).expect("a case")).expect("a new id");
    }
    cases
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for id in ["parallel_1", "irrelevance_1", "live_relevance_1"] {
        for dec in [Decoder::QwenFc, Decoder::BfclJson, Decoder::Strict, Decoder::Lenient] {
            let row = Row { id: id.into(), dec, raw: text.into() };
            for rules in [Rules::Bfcl, Rules::Hone] {
                let verdict = CASES.score(&row, rules).expect("a known case");
                assert_eq!(verdict.valid, verdict.error.is_none());
            }
        }
    }
    let _ = parse_case(text);
    let _ = parse::is_call_attempt(text);
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(text)
        && let Some((read, strict)) = read_json(text)
    {
        assert!(strict, "beyond RFC 8259");
        // Numbers beyond 64 bits become texts or floats on one side only.
        if !text.bytes().any(|byte| byte.is_ascii_digit()) {
            assert_eq!(serde_json::Value::from(&read), value);
        }
    }
});
