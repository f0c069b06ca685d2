//! Which rows are listed and in what order, as people type it.
//!
//! `state:draft doc:KDS page:12-40 score:>=4 -tag:표 /\d+ MPa/ 내진 sort:-loss`: fields with a colon, an
//! expression between slashes, everything else words that must all occur. Field names and values
//! work in Korean as well.

use super::Pattern;
use crate::pair::{Kind, Knowledge, Language, ReviewState, checks};

/// A field that rows are filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Review state.
    State,
    /// A label.
    Tag,
    /// Part of the document's name.
    Document,
    /// Page or range of pages.
    Page,
    /// Part of the author's name.
    Author,
    /// Form of the pair.
    Kind,
    /// Score given by a person.
    Score,
    /// Estimated tokens.
    Length,
    /// Loss under the base model.
    Loss,
    /// Whether the base model knows the answer.
    Known,
    /// What the checks found.
    Check,
    /// Language.
    Language,
    /// Key in the store.
    Number,
    /// Order of the list.
    Sort,
}

impl Field {
    /// Every field with its English and its Korean name.
    pub const ALL: [(Self, &'static str, &'static str); 14] = [
        (Self::State, "state", "상태"),
        (Self::Tag, "tag", "태그"),
        (Self::Document, "doc", "문서"),
        (Self::Page, "page", "쪽"),
        (Self::Author, "author", "작성"),
        (Self::Kind, "kind", "종류"),
        (Self::Score, "score", "점수"),
        (Self::Length, "len", "길이"),
        (Self::Loss, "loss", "손실"),
        (Self::Known, "known", "앎"),
        (Self::Check, "check", "점검"),
        (Self::Language, "lang", "언어"),
        (Self::Number, "id", "번호"),
        (Self::Sort, "sort", "정렬"),
    ];

    /// Its English and its Korean name.
    pub fn names(self) -> (&'static str, &'static str) {
        let own = Self::ALL.iter().find(|(field, ..)| *field == self);
        own.map_or(("", ""), |(_, english, korean)| (english, korean))
    }

    fn named(name: &str) -> Option<Self> {
        let same = |(_, english, korean): &&(Self, &str, &str)| name == *english || name == *korean;
        Self::ALL.iter().find(same).map(|(field, ..)| *field)
    }
}

/// In what order rows are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// As they were added.
    #[default]
    Added,
    /// By estimated tokens.
    Length,
    /// By score, those without last.
    Score,
    /// By loss, those without last.
    Loss,
    /// By document and page.
    Page,
}

impl Sort {
    /// Every order.
    pub const ALL: [Self; 5] = [Self::Added, Self::Length, Self::Score, Self::Loss, Self::Page];

    /// The order's name in a query, English and Korean.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Added => ("added", "추가"),
            Self::Length => ("len", "길이"),
            Self::Score => ("score", "점수"),
            Self::Loss => ("loss", "손실"),
            Self::Page => ("page", "쪽"),
        }
    }
}

/// What one part of a query asks of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    State(ReviewState),
    Tag(String),
    NoTag,
    Document(Pattern),
    Author(Pattern),
    Kind(Kind),
    Language(Language),
    Page(Range),
    Score(Range),
    Length(Range),
    Loss(Range),
    Number(Range),
    /// The field holds nothing.
    NoScore,
    NoLoss,
    /// None where it was not measured.
    Known(Option<Knowledge>),
    Found(checks::Kind),
    FoundAny,
    Passage(i64),
    Text(Pattern),
}

/// Inclusive bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub low: f64,
    pub high: f64,
}

impl Range {
    pub fn holds(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// Which rows are listed and in what order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    /// Every part must hold; one that is negated must not.
    pub(super) tests: Vec<(bool, Test)>,
    /// Order.
    pub sort: Sort,
    /// Whether the order is turned round.
    pub reversed: bool,
    /// Parts that were not understood, each with the reason; they were left out.
    pub faults: Vec<String>,
}

impl Query {
    /// Reads a query as typed. What cannot be understood is noted in `faults` and left out, so that
    /// a list can follow every key.
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for part in parts(text) {
            query.part(&part);
        }
        query
    }

    /// Keeps rows of one state.
    #[must_use]
    pub fn with_state(mut self, state: ReviewState) -> Self {
        self.tests.insert(0, (true, Test::State(state)));
        self
    }

    /// Keeps rows about one passage.
    #[must_use]
    pub fn with_passage(mut self, passage: i64) -> Self {
        self.tests.insert(0, (true, Test::Passage(passage)));
        self
    }

    /// Tells whether only rows with findings of a kind are listed.
    pub fn wants_finding(&self, kind: checks::Kind) -> bool {
        self.tests.contains(&(true, Test::Found(kind)))
    }

    /// Tells whether it depends on what checks found.
    pub fn asks_for_findings(&self) -> bool {
        self.tests.iter().any(|(_, test)| matches!(test, Test::Found(_) | Test::FoundAny))
    }

    /// Tells whether text is searched, which is what takes time.
    pub fn searches_text(&self) -> bool {
        self.tests.iter().any(|(_, test)| matches!(test, Test::Text(_)))
    }

    /// Tells whether every row is listed as it was added.
    pub fn is_all(&self) -> bool {
        self.tests.is_empty() && self.sort == Sort::Added && !self.reversed
    }

    /// The patterns of text that are searched, to show where they occur.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.tests.iter().filter_map(|(wanted, test)| match test {
            Test::Text(pattern) if *wanted => Some(pattern),
            _ => None,
        })
    }

    fn part(&mut self, part: &Part) {
        let wanted = !part.negated;
        let text = part.text.as_str();
        if part.expression {
            match Pattern::expression(text) {
                Ok(pattern) => self.tests.push((wanted, Test::Text(pattern))),
                Err(reason) => self.faults.push(format!("/{text}/: {reason}")),
            }
            return;
        }
        let field = (!part.quoted).then(|| text.split_once(':')).flatten();
        let field = field.and_then(|(name, value)| Some((Field::named(name)?, value)));
        match field {
            // The value is still being typed.
            Some((_, "")) => {}
            Some((Field::Sort, value)) => self.order(value, text),
            Some((field, value)) => match test(field, value) {
                Some(test) => self.tests.push((wanted, test)),
                None => self.faults.push(text.to_owned()),
            },
            None => {
                let pattern = Pattern::words(text).map(|pattern| (wanted, Test::Text(pattern)));
                self.tests.extend(pattern);
            }
        }
    }

    fn order(&mut self, value: &str, part: &str) {
        let name = value.strip_prefix('-').unwrap_or(value);
        let named = Sort::ALL.into_iter().find(|sort| {
            let (english, korean) = sort.names();
            name == english || name == korean
        });
        match named {
            Some(sort) => (self.sort, self.reversed) = (sort, value.starts_with('-')),
            None => self.faults.push(part.to_owned()),
        }
    }
}

/// A part of a query as typed.
#[derive(Debug, Default, PartialEq)]
struct Part {
    text: String,
    negated: bool,
    quoted: bool,
    expression: bool,
}

/// Splits at blanks outside quotes and slashes. A quote or slash that is not closed yet reaches to
/// the end.
fn parts(text: &str) -> Vec<Part> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut part = Part::default();
        if let Some(after) = rest.strip_prefix('-')
            && after.starts_with(|c: char| !c.is_whitespace())
        {
            (part.negated, rest) = (true, after);
        }
        let mut value = String::new();
        let opening = rest.chars().next().filter(|mark| matches!(mark, '"' | '/'));
        let used = match opening {
            Some(mark) => {
                (part.quoted, part.expression) = (mark == '"', mark == '/');
                enclosed(rest, mark, &mut value)
            }
            None => word(rest, &mut value),
        };
        rest = &rest[used..];
        part.text = value;
        if !part.text.is_empty() {
            found.push(part);
        }
        rest = rest.trim_start();
    }
    found
}

/// Reads up to the closing `mark`; a backslash before it makes it text. Answers the bytes used.
fn enclosed(rest: &str, mark: char, value: &mut String) -> usize {
    let mut used = mark.len_utf8();
    let mut escaped = false;
    for letter in rest[used..].chars() {
        used += letter.len_utf8();
        if letter == mark && !escaped {
            break;
        }
        if letter == mark {
            value.pop();
        }
        escaped = letter == '\\' && !escaped;
        value.push(letter);
    }
    used
}

/// Reads up to a blank outside quotes. Answers the bytes used.
fn word(rest: &str, value: &mut String) -> usize {
    let (mut used, mut quoted) = (0, false);
    for letter in rest.chars() {
        if letter == '"' {
            quoted = !quoted;
        } else if letter.is_whitespace() && !quoted {
            break;
        } else {
            value.push(letter);
        }
        used += letter.len_utf8();
    }
    used
}

fn test(field: Field, value: &str) -> Option<Test> {
    const NONE: [&str; 2] = ["none", "없음"];
    let nothing = NONE.contains(&value);
    match field {
        Field::State => {
            let state = match value {
                "draft" | "drafts" | "초안" => ReviewState::Draft,
                "accepted" | "승인" => ReviewState::Accepted,
                "rejected" | "거절" => ReviewState::Rejected,
                _ => return None,
            };
            Some(Test::State(state))
        }
        Field::Tag if nothing => Some(Test::NoTag),
        Field::Tag => Some(Test::Tag(value.to_owned())),
        Field::Document => Pattern::words(value).map(Test::Document),
        Field::Author => Pattern::words(value).map(Test::Author),
        Field::Kind => {
            let named = |kind: &Kind| value == kind.name();
            Kind::ALL.into_iter().find(named).map(Test::Kind)
        }
        Field::Language => match value {
            "ko" | "한국어" => Some(Test::Language(Language::Korean)),
            "en" | "영어" => Some(Test::Language(Language::English)),
            _ => None,
        },
        Field::Score if nothing => Some(Test::NoScore),
        Field::Loss if nothing => Some(Test::NoLoss),
        Field::Known if nothing => Some(Test::Known(None)),
        Field::Known => {
            let named = |known: &Knowledge| {
                let (english, korean) = known.names();
                value == english || value == korean
            };
            let known = Knowledge::ALL.into_iter().find(named);
            known.map(|known| Test::Known(Some(known)))
        }
        Field::Check if value == "any" || value == "모두" => Some(Test::FoundAny),
        Field::Check => checks::Kind::of_name(value).map(Test::Found),
        Field::Page => range(value).map(Test::Page),
        Field::Score => range(value).map(Test::Score),
        Field::Length => range(value).map(Test::Length),
        Field::Loss => range(value).map(Test::Loss),
        Field::Number => range(value).map(Test::Number),
        Field::Sort => None,
    }
}

/// `4`, `>=4`, `<4`, `12-40`, `12-`.
fn range(value: &str) -> Option<Range> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let all = Range { low: f64::NEG_INFINITY, high: f64::INFINITY };
    for (mark, below) in [(">=", false), ("<=", true)] {
        if let Some(text) = value.strip_prefix(mark) {
            let bound = number(text)?;
            return Some(if below {
                Range { high: bound, ..all }
            } else {
                Range { low: bound, ..all }
            });
        }
    }
    if let Some(text) = value.strip_prefix('>') {
        return Some(Range { low: number(text)?.next_up(), ..all });
    }
    if let Some(text) = value.strip_prefix('<') {
        return Some(Range { high: number(text)?.next_down(), ..all });
    }
    match value.split_once(['-', '~']) {
        Some((low, "")) => Some(Range { low: number(low)?, ..all }),
        Some((low, high)) => Some(Range { low: number(low)?, high: number(high)? }),
        None => number(value).map(|number| Range { low: number, high: number }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_in_both_languages() {
        let query = Query::parse(
            r#"상태:초안 -tag:표 doc:"KDS 41" page:12-40 score:>=4 "유효 건물" /\d+\/m/ 내진 sort:-loss"#,
        );
        assert_eq!(query.faults, Vec::<String>::new());
        assert_eq!((query.sort, query.reversed), (Sort::Loss, true));
        assert_eq!(query.tests.len(), 8);
        assert_eq!(query.tests[0], (true, Test::State(ReviewState::Draft)));
        assert_eq!(query.tests[1], (false, Test::Tag("표".to_owned())));
        assert_eq!(query.tests[3], (true, Test::Page(Range { low: 12.0, high: 40.0 })));
        let patterns: Vec<_> = query.patterns().collect();
        assert!(patterns[0].is_in("유효 건물중량") && !patterns[0].is_in("유효건물"));
        assert!(patterns[1].is_in("25/m²"), "{patterns:?}");
    }

    #[test]
    fn what_is_half_typed_lists_everything_and_what_is_wrong_is_named() {
        for text in ["", "  ", "state:", "/", "\"", "-", "sort:"] {
            let query = Query::parse(text);
            assert!(query.faults.is_empty(), "{text}: {query:?}");
            assert!(query.is_all() || text == "-", "{text}: {query:?}");
        }
        let query = Query::parse("state:good page:x /(a/ sort:colour 10:30");
        assert_eq!(query.faults.len(), 4, "{query:?}");
        assert!(query.patterns().next().unwrap().is_in("at 10:30"), "an unknown field is text");
    }

    #[test]
    fn ranges_have_open_ends() {
        for (text, inside, outside) in [
            ("4", 4.0, 5.0),
            (">=4", 4.0, 3.9),
            (">4", 4.1, 4.0),
            ("<4", 3.9, 4.0),
            ("<=4", 4.0, 4.1),
            ("12-40", 40.0, 41.0),
            ("12~40", 12.0, 11.0),
            ("12-", 900.0, 11.0),
        ] {
            let range = range(text).unwrap();
            assert!(range.holds(inside) && !range.holds(outside), "{text}");
        }
        assert_eq!((range("x"), range("4-x"), range(">")), (None, None, None));
    }
}
