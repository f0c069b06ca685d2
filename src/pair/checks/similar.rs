//! Pairs that may say the same, as suggestions; nothing is ever removed.
//!
//! Likeness of letters is upside down for questions from a template: "사무실의 활하중은?" and "병실의
//! 활하중은?" look more alike than two wordings of one question. So questions are reduced to the stems
//! that carry their content, and two may be the same where the stems are, or where one has a single
//! stem more and the answers agree. Different numbers never are the same.
//!
//! Every pair is filed under its stems and under each of its sets with one stem left out; only what is
//! filed together is compared, with the first of its kind, so that time grows with the number of pairs.

mod loose;
mod stems;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

use crate::pair::{Example, duplicates};
use crate::text::quantity::{self, Quantity, quantities};
use loose::{Loose, Turn};
use stems::{is_negation, stems};

/// A pair that may repeat an earlier one; both by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Similar {
    /// The later pair.
    pub later: usize,
    /// The one it may repeat.
    pub earlier: usize,
    /// Whether they are the same up to spacing and Unicode form.
    pub exact: bool,
}

/// Most stems of a question that is filed with one left out; longer ones must agree in full.
const STEMS_MAX: usize = 16;

/// Finds, for each pair, an earlier one that it may repeat.
pub fn similar<'a>(examples: impl IntoIterator<Item = &'a Example>) -> Vec<Similar> {
    let mut comparison = Comparison::default();
    examples.into_iter().filter_map(|example| comparison.add(example)).collect()
}

/// Pairs compared one by one, of each of which some hashes are kept.
#[derive(Debug, Default)]
pub struct Comparison {
    exact: HashMap<u64, u32>,
    first: HashMap<u64, u32>,
    shorter: HashMap<u64, u32>,
    /// The first two again, by what a question with an answer is about.
    loose: HashMap<u64, u32>,
    loose_shorter: HashMap<u64, u32>,
    /// Hashes of the answers, and which ends the questions ask for.
    answers: Vec<(u64, Turn)>,
}

impl Comparison {
    /// Takes the next pair and tells which earlier one it may repeat.
    pub fn add(&mut self, example: &Example) -> Option<Similar> {
        let read = Reading::of(example);
        let later = self.answers.len();
        let index = later as u32;
        self.answers.push((read.answer, read.turn));
        let repeats =
            |earlier: u32, exact| Some(Similar { later, earlier: earlier as usize, exact });
        let key = hash(&duplicates::key(example));
        if let Some(&earlier) = self.exact.get(&key) {
            return repeats(earlier, true);
        }
        self.exact.insert(key, index);
        let loose = read.loose.as_ref().and_then(|loose| self.add_loosely(loose, read.turn, index));
        let Some(whole) = read.whole else {
            return loose.and_then(|earlier| repeats(earlier, false));
        };
        let fits = |other: &&u32| self.answers[**other as usize].1.fits(read.turn);
        let agrees = |other: &&u32| fits(other) && self.answers[**other as usize].0 == read.answer;
        let of_first = |key: &u64| self.first.get(key).filter(fits);
        let earlier = of_first(&whole)
            .or_else(|| of_first(&read.joined))
            .or_else(|| self.shorter.get(&whole).filter(agrees))
            .or_else(|| read.without_one.iter().filter_map(of_first).find(agrees));
        if let Some(earlier) = earlier.copied().or(loose) {
            return repeats(earlier, false);
        }
        self.first.entry(whole).or_insert(index);
        self.first.entry(read.joined).or_insert(index);
        for key in read.without_one {
            self.shorter.entry(key).or_insert(index);
        }
        None
    }

    /// Files a pair by what it is about, and tells the one that was filed so before.
    fn add_loosely(&mut self, loose: &Loose, turn: Turn, index: u32) -> Option<u32> {
        let of_whole = |key: &u64| self.loose.get(key);
        let fits = |other: &&u32| self.answers[**other as usize].1.fits(turn);
        let earlier = of_whole(&loose.whole)
            .filter(fits)
            .or_else(|| self.loose_shorter.get(&loose.whole).filter(fits))
            .or_else(|| loose.without_one.iter().filter_map(of_whole).find(fits));
        if let Some(earlier) = earlier {
            return Some(*earlier);
        }
        self.loose.entry(loose.whole).or_insert(index);
        for key in &loose.without_one {
            self.loose_shorter.entry(*key).or_insert(index);
        }
        None
    }
}

/// A question by what carries its content: its numbers and its stems.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QuestionKey {
    numbers: Vec<String>,
    stems: Vec<String>,
}

/// The key under which a question is filed; none if it has fewer than two stems.
pub fn question_key(question: &str) -> Option<QuestionKey> {
    let mut stems = stems(question);
    stems.sort_unstable();
    stems.dedup();
    (stems.len() > 1).then(|| QuestionKey { numbers: numbers(&quantities(question)), stems })
}

/// A pair as it is filed.
struct Reading {
    /// All stems of the question and its numbers; none where the question has no content.
    whole: Option<u64>,
    /// The stems in their order without borders, since compounds are written with and without spaces.
    joined: u64,
    /// The stems but one; negations are never left out.
    without_one: Vec<u64>,
    /// Stems and numbers of the answer.
    answer: u64,
    /// What it is about, where its answer tells.
    loose: Option<Loose>,
    /// Which end of a range or time it asks for.
    turn: Turn,
}

impl Reading {
    fn of(example: &Example) -> Self {
        let asked: Vec<&str> = example
            .messages
            .iter()
            .filter(|turn| turn.role == crate::pair::Role::User)
            .map(|turn| &*turn.content)
            .collect();
        let asked = asked.join("\n");
        let offered: Vec<&str> = example.tools.iter().map(|tool| &*tool.function.name).collect();
        let calls: Vec<_> = example.calls().map(|call| format!("{:?}", call.function)).collect();
        let (in_question, in_answer) = (quantities(&asked), quantities(example.answer()));
        let frame = (numbers(&in_question), offered, calls);
        let mut stems = stems(&asked);
        let told = stems::stems(example.answer());
        let loose = Loose::of(example, (&stems, &in_question), (&told, &in_answer));
        let joined = hash(&(&frame, "joined", stems.concat()));
        stems.sort_unstable();
        stems.dedup();
        let whole = (stems.len() > 1).then(|| hash(&(&frame, &stems)));
        let short = (3..=STEMS_MAX).contains(&stems.len());
        let leave = stems.iter().enumerate().filter(|(_, stem)| short && !is_negation(stem));
        let without_one = leave
            .map(|(left_out, _)| {
                let mut rest = stems.clone();
                rest.remove(left_out);
                hash(&(&frame, &rest))
            })
            .collect();
        let mut answer = told;
        let asked = asked.to_lowercase();
        answer.retain(|stem| !asked.contains(stem.as_str()));
        answer.sort_unstable();
        answer.dedup();
        let answer = hash(&(numbers(&in_answer), answer));
        Self { whole, joined, without_one, answer, loose, turn: Turn::of(&asked) }
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Numbers with their dimensions, in the base unit.
fn numbers(found: &[Quantity]) -> Vec<String> {
    let mut numbers: Vec<String> = found
        .iter()
        .filter(|found| found.role != quantity::Role::Word)
        .map(|found| match &found.unit {
            Some(unit) => {
                format!("{} {}", quantity::rounded(found.value * unit.scale), unit.dimension)
            }
            None => quantity::rounded(found.value).to_string(),
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
