//! Other evaluations' own files as suites.
//!
//! A file is rows ([`SourceFile`]); [`recognize`] says by their keys which evaluation's they are, and
//! [`read`] makes cases of them, one [`Form`] a module. [`suite`] puts the cases of one or more files
//! together. Every case is written and read again on the way, so that what stands on disk afterwards
//! is what was checked. Reading the files is the caller's.

mod bfcl;
mod choices;
mod function_chat;
mod harness;
mod plain;
mod schema;
mod suite;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use suite::{SuiteOptions, suite};

use super::case::Case;
use super::result::SuiteKind;

/// A row by its keys.
pub type Record = Map<String, Value>;

/// Whose files they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// Berkeley Function Calling Leaderboard, versions 3 and 4: `BFCL_v3_simple.json` with
    /// `possible_answer/` beside it.
    Bfcl,
    /// Kakao's FunctionChat-Bench.
    FunctionChat,
    /// GSM8K: an answer that ends with `#### 72`.
    Gsm8k,
    /// HumanEval: programs with a test.
    HumanEval,
    /// Multiple choice as MMLU, KMMLU, ARC and HellaSwag have it.
    Choices,
    /// Samples logged by lm-evaluation-harness (`--log_samples`).
    Harness,
    /// Questions and answers.
    Qa,
}

impl Form {
    /// All forms, the most particular first.
    pub const ALL: [Self; 7] = [
        Self::Bfcl,
        Self::FunctionChat,
        Self::HumanEval,
        Self::Harness,
        Self::Gsm8k,
        Self::Choices,
        Self::Qa,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bfcl => "bfcl",
            Self::FunctionChat => "functionchat",
            Self::Gsm8k => "gsm8k",
            Self::HumanEval => "humaneval",
            Self::Choices => "choices",
            Self::Harness => "harness",
            Self::Qa => "qa",
        }
    }

    /// The licence its publisher states, as an SPDX expression; none where a form says nothing of
    /// where the rows come from.
    pub fn licence(self) -> Option<&'static str> {
        match self {
            Self::Bfcl | Self::FunctionChat => Some("Apache-2.0"),
            Self::Gsm8k | Self::HumanEval => Some("MIT"),
            Self::Choices | Self::Harness | Self::Qa => None,
        }
    }

    /// What a row of it looks like, for people.
    pub fn looks_like(self) -> &'static str {
        match self {
            Self::Bfcl => "`id`, `question`, `function`, and possible_answer/ beside the file",
            Self::FunctionChat => {
                "`query`, `ground_truth`, `tools`; `turns` and `tools`; or `input_messages`, \
                 `input_tools` and `ground_truth`"
            }
            Self::Gsm8k => "`question`, and `answer` that ends with `#### 72`",
            Self::HumanEval => "`task_id`, `prompt`, `entry_point`, `test`",
            Self::Choices => "`question`, `A` to `D` or `choices`, `answer` as letter or index",
            Self::Harness => "`doc_id`, `doc`, `target`, `arguments`",
            Self::Qa => "`question` and `answer`",
        }
    }
}

impl std::str::FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|form| form.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|form| form.name()).collect();
            format!("`{text}` is no form; there are {}", names.join(", "))
        })
    }
}

/// A file and what stands in it.
#[derive(Debug, Clone, Default)]
pub struct SourceFile {
    /// Its name without the folder.
    pub name: String,
    /// Its rows with their place (a line, or a row of a Parquet file, from 1); a reason where a row
    /// could not be read.
    pub rows: Vec<(usize, Result<Record, String>)>,
    /// Rows of the file of answers that lies beside it, by identifier.
    pub answers: BTreeMap<String, Record>,
    /// Standing instructions that lie beside it (FunctionChat-Bench's `system_prompt.txt`).
    pub system: Option<String>,
}

impl SourceFile {
    /// The name without its ending.
    pub fn stem(&self) -> &str {
        self.name.rsplit_once('.').map_or(self.name.as_str(), |(stem, _)| stem)
    }
}

/// What came of a file.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// The file's name.
    pub file: String,
    /// The cases.
    pub cases: Vec<Case>,
    /// Cases that stand in the file and could be meant: those read and those with a problem.
    pub total: usize,
    /// What could not be used, with its place.
    pub problems: Vec<(usize, String)>,
    /// Cases of kinds that this program does not ask, by reason. They count in no total.
    pub left_out: BTreeMap<String, usize>,
    /// What was found out about the file and may be wrong.
    pub notes: Vec<String>,
    /// What the cases ask for; none without cases.
    pub kind: Option<SuiteKind>,
}

impl Read {
    fn new(file: &SourceFile, kind: SuiteKind) -> Self {
        Self { file: file.name.clone(), kind: Some(kind), ..Self::default() }
    }

    /// Adds a case, as it will be read from the suite's file.
    fn add(&mut self, place: usize, case: Result<Case, String>) {
        self.total += 1;
        match case.and_then(|case| Case::parse(&case.to_line())) {
            Ok(case) => self.cases.push(case),
            Err(reason) => self.problems.push((place, reason)),
        }
    }

    /// Adds what a row that could not be read lacks.
    fn problem(&mut self, place: usize, reason: impl Into<String>) {
        self.total += 1;
        self.problems.push((place, reason.into()));
    }

    /// Takes the rows of a file, those that could be read, one by one.
    fn each(&mut self, file: &SourceFile, mut row: impl FnMut(&mut Self, usize, &Record)) {
        for (place, record) in &file.rows {
            match record {
                Ok(record) => row(self, *place, record),
                Err(reason) => self.problem(*place, reason.clone()),
            }
        }
    }
}

/// Rows that are looked at to tell a form.
const LOOKED_AT: usize = 20;

/// Tells whose file it is, by the keys of its first rows.
pub fn recognize(file: &SourceFile) -> Option<Form> {
    if bfcl::is_named(&file.name) {
        return Some(Form::Bfcl);
    }
    let rows = || file.rows.iter().filter_map(|(_, row)| row.as_ref().ok()).take(LOOKED_AT);
    rows().next()?;
    Form::ALL.into_iter().find(|form| {
        rows().all(|row| match form {
            Form::Bfcl => bfcl::fits(row),
            Form::FunctionChat => function_chat::fits(row),
            Form::HumanEval => plain::fits_human_eval(row),
            Form::Harness => harness::fits(row),
            Form::Gsm8k => plain::fits_gsm8k(row),
            Form::Choices => choices::fits(row),
            Form::Qa => plain::fits_qa(row),
        })
    })
}

/// Reads the cases of a file.
pub fn read(form: Form, file: &SourceFile) -> Read {
    match form {
        Form::Bfcl => bfcl::read(file),
        Form::FunctionChat => function_chat::read(file),
        Form::Gsm8k => plain::gsm8k(file),
        Form::HumanEval => plain::human_eval(file),
        Form::Choices => choices::read(file),
        Form::Harness => harness::read(file),
        Form::Qa => plain::qa(file),
    }
}

/// The first of some keys that a row holds and that is not null, upper and lower case alike.
fn get<'a>(row: &'a Record, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| {
        row.iter()
            .find(|(key, value)| key.trim().eq_ignore_ascii_case(name) && !value.is_null())
            .map(|(_, value)| value)
    })
}

/// A text, or a number as it is written.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The text under one of some keys.
fn text_of(row: &Record, names: &[&str]) -> Result<String, String> {
    get(row, names)
        .and_then(text)
        .ok_or_else(|| format!("`{}` is missing", names.first().copied().unwrap_or_default()))
}

/// A value that may be JSON within a string, as some files hold their objects.
fn unquoted(value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) => serde_json::from_str(text).map_err(|error| error.to_string()),
        other => Ok(other.clone()),
    }
}

/// The identifier under one of some keys, with the file's name before it; the place where none is.
fn id_of(file: &SourceFile, place: usize, row: &Record, names: &[&str]) -> String {
    let own = get(row, names).and_then(text).unwrap_or_else(|| place.to_string());
    format!("{}/{own}", file.stem())
}
