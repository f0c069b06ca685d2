//! The verdicts on one generated reply.

use super::answers;
use super::calls::{Found, Rules};
use super::case::{Case, Expect, ExpectedCall};
use super::domain;
use super::parse;
use super::result::{Answer, Form, Metric, Reason, Verdict};
use super::rules;
use crate::model::ToolFormat;

/// Tells whether a case is answered by generated text, rather than scored by likelihood.
pub fn is_answered(expect: &Expect) -> bool {
    match expect {
        Expect::Calls(_)
        | Expect::AnyCall
        | Expect::Reference(_)
        | Expect::Facts(_)
        | Expect::Short(_)
        | Expect::Label { .. }
        | Expect::Rules(_)
        | Expect::Program(_) => true,
        Expect::Choice { .. } | Expect::Text(_) => false,
    }
}

/// Judges a reply; `format` is the form in which the model writes calls. Cases scored by likelihood
/// get no verdict here.
pub fn score(case: &Case, format: &ToolFormat, reply: String) -> Answer {
    let (verdicts, reason) = match &case.expect {
        Expect::Calls(expected) if expected.is_empty() => {
            return score_no_call(case, format, reply);
        }
        Expect::Calls(expected) => return score_calls(case, expected, format, reply),
        Expect::Reference(reference) => {
            let judgement = domain::judge(reference, &reply);
            (accuracy(judgement.is_ok()), judgement.err())
        }
        Expect::AnyCall => return score_any_call(case, format, reply),
        Expect::Facts(facts) => {
            let missing = answers::facts_missing(facts, &reply);
            let named = missing.iter().filter_map(|index| facts.get(*index)?.first());
            let named: Vec<&str> = named.map(String::as_str).collect();
            let reason = (!missing.is_empty()).then(|| Reason::MissingFacts(named.join(", ")));
            (accuracy(missing.is_empty()), reason)
        }
        Expect::Short(short) => (accuracy(answers::is_right(short, &reply)), None),
        Expect::Label { labels, right } => {
            let told = answers::label_told(labels, &reply);
            let reason = match told {
                Some(told) if told == *right => None,
                Some(told) => labels.get(told).map(|label| Reason::OtherLabel(label.clone())),
                None => Some(Reason::NoLabel),
            };
            (accuracy(told == Some(*right)), reason)
        }
        Expect::Rules(kept) => {
            let broken = rules::broken(kept, &reply);
            (accuracy(broken.is_none()), broken.map(|rule| Reason::BrokenRule(rule.clone())))
        }
        // Programs are run apart, on request only.
        Expect::Program(_) | Expect::Choice { .. } | Expect::Text(_) => (Vec::new(), None),
    };
    Answer { text: reply, verdicts, reason, ..Answer::default() }
}

/// The verdict of a suite that knows right and wrong only. It counts as lenient: the answer is
/// looked for in the words.
pub(super) fn accuracy(right: bool) -> Vec<Verdict> {
    vec![Verdict { metric: Metric::Accuracy, form: Form::Lenient, right }]
}

fn score_calls(
    case: &Case,
    expected: &[ExpectedCall],
    format: &ToolFormat,
    text: String,
) -> Answer {
    let expectation = case.expectation(expected);
    let lenient = repaired(case, format, &text);
    let strict = parse::strict_in(format, &text);
    let repairs = lenient.as_ref().map(|reading| reading.repairs.clone()).unwrap_or_default();
    let readings = [(Form::Strict, strict), (Form::Lenient, lenient.map(|reading| reading.calls))];
    let mut verdicts = Vec::new();
    let mut answer = Answer { text, repairs, ..Answer::default() };
    for (form, found) in readings {
        let found: Vec<Found> = found.iter().flatten().map(Found::from).collect();
        let outcome = expectation.check(&found, Rules::Hone);
        for (metric, right) in [
            (Metric::JsonValidity, !found.is_empty()),
            (Metric::ToolName, expectation.names_equal(&found)),
            (Metric::Parameters, outcome.is_ok()),
            (Metric::ExactMatch, outcome.is_ok() && expectation.is_exact(&found)),
        ] {
            verdicts.push(Verdict { metric, form, right });
        }
        answer.counts = Some(expectation.counts(&found, Rules::Hone));
        answer.argument = None;
        answer.reason = match (form, outcome) {
            (_, Err(_)) if found.is_empty() => Some(Reason::NoCall),
            (_, Err(error)) => {
                let reason = Reason::from(&error);
                answer.argument = error.argument;
                Some(reason)
            }
            (Form::Strict, Ok(())) => {
                return Answer { verdicts: with_lenient(verdicts), ..answer };
            }
            (Form::Lenient, Ok(())) => Some(Reason::Form),
        };
    }
    Answer { verdicts, ..answer }
}

/// What is right strictly is right leniently.
fn with_lenient(strict: Vec<Verdict>) -> Vec<Verdict> {
    let lenient: Vec<Verdict> =
        strict.iter().map(|verdict| Verdict { form: Form::Lenient, ..*verdict }).collect();
    strict.into_iter().chain(lenient).collect()
}

/// The lenient reading of a reply.
fn repaired(case: &Case, format: &ToolFormat, reply: &str) -> Option<parse::Reading> {
    let is_tool = |name: &str| case.tools.iter().any(|tool| tool.function.name == name);
    parse::repaired(format, reply, &is_tool)
}

/// Some call, whichever: JSON validity is all that is asked.
fn score_any_call(case: &Case, format: &ToolFormat, text: String) -> Answer {
    let strict = parse::strict_in(format, &text).is_some();
    let reading = repaired(case, format, &text);
    let lenient = reading.is_some();
    let verdicts = [(Form::Strict, strict), (Form::Lenient, lenient)]
        .map(|(form, right)| Verdict { metric: Metric::JsonValidity, form, right })
        .to_vec();
    let reason = match (strict, lenient) {
        (true, _) => None,
        (false, true) => Some(Reason::Form),
        (false, false) => Some(Reason::NoCall),
    };
    let repairs = reading.map(|reading| reading.repairs).unwrap_or_default();
    Answer { text, verdicts, reason, repairs, ..Answer::default() }
}

/// No call where none fits. Strictly, the reply must be plain words: neither a call in any form of
/// JSON nor broken call syntax, so that a model earns nothing by writing calls that do not parse.
/// Leniently, it is enough that no call can be found; but what earns a call where one is expected is
/// one here too, so that a call as of Python or in single quotation marks is wrong leniently alone.
fn score_no_call(case: &Case, format: &ToolFormat, text: String) -> Answer {
    let called = parse::found_in(format, &text).is_some();
    let broken = !called && parse::is_call_attempt(&text);
    let reading = repaired(case, format, &text);
    let lenient = !called && reading.is_none();
    let verdicts = [(Form::Strict, !called && !broken), (Form::Lenient, lenient)]
        .map(|(form, right)| Verdict { metric: Metric::NoCall, form, right })
        .to_vec();
    let reason =
        if called { Some(Reason::UnwantedCall) } else { broken.then_some(Reason::BrokenCall) };
    let repairs = reading.map(|reading| reading.repairs).unwrap_or_default();
    Answer { text, verdicts, reason, repairs, ..Answer::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = r#"{"id":"a","question":"아산 날씨","tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}],"expect":{"calls":[{"name":"get_weather","arguments":{"city":["아산","Asan"]}}]}}"#;

    /// Verdicts as text: J N P E strict, then J N P E lenient, a dot for wrong.
    fn marks(answer: &Answer) -> String {
        answer
            .verdicts
            .iter()
            .map(|verdict| match (verdict.right, verdict.metric) {
                (false, _) => '.',
                (true, Metric::JsonValidity) => 'J',
                (true, Metric::ToolName) => 'N',
                (true, Metric::Parameters) => 'P',
                (true, Metric::ExactMatch) => 'E',
                (true, Metric::NoCall) => 'C',
                (true, Metric::Accuracy) => 'A',
                (true, Metric::Judged) => 'W',
            })
            .collect()
    }

    #[test]
    fn replies_to_a_case_that_expects_a_call() {
        let case = Case::parse(CASE).unwrap();
        let right = r#"{"name":"get_weather","arguments":{"city":"아산"}}"#;
        let cases = [
            (format!("<tool_call>\n{right}\n</tool_call>"), "JNPEJNPE", ""),
            (format!("```json\n{right}\n```"), "....JNPE", "form"),
            (right.to_owned(), "....JNPE", "form"),
            (right.replace("아산", "부산"), "....JN..", "value"),
            (right.replace("get_", "the_"), "....J...", "name"),
            (right.replace(":\"아산\"", ":3"), "....JN..", "type"),
            (right.replace("city", "town"), "....JN..", "missing"),
            ("아산은 맑습니다.".to_owned(), "........", "no call"),
            (
                format!("<tool_call>\n{}\n</tool_call>", right.replace("아산", "천안")),
                "JN..JN..",
                "value",
            ),
        ];
        for (reply, expected, reason) in cases {
            let answer = score(&case, &ToolFormat::Hermes, reply.clone());
            assert_eq!(marks(&answer), expected, "{reply}");
            let class = answer.reason.as_ref().map_or("", Reason::class);
            assert_eq!(class, reason, "{reply}");
        }
    }

    #[test]
    fn replies_to_a_case_that_expects_no_call() {
        let line =
            CASE.replace(r#"[{"name":"get_weather","arguments":{"city":["아산","Asan"]}}]"#, "[]");
        let case = Case::parse(&line).unwrap();
        let cases = [
            ("천만에요. 안녕히 가세요!", "CC"),
            ("```python\nprint({'a': 1})\n```", "CC"),
            (r#"{"temperature": 21}"#, "CC"),
            (r#"{"name":"get_weather","arguments":{"city":"아산"}}"#, ".."),
            ("<tool_call>\n{\"name\":\"get_weather\"", ".C"),
            (r#"{"name": "get_weather", "arguments": {"city": "#, ".C"),
        ];
        for (reply, expected) in cases {
            let answer = score(&case, &ToolFormat::Hermes, reply.to_owned());
            assert_eq!(marks(&answer), expected, "{reply}");
        }
    }
}
