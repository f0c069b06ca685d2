//! How two lines of a paragraph become one: with a space, without, or without the hyphen.
//!
//! Latin lines end at word ends. Korean lines may end inside a word, and whether they do is not in the
//! file. What tells it, in this order: a space drawn at the line's end; the document's own words; whether
//! its lines are filled to the last syllable, as those are that may end inside a word; common particles
//! and endings.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

use super::line::{Line, Piece};

/// A line distance above this many usual ones separates paragraphs.
pub(super) const BREAK: f64 = 1.13;

/// The most words that are remembered; the first hundred thousands are a language's vocabulary.
const WORDS: usize = 200_000;

/// What a document's lines, as far as they are known, say about its line ends.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// Words seen inside lines, where their ends are certain, as hash values.
    words: HashSet<u64>,
    /// Lines that end with Hangul and go on with it: up to the margin, before it, with a space drawn.
    full: u32,
    open: u32,
    spaced: u32,
}

/// Particles and endings after which a Korean word is complete, with the length from which a word that
/// ends so is trusted to end there.
const WORD_ENDS: [(&str, usize); 27] = [
    ("을", 2),
    ("를", 2),
    ("은", 3),
    ("는", 3),
    ("의", 3),
    ("에", 3),
    ("와", 2),
    ("과", 3),
    ("로", 3),
    ("및", 1),
    ("또는", 2),
    ("하는", 3),
    ("되는", 3),
    ("있는", 2),
    ("없는", 2),
    ("하여", 2),
    ("되어", 3),
    ("하고", 3),
    ("하며", 3),
    ("에서", 3),
    ("으로", 3),
    ("따라", 2),
    ("대한", 2),
    ("위한", 2),
    ("따른", 2),
    ("경우", 2),
    ("때에는", 3),
];
/// Tails of Korean words that are rarely words themselves: a line that begins with one continues a word.
const WORD_TAILS: [&str; 27] = [
    "를",
    "을",
    "은",
    "는",
    "이",
    "가",
    "의",
    "에",
    "로",
    "와",
    "과",
    "도",
    "으로",
    "에서",
    "에는",
    "에게",
    "에서는",
    "하며",
    "하고",
    "된다.",
    "되며",
    "되는",
    "하는",
    "하여",
    "이다.",
    "다.",
    "니다.",
];
/// Units that follow a number without a space.
const COUNTERS: &str = "년월일시분초층개명회차조항호장절편쪽배원";

impl Joiner {
    /// Learns from a page's lines; `usual_step` is the line distance in font sizes.
    pub(super) fn note(&mut self, lines: &[Line], usual_step: f64) {
        for (index, pair) in lines.windows(2).enumerate() {
            let [line, next] = pair else { continue };
            let (Some(piece), Some(following)) = (line.piece(), next.piece()) else {
                continue;
            };
            let near = next.baseline - line.baseline < BREAK * usual_step * line.size;
            let inside = piece.text.ends_with(is_hangul) && following.text.starts_with(is_hangul);
            if !wraps(line, next) || !near || !inside {
                continue;
            }
            let room = (right_margin(lines, index) - line.right) / line.size;
            if room > 8.0 {
                continue;
            }
            self.spaced += u32::from(piece.spaced);
            if room < 1.2 {
                self.full += 1;
            } else {
                self.open += 1;
            }
        }
        for piece in lines.iter().flat_map(Line::pieces) {
            // The first and the last may be parts of words.
            let mut tokens = piece.text.split(' ').skip(1).peekable();
            while let Some(token) = tokens.next() {
                if tokens.peek().is_none() || self.words.len() >= WORDS {
                    break;
                }
                let word = strip(token);
                if word.chars().nth(1).is_some() {
                    self.words.insert(hash([word]));
                }
            }
        }
    }

    /// Tells whether lines end anywhere in a word.
    fn breaks_words(&self) -> bool {
        self.open * 3 < self.full && self.spaced * 2 < self.full + self.open
    }

    /// Tells whether the parts make a word that was seen inside a line.
    fn knows<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> bool {
        self.words.contains(&hash(parts))
    }

    /// The widest start of a line's text that cannot be broken, in characters: what did not fit on the
    /// line before if both are of one paragraph.
    pub(super) fn unbroken(&self, last: &Piece, next: &Piece) -> usize {
        let mut words = next.text.split(' ');
        let word = words.next().unwrap_or_default();
        let syllables = word.starts_with(is_hangul) && self.breaks_words() && !last.spaced;
        if syllables {
            // A syllable, and punctuation that may not begin a line.
            word.chars().count().min(2)
        } else if word.starts_with(|c: char| c.is_ascii_digit()) && word.len() <= 3 {
            // "1 m", "12 kN/m²" and the like stay together.
            word.chars().count() + 1 + words.next().unwrap_or_default().chars().count()
        } else {
            word.chars().count()
        }
    }

    /// Appends a line to the paragraph so far.
    pub(super) fn append(&self, paragraph: &mut String, last: &Piece, next: &Piece) {
        let (Some(end), Some(start)) = (paragraph.chars().last(), next.text.chars().next()) else {
            paragraph.push_str(&next.text);
            return;
        };
        let before_hyphen = paragraph.chars().rev().nth(1);
        if matches!(end, '-' | '\u{2010}')
            && before_hyphen.is_some_and(char::is_alphabetic)
            && start.is_lowercase()
        {
            if end == '\u{2010}' || self.is_broken_word(paragraph, &next.text) {
                paragraph.pop();
            }
        } else if is_east_asian(end) && is_east_asian(start) {
            if self.is_word_end(paragraph, last, &next.text) {
                paragraph.push(' ');
            }
        } else if last.spaced || !continues_word(end, &next.text) {
            paragraph.push(' ');
        }
        paragraph.push_str(&next.text);
    }

    /// Tells whether the word at the paragraph's end and the one at the line's start are one that was seen.
    fn knows_joined(&self, head: &str, next: &str) -> bool {
        let tail = next.split(' ').next().unwrap_or_default();
        self.knows([head.trim_start_matches(is_mark), tail.trim_end_matches(is_mark)])
    }

    /// Tells whether the hyphen at the paragraph's end only breaks a word.
    fn is_broken_word(&self, paragraph: &str, next: &str) -> bool {
        let head = paragraph.rsplit(' ').next().unwrap_or_default();
        if self.knows_joined(head, next) {
            return false;
        }
        !head.trim_end_matches('-').contains('-')
    }

    /// Tells whether a Korean word ends with the paragraph so far, rather than going on in `next`.
    fn is_word_end(&self, paragraph: &str, last: &Piece, next: &str) -> bool {
        if last.spaced {
            return true;
        }
        let head = paragraph.rsplit(' ').next().unwrap_or_default();
        let tail = next.split(' ').next().unwrap_or_default();
        if self.knows_joined(head, next) {
            return false;
        }
        if !self.breaks_words() {
            return true;
        }
        if WORD_TAILS.contains(&tail) {
            return false;
        }
        let length = head.chars().count();
        let complete = WORD_ENDS.iter().any(|(end, least)| head.ends_with(end) && length >= *least);
        complete || (self.knows([strip(head)]) && (self.knows([strip(tail)]) || length > 2))
    }
}

/// Tells whether a line that begins after a numeral, Latin letter or sign goes on with the same word.
fn continues_word(end: char, next: &str) -> bool {
    let tail = next.split(' ').next().unwrap_or_default();
    let counted = end.is_ascii_digit() && tail.starts_with(|c| COUNTERS.contains(c));
    (end.is_alphanumeric() && WORD_TAILS.contains(&tail))
        || counted
        || (end == '/' && !next.is_empty())
}

/// The right end of the column that a line stands in, as far as the lines around it show.
pub(super) fn right_margin(lines: &[Line], index: usize) -> f64 {
    const REACH: usize = 12;
    let Some(line) = lines.get(index) else {
        return 0.0;
    };
    let mut margin = line.right;
    let mut reach = |others: &mut dyn Iterator<Item = &Line>, upwards: bool| {
        let mut last = line;
        let mut least = f64::MAX;
        for other in others.take(REACH) {
            let (above, below) = if upwards { (other, last) } else { (last, other) };
            // A wider step is the distance to something else, such as text over all columns.
            let step = below.baseline - above.baseline;
            if !same_column(above, below) || step > 1.4 * least {
                break;
            }
            least = least.min(step);
            margin = margin.max(other.right);
            last = other;
        }
    };
    reach(&mut lines.get(..index).unwrap_or_default().iter().rev(), true);
    reach(&mut lines.get(index + 1..).unwrap_or_default().iter(), false);
    margin
}

fn same_column(line: &Line, next: &Line) -> bool {
    line.piece().is_some()
        && next.piece().is_some()
        && wraps(line, next)
        && (line.size - next.size).abs() < 0.05 * line.size.max(next.size)
        && (line.left - next.left).abs() < 4.0 * line.size
}

/// Tells whether `next` looks like the next line of the same paragraph.
pub(super) fn wraps(line: &Line, next: &Line) -> bool {
    let size = line.size.max(next.size);
    let step = next.baseline - line.baseline;
    step > 0.0
        && step < 2.2 * size
        && next.left < line.right
        && (line.size - next.size).abs() < 0.1 * size
}

/// A word without the punctuation around it.
fn strip(word: &str) -> &str {
    word.trim_matches(is_mark)
}

fn is_mark(character: char) -> bool {
    !character.is_alphanumeric()
}

/// Hash value of a text given in parts; the same in every run.
fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write(part.as_bytes());
    }
    hasher.finish()
}

/// Tells whether a character is a Hangul syllable.
pub(super) fn is_hangul(character: char) -> bool {
    ('가'..='힣').contains(&character)
}

fn is_east_asian(character: char) -> bool {
    is_hangul(character)
        || ('\u{4E00}'..='\u{9FFF}').contains(&character)
        || ('\u{3400}'..='\u{4DBF}').contains(&character)
}
