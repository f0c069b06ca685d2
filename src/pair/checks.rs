//! What may be wrong with pairs, as a list to work through: typed findings without prose.

mod language;
mod personal;
mod refusal;
pub mod similar;
mod words;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Example, Language, Role, check};
use crate::document::locate;
use crate::text::{Span, quantity};

/// What a finding is about. The name in JSON, on the command line and in the store is [`Kind::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Turns, tools or calls that cannot be trained on.
    Structure,
    /// A question or an answer that says nothing.
    Empty,
    /// More tokens than a row may have.
    TooLong,
    /// The quote does not stand on the page.
    QuoteNotFound,
    /// A figure of the answer does not stand in the quote.
    NumberNotInQuote,
    /// The answer is in another language than the question, or both than the page.
    WrongLanguage,
    /// The answer declines to answer.
    Refusal,
    /// A person can be told or reached by it.
    PersonalData,
    /// It says what an earlier pair says.
    ExactDuplicate,
    /// It may ask what an earlier pair asks.
    NearDuplicate,
    /// It is trained on, and what it may repeat is held out, or the other way round.
    Leak,
}

impl Kind {
    /// All kinds, the gravest first.
    pub const ALL: [Self; 11] = [
        Self::Structure,
        Self::Empty,
        Self::TooLong,
        Self::QuoteNotFound,
        Self::NumberNotInQuote,
        Self::WrongLanguage,
        Self::Refusal,
        Self::PersonalData,
        Self::Leak,
        Self::ExactDuplicate,
        Self::NearDuplicate,
    ];

    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Empty => "empty",
            Self::TooLong => "too-long",
            Self::QuoteNotFound => "quote-not-found",
            Self::NumberNotInQuote => "number-not-in-quote",
            Self::WrongLanguage => "wrong-language",
            Self::Refusal => "refusal",
            Self::PersonalData => "personal-data",
            Self::ExactDuplicate => "exact-duplicate",
            Self::NearDuplicate => "near-duplicate",
            Self::Leak => "leak",
        }
    }

    /// The kind of a name, English or Korean.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name || kind.title(Language::Korean) == name)
    }

    /// Its name in a list for people, without blanks.
    pub fn title(self, language: Language) -> &'static str {
        match language {
            Language::Korean => words::korean_name(self),
            Language::English => self.name(),
        }
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u16);

impl Kinds {
    /// Adds a kind.
    pub fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u16;
    }

    /// Whether a kind is among them.
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<T: IntoIterator<Item = Kind>>(kinds: T) -> Self {
        let mut set = Self::default();
        kinds.into_iter().for_each(|kind| set.insert(kind));
        set
    }
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look.
    Note,
    /// Probably wrong.
    Warning,
    /// Cannot be trained on.
    Error,
}

/// Where in a pair something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// The whole pair.
    Whole,
    /// The quote.
    Quote,
    /// A turn, from 0.
    Message(usize),
}

/// What a message about a finding needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// Nothing more.
    None,
    /// The text concerned.
    Text(String),
    /// A fault of structure, in English.
    Fault(String),
    /// The pair repeated, by its key.
    Pair(i64),
    /// Tokens there are and tokens there may be.
    Tokens(usize, usize),
    /// The language found and the one expected.
    Languages(Language, Language),
}

/// Something that may be wrong with one pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// How grave it is.
    pub severity: Severity,
    /// Where it is.
    pub field: Field,
    /// Characters of that field it concerns.
    pub span: Option<Span>,
    /// What a message needs to know.
    pub detail: Detail,
}

impl Finding {
    /// A finding about a whole pair.
    pub fn new(kind: Kind, severity: Severity, detail: Detail) -> Self {
        Self { kind, severity, field: Field::Whole, span: None, detail }
    }

    fn at(self, field: Field, span: Option<Span>) -> Self {
        Self { field, span, ..self }
    }

    /// Whether it belongs in the list to work through: what is probably wrong, and pairs that may say the
    /// same. A figure that stands elsewhere on the page is told beside its pair only.
    pub fn is_listed(&self) -> bool {
        self.severity >= Severity::Warning || self.kind == Kind::NearDuplicate
    }

    /// The finding in words.
    pub fn describe(&self, language: Language) -> String {
        words::describe(self, language)
    }
}

/// What a pair is judged against. What is not known is not judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Source<'a> {
    /// The text of the pair's page, or of its passage.
    pub page: Option<&'a str>,
    /// Tokens of the pair and the most a row may have.
    pub tokens: Option<(usize, usize)>,
}

/// Hash of all that a finding depends on; a dismissal holds while it stays the same.
pub fn content_hash(example: &Example) -> String {
    let parts = (&example.messages, &example.tools, &example.meta.quote);
    let text = serde_json::to_string(&parts).unwrap_or_default();
    let mut hash = String::new();
    for byte in Sha256::digest(text.as_bytes()).iter().take(12) {
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}

/// Judges one pair by itself and its source.
pub fn findings(example: &Example, source: Source<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = check(example)
        .into_iter()
        .filter(|fault| !fault.ends_with("says nothing"))
        .map(|fault| Finding::new(Kind::Structure, Severity::Error, Detail::Fault(fault)))
        .collect();
    found.extend(empty(example));
    if let Some((tokens, limit)) = source.tokens.filter(|(tokens, limit)| tokens > limit) {
        found.push(Finding::new(Kind::TooLong, Severity::Warning, Detail::Tokens(tokens, limit)));
    }
    found.extend(grounding(example, source));
    found.extend(language::finding(example, source.page));
    if !example.is_about_tools() {
        found.extend(refusal::finding(example, source.page.is_some()));
    }
    found.extend(personal::findings(example));
    found
}

fn empty(example: &Example) -> impl Iterator<Item = Finding> + '_ {
    let says = |text: &str| text.chars().any(char::is_alphanumeric);
    let turns = example.messages.iter().enumerate();
    turns
        .filter(move |(_, turn)| {
            matches!(turn.role, Role::User | Role::Assistant)
                && turn.tool_calls.is_empty()
                && !says(&turn.content)
        })
        .map(|(at, _)| {
            Finding::new(Kind::Empty, Severity::Error, Detail::None).at(Field::Message(at), None)
        })
}

/// The last turn of the assistant that says something, with its place.
fn answer(example: &Example) -> Option<(usize, &str)> {
    let mut turns = example.messages.iter().enumerate().rev();
    turns
        .find(|(_, turn)| turn.role == Role::Assistant && !turn.content.trim().is_empty())
        .map(|(at, turn)| (at, &*turn.content))
}

/// Whether quote and figures hold against the page.
fn grounding(example: &Example, source: Source<'_>) -> Vec<Finding> {
    let Some(quote) = example.meta.quote.as_deref().filter(|quote| !quote.trim().is_empty()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if source.page.is_some_and(|page| locate(page, quote).is_none()) {
        let finding = Finding::new(Kind::QuoteNotFound, Severity::Warning, Detail::None);
        found.push(finding.at(Field::Quote, None));
    }
    let Some((at, answer)) = answer(example) else { return found };
    let question = example.question();
    let missing = quantity::missing(answer, question, quote);
    // What stands elsewhere on the page may be right; the quote then shows too little. It is wrong where
    // the quote says another amount of the same kind.
    let page = source.page.filter(|_| !missing.is_empty());
    let elsewhere =
        page.map_or(Vec::new(), |page| quantity::elsewhere(&missing, answer, question, page));
    for (place, missing) in missing.into_iter().enumerate() {
        let text = missing.span.of(answer).to_owned();
        let on_page = elsewhere.contains(&place) && !quantity::contradicts(&missing, answer, quote);
        // What the answer itself works out stands nowhere else.
        let before: String = answer.chars().take(missing.span.start).collect();
        let computed = before.trim_end_matches([' ', '약']).ends_with(['=', '≈', '→']);
        let severity = if on_page || computed { Severity::Note } else { Severity::Warning };
        let finding = Finding::new(Kind::NumberNotInQuote, severity, Detail::Text(text));
        found.push(finding.at(Field::Message(at), Some(missing.span)));
    }
    found
}

#[cfg(test)]
mod tests;
