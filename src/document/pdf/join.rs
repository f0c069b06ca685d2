//! How two lines of a paragraph become one: with a space, without, or without the hyphen.
//!
//! Latin lines end at word ends. Korean lines may end inside a word, and whether they do is not in the
//! file. What tells it, in this order: a space drawn at the line's end; whether this document draws such
//! spaces at all; the document's own words; common particles and endings; whether the document's lines
//! are filled to the last syllable.

use std::collections::HashSet;

use super::line::{Line, Piece};

/// A line distance above this many usual ones separates paragraphs.
pub(super) const BREAK: f64 = 1.13;

/// What a document's lines say about its line ends.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// Words seen inside lines, where their ends are certain.
    words: HashSet<String>,
    /// The file draws the space at which a line is broken.
    spaced: bool,
    /// Lines end anywhere in a word.
    breaks_words: bool,
}

/// Particles and endings after which a Korean word is complete.
const WORD_ENDS: [&str; 34] = [
    "을", "를", "은", "는", "이", "가", "의", "에", "와", "과", "로", "도", "및", "또는", "하는",
    "되는", "하여", "되어", "에서", "으로", "하고", "하며", "때", "경우", "것", "수", "등", "따라",
    "대한", "위한", "따른", "있는", "없는", "다.",
];
/// Tails of Korean words that are rarely words themselves: a line that begins with one continues a word.
const WORD_TAILS: [&str; 22] = [
    "를", "을", "은", "는", "의", "에", "로", "와", "과", "으로", "에서", "에는", "에게", "하며",
    "하고", "된다.", "되며", "되는", "하는", "하여", "다.", "니다.",
];

impl Joiner {
    /// Learns from every line of a document; `usual_step` is the line distance in font sizes.
    pub(super) fn new(pages: &[Vec<Line>], usual_step: f64) -> Self {
        let mut words = HashSet::new();
        let (mut full, mut open, mut spaced) = (0usize, 0usize, 0usize);
        for lines in pages {
            for (index, pair) in lines.windows(2).enumerate() {
                let [line, next] = pair else { continue };
                let (Some(piece), Some(following)) = (line.piece(), next.piece()) else {
                    continue;
                };
                let near = next.baseline - line.baseline < BREAK * usual_step * line.size;
                let room = (right_margin(lines, index) - line.right) / line.size;
                if !(wraps(line, next) && near)
                    || !piece.text.ends_with(is_hangul)
                    || !following.text.starts_with(is_hangul)
                    || room > 8.0
                {
                    continue;
                }
                spaced += usize::from(piece.spaced);
                if room < 1.2 {
                    full += 1;
                } else {
                    open += 1;
                }
            }
            for piece in lines.iter().flat_map(Line::pieces) {
                let tokens: Vec<&str> = piece.text.split(' ').collect();
                let inner = tokens.get(1..tokens.len().saturating_sub(1));
                words.extend(
                    inner
                        .unwrap_or_default()
                        .iter()
                        .map(|token| strip(token).to_owned())
                        .filter(|token| token.chars().count() > 1),
                );
            }
        }
        Self {
            words,
            spaced: spaced >= 2 && spaced * 10 > (full + open),
            breaks_words: open * 5 < full,
        }
    }

    /// The widest start of a line's text that cannot be broken, in characters: what did not fit on the
    /// line before if both are of one paragraph.
    pub(super) fn unbroken(&self, last: &Piece, next: &Piece) -> usize {
        let word = next.text.split(' ').next().unwrap_or_default();
        let syllables = word.starts_with(is_hangul) && self.breaks_words && !last.spaced;
        if syllables {
            // A syllable, and punctuation that may not begin a line.
            word.chars().count().min(2)
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
        } else if !(is_hangul(end) || is_ideograph(end))
            || !(is_hangul(start) || is_ideograph(start))
        {
            // A Hangul word may go on with a Latin or numeral part and back; there is no telling, and a
            // space is right more often.
            paragraph.push(' ');
        } else if self.is_word_end(paragraph, last, &next.text) {
            paragraph.push(' ');
        }
        paragraph.push_str(&next.text);
    }

    /// Tells whether the hyphen at the paragraph's end only breaks a word.
    fn is_broken_word(&self, paragraph: &str, next: &str) -> bool {
        let head = paragraph.rsplit(' ').next().unwrap_or_default();
        let tail = next.split(' ').next().unwrap_or_default();
        let whole = format!("{head}{tail}");
        if self.words.contains(strip(&whole)) {
            return false;
        }
        !head.trim_end_matches('-').contains('-')
    }

    fn is_word_end(&self, paragraph: &str, last: &Piece, next: &str) -> bool {
        if last.spaced {
            return true;
        }
        if self.spaced {
            return false;
        }
        let head = paragraph.rsplit(' ').next().unwrap_or_default();
        let tail = next.split(' ').next().unwrap_or_default();
        let whole = format!("{head}{tail}");
        if self.words.contains(strip(&whole)) {
            return false;
        }
        if !self.breaks_words {
            return true;
        }
        if WORD_TAILS.contains(&tail) {
            return false;
        }
        let known = |word: &str| self.words.contains(strip(word));
        (known(head) && known(tail))
            || (head.chars().count() > 1
                && WORD_ENDS.iter().any(|end| head.ends_with(end))
                && known(tail))
            || (known(head) && head.chars().count() > 2)
            || (known(tail) && WORD_ENDS.iter().any(|end| head.ends_with(end)))
    }
}

/// The right end of the column that a line stands in, as far as the lines around it show.
pub(super) fn right_margin(lines: &[Line], index: usize) -> f64 {
    const REACH: usize = 12;
    let Some(line) = lines.get(index) else {
        return 0.0;
    };
    let mut margin = line.right;
    let mut above = line;
    for other in lines
        .get(..index)
        .unwrap_or_default()
        .iter()
        .rev()
        .take(REACH)
    {
        if !same_column(other, above) {
            break;
        }
        margin = margin.max(other.right);
        above = other;
    }
    let mut below = line;
    for other in lines
        .get(index + 1..)
        .unwrap_or_default()
        .iter()
        .take(REACH)
    {
        if !same_column(below, other) {
            break;
        }
        margin = margin.max(other.right);
        below = other;
    }
    margin
}

fn same_column(line: &Line, next: &Line) -> bool {
    line.piece().is_some()
        && next.piece().is_some()
        && wraps(line, next)
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
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

/// Tells whether a character is a Hangul syllable.
pub(super) fn is_hangul(character: char) -> bool {
    ('가'..='힣').contains(&character)
}

fn is_ideograph(character: char) -> bool {
    ('\u{4E00}'..='\u{9FFF}').contains(&character) || ('\u{3400}'..='\u{4DBF}').contains(&character)
}
