//! Scores outputs that were recorded elsewhere, one JSON line a row.

mod case;
mod decode;
#[cfg(test)]
mod mutated;

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use case::{RecordedCase, Wanted, parse as parse_case};
pub use decode::{DecodeError, Decoded, Decoder, decode};

use super::calls::{CallError, Rules};
use super::parse;

/// A recorded output.
#[derive(Debug, Deserialize)]
pub struct Row<'a> {
    /// The case it answers.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// How it is decoded.
    #[serde(default)]
    pub dec: Decoder,
    /// The model's text.
    #[serde(borrow)]
    pub raw: Cow<'a, str>,
}

/// What the scorer says of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "a row of output, a column each")]
pub struct RowVerdict<'a> {
    /// The case.
    pub id: &'a str,
    /// Whether the output is right.
    pub valid: bool,
    /// Why not: BFCL's `error_type` by its rules; by this program's, a class and the detail.
    pub error: Option<String>,
    /// Whether the output writes calls, and all of them as JSON of RFC 8259.
    pub json_valid: bool,
    /// Whether just the right tools are called.
    pub name_ok: bool,
    /// Whether every call is right as a whole.
    pub params_ok: bool,
}

/// Cases by identifier.
#[derive(Debug, Default)]
pub struct Cases {
    cases: HashMap<String, RecordedCase>,
}

impl Cases {
    /// Adds a case; gives its identifier back if it is taken.
    pub fn insert(&mut self, case: RecordedCase) -> Result<(), String> {
        let id = case.id.clone();
        match self.cases.insert(id.clone(), case) {
            None => Ok(()),
            Some(_) => Err(id),
        }
    }

    /// Cases in all.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Scores a row; none if its case is not known.
    pub fn score<'a>(&self, row: &'a Row<'_>, rules: Rules) -> Option<RowVerdict<'a>> {
        let case = self.cases.get(row.id.as_ref())?;
        Some(verdict(&case.wanted, row, rules))
    }
}

fn verdict<'a>(wanted: &Wanted, row: &'a Row<'_>, rules: Rules) -> RowVerdict<'a> {
    let Decoded { calls, is_json } = decode(&row.raw, row.dec);
    let whole = |error: Option<String>| RowVerdict {
        id: &row.id,
        valid: error.is_none(),
        json_valid: is_json,
        name_ok: error.is_none(),
        params_ok: error.is_none(),
        error,
    };
    let called = calls.as_ref().is_ok_and(|calls| !calls.is_empty());
    let expected = match wanted {
        Wanted::NoCall => {
            return whole(match rules {
                Rules::Bfcl => called.then(|| "irrelevance_error:decoder_success".to_owned()),
                Rules::Hone if called => Some("unwanted call: none is expected".to_owned()),
                Rules::Hone => parse::is_call_attempt(&row.raw)
                    .then(|| "broken call: the output tries to call a tool".to_owned()),
            });
        }
        Wanted::AnyCall => {
            return whole((!called).then(|| match rules {
                Rules::Bfcl => "relevance_error:decoder_failed".to_owned(),
                Rules::Hone => "no call: some call is expected".to_owned(),
            }));
        }
        Wanted::Calls(expected) => expected,
    };
    let (outcome, names): (Result<(), String>, bool) = match &calls {
        Err(error) => (Err(decode_error(*error, rules)), false),
        Ok(calls) => {
            let told = |error: CallError| match rules {
                Rules::Bfcl => expected.bfcl_error(&error),
                Rules::Hone => error.to_string(),
            };
            (expected.check(calls, rules).map_err(told), expected.names_equal(calls))
        }
    };
    RowVerdict {
        id: &row.id,
        valid: outcome.is_ok(),
        json_valid: is_json,
        name_ok: names,
        params_ok: outcome.is_ok(),
        error: outcome.err(),
    }
}

fn decode_error(error: DecodeError, rules: Rules) -> String {
    match (rules, error) {
        (Rules::Bfcl, DecodeError::Failed) => "ast_decoder:decoder_failed",
        (Rules::Bfcl, DecodeError::WrongFormat) => "ast_decoder:decoder_wrong_output_format",
        (Rules::Hone, DecodeError::Failed) => "form: the output cannot be read as calls",
        (Rules::Hone, DecodeError::WrongFormat) => {
            "form: the output holds something else than calls"
        }
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Judged {
        valid: bool,
        err: Option<String>,
    }

    fn cases(text: &str) -> Cases {
        let mut cases = Cases::default();
        for line in text.lines() {
            cases.insert(parse_case(line).unwrap()).unwrap();
        }
        cases
    }

    /// Outputs made at random and BFCL's own verdicts on them, by `benches/bfcl_agreement.py`. Gives how
    /// many there are and how many kinds of verdicts.
    fn agree(cases: &Cases, outputs: &str) -> (usize, usize) {
        let mut kinds = std::collections::HashSet::new();
        for line in outputs.lines() {
            let row: Row<'_> = serde_json::from_str(line).unwrap();
            let judged: Judged = serde_json::from_str(line).unwrap();
            let verdict = cases.score(&row, Rules::Bfcl).unwrap();
            assert_eq!((verdict.valid, &verdict.error), (judged.valid, &judged.err), "{line}");
            kinds.insert(judged.err);
        }
        (outputs.lines().count(), kinds.len())
    }

    #[test]
    fn verdicts_are_bfcls_own() {
        let cases = cases(include_str!("../../../tests/fixtures/bfcl/cases.jsonl"));
        let outputs = include_str!("../../../tests/fixtures/bfcl/outputs.jsonl");
        let (rows, kinds) = agree(&cases, outputs);
        assert!(rows >= 900 && kinds >= 12, "{rows} {kinds}");
    }

    #[test]
    fn verdicts_on_java_and_javascript_are_bfcls_own() {
        let cases = cases(include_str!("../../../tests/fixtures/bfcl/source/cases.jsonl"));
        let outputs = include_str!("../../../tests/fixtures/bfcl/source/outputs.jsonl");
        let (rows, kinds) = agree(&cases, outputs);
        assert!(rows >= 600 && kinds >= 15, "{rows} {kinds}");
    }

    #[test]
    fn this_programs_rules_differ_where_it_is_said() {
        let cases = cases(
            r#"{"id":"p","cat":"parallel","functions":[{"name":"f","parameters":{"type":"dict","properties":{"x":{"type":"integer"},"y":{"type":"integer"},"s":{"type":"string"}},"required":["x"]}}],"ground_truth":[{"f":{"x":[1],"y":[2,""],"s":["서울",""]}},{"f":{"x":[1],"y":[2]}}]}
{"id":"q","cat":"simple","functions":[{"name":"f","parameters":{"type":"dict","properties":{"l":{"type":"array","items":{"type":"float"}}},"required":["l"]}}],"ground_truth":[{"f":{"l":[[1.0,2.0]]}}]}
{"id":"irrelevance_1","functions":[],"ground_truth":null}"#,
        );
        let call = |arguments: &str| {
            format!("<tool_call>\n{{\"name\":\"f\",\"arguments\":{arguments}}}\n</tool_call>")
        };
        let (both, short) = (call(r#"{"x":1,"y":2}"#), call(r#"{"x":1}"#));
        let nfd = "{\"x\":1,\"s\":\"\u{1109}\u{1165}\u{110b}\u{116e}\u{11af}\"}";
        // (case, output, right by BFCL, right by this program)
        let rows = [
            ("p", format!("{both}\n{short}"), false, true),
            ("q", call(r#"{"l":[1,2]}"#), false, true),
            ("p", format!("{}\n{both}", call(nfd)), false, true),
            ("p", format!("{short}\n{short}"), false, false),
            ("irrelevance_1", "<tool_call>\n{\"name\": \"f\"".to_owned(), true, false),
            ("irrelevance_1", "모르겠습니다.".to_owned(), true, true),
            ("irrelevance_1", both, false, false),
        ];
        for (id, raw, bfcl, hone) in rows {
            let row = Row { id: id.into(), dec: Decoder::QwenFc, raw: raw.as_str().into() };
            let right = |rules| cases.score(&row, rules).unwrap().valid;
            assert_eq!((right(Rules::Bfcl), right(Rules::Hone)), (bfcl, hone), "{raw}");
        }
    }

    #[test]
    fn hostile_outputs_are_scored_quickly() {
        let cases = cases(include_str!("../../../tests/fixtures/bfcl/cases.jsonl"));
        let id = cases.cases.keys().next().unwrap().clone();
        for raw in [
            "{\"a\":".repeat(10_000),
            "<tool_call>\n".repeat(10_000),
            format!("<tool_call>\n{}\n</tool_call>", "[".repeat(100_000)),
            "[{}, ".repeat(20_000),
            "가".repeat(100_000),
        ] {
            for dec in [Decoder::QwenFc, Decoder::BfclJson, Decoder::Strict, Decoder::Lenient] {
                let row = Row { id: id.as_str().into(), dec, raw: raw.as_str().into() };
                assert!(!cases.score(&row, Rules::Bfcl).unwrap().json_valid);
            }
        }
    }
}
