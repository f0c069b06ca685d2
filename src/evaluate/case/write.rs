//! Cases as lines of a cases file: what [`Case::parse`] reads.

use serde_json::{Map, Value, json};

use super::{Case, Expect, ExpectedCall, ShortAnswer};
use crate::pair::example::{Message, Role};

impl Case {
    /// The case as one line of a cases file, without the line's end. [`Case::parse`] reads the same
    /// case from it; of a case that was not read it fills in the source as it does of any other.
    pub fn to_line(&self) -> String {
        let mut line = Map::new();
        line.insert("id".to_owned(), json!(self.id));
        match self.messages.as_slice() {
            [] => {}
            [only] if *only == Message::text(Role::User, only.content.clone()) => {
                line.insert("question".to_owned(), json!(only.content));
            }
            messages => {
                line.insert("messages".to_owned(), json!(messages));
            }
        }
        let declared = self.written.as_ref().map_or(&self.tools, |written| &written.declared);
        if !declared.is_empty() {
            line.insert("tools".to_owned(), json!(declared));
        }
        if let Some(written) = &self.written {
            line.insert("written_in".to_owned(), json!(written.language.name().to_lowercase()));
        }
        let (key, value) = match &self.expect {
            Expect::Text(text) => ("text", json!(text)),
            other => ("expect", expect(other)),
        };
        line.insert(key.to_owned(), value);
        if !self.tags.is_empty() {
            line.insert("tags".to_owned(), json!(self.tags));
        }
        // The reader fills in the first tool by itself.
        if let Some(source) = self.source.as_ref().filter(|_| self.source != self.first_tool()) {
            line.insert("source".to_owned(), json!(source));
        }
        Value::Object(line).to_string()
    }
}

fn expect(expect: &Expect) -> Value {
    match expect {
        Expect::Calls(calls) => json!({"calls": calls.iter().map(call).collect::<Vec<_>>()}),
        Expect::AnyCall => json!({"any_call": true}),
        Expect::Reference(text) => json!({"reference": text}),
        Expect::Facts(facts) => json!({"facts": facts}),
        Expect::Short(answer) => short(answer),
        Expect::Label { labels, right } => json!({"labels": labels, "right": right}),
        Expect::Choice { options, right } => json!({"options": options, "right": right}),
        Expect::Rules(rules) => json!({"checks": rules}),
        Expect::Program(program) => json!({"program": {
            "prompt": program.prompt, "entry_point": program.entry_point, "test": program.test,
        }}),
        // Stands beside `expect`, not in it.
        Expect::Text(_) => Value::Null,
    }
}

fn call(call: &ExpectedCall) -> Value {
    let arguments: Map<String, Value> = (call.arguments.iter())
        .map(|argument| (argument.name.clone(), json!(argument.accepted)))
        .collect();
    json!({"name": call.name, "arguments": arguments})
}

fn short(answer: &ShortAnswer) -> Value {
    let mut keys = Map::new();
    if !answer.accept.is_empty() {
        keys.insert("accept".to_owned(), json!(answer.accept));
    }
    if let Some(number) = answer.number {
        keys.insert("number".to_owned(), json_number(number));
    }
    if answer.tolerance > 0.0 {
        keys.insert("tolerance".to_owned(), json_number(answer.tolerance));
    }
    if let Some(unit) = &answer.unit {
        keys.insert("unit".to_owned(), json!(unit));
    }
    if answer.last {
        keys.insert("last".to_owned(), json!(true));
    }
    Value::Object(keys)
}

/// A whole number without a point where it stays the same number.
fn json_number(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT && (number != 0.0 || number.is_sign_positive())
    {
        json!(number as i64)
    } else {
        json!(number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        // Words, decomposed Hangul, quotes, line ends, marks outside the basic plane.
        "[a-z가-힣\u{1112}\u{1161}\"\\\\\n\t 0-9😀]{0,12}x"
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            text().prop_map(Value::from),
            Just(json!("")),
            any::<i64>().prop_map(Value::from),
            (-9999..9999_i32).prop_map(|number| json!(f64::from(number) / 8.0)),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                (text(), inner).prop_map(|(key, value)| json!({key: value})),
            ]
        })
    }

    fn expected() -> impl Strategy<Value = Value> {
        let several = || prop::collection::vec(text(), 2..4);
        prop_oneof![
            prop::collection::vec(value(), 1..3).prop_map(
                |accepted| json!({"calls": [{"name": "f", "arguments": {"x": accepted}}]})
            ),
            Just(json!({"calls": []})),
            Just(json!({"any_call": true})),
            text().prop_map(|text| json!({"reference": text})),
            (text(), several()).prop_map(|(one, more)| json!({"facts": [one, more]})),
            (
                prop::option::of(several()),
                -9999..9999_i32,
                0..9_u8,
                prop::option::of("[a-z]{1,3}"),
                any::<bool>()
            )
                .prop_map(|(accept, number, tolerance, unit, last)| {
                    json!({"accept": accept, "number": f64::from(number) / 4.0,
                           "tolerance": f64::from(tolerance) / 2.0, "unit": unit, "last": last})
                }),
            several().prop_map(|options| json!({"options": options, "right": 1})),
            several().prop_map(|labels| json!({"labels": labels, "right": 0})),
            (text(), 1..5_usize).prop_map(|(text, words)| json!({"checks": [
                {"words": [words, 9]}, {"contains": text}, {"matches": "^[a-z]+$"},
                {"count": {"of": "x", "times": [1, 2]}}, {"case": "lower"}]})),
            (text(), text()).prop_map(|(prompt, test)| {
                json!({"program": {"prompt": prompt, "entry_point": "f", "test": test}})
            }),
        ]
    }

    fn line() -> impl Strategy<Value = String> {
        let asked = prop_oneof![
            text().prop_map(|text| json!({"question": text})),
            (text(), text()).prop_map(|(system, user)| json!({"messages": [
                {"role": "system", "content": system}, {"role": "user", "content": user}]})),
            (text(), value()).prop_map(|(user, result)| json!({"messages": [
                {"role": "user", "content": user},
                {"role": "assistant", "content": "", "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]},
                {"role": "tool", "content": result.to_string(), "tool_call_id": "call_1", "name": "f"}]})),
        ];
        let tags = prop::collection::vec("[a-z]{1,4}", 0..3);
        let source = prop::option::of(prop_oneof![Just("f".to_owned()), text()]);
        (text(), asked, expected(), tags, source, text(), any::<bool>()).prop_map(
            |(id, mut case, expect, tags, source, paragraph, plain)| {
                if plain {
                    return json!({"id": id, "text": paragraph, "tags": tags}).to_string();
                }
                case["id"] = json!(id);
                case["tools"] = json!([{"type": "function", "function": {"name": "f",
                    "description": "d", "parameters": {"type": "object",
                    "properties": {"x": {"type": "string"}}, "required": ["x"]}}}]);
                case["expect"] = expect;
                case["tags"] = json!(tags);
                if source.is_some() {
                    case["source"] = json!(source);
                }
                case.to_string()
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_the_same(line in line()) {
            // Some lines are refused: a number that the question holds, options that are alike.
            if let Ok(case) = Case::parse(&line) {
                let written = case.to_line();
                prop_assert!(!written.contains('\n'));
                prop_assert_eq!(Case::parse(&written), Ok(case), "{}", written);
            }
        }
    }

    #[test]
    fn shipped_cases_are_written_as_they_are_read() {
        let mut count = 0;
        for suite in crate::evaluate::shipped() {
            for case in &suite.cases {
                assert_eq!(Case::parse(&case.to_line()).as_ref(), Ok(case));
                count += 1;
            }
        }
        assert!(count > 1000, "{count}");
    }

    #[test]
    fn a_source_that_the_reader_fills_in_is_not_written() {
        let line = r#"{"id":"a","question":"q","tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{}}}}],"expect":{"calls":[{"name":"f"}]}}"#;
        let case = Case::parse(line).unwrap();
        assert_eq!(case.source.as_deref(), Some("f"));
        assert!(!case.to_line().contains("source"), "{}", case.to_line());
        let named = Case { source: Some("page 3".to_owned()), ..case };
        assert_eq!(Case::parse(&named.to_line()).unwrap(), named);
    }
}
