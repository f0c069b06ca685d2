//! The stems of questions that carry their content.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

static EMPTY: LazyLock<HashSet<&str>> = LazyLock::new(|| EMPTY_WORDS.into_iter().collect());

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
pub(super) fn is_negation(stem: &str) -> bool {
    ["without", "not", "no", "never", "except", "아닌", "아니", "없", "않", "못", "제외", "외"]
        .contains(&stem)
}

/// The stems of a text that carry its content, in their order.
pub(super) fn stems(text: &str) -> Vec<String> {
    let lower = crate::text::nfc(text).to_lowercase();
    lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !word.chars().all(|c| c.is_ascii_digit()))
        .filter(|word| !EMPTY.contains(word))
        .map(stem)
        .filter(|stem| !stem.is_empty() && !EMPTY.contains(stem.as_str()))
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

/// The endings by their last character, in their order.
static BY_LAST: LazyLock<HashMap<char, Vec<&str>>> = LazyLock::new(|| {
    let mut by_last: HashMap<char, Vec<&str>> = HashMap::new();
    for ending in ENDINGS {
        by_last.entry(ending.chars().next_back().unwrap_or_default()).or_default().push(ending);
    }
    by_last
});

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
        let last = word.chars().next_back().unwrap_or_default();
        let ending = BY_LAST.get(&last).into_iter().flatten().find(|ending| {
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
