//! Pairs that may say the same, as suggestions; nothing is ever removed.
//!
//! Likeness of letters is upside down for questions from a template: "사무실의 활하중은?" and "병실의
//! 활하중은?" look more alike than two wordings of one question. So questions are reduced to the stems
//! that carry their content, and two may be the same where the stems are, or where one has a single
//! stem more and the answers agree. Different numbers never are the same.
//!
//! Every pair is filed under its stems and under each of its sets with one stem left out; only what is
//! filed together is compared, with the first of its kind, so that time grows with the number of pairs.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

use crate::pair::{Example, duplicates};
use crate::text::quantity;

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
    answers: Vec<u64>,
}

impl Comparison {
    /// Takes the next pair and tells which earlier one it may repeat.
    pub fn add(&mut self, example: &Example) -> Option<Similar> {
        let read = Reading::of(example);
        let later = self.answers.len();
        let index = later as u32;
        self.answers.push(read.answer);
        let repeats =
            |earlier: u32, exact| Some(Similar { later, earlier: earlier as usize, exact });
        let key = hash(&duplicates::key(example));
        if let Some(&earlier) = self.exact.get(&key) {
            return repeats(earlier, true);
        }
        self.exact.insert(key, index);
        let whole = read.whole?;
        let agrees = |other: &&u32| self.answers[**other as usize] == read.answer;
        let of_first = |key: &u64| self.first.get(key);
        let earlier = of_first(&whole)
            .or_else(|| of_first(&read.joined))
            .or_else(|| self.shorter.get(&whole).filter(agrees))
            .or_else(|| read.without_one.iter().filter_map(of_first).find(agrees));
        if let Some(&earlier) = earlier {
            return repeats(earlier, false);
        }
        self.first.insert(whole, index);
        self.first.insert(read.joined, index);
        for key in read.without_one {
            self.shorter.entry(key).or_insert(index);
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
    (stems.len() > 1).then(|| QuestionKey { numbers: numbers(question), stems })
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
        let frame = (numbers(&asked), offered, calls);
        let mut stems = stems(&asked);
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
        let mut answer = self::stems(example.answer());
        answer.retain(|stem| !asked.to_lowercase().contains(stem.as_str()));
        answer.sort_unstable();
        answer.dedup();
        let answer = hash(&(numbers(example.answer()), answer));
        Self { whole, joined, without_one, answer }
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Numbers with their dimensions, in the base unit.
fn numbers(text: &str) -> Vec<String> {
    let mut numbers: Vec<String> = quantity::quantities(text)
        .into_iter()
        .filter(|found| found.role != quantity::Role::Word)
        .map(|found| match found.unit {
            Some(unit) => format!("{:.9e}{}", found.value * unit.scale, unit.dimension),
            None => format!("{:.9e}", found.value),
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Words that ask, bind or are polite, and say nothing about what is asked.
const EMPTY_WORDS: [&str; 89] = [
    "얼마",
    "무엇",
    "무엇인가",
    "뭐",
    "무슨",
    "어떤",
    "어떻게",
    "어느",
    "것",
    "수",
    "시",
    "때",
    "등",
    "및",
    "또는",
    "위해",
    "대해",
    "대한",
    "관한",
    "경우",
    "있",
    "알려",
    "주세요",
    "해야",
    "하여야",
    "하나",
    "하는가",
    "하나요",
    "합니까",
    "한가",
    "주십시오",
    "설명",
    "말해",
    "해",
    "되",
    "하",
    "몇",
    "쓰",
    "란",
    "the",
    "a",
    "an",
    "of",
    "in",
    "on",
    "at",
    "to",
    "for",
    "by",
    "is",
    "are",
    "was",
    "were",
    "be",
    "what",
    "which",
    "how",
    "much",
    "many",
    "do",
    "does",
    "did",
    "it",
    "its",
    "this",
    "that",
    "there",
    "and",
    "or",
    "as",
    "with",
    "from",
    "should",
    "must",
    "shall",
    "can",
    "will",
    "would",
    "please",
    "tell",
    "me",
    "you",
    "i",
    "has",
    "have",
    "need",
    "needed",
    "required",
    "been",
];

/// Words that turn a question round.
fn is_negation(stem: &str) -> bool {
    ["without", "not", "no", "never", "except", "아닌", "아니", "없", "않", "못", "제외", "외"]
        .contains(&stem)
}

/// The stems of a text that carry its content, in their order.
fn stems(text: &str) -> Vec<String> {
    let lower = crate::text::nfc(text).to_lowercase();
    lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !word.chars().all(|c| c.is_ascii_digit()))
        .filter(|word| !EMPTY_WORDS.contains(word))
        .map(stem)
        .filter(|stem| !stem.is_empty() && !EMPTY_WORDS.contains(&stem.as_str()))
        .collect()
}

/// Particles and endings, longest first where one ends another.
const ENDINGS: [&str; 76] = [
    "해야하는가",
    "하여야",
    "합니까",
    "입니까",
    "습니까",
    "됩니까",
    "하십시오",
    "인가요",
    "한가요",
    "나요",
    "하는가",
    "되는가",
    "인가",
    "한가",
    "는가",
    "입니다",
    "합니다",
    "됩니다",
    "습니다",
    "이며",
    "이고",
    "인지",
    "이란",
    "하는",
    "되는",
    "하여",
    "해야",
    "해서",
    "하면",
    "하고",
    "하며",
    "된다",
    "한다",
    "이다",
    "으로는",
    "에서는",
    "에서",
    "에게",
    "으로",
    "로서",
    "까지",
    "부터",
    "보다",
    "마다",
    "이나",
    "에는",
    "에도",
    "한지",
    "할지",
    "하나",
    "하다",
    "되다",
    "이요",
    "예요",
    "에요",
    "란",
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "의",
    "에",
    "와",
    "과",
    "로",
    "도",
    "만",
    "할",
    "한",
    "인",
    "다",
    "요",
    "고",
    "나",
];

fn stem(word: &str) -> String {
    let hangul = |c: char| ('가'..='힣').contains(&c);
    if !word.ends_with(hangul) {
        // Plural and third person.
        let plural =
            word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") && word.is_ascii();
        return if plural { word.trim_end_matches('s').to_owned() } else { word.to_owned() };
    }
    let mut word = word;
    for _ in 0..2 {
        let ending = ENDINGS.iter().find(|ending| {
            word.strip_suffix(**ending).is_some_and(|rest| {
                rest.chars().count() >= 2 || (ending.chars().count() >= 2 && !rest.is_empty())
            })
        });
        match ending {
            Some(ending) => word = &word[..word.len() - ending.len()],
            None => break,
        }
    }
    word.to_owned()
}
