//! Suites: a manifest and its cases, those compiled in and those made from a project's own pairs.
//!
//! A suite is a folder of two files: `suite.toml` and `cases.jsonl` (one [`Case`] a line); [`write`]
//! makes them.

mod write;

use std::collections::{BTreeMap, HashSet};

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::case::{Case, Expect, ExpectedArgument, ExpectedCall};
use super::result::{SuiteKind, Title};
use crate::failure::{Context as _, Failure, Result};
use crate::pair::example::{Example, Language, Message, Role};

/// Version of the suite files this program reads.
pub const SUITE_VERSION: u32 = 1;

/// A set of cases that is scored as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Name, for example `tools` or `forgetting/mathematics`.
    pub name: String,
    /// Title for people.
    pub title: Title,
    /// What it asks for. `Answers` and `Choice` suites may hold cases of each other's form.
    pub kind: SuiteKind,
    /// Whether it guards against forgetting, rather than measuring the task.
    pub forgetting: bool,
    /// Languages of the cases.
    pub languages: Vec<Language>,
    /// Licence of the cases, as an SPDX expression.
    pub licence: String,
    /// How the cases are put to a model.
    pub prompt: PromptStyle,
    /// Most tokens a reply may have.
    pub max_new: usize,
    /// Tags that are scored apart too.
    pub subsets: Vec<String>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// How cases are put to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptStyle {
    /// As a conversation, by the model's chat template.
    #[default]
    Chat,
    /// As plain text to be gone on with, as lm-evaluation-harness does by default.
    Plain,
}

/// A line of a cases file that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl Suite {
    /// Reads a suite. Bad lines are left out and listed; only a bad manifest is an error.
    pub fn parse(manifest: &str, cases: &str) -> Result<(Self, Vec<Problem>)> {
        let manifest: Manifest = toml::from_str(manifest).because("suite.toml")?;
        if manifest.version != SUITE_VERSION {
            return Err(Failure::user(format!(
                "suite.toml: version {} is not known",
                manifest.version
            ))
            .hint(format!("this program reads version {SUITE_VERSION}")));
        }
        let mut ids = HashSet::new();
        let mut read = Vec::new();
        let mut problems = Vec::new();
        for (index, line) in cases.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let case = Case::parse(line).and_then(|case| {
                check_kind(manifest.kind, &case.expect)?;
                if ids.insert(case.id.clone()) {
                    Ok(case)
                } else {
                    Err(format!("the id `{}` is used twice", case.id))
                }
            });
            match case {
                Ok(case) => read.push(case),
                Err(reason) => problems.push(Problem { line: index + 1, reason }),
            }
        }
        let suite = Self {
            max_new: manifest.max_new.unwrap_or(reply_tokens_max(manifest.kind)),
            name: manifest.name,
            title: manifest.title,
            kind: manifest.kind,
            forgetting: manifest.forgetting,
            languages: manifest.languages,
            licence: manifest.licence,
            prompt: manifest.prompt,
            subsets: manifest.subsets,
            cases: read,
        };
        Ok((suite, problems))
    }

    /// A part of at most `n` cases that keeps the proportions of the tag combinations; the same
    /// for the same seed. Cases stay in their order.
    #[must_use]
    pub fn sample(&self, n: usize, seed: u64) -> Self {
        if n >= self.cases.len() {
            return self.clone();
        }
        let mut strata: BTreeMap<&[String], Vec<usize>> = BTreeMap::new();
        for (index, case) in self.cases.iter().enumerate() {
            strata.entry(&case.tags).or_default().push(index);
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for members in strata.values_mut() {
            members.shuffle(&mut random);
        }
        // Largest remainder: each stratum gets the floor of its share, the rest go to those that
        // lost most by rounding.
        let share = |members: &Vec<usize>| members.len() * n;
        let mut quota: Vec<(usize, usize, &Vec<usize>)> = strata
            .values()
            .map(|members| {
                let share = share(members);
                (share / self.cases.len(), share % self.cases.len(), members)
            })
            .collect();
        let given: usize = quota.iter().map(|(whole, ..)| whole).sum();
        quota.sort_by_key(|(_, remainder, _)| std::cmp::Reverse(*remainder));
        let mut chosen: Vec<usize> = quota
            .iter()
            .enumerate()
            .flat_map(|(rank, (whole, _, members))| {
                let count = whole + usize::from(rank < n - given);
                members.iter().take(count).copied()
            })
            .collect();
        chosen.sort_unstable();
        let cases = chosen.into_iter().filter_map(|index| self.cases.get(index).cloned()).collect();
        Self { cases, ..self.clone() }
    }
}

/// The suites compiled into the program.
pub fn shipped() -> Vec<Suite> {
    SHIPPED
        .iter()
        .filter_map(|(manifest, cases)| Suite::parse(manifest, cases).ok())
        .map(|(suite, _)| suite)
        .collect()
}

/// A suite of questions from pairs kept for testing: the prompt is every turn up to the last
/// assistant turn, and that turn is the expected answer. Pairs that show when to call and when not
/// are left out (see [`calls_suite`]).
pub fn domain_suite(examples: &[Example]) -> Suite {
    let cases = cases_of(examples, |example, answer| {
        let content = answer.content.trim();
        let shows_calling = shows_calling(example, answer);
        let expected = || Expect::Reference(content.nfc().collect());
        (!content.is_empty() && !shows_calling).then(expected)
    });
    Suite {
        name: "domain".to_owned(),
        title: Title {
            ko: "문서 질문".to_owned(), en: "Questions about the documents".to_owned()
        },
        kind: SuiteKind::Domain,
        max_new: reply_tokens_max(SuiteKind::Domain),
        ..project_suite(cases)
    }
}

/// A suite of tool calls from pairs kept for testing: those whose last assistant turn makes calls,
/// with exactly its values accepted, and those that are offered tools and need none.
pub fn calls_suite(examples: &[Example]) -> Suite {
    let cases = cases_of(examples, |example, answer| {
        shows_calling(example, answer).then(|| Expect::Calls(expected_calls(answer)))
    });
    Suite {
        name: "project-tools".to_owned(),
        title: Title { ko: "내 도구 호출".to_owned(), en: "Your own tool calls".to_owned() },
        kind: SuiteKind::Tools,
        max_new: reply_tokens_max(SuiteKind::Tools),
        ..project_suite(cases)
    }
}

/// Compiles in the two files of `eval/<name>`.
macro_rules! shipped_suite {
    ($name:literal) => {
        (
            include_str!(concat!("../../eval/", $name, "/suite.toml")),
            include_str!(concat!("../../eval/", $name, "/cases.jsonl")),
        )
    };
}

/// The suites compiled in, as manifest and cases.
const SHIPPED: &[(&str, &str)] = &[
    shipped_suite!("tools"),
    shipped_suite!("forgetting/conversation"),
    shipped_suite!("forgetting/mathematics"),
    shipped_suite!("forgetting/code"),
    shipped_suite!("forgetting/knowledge"),
    shipped_suite!("forgetting/instructions"),
    shipped_suite!("forgetting/text"),
];

/// Most tokens of a reply where the manifest does not say.
pub(super) fn reply_tokens_max(kind: SuiteKind) -> usize {
    match kind {
        // Room for two calls with long arguments, and for an explanation.
        SuiteKind::Tools | SuiteKind::Domain => 160,
        SuiteKind::Programs => 320,
        SuiteKind::Generation => 96,
        SuiteKind::Answers | SuiteKind::Classification | SuiteKind::Choice | SuiteKind::Text => 24,
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    name: String,
    kind: SuiteKind,
    #[serde(default)]
    forgetting: bool,
    languages: Vec<Language>,
    licence: String,
    #[serde(default)]
    prompt: PromptStyle,
    max_new: Option<usize>,
    #[serde(default)]
    subsets: Vec<String>,
    title: Title,
}

fn check_kind(kind: SuiteKind, expect: &Expect) -> Result<(), String> {
    let fits = match expect {
        Expect::Calls(_) | Expect::AnyCall => kind == SuiteKind::Tools,
        Expect::Text(_) => kind == SuiteKind::Text,
        Expect::Program(_) => kind == SuiteKind::Programs,
        // What is told in words may stand side by side: a suite about documents may ask for a figure
        // here and for facts there.
        _ => !matches!(kind, SuiteKind::Tools | SuiteKind::Text | SuiteKind::Programs),
    };
    if fits {
        Ok(())
    } else {
        Err("what is expected does not fit the kind of the suite".to_owned())
    }
}

/// Tells whether the answer calls tools, or is offered some and does without. An answer that tells what
/// a tool gave back is one about its content.
fn shows_calling(example: &Example, answer: &Message) -> bool {
    let told = example.messages.iter().any(|message| message.role == Role::Tool);
    !answer.tool_calls.is_empty() || !example.tools.is_empty() && !told
}

fn expected_calls(answer: &Message) -> Vec<ExpectedCall> {
    let calls = answer.tool_calls.iter().map(|call| ExpectedCall {
        name: call.function.name.clone(),
        arguments: (call.function.arguments.iter())
            .map(|(name, value)| ExpectedArgument {
                name: name.clone(),
                accepted: vec![value.clone()],
            })
            .collect(),
    });
    calls.collect()
}

/// Makes cases of examples; `expect` sees each and its last assistant turn.
fn cases_of(
    examples: &[Example],
    expect: impl Fn(&Example, &Message) -> Option<Expect>,
) -> Vec<Case> {
    let mut ids = HashSet::new();
    let mut cases = Vec::new();
    for (index, example) in examples.iter().enumerate() {
        let Some(last) = (example.messages.iter()).rposition(|turn| turn.role == Role::Assistant)
        else {
            continue;
        };
        let (before, from) = example.messages.split_at(last);
        let Some(answer) = from.first().filter(|_| !before.is_empty()) else {
            continue;
        };
        let Some(expect) = expect(example, answer) else {
            continue;
        };
        let number = format!("pair-{}", index + 1);
        let id = match &example.meta.id {
            Some(id) if !ids.contains(id) => id.clone(),
            _ => number,
        };
        ids.insert(id.clone());
        let mut tags = example.meta.tags.clone();
        tags.extend(example.meta.language.map(|language| language.code().to_owned()));
        cases.push(Case {
            id,
            messages: before.to_vec(),
            tools: example.tools.clone(),
            written: None,
            expect,
            tags,
            source: source_of(example),
        });
    }
    cases
}

/// The page a pair was made from; without one, the tool its answer calls.
fn source_of(example: &Example) -> Option<String> {
    let page = (example.meta.document.as_ref()).zip(example.meta.page);
    page.map(|(document, page)| format!("{document} p. {page}")).or_else(|| {
        let calls = example.messages.iter().flat_map(|message| &message.tool_calls).last();
        calls.map(|call| call.function.name.clone())
    })
}

fn project_suite(cases: Vec<Case>) -> Suite {
    let languages: Vec<Language> = [Language::Korean, Language::English]
        .into_iter()
        .filter(|language| {
            (cases.iter()).any(|case| case.tags.iter().any(|tag| tag == language.code()))
        })
        .collect();
    Suite {
        name: String::new(),
        title: Title { ko: String::new(), en: String::new() },
        kind: SuiteKind::Domain,
        forgetting: false,
        subsets: (languages.iter().map(|language| language.code().to_owned())).collect(),
        languages,
        licence: String::new(),
        prompt: PromptStyle::Chat,
        max_new: 0,
        cases,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::example::{Meta, ToolCall};

    #[test]
    fn shipped_suites_load_without_problems_and_with_unique_ids() {
        let mut names = HashSet::new();
        let mut ids = HashSet::new();
        for (manifest, cases) in SHIPPED {
            let (suite, problems) = Suite::parse(manifest, cases).unwrap();
            assert_eq!(problems, [], "{}", suite.name);
            assert!(suite.cases.len() >= 32, "{}: {}", suite.name, suite.cases.len());
            assert!(names.insert(suite.name.clone()), "{}", suite.name);
            assert_eq!(suite.forgetting, suite.name.starts_with("forgetting/"));
            for case in &suite.cases {
                assert!(ids.insert(case.id.clone()), "{}", case.id);
                let languages = case.tags.iter().filter(|tag| ["ko", "en"].contains(&tag.as_str()));
                assert_eq!(languages.count(), 1, "{} needs one language tag", case.id);
            }
            for subset in &suite.subsets {
                assert!(suite.cases.iter().any(|case| case.tags.contains(subset)));
            }
        }
        assert_eq!(shipped().len(), SHIPPED.len());
    }

    #[test]
    fn right_options_are_spread_over_the_positions() {
        // A model that always prefers the first option must not gain by it.
        for suite in shipped() {
            let mut first = 0;
            let mut choices = 0;
            for case in &suite.cases {
                if let Expect::Choice { right, .. } = case.expect {
                    choices += 1;
                    first += usize::from(right == 0);
                }
            }
            assert!(first * 2 <= choices + 1, "{}: {first} of {choices}", suite.name);
        }
    }

    #[test]
    fn bad_lines_are_listed_and_the_rest_is_kept() {
        let manifest = "version = 1\nname = \"x\"\nkind = \"answers\"\nlanguages = [\"ko\"]\nlicence = \"CC0-1.0\"\n[title]\nko = \"가\"\nen = \"x\"\n";
        let cases = "{\"id\":\"a\",\"question\":\"q\",\"expect\":{\"accept\":[\"예\"]}}\n\nnot json\n{\"id\":\"a\",\"question\":\"q\",\"expect\":{\"accept\":[\"예\"]}}\n{\"id\":\"b\",\"text\":\"t\"}\n";
        let (suite, problems) = Suite::parse(manifest, cases).unwrap();
        assert_eq!(suite.cases.len(), 1);
        assert_eq!(problems.iter().map(|p| p.line).collect::<Vec<_>>(), [3, 4, 5]);
        assert!(problems[1].reason.contains("twice"), "{:?}", problems[1]);
        assert!(problems[2].reason.contains("kind"), "{:?}", problems[2]);
        assert!(Suite::parse("version = 2", "").is_err());
    }

    #[test]
    fn a_sample_keeps_proportions_and_is_the_same_again() {
        let tools = shipped().into_iter().find(|suite| suite.name == "tools").unwrap();
        let part = tools.sample(40, 7);
        assert_eq!(part, tools.sample(40, 7));
        assert_ne!(part, tools.sample(40, 8));
        assert_eq!(part.cases.len(), 40);
        for tag in ["ko", "en", "seen", "unseen", "no_call"] {
            let count = |suite: &Suite| {
                (suite.cases.iter()).filter(|case| case.tags.iter().any(|t| t == tag)).count()
            };
            let expected = count(&tools) as f64 * 40.0 / tools.cases.len() as f64;
            assert!((count(&part) as f64 - expected).abs() < 3.0, "{tag}");
        }
        assert_eq!(tools.sample(9999, 1), tools);
        assert!(tools.sample(0, 1).cases.is_empty());
    }

    #[test]
    fn pairs_kept_for_testing_become_suites() {
        let plain = Example {
            messages: vec![
                Message::text(Role::User, "창고 활하중은?"),
                Message::text(Role::Assistant, "6.0 kN/m²입니다."),
            ],
            meta: Meta { language: Some(Language::Korean), ..Meta::default() },
            ..Example::default()
        };
        let arguments = [("city".to_owned(), "서울".into())].into_iter().collect();
        let call = Example {
            messages: vec![
                Message::text(Role::User, "서울 날씨"),
                Message::calls(vec![ToolCall::new("call_1", "get_weather", arguments)]),
            ],
            ..Example::default()
        };
        let no_need = Example {
            messages: vec![
                Message::text(Role::User, "고마워"),
                Message::text(Role::Assistant, "천만에요."),
            ],
            tools: vec![serde_json::from_str(r#"{"function": {"name": "get_weather"}}"#).unwrap()],
            ..Example::default()
        };
        let empty = Example::default();
        let examples = [plain, call, no_need, empty];
        let domain = domain_suite(&examples);
        assert_eq!(domain.cases.len(), 1);
        assert_eq!(domain.cases[0].expected(), "6.0 kN/m²입니다.");
        assert_eq!(domain.cases[0].messages.len(), 1);
        assert_eq!(domain.subsets, ["ko"]);
        let calls = calls_suite(&examples);
        assert_eq!(calls.cases.len(), 2);
        assert_eq!(calls.cases[1].expect, Expect::Calls(Vec::new()));
        assert_eq!(
            calls.cases[0].expected(),
            r#"{"name":"get_weather","arguments":{"city":"서울"}}"#
        );
    }
}
