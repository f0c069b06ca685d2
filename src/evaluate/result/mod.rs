//! What an evaluation found: the shape of `report.json`.

mod about;
mod arguments;
mod reason;
mod repair;

use serde::{Deserialize, Serialize};

pub use about::{Column, ColumnKind, NotRun, Part, Provenance, Training};
pub use arguments::{ArgumentCounts, ArgumentScores};
pub use reason::Reason;
pub use repair::Repair;

/// Base and tuned model on every suite.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evaluation {
    /// Version of this shape.
    pub version: u32,
    /// Base model name.
    pub model: String,
    /// Run whose adapter was on for *tuned*; none when only the base was scored.
    pub run: Option<u32>,
    /// Unix seconds.
    pub created: i64,
    /// Seconds the evaluation took.
    pub seconds: f64,
    /// Columns beside base and tuned, in the order of `others` in metrics and items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Column>,
    /// One result a suite, in the order they ran.
    pub suites: Vec<SuiteResult>,
    /// What the figures were made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// How the tuned model was trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// Cases that ask for programs and were left out, because programs were not to be run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_run: Vec<NotRun>,
}

/// What a suite asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuiteKind {
    /// Tool calls.
    Tools,
    /// Questions about documents.
    Domain,
    /// Short answers checked by rule.
    Answers,
    /// One of several labels, told in words.
    Classification,
    /// Freely written replies that must keep rules.
    Generation,
    /// Programs that must pass a test.
    Programs,
    /// Multiple choice by likelihood.
    Choice,
    /// Cross-entropy of given texts.
    Text,
}

/// One suite's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuiteResult {
    /// Suite name, for example `tools` or `forgetting/mathematics`.
    pub name: String,
    /// Title for people, Korean and English.
    pub title: Title,
    /// What it asks for.
    pub kind: SuiteKind,
    /// Whether it guards against forgetting, rather than measuring the task.
    pub forgetting: bool,
    /// Metrics, most important first.
    pub metrics: Vec<MetricResult>,
    /// Cross-entropy, for [`SuiteKind::Text`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_loss: Option<TextLoss>,
    /// Arguments of calls one by one, for [`SuiteKind::Tools`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<ArgumentScores>,
    /// Every item with both answers.
    pub items: Vec<ItemResult>,
    /// Cases left out because the run was trained on them, or on nearly the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<SeenItem>,
}

/// A case that the training rows hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenItem {
    /// Case identifier.
    pub id: String,
    /// The question, as text for people.
    pub question: String,
    /// What in the training rows is like it.
    pub like: String,
    /// Whether it is the same, rather than nearly so.
    pub exact: bool,
}

/// A title in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Output is parsable as calls (all items that expect one).
    JsonValidity,
    /// Multiset of tool names is right (all items that expect a call).
    ToolName,
    /// Whole call right by BFCL's AST rule (all items that expect a call).
    Parameters,
    /// Calls equal to the expected ones as JSON, first acceptable values, keys in any order.
    ExactMatch,
    /// No call where none fits.
    NoCall,
    /// Right answer.
    Accuracy,
    /// Right by a further model's word.
    Judged,
}

impl Metric {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 7] = [
        Self::JsonValidity,
        Self::ToolName,
        Self::Parameters,
        Self::ExactMatch,
        Self::NoCall,
        Self::Accuracy,
        Self::Judged,
    ];
}

/// How strictly the model's output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Exactly the format the model's template asks for.
    Strict,
    /// Calls found in code fences or prose and repaired where they can mean one thing only.
    Lenient,
}

/// `successes` of `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proportion {
    /// Items that count as right.
    pub successes: u32,
    /// Items in all.
    pub n: u32,
}

/// A metric for both models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricResult {
    /// What.
    pub metric: Metric,
    /// How strictly.
    pub form: Form,
    /// Subset of items, for example `seen`, `unseen`, `en`; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<String>,
    /// Base.
    pub base: Proportion,
    /// 95 % Wilson interval of the base, as shares.
    pub base_interval: (f64, f64),
    /// Tuned; none when only the base was scored.
    pub tuned: Option<Proportion>,
    /// 95 % Wilson interval of the tuned model.
    pub tuned_interval: Option<(f64, f64)>,
    /// Tuned minus base on the same items.
    pub difference: Option<Difference>,
    /// Further columns on the same items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Proportion>,
}

/// A paired difference.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Difference {
    /// Items the tuned model alone gets right.
    pub improved: u32,
    /// Items the base alone gets right.
    pub regressed: u32,
    /// Tuned minus base, as a share.
    pub delta: f64,
    /// 95 % interval of the paired difference.
    pub interval: (f64, f64),
    /// Two-sided exact McNemar p value.
    pub p: f64,
    /// The p value adjusted by Holm's method over the evaluation's family of tests: the main metric
    /// of every suite. None for metrics outside the family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holm: Option<f64>,
    /// 95 % interval by drawing sources (pages, tools) anew instead of items, where several items
    /// share one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clustered: Option<Clustered>,
    /// Items that would tell the difference if it stayed as it is; none where it is told, or where
    /// nothing can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u32>,
}

/// An interval over sources.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clustered {
    /// Sources.
    pub sources: u32,
    /// 95 % interval of the difference.
    pub interval: (f64, f64),
}

impl Difference {
    /// Whether every item came out as it did before.
    pub fn is_same(&self) -> bool {
        self.improved + self.regressed == 0
    }

    /// Tells whether the difference can be told from nothing: p below .05, adjusted where it belongs
    /// to a family of tests, and the interval over sources, where there is one, leaves out zero.
    pub fn is_told(&self) -> bool {
        let apart = self.clustered.is_none_or(|clustered| {
            let (low, high) = clustered.interval;
            low > 0.0 || high < 0.0
        });
        self.holm.unwrap_or(self.p) < 0.05 && apart
    }
}

/// Cross-entropy on text, before and after.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TextLoss {
    /// Nats a token, base.
    pub base: f64,
    /// Nats a token, tuned.
    pub tuned: Option<f64>,
    /// Tokens scored.
    pub tokens: u64,
    /// 95 % interval of tuned minus base in nats a token, over the texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
}

impl TextLoss {
    /// Tuned over base, minus one: 0.02 means 2 % more nats a token.
    pub fn relative(&self) -> Option<f64> {
        let tuned = self.tuned?;
        (self.base > 0.0).then(|| tuned / self.base - 1.0)
    }

    /// Tells whether the difference can be told from nothing (its interval leaves out zero).
    pub fn is_told(&self) -> bool {
        self.interval.is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }
}

/// One item with both answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ItemResult {
    /// Case identifier.
    pub id: String,
    /// The question, as text for people.
    pub question: String,
    /// What was expected, as text for people.
    pub expected: String,
    /// Labels of the case.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Base model's answer.
    pub base: Answer,
    /// Tuned model's answer.
    pub tuned: Option<Answer>,
    /// Answers of further columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Answer>,
    /// What the case was made of: a page or a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// An answer and what each metric says of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// The model's text.
    pub text: String,
    /// A verdict for each metric and form that applies.
    pub verdicts: Vec<Verdict>,
    /// Why it is wrong, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The argument that is wrong, if the reason is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// What was set right to read its calls leniently; empty where they are in the exact form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repairs: Vec<Repair>,
    /// Arguments one by one, where calls were expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<ArgumentCounts>,
    /// Negative log-likelihood of each option in nats, where one was chosen by likelihood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nats: Vec<f64>,
    /// Share of sampled replies that are right, where several were asked for. The text is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right_share: Option<f64>,
}

impl Answer {
    /// Tells whether the answer counts as right when items are sorted into improved and regressed:
    /// by the whole call, no call or accuracy, read strictly where there is a strict reading.
    /// Nothing for texts, which are neither right nor wrong.
    pub fn is_right(&self) -> Option<bool> {
        let decides = |verdict: &&Verdict| match verdict.metric {
            Metric::Parameters | Metric::NoCall | Metric::Accuracy => true,
            Metric::JsonValidity | Metric::ToolName | Metric::ExactMatch | Metric::Judged => false,
        };
        let mut verdicts: Vec<&Verdict> = self.verdicts.iter().filter(decides).collect();
        verdicts.sort_by_key(|verdict| verdict.form != Form::Strict);
        verdicts.first().map(|verdict| verdict.right)
    }

    /// The class of the error, if the answer is wrong.
    pub fn error_class(&self) -> Option<&str> {
        self.reason.as_ref().map(Reason::class)
    }
}

/// One metric's word on one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What.
    pub metric: Metric,
    /// How strictly.
    pub form: Form,
    /// Right or wrong.
    pub right: bool,
}
