//! Any sequence of edits, undos and redos against a plain model of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::Store;
use super::{pair, project};
use crate::pair::{Change, Edit, Example, FunctionDefinition, ReviewState, Tool};

#[derive(Debug, Clone)]
enum Step {
    Insert(u8),
    Delete(u8),
    Replace(u8, u8),
    SetState(u8, ReviewState),
    Label(u8, u8),
    Undo,
    Redo,
}

type Rows = BTreeMap<i64, (ReviewState, Example)>;

fn step() -> impl Strategy<Value = Step> {
    let state = prop_oneof![Just(ReviewState::Accepted), Just(ReviewState::Rejected)];
    prop_oneof![
        3 => (1..4_u8).prop_map(Step::Insert),
        1 => any::<u8>().prop_map(Step::Delete),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(row, text)| Step::Replace(row, text)),
        2 => (any::<u8>(), state).prop_map(|(row, state)| Step::SetState(row, state)),
        2 => (any::<u8>(), 0..=5_u8).prop_map(|(row, label)| Step::Label(row, label)),
        3 => Just(Step::Undo),
        2 => Just(Step::Redo),
    ]
}

fn tool(number: u8) -> Tool {
    let name = format!("tool_{number}");
    let parameters = serde_json::json!({"type": "object"});
    let function = FunctionDefinition { name, description: String::new(), parameters };
    Tool { kind: "function".to_owned(), function }
}

fn rows(store: &Store) -> Rows {
    let stored = store.examples().unwrap().into_iter();
    stored.map(|row| (row.id.0, (row.state, row.example))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_always_where_the_history_says(steps in prop::collection::vec(step(), 1..30)) {
        let (_folder, project) = project();
        let store = project.store();
        // Every state so far on the present branch, and which of them is current.
        let (mut states, mut now) = (vec![Rows::new()], 0);
        for (number, step) in steps.into_iter().enumerate() {
            let mut then = states[now].clone();
            let keys: Vec<i64> = then.keys().copied().collect();
            let pick = |row: u8| keys.get(usize::from(row) % keys.len().max(1)).copied();
            let example = |n: u8| pair(&format!("{number}번 {n}?"), "답");
            let changes: Vec<Change> = match step {
                Step::Undo => {
                    prop_assert_eq!(store.undo().unwrap().is_some(), now > 0);
                    now = now.saturating_sub(1);
                    Vec::new()
                }
                Step::Redo => {
                    prop_assert_eq!(store.redo().unwrap().is_some(), now + 1 < states.len());
                    now = (now + 1).min(states.len() - 1);
                    Vec::new()
                }
                Step::Insert(count) => (0..count)
                    .map(|n| Change::insert(None, ReviewState::Draft, example(n)))
                    .collect(),
                Step::Delete(row) => pick(row).map(|key| Change::Delete { key }).into_iter().collect(),
                Step::Replace(row, text) => pick(row)
                    .map(|key| Change::Replace { key, example: example(text) })
                    .into_iter()
                    .collect(),
                Step::Label(row, label) => pick(row)
                    .map(|key| {
                        let tags = vec![format!("태그 {label}")];
                        [
                            Change::SetTags { key, tags },
                            Change::SetScore { key, score: (label > 0).then_some(label) },
                            Change::SetSystem { key, text: "짧게".repeat(usize::from(label % 2)) },
                            Change::SetTools { key, tools: vec![tool(label)] },
                        ]
                    })
                    .into_iter()
                    .flatten()
                    .collect(),
                Step::SetState(row, state) => {
                    pick(row).map(|key| Change::SetState { key, state }).into_iter().collect()
                }
            };
            if !changes.is_empty() {
                let touched = store.apply(Edit::new("edit", changes.clone())).unwrap();
                for (change, id) in changes.into_iter().zip(touched) {
                    match change {
                        Change::Insert { state, example, .. } => {
                            then.insert(id.0, (state, example));
                        }
                        Change::Delete { key } => {
                            then.remove(&key);
                        }
                        Change::Replace { key, example } => {
                            then.get_mut(&key).unwrap().1 = example;
                        }
                        Change::SetTags { key, tags } => {
                            then.get_mut(&key).unwrap().1.meta.tags = tags;
                        }
                        Change::SetSystem { key, text } => {
                            then.get_mut(&key).unwrap().1.set_system(&text);
                        }
                        Change::SetTools { key, tools } => {
                            then.get_mut(&key).unwrap().1.tools = tools;
                        }
                        Change::SetScore { key, score } => {
                            then.get_mut(&key).unwrap().1.meta.score = score;
                        }
                        Change::SetState { key, state } => then.get_mut(&key).unwrap().0 = state,
                    }
                }
                states.truncate(now + 1);
                states.push(then);
                now += 1;
            }
            prop_assert_eq!(&rows(store), &states[now]);
        }
    }
}
