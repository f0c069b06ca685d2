//! Pages to passages: by structure first, by tokens second, never inside a sentence if it can be helped.

use serde::{Deserialize, Serialize};

use super::passage::{Page, Passage};
use super::structure::{self, Marker};
use crate::text::Span;

/// How long passages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PassageSettings {
    /// Tokens that a passage may have; a passage is shorter where the document's structure ends it.
    pub tokens: usize,
    /// Tokens that a passage may repeat of the one before, in whole sentences, where that goes on with the
    /// same clause; at most half of `tokens`. None by default: the headings above a passage are its context
    /// already, and what stands in two passages is asked about twice and counted twice.
    pub overlap: usize,
}

impl Default for PassageSettings {
    fn default() -> Self {
        Self { tokens: 400, overlap: 0 }
    }
}

/// Splits pages into passages. `count` counts the tokens of a text. Every passage is a stretch of its
/// page's text (`span.of(&page.text) == passage.text`); together they cover everything on the page but
/// blanks, once where there is no overlap. A page without a single letter gives none.
pub fn split(
    pages: &[Page],
    count: &mut dyn FnMut(&str) -> usize,
    settings: &PassageSettings,
) -> Vec<Passage> {
    let limit = settings.tokens.max(1);
    let overlap = settings.overlap.min(limit / 2);
    let limit = limit - overlap;
    let mut outline = Outline::default();
    let mut passages = Vec::new();
    for page in pages {
        if !page.text.chars().any(char::is_alphabetic) {
            continue;
        }
        let characters: Vec<char> = page.text.chars().collect();
        let units = units(&characters, &mut outline, count, limit);
        let pieces = gather(&units, limit);
        for (index, piece) in pieces.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| pieces.get(before));
            let repeated = before.and_then(|before| repeated(before, piece, overlap));
            let (Some(first), Some(last)) = (repeated.or(piece.first()), piece.last()) else {
                continue;
            };
            let span = Span { start: first.span.start, end: last.span.end };
            passages.push(Passage {
                page: page.number,
                span,
                context: first.context.clone(),
                text: slice(&characters, span),
            });
        }
    }
    passages
}

/// The headings that are open, outermost first, carried from page to page.
#[derive(Debug, Default)]
struct Outline(Vec<(u32, String)>);

impl Outline {
    /// Closes what a marker of this level ends.
    fn close(&mut self, level: u32) {
        self.0.retain(|(open, _)| *open < level);
    }

    fn context(&self) -> Vec<String> {
        self.0.iter().map(|(_, label)| label.clone()).collect()
    }
}

/// The smallest piece that stays whole: a sentence, a row, a heading.
#[derive(Debug, Clone)]
struct Unit {
    span: Span,
    tokens: usize,
    /// What a break before it costs; less is better.
    bond: Bond,
    /// It announces what follows, so it never ends a passage.
    announces: bool,
    context: Vec<String>,
}

/// How strongly a unit hangs on the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    /// It begins a chapter or section.
    Heading,
    /// It begins a numbered clause.
    Clause,
    /// It begins a paragraph or list item.
    Paragraph,
    /// It begins a line.
    Line,
    /// It continues a paragraph.
    Sentence,
}

fn slice(characters: &[char], span: Span) -> String {
    characters.get(span.start..span.end).unwrap_or_default().iter().collect()
}

/// The units of a page, in order.
fn units(
    characters: &[char],
    outline: &mut Outline,
    count: &mut dyn FnMut(&str) -> usize,
    limit: usize,
) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut blank_before = true;
    let mut start = 0;
    while start < characters.len() {
        let length = characters.get(start..).unwrap_or_default().iter().position(|c| *c == '\n');
        let end = length.map_or(characters.len(), |length| start + length);
        let line = trim(characters, Span { start, end });
        start = end + 1;
        if line.is_empty() {
            blank_before = true;
            continue;
        }
        let text = slice(characters, line);
        // Rows of a table begin with figures that look like numbers of clauses.
        let marker =
            structure::marker(&text).filter(|marker| blank_before || !is_data(marker, &text));
        let heading = marker.is_some() && structure::is_heading(&text);
        let clause = marker.as_ref().filter(|marker| marker.names_place);
        if let Some(marker) = clause {
            outline.close(marker.level);
        }
        let context = outline.context();
        let bond = match (&clause, heading, &marker, blank_before) {
            (_, true, ..) => Bond::Heading,
            (Some(_), ..) => Bond::Clause,
            (_, _, Some(_), _) | (.., true) => Bond::Paragraph,
            _ => Bond::Line,
        };
        let mut first = true;
        for span in sentences(characters, line) {
            for span in fit(characters, span, count, limit) {
                units.push(Unit {
                    span,
                    tokens: count(&slice(characters, span)),
                    bond: if first { bond } else { Bond::Sentence },
                    announces: heading || text.ends_with([':', '：']),
                    context: context.clone(),
                });
                first = false;
            }
        }
        if let Some(marker) = clause {
            let label = if heading { text.trim_start_matches(['#', ' ']) } else { &marker.label };
            outline.0.push((marker.level, label.to_owned()));
        }
        blank_before = false;
    }
    units
}

/// Tells whether a marked line inside a block of lines is a row of figures.
fn is_data(marker: &Marker, text: &str) -> bool {
    marker.parts > 0
        && marker.parts < 3
        && text.split(' ').skip(1).any(|word| word.parse::<f64>().is_ok())
}

fn trim(characters: &[char], span: Span) -> Span {
    let inside = characters.get(span.start..span.end).unwrap_or_default();
    let solid = |c: &char| !c.is_whitespace();
    match (inside.iter().position(solid), inside.iter().rposition(solid)) {
        (Some(first), Some(last)) => Span { start: span.start + first, end: span.start + last + 1 },
        _ => Span { start: span.start, end: span.start },
    }
}

/// The sentences of a text, in characters of it: what a person may cut between.
pub fn sentence_spans(text: &str) -> Vec<Span> {
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let end = start + line.chars().count();
        let line = trim(&characters, Span { start, end });
        if !line.is_empty() {
            found.extend(sentences(&characters, line));
        }
        start = end + 1;
    }
    found
}

/// Sentences of a line: a full stop, question or exclamation mark with its closing quotes, then a blank.
fn sentences(characters: &[char], line: Span) -> Vec<Span> {
    let mut found = Vec::new();
    let mut start = line.start;
    let mut index = line.start;
    while index < line.end {
        let at = |index: usize| characters.get(index).copied().unwrap_or(' ');
        let ends = match at(index) {
            '?' | '!' | '。' => true,
            '.' => is_full_stop(characters, start, index),
            _ => false,
        };
        index += 1;
        if !ends {
            continue;
        }
        while index < line.end
            && matches!(at(index), ')' | ']' | '"' | '\'' | '”' | '’' | '」' | '』')
        {
            index += 1;
        }
        if index < line.end && at(index).is_whitespace() {
            found.push(Span { start, end: index });
            start = trim(characters, Span { start: index, end: line.end }).start;
            index = start;
        }
    }
    if start < line.end {
        found.push(Span { start, end: line.end });
    }
    found
}

/// Tells a sentence's full stop from that of a number ("2026. 3. 1."), an initial or an abbreviation.
fn is_full_stop(characters: &[char], start: usize, index: usize) -> bool {
    const ABBREVIATIONS: [&str; 12] =
        ["e.g", "i.e", "etc", "vs", "cf", "fig", "no", "eq", "sec", "approx", "dr", "mr"];
    let before = characters.get(start..index).unwrap_or_default();
    let word: String = before
        .iter()
        .rev()
        .take_while(|c| !c.is_whitespace() && **c != '(')
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let last = word.chars().last();
    let korean = last.is_some_and(|c| ('가'..='힣').contains(&c));
    if korean {
        return word.chars().count() > 1;
    }
    let next = characters.get(index + 1..).unwrap_or_default().iter().find(|c| !c.is_whitespace());
    let number = word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let short = word.chars().count() <= 1;
    !(number && (next.is_some_and(char::is_ascii_digit) || word.chars().count() <= 2))
        && !short
        && !ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

/// A sentence as it is, or in pieces that keep the limit if it is too long for a passage: at blanks, and
/// inside a word only if that has no blank either.
fn fit(
    characters: &[char],
    span: Span,
    count: &mut dyn FnMut(&str) -> usize,
    limit: usize,
) -> Vec<Span> {
    if span.len() < 2 || count(&slice(characters, span)) <= limit {
        return vec![span];
    }
    let middle = span.start + span.len() / 2;
    let blank = |index: &usize| characters.get(*index).is_some_and(|c| c.is_whitespace());
    let inner = span.start + 1..span.end - 1;
    let at =
        inner.clone().filter(blank).min_by_key(|index| index.abs_diff(middle)).unwrap_or(middle);
    let halves = [
        trim(characters, Span { start: span.start, end: at }),
        trim(characters, Span { start: at, end: span.end }),
    ];
    halves
        .into_iter()
        .filter(|half| !half.is_empty())
        .flat_map(|half| fit(characters, half, count, limit))
        .collect()
}

/// Groups units into passages within the limit, breaking where the bond is weakest.
fn gather(units: &[Unit], limit: usize) -> Vec<Vec<Unit>> {
    let mut pieces: Vec<Vec<Unit>> = Vec::new();
    let mut current: Vec<Unit> = Vec::new();
    for unit in units {
        let tokens = total(&current);
        let announced = current.last().is_some_and(|last| last.announces);
        // A chapter starts a passage of its own unless there is hardly anything before it.
        let chapter = unit.bond == Bond::Heading && !announced && tokens * 3 >= limit;
        if chapter {
            pieces.push(std::mem::take(&mut current));
        } else if tokens + unit.tokens > limit && !current.is_empty() {
            let rest = current.split_off(best_break(&current, unit, limit));
            pieces.push(std::mem::replace(&mut current, rest));
            if total(&current) + unit.tokens > limit {
                pieces.push(std::mem::take(&mut current));
            }
        }
        current.push(unit.clone());
    }
    pieces.push(current);
    pieces.retain(|piece| !piece.is_empty());
    merge_short(pieces, limit)
}

/// The first of the sentences at the end of a passage that the next one repeats, where that goes on with
/// the same clause.
fn repeated<'a>(before: &'a [Unit], piece: &[Unit], overlap: usize) -> Option<&'a Unit> {
    let goes_on = piece.first().is_some_and(|first| first.bond > Bond::Clause);
    let mut tokens = 0;
    let fitting = before.iter().rev().take_while(|unit| {
        tokens += unit.tokens;
        tokens <= overlap && !unit.announces
    });
    fitting.last().filter(|_| goes_on)
}

fn total(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.tokens).sum()
}

/// Where to end a full passage: before the weakest bond in its second half, or at its very end.
fn best_break(current: &[Unit], next: &Unit, limit: usize) -> usize {
    let mut best = (rank(current.last(), next), current.len());
    let mut tokens = 0;
    for (index, pair) in current.windows(2).enumerate() {
        let [before, unit] = pair else { continue };
        tokens += before.tokens;
        if tokens * 2 >= limit {
            let rank = rank(Some(before), unit);
            if rank <= best.0 && best.1 != current.len() || rank < best.0 {
                best = (rank, index + 1);
            }
        }
    }
    best.1
}

fn rank(before: Option<&Unit>, unit: &Unit) -> (bool, Bond) {
    (before.is_some_and(|before| before.announces), unit.bond)
}

/// Merges a piece that is too short to say anything with a neighbour, if both fit.
fn merge_short(pieces: Vec<Vec<Unit>>, limit: usize) -> Vec<Vec<Unit>> {
    let mut merged: Vec<Vec<Unit>> = Vec::new();
    for piece in pieces {
        if let Some(last) = merged.last_mut() {
            let (before, here) = (total(last), total(&piece));
            if before.min(here) * 8 < limit && before + here <= limit {
                last.extend(piece);
                continue;
            }
        }
        merged.push(piece);
    }
    merged
}

#[cfg(test)]
mod tests;
