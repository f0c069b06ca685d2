//! Rules that a freely written reply must keep, each checkable without a reader.

use std::fmt;
use std::sync::OnceLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use crate::text::number::is_hangul;

/// One rule. In files each is an object of one key, for example `{"words": [3, 5]}`. Texts are
/// compared in NFC and without case; blanks at the ends of a reply do not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The text occurs.
    Contains(String),
    /// The text does not occur.
    Absent(String),
    /// The reply begins with the text.
    Starts(String),
    /// The reply ends with the text.
    Ends(String),
    /// So many words, least and most.
    Words(usize, usize),
    /// So many lines that are not blank.
    Lines(usize, usize),
    /// So many sentences.
    Sentences(usize, usize),
    /// So many characters, white space left out.
    Characters(usize, usize),
    /// So many items of a list: lines that begin with a mark or a number.
    Bullets(usize, usize),
    /// A text occurs so many times.
    Count {
        /// The text.
        of: String,
        /// Least and most.
        times: (usize, usize),
    },
    /// The reply, out of its code fence if it stands in one, is a JSON object of exactly these keys.
    Json(Vec<String>),
    /// All letters that have a case have this one.
    Case(LetterCase),
    /// No letter of another script.
    Script(Script),
    /// The pattern is found in the reply.
    Matches(Pattern),
}

/// Upper or lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LetterCase {
    /// Capital letters.
    Upper,
    /// Small letters.
    Lower,
}

/// A script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Script {
    /// Korean letters.
    Hangul,
    /// Latin letters.
    Latin,
}

/// A regular expression, compiled when it is first looked for. One that does not compile is
/// refused when it is read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    source: String,
    compiled: OnceLock<Option<Regex>>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(source: String) -> Result<Self, String> {
        let compiled = Regex::new(&source).map_err(|error| error.to_string())?;
        Ok(Self { source, compiled: OnceLock::from(Some(compiled)) })
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.source
    }
}

impl Pattern {
    fn is_found(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| Regex::new(&self.source).ok());
        compiled.as_ref().is_some_and(|pattern| pattern.is_match(text))
    }
}

impl Rule {
    /// Whether a reply keeps the rule.
    pub fn is_kept(&self, reply: &str) -> bool {
        let reply: String = reply.trim().nfc().collect();
        let within = |count: usize, least: usize, most: usize| (least..=most).contains(&count);
        match self {
            Self::Contains(text) => folded(&reply).contains(&folded(text)),
            Self::Absent(text) => !folded(&reply).contains(&folded(text)),
            Self::Starts(text) => folded(&reply).starts_with(&folded(text.trim())),
            Self::Ends(text) => folded(&reply).ends_with(&folded(text.trim())),
            Self::Words(least, most) => within(reply.split_whitespace().count(), *least, *most),
            Self::Lines(least, most) => within(lines(&reply).count(), *least, *most),
            Self::Sentences(least, most) => within(sentences(&reply), *least, *most),
            Self::Characters(least, most) => {
                let count = reply.chars().filter(|character| !character.is_whitespace()).count();
                within(count, *least, *most)
            }
            Self::Bullets(least, most) => {
                within(lines(&reply).filter(|line| is_bullet(line)).count(), *least, *most)
            }
            Self::Count { of, times: (least, most) } => {
                within(folded(&reply).matches(&folded(of)).count(), *least, *most)
            }
            Self::Json(keys) => has_keys(&reply, keys),
            Self::Case(case) => {
                let mut cased = reply.chars().filter(|c| c.is_uppercase() || c.is_lowercase());
                let wrong = |character: char| match case {
                    LetterCase::Upper => character.is_lowercase(),
                    LetterCase::Lower => character.is_uppercase(),
                };
                cased.clone().next().is_some() && !cased.any(wrong)
            }
            Self::Script(script) => {
                let mut letters = reply.chars().filter(|character| character.is_alphabetic());
                let wrong = |character: char| match script {
                    Script::Hangul => !is_hangul(character),
                    Script::Latin => !is_latin(character),
                };
                letters.clone().next().is_some() && !letters.any(wrong)
            }
            Self::Matches(pattern) => pattern.is_found(&reply),
        }
    }
}

/// The first rule that a reply breaks, as a reason.
pub fn broken<'a>(rules: &'a [Rule], reply: &str) -> Option<&'a Rule> {
    rules.iter().find(|rule| !rule.is_kept(reply))
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).unwrap_or_default())
    }
}

fn folded(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Ends of sentences: a mark of end before white space or the text's end. What follows the last
/// mark counts as one more.
fn sentences(text: &str) -> usize {
    let mut count = 0;
    let mut open = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let closes = matches!(character, '.' | '!' | '?' | '。' | '…' | '！' | '？');
        let next = characters.peek();
        let quoted = next.is_some_and(|next| matches!(next, '"' | '\'' | '”' | '’' | ')'));
        if closes && open && (quoted || next.is_none_or(|next| next.is_whitespace())) {
            count += 1;
            open = false;
        } else if character.is_alphanumeric() {
            open = true;
        }
    }
    count + usize::from(open)
}

/// Whether a line begins with a mark of a list: `-`, `*`, `•` or a number with a dot or bracket.
fn is_bullet(line: &str) -> bool {
    if line.starts_with(['-', '*', '•', '·']) {
        return true;
    }
    let rest = line.trim_start_matches(|character: char| character.is_ascii_digit());
    rest.len() < line.len() && rest.starts_with(['.', ')'])
}

fn has_keys(reply: &str, keys: &[String]) -> bool {
    let inside = match reply.strip_prefix("```") {
        Some(rest) => {
            let body = rest.split_once('\n').map_or(rest, |(_, body)| body);
            body.trim_end().strip_suffix("```").unwrap_or(body)
        }
        None => reply,
    };
    match serde_json::from_str(inside.trim()) {
        Ok(Value::Object(object)) => {
            object.len() == keys.len() && keys.iter().all(|key| object.contains_key(key))
        }
        _ => false,
    }
}

fn is_latin(character: char) -> bool {
    character.is_ascii_alphabetic() || ('\u{c0}'..='\u{24f}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_kept_or_broken() {
        let cases: &[(&str, &str, bool)] = &[
            (r#"{"contains":"Seoul"}"#, "I live in SEOUL.", true),
            (r#"{"absent":","}"#, "one, two", false),
            (r#"{"starts":"물론"}"#, "  물론입니다.", true),
            (r#"{"ends":"?"}"#, "괜찮으세요?\n", true),
            (r#"{"words":[3,3]}"#, "red green blue", true),
            (r#"{"words":[3,3]}"#, "red green", false),
            (r#"{"lines":[2,2]}"#, "a\n\nb", true),
            (r#"{"sentences":[2,2]}"#, "비가 온다. 우산을 쓴다", true),
            (r#"{"sentences":[1,1]}"#, "It is 3.5 m long.", true),
            (r#"{"sentences":[2,2]}"#, "\"Go!\" she said.", true),
            (r#"{"characters":[5,5]}"#, "안녕 하세요", true),
            (r#"{"bullets":[3,3]}"#, "- a\n* b\n3) c", true),
            (r#"{"bullets":[1,9]}"#, "3.5 is a number", true),
            (r#"{"count":{"of":"the","times":[2,2]}}"#, "The cat and the dog", true),
            (r#"{"json":["name","age"]}"#, "```json\n{\"name\": \"Kim\", \"age\": 3}\n```", true),
            (r#"{"json":["name"]}"#, "{\"name\": 1, \"b\": 2}", false),
            (r#"{"case":"upper"}"#, "HELLO 3", true),
            (r#"{"case":"upper"}"#, "123", false),
            (r#"{"script":"hangul"}"#, "안녕 3!", true),
            (r#"{"script":"hangul"}"#, "안녕 hi", false),
            (r#"{"matches":"^\\d{3}$"}"#, " 123 ", true),
        ];
        for (rule, reply, kept) in cases {
            let read: Rule = serde_json::from_str(rule).unwrap();
            assert_eq!(read.is_kept(reply), *kept, "{rule} {reply:?}");
            assert_eq!(read.to_string(), *rule);
        }
        assert!(serde_json::from_str::<Rule>(r#"{"matches":"("}"#).is_err());
        assert!(serde_json::from_str::<Rule>(r#"{"colour":"red"}"#).is_err());
    }
}
