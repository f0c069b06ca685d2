//! Test items that the run was trained on, exactly or nearly: what a model repeats it has not
//! learned.

use std::collections::HashMap;

use super::case::{Case, Expect};
use super::result::SeenItem;
use super::suite::Suite;
use crate::pair::checks::similar::{QuestionKey, question_key};
use crate::pair::duplicates;
use crate::pair::example::{Example, Role};

/// What a run was trained on, as questions and texts.
#[derive(Debug, Default)]
pub struct TrainingSet {
    /// Questions as they are asked, white space and Unicode form folded.
    exact: HashMap<String, usize>,
    /// Questions by the stems and numbers that carry their content.
    near: HashMap<QuestionKey, usize>,
    /// Runs of words of all turns.
    shingles: HashMap<u64, usize>,
    texts: Vec<String>,
}

/// Words of a run; as many that occur in the same order by chance are rare.
const SHINGLE: usize = 8;

/// Share of a text's runs of words that stand in a training row where the text counts as seen.
const SHARE: f64 = 0.5;

impl TrainingSet {
    /// Adds what a row teaches: its question, and the text of its turns.
    pub fn add(&mut self, example: &Example) {
        self.add_question(&question(example));
        let place = self.texts.len().saturating_sub(1);
        for message in example.messages.iter().filter(|message| message.role != Role::System) {
            for shingle in shingles(&message.content) {
                self.shingles.entry(shingle).or_insert(place);
            }
        }
    }

    /// Adds a question alone.
    pub fn add_question(&mut self, question: &str) {
        let place = self.texts.len();
        self.exact.entry(duplicates::folded(question)).or_insert(place);
        if let Some(key) = question_key(question) {
            self.near.entry(key).or_insert(place);
        }
        self.texts.push(question.to_owned());
    }

    /// Whether nothing is known of the training.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// What in the training rows is like a case.
    pub fn find(&self, case: &Case) -> Option<SeenItem> {
        let asked = case.question();
        let (place, exact) = match &case.expect {
            Expect::Text(text) => {
                let shingles = shingles(text);
                let mut found: HashMap<usize, usize> = HashMap::new();
                for place in shingles.iter().filter_map(|shingle| self.shingles.get(shingle)) {
                    *found.entry(*place).or_default() += 1;
                }
                let (place, count) = found.into_iter().max_by_key(|(_, count)| *count)?;
                let share = count as f64 / shingles.len().max(1) as f64;
                (share >= SHARE).then_some((place, count == shingles.len()))?
            }
            _ => match self.exact.get(&duplicates::folded(&question_of(case))) {
                Some(place) => (*place, true),
                None => (*self.near.get(&question_key(&question_of(case))?)?, false),
            },
        };
        let like = self.texts.get(place)?.clone();
        Some(SeenItem { id: case.id.clone(), question: asked, like, exact })
    }

    /// Takes the cases that the training rows hold out of a suite.
    pub fn take_out(&self, suite: &mut Suite) -> Vec<SeenItem> {
        let mut seen = Vec::new();
        suite.cases.retain(|case| match self.find(case) {
            Some(found) => {
                seen.push(found);
                false
            }
            None => true,
        });
        seen
    }
}

/// The user's turns of a training row, which is what a case would ask.
pub fn question(example: &Example) -> String {
    user_turns(example.messages.iter().map(|message| (message.role, message.content.as_str())))
}

fn question_of(case: &Case) -> String {
    user_turns(case.messages.iter().map(|message| (message.role, message.content.as_str())))
}

fn user_turns<'a>(turns: impl Iterator<Item = (Role, &'a str)>) -> String {
    let asked: Vec<&str> =
        turns.filter(|(role, _)| *role == Role::User).map(|(_, text)| text).collect();
    asked.join("\n")
}

/// Hashes of the runs of [`SHINGLE`] words of a text; of a shorter one, of all of it.
fn shingles(text: &str) -> Vec<u64> {
    let folded = duplicates::folded(text).to_lowercase();
    let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    words.windows(SHINGLE).map(hash).collect()
}

/// FNV-1a over words: the same on every machine and in every version.
fn hash(words: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in words.iter().flat_map(|word| word.bytes().chain([b' '])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::suite::shipped;
    use crate::pair::Message;

    fn row(question: &str, answer: &str) -> Example {
        let messages =
            vec![Message::text(Role::User, question), Message::text(Role::Assistant, answer)];
        Example { messages, ..Example::default() }
    }

    #[test]
    fn what_was_trained_on_is_found_exactly_or_nearly() {
        let mut set = TrainingSet::default();
        set.add(&row("사무실의 최소 활하중은 얼마인가?", "2.5 kN/m²입니다."));
        set.add(&row(
            "How long does concrete cure for?",
            "Seven days, in moist air, at five degrees or more, as a rule.",
        ));
        for (question, found) in [
            ("사무실의  최소 활하중은 얼마인가?", Some(true)),
            ("사무실의 최소 활하중은 얼마입니까?", Some(false)),
            ("병실의 최소 활하중은 얼마인가?", None),
            ("How long does the concrete cure for?", Some(false)),
        ] {
            let line =
                serde_json::json!({"id": "a", "question": question, "expect": {"accept": ["x"]}});
            let case = Case::parse(&line.to_string()).unwrap();
            assert_eq!(set.find(&case).map(|seen| seen.exact), found, "{question}");
        }
        let text = |text: &str| {
            Case::parse(&serde_json::json!({"id": "t", "text": text}).to_string()).unwrap()
        };
        assert!(
            set.find(&text("Seven days, in moist air, at five degrees or more, as a rule."))
                .is_some()
        );
        assert!(
            set.find(&text(
                "Bread dough teaches patience because it cannot be hurried without harm at all."
            ))
            .is_none()
        );
    }

    #[test]
    fn cases_are_taken_out_and_listed() {
        let mut suite = shipped().into_iter().find(|suite| suite.name == "tools").unwrap();
        let count = suite.cases.len();
        let first = suite.cases[0].clone();
        let mut set = TrainingSet::default();
        assert!(set.take_out(&mut suite).is_empty());
        set.add(&Example { messages: first.messages.clone(), ..Example::default() });
        let seen = set.take_out(&mut suite);
        assert_eq!((seen.len(), suite.cases.len()), (1, count - 1));
        assert_eq!((seen[0].id.as_str(), seen[0].exact), (first.id.as_str(), true));
    }
}
