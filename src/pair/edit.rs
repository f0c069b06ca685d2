//! Invertible edits of the stored examples.

use serde::{Deserialize, Serialize};

use super::{Example, ReviewState, Tool};

/// One change of one example, by its key in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Adds an example.
    Insert {
        /// Key to give it; none lets the store choose. Set when an undo brings a row back.
        #[serde(default)]
        key: Option<i64>,
        /// Passage it is about.
        #[serde(default)]
        passage: Option<i64>,
        /// Review state.
        state: ReviewState,
        /// The example.
        example: Example,
    },
    /// Takes an example away.
    Delete {
        /// Its key.
        key: i64,
    },
    /// Puts another text in an example's place; state and passage stay.
    Replace {
        /// Its key.
        key: i64,
        /// What it becomes.
        example: Example,
    },
    /// Sets the labels.
    SetTags {
        /// Its key.
        key: i64,
        /// What they become.
        tags: Vec<String>,
    },
    /// Sets the system turn.
    SetSystem {
        /// Its key.
        key: i64,
        /// What it says; empty for no such turn.
        text: String,
    },
    /// Sets the tools offered.
    SetTools {
        /// Its key.
        key: i64,
        /// What they become.
        tools: Vec<Tool>,
    },
    /// Sets the score.
    SetScore {
        /// Its key.
        key: i64,
        /// What it becomes, 1 to 5; none takes it away.
        score: Option<u8>,
    },
    /// Sets the review state.
    SetState {
        /// Its key.
        key: i64,
        /// What it becomes.
        state: ReviewState,
    },
}

impl Change {
    /// An insertion under a key that the store chooses.
    pub fn insert(passage: Option<i64>, state: ReviewState, example: Example) -> Self {
        Self::Insert { key: None, passage, state, example }
    }

    /// The key of the example concerned; none for an insertion without one.
    pub fn key(&self) -> Option<i64> {
        match self {
            Self::Insert { key, .. } => *key,
            Self::Delete { key }
            | Self::Replace { key, .. }
            | Self::SetTags { key, .. }
            | Self::SetSystem { key, .. }
            | Self::SetTools { key, .. }
            | Self::SetScore { key, .. }
            | Self::SetState { key, .. } => Some(*key),
        }
    }

    /// The change that takes this one back, given the row as it stood `before`.
    ///
    /// None when this change cannot have been made: there was no such row, or an insertion has no
    /// key yet.
    pub fn inverse(&self, before: Option<&Row>) -> Option<Self> {
        match self {
            Self::Insert { key, .. } => key.map(|key| Self::Delete { key }),
            Self::Delete { key } => before.map(|row| Self::Insert {
                key: Some(*key),
                passage: row.passage,
                state: row.state,
                example: row.example.clone(),
            }),
            Self::Replace { key, .. } => {
                before.map(|row| Self::Replace { key: *key, example: row.example.clone() })
            }
            Self::SetTags { key, .. } => {
                before.map(|row| Self::SetTags { key: *key, tags: row.example.meta.tags.clone() })
            }
            Self::SetSystem { key, .. } => before
                .map(|row| Self::SetSystem { key: *key, text: row.example.system().to_owned() }),
            Self::SetTools { key, .. } => {
                before.map(|row| Self::SetTools { key: *key, tools: row.example.tools.clone() })
            }
            Self::SetScore { key, .. } => {
                before.map(|row| Self::SetScore { key: *key, score: row.example.meta.score })
            }
            Self::SetState { key, .. } => {
                before.map(|row| Self::SetState { key: *key, state: row.state })
            }
        }
    }
}

/// A stored example as an edit finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Passage it is about.
    pub passage: Option<i64>,
    /// Review state.
    pub state: ReviewState,
    /// The example.
    pub example: Example,
}

/// Changes that are made, undone and redone together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// What was done, for people: "rejected 12 pairs".
    pub summary: String,
    /// The changes, in the order they are made.
    pub changes: Vec<Change>,
}

impl Edit {
    /// Makes an edit.
    pub fn new(summary: impl Into<String>, changes: Vec<Change>) -> Self {
        Self { summary: summary.into(), changes }
    }

    /// An edit that sets the review state of several examples.
    pub fn set_state(
        summary: impl Into<String>,
        keys: impl IntoIterator<Item = i64>,
        state: ReviewState,
    ) -> Self {
        let changes = keys.into_iter().map(|key| Change::SetState { key, state });
        Self::new(summary, changes.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::{Message, Role};

    fn example(text: &str) -> Example {
        Example { messages: vec![Message::text(Role::User, text)], ..Example::default() }
    }

    fn apply(row: Option<Row>, change: Change) -> Option<Row> {
        match change {
            Change::Insert { passage, state, example, .. } => Some(Row { passage, state, example }),
            Change::Delete { .. } => None,
            Change::Replace { example, .. } => row.map(|row| Row { example, ..row }),
            Change::SetTags { tags, .. } => row.map(|mut row| {
                row.example.meta.tags = tags;
                row
            }),
            Change::SetSystem { text, .. } => row.map(|mut row| {
                row.example.set_system(&text);
                row
            }),
            Change::SetTools { tools, .. } => row.map(|mut row| {
                row.example.tools = tools;
                row
            }),
            Change::SetScore { score, .. } => row.map(|mut row| {
                row.example.meta.score = score;
                row
            }),
            Change::SetState { state, .. } => row.map(|row| Row { state, ..row }),
        }
    }

    #[test]
    fn inverse_restores_what_was_there() {
        let row =
            Row {
                passage: Some(3), state: ReviewState::Draft, example: example("피복 두께는?")
            };
        let cases = [
            (
                None,
                Change::Insert {
                    key: Some(7),
                    passage: None,
                    state: ReviewState::Accepted,
                    example: example("new"),
                },
            ),
            (Some(row.clone()), Change::Delete { key: 7 }),
            (Some(row.clone()), Change::Replace { key: 7, example: example("최소 피복 두께는?") }),
            (Some(row.clone()), Change::SetTags { key: 7, tags: vec!["하중".to_owned()] }),
            (Some(row.clone()), Change::SetScore { key: 7, score: Some(4) }),
            (Some(row.clone()), Change::SetSystem { key: 7, text: "짧게".to_owned() }),
            (Some(row.clone()), Change::SetTools { key: 7, tools: Vec::new() }),
            (Some(row), Change::SetState { key: 7, state: ReviewState::Rejected }),
        ];
        for (before, change) in cases {
            let inverse = change.inverse(before.as_ref()).unwrap();
            assert_eq!(apply(apply(before.clone(), change.clone()), inverse), before, "{change:?}");
        }
    }

    #[test]
    fn impossible_changes_have_no_inverse() {
        assert_eq!(Change::Delete { key: 1 }.inverse(None), None);
        let insert = Change::insert(None, ReviewState::Draft, example("q"));
        assert_eq!(insert.inverse(None), None);
    }

    #[test]
    fn edits_survive_json() {
        let edit = Edit::new(
            "고침",
            vec![
                Change::insert(Some(1), ReviewState::Draft, example("질문")),
                Change::SetState { key: 2, state: ReviewState::Accepted },
            ],
        );
        let text = serde_json::to_string(&edit).unwrap();
        assert_eq!(serde_json::from_str::<Edit>(&text).unwrap(), edit);
    }
}
