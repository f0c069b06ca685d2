//! Which column means what: as the user says, or guessed where there is one candidate only.

use serde_json::Value;

use super::Record;

/// What a column can mean.
pub const TARGETS: [&str; 16] = [
    "question",
    "answer",
    "input",
    "system",
    "history",
    "messages",
    "conversations",
    "tools",
    "meta",
    "id",
    "language",
    "document",
    "page",
    "quote",
    "author",
    "tags",
];

/// Columns by what they mean: target and column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping(pub Vec<(String, String)>);

impl Mapping {
    /// The column that means `target`.
    pub fn column(&self, target: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == target).map(|(_, column)| column.as_str())
    }

    /// Gives the columns of a row the names of their meaning.
    pub fn rename(&self, record: &mut Record) {
        for (target, column) in self.0.iter().filter(|(target, column)| target != column) {
            if let Some(value) = record.shift_remove(column) {
                record.insert(target.clone(), value);
            }
        }
    }

    /// Adds guesses for question, answer and system from the names of columns.
    ///
    /// # Errors
    /// When there is no candidate for question or answer, or more than one.
    pub fn guessed(&self, columns: &[String]) -> Result<Self, String> {
        let mut mapping = self.clone();
        for (target, names) in SYNONYMS {
            if mapping.column(target).is_some() {
                continue;
            }
            let taken = |column: &String| mapping.0.iter().any(|(_, known)| known == column);
            let named = |column: &&String| names.contains(&folded(column).as_str());
            let found: Vec<&String> =
                columns.iter().filter(named).filter(|column| !taken(column)).collect();
            match (found.as_slice(), target) {
                ([column], _) => mapping.0.push((target.to_owned(), (*column).clone())),
                ([], "question" | "answer") => {
                    return Err(format!(
                        "no column is recognized as the {target}; there are {}",
                        quoted(columns.iter())
                    ));
                }
                ([_, _, ..], "question" | "answer") => {
                    let candidates = quoted(found.into_iter());
                    return Err(format!("several columns may be the {target}: {candidates}"));
                }
                _ => {}
            }
        }
        Ok(mapping)
    }

    /// Tells which mapped column is in none of the rows.
    ///
    /// # Errors
    /// Names it and the columns that there are.
    pub fn check(&self, columns: &[String]) -> Result<(), String> {
        match self.0.iter().find(|(_, column)| !columns.contains(column)) {
            None => Ok(()),
            Some((_, column)) => {
                Err(format!("there is no column `{column}`; there are {}", quoted(columns.iter())))
            }
        }
    }
}

impl std::str::FromStr for Mapping {
    type Err = String;

    /// Reads `question=Frage,answer=Antwort`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut mapping = Self::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (target, column) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}`: MEANING=COLUMN is expected"))?;
            let (target, column) = (target.trim(), column.trim());
            if !TARGETS.contains(&target) {
                return Err(format!(
                    "`{target}` is no meaning of a column; there are {}",
                    TARGETS.join(", ")
                ));
            }
            if mapping.column(target).is_some() {
                return Err(format!("`{target}` is given twice"));
            }
            mapping.0.push((target.to_owned(), column.to_owned()));
        }
        Ok(mapping)
    }
}

/// Names that columns of questions, answers and so on have in the wild, folded.
const SYNONYMS: [(&str, &[&str]); 6] = [
    (
        "question",
        &[
            "question",
            "questions",
            "q",
            "query",
            "prompt",
            "instruction",
            "input",
            "user",
            "human",
            "질문",
            "문제",
            "물음",
            "문의",
            "질의",
            "사용자",
        ],
    ),
    (
        "answer",
        &[
            "answer",
            "answers",
            "a",
            "response",
            "output",
            "completion",
            "assistant",
            "reply",
            "답변",
            "답",
            "정답",
            "대답",
            "응답",
            "회신",
        ],
    ),
    ("system", &["system", "systemprompt", "시스템"]),
    ("document", &["document", "문서"]),
    ("page", &["page", "쪽", "페이지"]),
    ("quote", &["quote", "근거", "인용"]),
];

/// Letters and digits in lower case.
fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn quoted<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}

/// Parses columns that hold JSON as text, as tables have to: `messages`, `tools` and so on, whole or
/// element by element.
pub(super) fn unfold(record: &mut Record) {
    for key in ["messages", "conversations", "history", "meta", "tools", "prompt", "completion"] {
        match record.get_mut(key) {
            Some(value @ Value::String(_)) => unfold_text(value),
            Some(Value::Array(items)) => items.iter_mut().for_each(unfold_text),
            _ => {}
        }
    }
}

fn unfold_text(value: &mut Value) {
    if let Value::String(text) = value
        && text.trim_start().starts_with(['[', '{'])
        && let Ok(parsed) = serde_json::from_str(text)
    {
        *value = parsed;
    }
}
