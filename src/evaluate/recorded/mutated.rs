//! What models say is scored whatever it is: the target `outputs` of `fuzz/`, in small.

use crate::evaluate::calls::{Rules, read_json};
use crate::evaluate::parse;
use crate::evaluate::recorded::{Cases, Decoder, Row, parse_case};
use crate::text::mutants::Mutants;

#[test]
fn changed_outputs_are_scored_and_read_as_json_like_anyone_reads_them() {
    let mut cases = Cases::default();
    for line in [
        r#"{"id":"parallel_1","functions":[{"name":"f","parameters":{"type":"dict","properties":{"x":{"type":"integer"},"s":{"type":"string"},"l":{"type":"array","items":{"type":"float"}}},"required":["x"]}}],"ground_truth":[{"f":{"x":[1],"s":["서울",""],"l":[[1.0],""]}},{"f":{"x":[2]}}]}"#,
        r#"{"id":"irrelevance_1","functions":[],"ground_truth":null}"#,
        r#"{"id":"simple_java_1","functions":[{"name":"f","parameters":{"type":"dict","properties":{"x":{"type":"ArrayList","items":{"type":"integer"}},"s":{"type":"HashMap"}},"required":["x"]}}],"ground_truth":[{"f":{"x":[[1]],"s":[{"k":["a"]},""]}}]}"#,
        r#"{"id":"simple_javascript_1","functions":[{"name":"f","parameters":{"type":"dict","properties":{"x":{"type":"array","items":{"type":"integer"}},"s":{"type":"dict"}},"required":["x"]}}],"ground_truth":[{"f":{"x":[[1]],"s":[{"k":["a"]},""]}}]}"#,
    ] {
        cases.insert(parse_case(line).unwrap()).unwrap();
    }
    let mut read = 0;
    for bytes in Mutants::of("outputs", 400) {
        let text = String::from_utf8_lossy(&bytes);
        for id in ["parallel_1", "irrelevance_1", "simple_java_1", "simple_javascript_1"] {
            for dec in [Decoder::QwenFc, Decoder::BfclJson, Decoder::Strict, Decoder::Lenient] {
                let row = Row { id: id.into(), dec, raw: text.as_ref().into() };
                for rules in [Rules::Bfcl, Rules::Hone] {
                    let verdict = cases.score(&row, rules).unwrap();
                    assert_eq!(verdict.valid, verdict.error.is_none(), "{text:?}");
                }
            }
        }
        let _ = parse_case(&text);
        let _ = parse::is_call_attempt(&text);
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text)
            && let Some((found, strict)) = read_json(&text)
        {
            assert!(strict, "beyond RFC 8259: {text:?}");
            read += 1;
            // Numbers beyond 64 bits become texts or floats on one side only.
            if !text.bytes().any(|byte| byte.is_ascii_digit()) {
                assert_eq!(serde_json::Value::from(&found), value, "{text:?}");
            }
        }
    }
    assert!(read > 0, "no input was JSON");
}
