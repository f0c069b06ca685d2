//! Questions that have one answer, by what they are about. Where two answers agree, it matters little
//! whether a question asks "how long" or for "the period", and at what "least": words that measure or only
//! bind are left out, and common words for one thing are one. What is left must agree, but that one
//! question may say one thing more; where both say another thing, they are about different things.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::hash;
use super::stems::is_negation;
use crate::pair::{Example, Role};
use crate::text::quantity::{self, Quantity};

/// Fewest things a question must be about.
const FEWEST: usize = 2;
/// Most of them; longer questions are told apart by little.
const MOST: usize = 8;

/// Stems and numbers of a text.
type Read<'a> = (&'a [String], &'a [Quantity]);

/// A pair as it is filed by its answer.
pub(super) struct Loose {
    /// All that the question is about, and its answer.
    pub whole: u64,
    /// The same with one thing left out.
    pub without_one: Vec<u64>,
}

/// Which end of a range or time a question asks for: bits for most, least, from and until.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(u8);

impl Turn {
    /// Reads a question in small letters.
    pub(super) fn of(lower: &str) -> Self {
        const ENDS: [&[&str]; 4] = [
            &[
                "최대", "최고", "상한", "이하", "maximum", "most", "largest", "highest", "longest",
                "latest",
            ],
            &[
                "최소", "최저", "하한", "이상", "minimum", "least", "smallest", "lowest",
                "shortest", "earliest",
            ],
            &["부터", "시작", "from ", "start", "begin", "open"],
            &["까지", "끝나", "마치", "until", "end ", "end?", "finish", "close"],
        ];
        let asks = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        Self(
            ENDS.iter().enumerate().fold(0, |bits, (at, words)| bits | u8::from(asks(words)) << at),
        )
    }

    /// Whether two do not ask for opposite ends.
    pub(super) fn fits(self, other: Self) -> bool {
        [0b0011, 0b1100].iter().all(|ends| {
            let (a, b) = (self.0 & ends, other.0 & ends);
            a == 0 || b == 0 || a & b != 0
        })
    }
}

impl Loose {
    /// Reads a pair of one question; none where its answer says too little to tell it by.
    pub(super) fn of(example: &Example, asked_for: Read<'_>, told: Read<'_>) -> Option<Self> {
        let mut asked = example.messages.iter().filter(|turn| turn.role == Role::User);
        let question = &*asked.next()?.content;
        if asked.next().is_some() || example.is_about_tools() {
            return None;
        }
        let mut topics: Vec<String> = asked_for.0.iter().filter_map(|stem| topic(stem)).collect();
        topics.sort_unstable();
        topics.dedup();
        if !(FEWEST..=MOST).contains(&topics.len()) {
            return None;
        }
        let frame =
            (said(example.answer(), question, told)?, quantity::said(question, asked_for.1));
        let whole = hash(&("loose", &frame, &topics));
        let leave = topics.iter().enumerate();
        let leave = leave.filter(|(_, topic)| topics.len() > FEWEST && !is_negation(topic));
        let without_one = leave
            .map(|(left_out, _)| {
                let mut rest = topics.clone();
                rest.remove(left_out);
                hash(&("loose", &frame, &rest))
            })
            .collect();
        Some(Self { whole, without_one })
    }
}

/// What an answer says beyond its question: its amounts, or else its words.
fn said(answer: &str, question: &str, told: Read<'_>) -> Option<Vec<String>> {
    let amounts = quantity::said(answer, told.1);
    if !amounts.is_empty() {
        return Some(amounts);
    }
    let asked = question.to_lowercase();
    let mut words: Vec<String> = told.0.iter().filter_map(|stem| topic(stem)).collect();
    words.retain(|word| !asked.contains(word.as_str()) && !is_negation(word));
    words.sort_unstable();
    words.dedup();
    (!words.is_empty() && !words.iter().all(|word| ASSENT.contains(&&**word))).then_some(words)
}

/// Words that say yes or no, which many questions share.
const ASSENT: [&str; 8] = ["yes", "no", "예", "네", "아니", "가능", "안", "allowed"];

/// A stem as one word for what it means; none for one that measures or binds.
fn topic(stem: &str) -> Option<String> {
    if let Some(word) = KNOWN.get(stem) {
        return word.map(str::to_owned);
    }
    if stem.is_ascii() {
        let short = ["ing", "ed", "e"]
            .iter()
            .find_map(|ending| stem.strip_suffix(ending).filter(|rest| rest.len() > 3));
        return Some(short.unwrap_or(stem).to_owned());
    }
    Some(stem.to_owned())
}

/// What is known of a stem: the word for what it means, or that it says nothing.
static KNOWN: LazyLock<HashMap<&str, Option<&str>>> = LazyLock::new(|| {
    let general = GENERAL.iter().chain(&GENERAL_ENGLISH).map(|stem| (*stem, None));
    let same = SAME.iter().flat_map(|words| words.iter().map(|stem| (*stem, Some(words[0]))));
    same.chain(general).collect()
});

/// Common words for one thing.
const SAME: [&[&str]; 18] = [
    &["엘리베이터", "승강기"],
    &["건축물", "건물"],
    &["불", "화재"],
    &["급여", "월급", "임금", "봉급"],
    &["요금", "비용", "가격"],
    &["사용", "쓰는", "이용"],
    &["넘으면", "초과", "넘는", "초과하는"],
    &["서울", "서울특별시"],
    &["납부", "내야", "내는"],
    &["직원", "근로자", "종업원"],
    &["중지", "멈추게", "멈추어야", "정지"],
    &["lift", "elevator"],
    &["fee", "cost", "price", "charge"],
    &["worker", "employee"],
    &["begin", "start"],
    &["apply", "applie", "applied", "applies"],
    &["tell", "report", "told", "reported"],
    &["allow", "permit", "allowed", "permitted"],
];

/// Korean words that ask for an amount, a time or a person, or act in general.
const GENERAL: [&str; 76] = [
    "최소",
    "최대",
    "상한",
    "하한",
    "한도",
    "범위",
    "기간",
    "주기",
    "간격",
    "횟수",
    "개수",
    "수량",
    "비율",
    "비중",
    "기한",
    "시기",
    "날짜",
    "시간",
    "정도",
    "값",
    "크기",
    "수치",
    "기준",
    "인원",
    "일수",
    "연수",
    "며칠",
    "몇일",
    "언제",
    "누구",
    "어디",
    "얼마나",
    "얼마인지",
    "얼마마다",
    "년마다",
    "번",
    "년",
    "개월",
    "일",
    "시간마다",
    "동안",
    "이상",
    "이하",
    "이내",
    "안",
    "곳",
    "개",
    "명",
    "사람",
    "최고",
    "최저",
    "전체",
    "모두",
    "적용",
    "설치",
    "필요",
    "가능",
    "두나",
    "두어야",
    "두는",
    "하루",
    "받나",
    "받는",
    "받을",
    "받아야",
    "있나",
    "있는",
    "있어야",
    "되나",
    "되려면",
    "가운데",
    "위하여",
    "이어야",
    "여야",
    "동안의",
    "연간",
];

/// English ones.
const GENERAL_ENGLISH: [&str; 62] = [
    "minimum",
    "maximum",
    "least",
    "most",
    "largest",
    "smallest",
    "lowest",
    "highest",
    "limit",
    "period",
    "interval",
    "length",
    "long",
    "often",
    "soon",
    "quickly",
    "fast",
    "time",
    "date",
    "number",
    "amount",
    "share",
    "percentage",
    "percent",
    "rate",
    "value",
    "size",
    "place",
    "when",
    "where",
    "who",
    "whom",
    "why",
    "reason",
    "day",
    "year",
    "month",
    "hour",
    "large",
    "big",
    "deep",
    "wide",
    "high",
    "thick",
    "heavy",
    "far",
    "distance",
    "may",
    "up",
    "they",
    "if",
    "get",
    "be",
    "given",
    "use",
    "used",
    "one",
    "any",
    "person",
    "possible",
    "each",
    "other",
];
