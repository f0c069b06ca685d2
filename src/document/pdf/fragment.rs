//! Pieces of lines: glyphs that stand side by side, with the spaces between their words.

use std::collections::HashMap;

use compact_str::CompactString;

use super::glyph::Glyph;

/// Glyphs farther apart than this many font sizes are in different table cells or columns.
const CELL_GAP: f64 = 1.5;
/// A gap of this many font sizes between glyphs separates words, where the text has no space characters.
const WORD_GAP: f64 = 0.2;
/// The same where the text has space characters, which then say nearly all of it.
const WORD_GAP_BESIDE_SPACES: f64 = 0.4;
/// Baselines may differ by this many font sizes within a line (superscripts, subscripts).
const BASELINE: f64 = 0.45;

/// A page as fragments in the order in which the file draws them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct PageFragments {
    /// Width of the page as it is shown, in points.
    pub width: f64,
    /// Height of the page as it is shown, in points.
    pub height: f64,
    /// The fragments.
    pub fragments: Vec<Fragment>,
}

/// A piece of a line in its line's frame: `x` runs along the line and `y` across it, downwards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fragment {
    /// Its characters, words separated by single spaces, none at the ends.
    pub text: String,
    /// Where its first glyph begins, in points.
    pub left: f64,
    /// Where its last visible glyph ends, in points.
    pub right: f64,
    /// Baseline of its largest glyphs, in points.
    pub baseline: f64,
    /// Font size of its largest glyphs, in points.
    pub size: f64,
    /// Direction of the line on the page, in degrees clockwise.
    pub angle: i16,
    /// The file draws a space character after the last visible glyph.
    pub spaced: bool,
}

/// Groups a page's glyphs, in drawing order, into fragments. Glyphs drawn twice at one place (bold by
/// overprinting, shadows, fill and stroke) are taken once.
pub(super) fn fragments(glyphs: &[Glyph]) -> Vec<Fragment> {
    let mut done = Vec::new();
    let mut open: Option<Open> = None;
    let mut drawn = Drawn::new(glyphs);
    for (index, glyph) in glyphs.iter().enumerate() {
        if glyph.text.is_empty() || drawn.again(index) {
            continue;
        }
        if let Some(building) = &mut open
            && building.takes(glyph)
        {
            building.push(glyph);
            continue;
        }
        done.extend(open.take().and_then(Open::close));
        if !glyph.text.trim().is_empty() {
            open = Some(Open::new(glyph));
        }
    }
    done.extend(open.and_then(Open::close));
    done
}

/// A fragment being built.
struct Open {
    glyphs: Vec<(CompactString, f64, bool)>,
    left: f64,
    ink_end: f64,
    pen_end: f64,
    baseline: f64,
    size: f64,
    angle: i16,
    space: bool,
}

impl Open {
    fn new(glyph: &Glyph) -> Self {
        Self {
            glyphs: vec![(glyph.text.clone(), 0.0, false)],
            left: glyph.x,
            ink_end: glyph.x + glyph.advance,
            pen_end: glyph.x + glyph.advance,
            baseline: glyph.y,
            size: glyph.size,
            angle: glyph.angle,
            space: false,
        }
    }

    fn takes(&self, glyph: &Glyph) -> bool {
        let size = self.size.max(glyph.size);
        let gap = glyph.x - self.pen_end;
        self.angle == glyph.angle
            && (glyph.y - self.baseline).abs() <= BASELINE * size
            && gap > -0.8 * size
            && gap < CELL_GAP * size
            && (glyph.x - self.ink_end < 2.0 * CELL_GAP * size)
    }

    fn push(&mut self, glyph: &Glyph) {
        let end = glyph.x + glyph.advance;
        if glyph.text.trim().is_empty() {
            self.space = true;
            self.pen_end = self.pen_end.max(end);
            return;
        }
        let em = self.size.max(glyph.size).max(f64::MIN_POSITIVE);
        self.glyphs.push((glyph.text.clone(), (glyph.x - self.pen_end) / em, self.space));
        self.space = false;
        self.ink_end = end;
        self.pen_end = end;
        if glyph.size > self.size * 1.05 {
            self.size = glyph.size;
            self.baseline = glyph.y;
        }
    }

    fn close(self) -> Option<Fragment> {
        let spaces = self.glyphs.iter().filter(|(_, _, space)| *space).count();
        let tracking = self.tracking();
        // Justified Korean lines have gaps between syllables, too; Latin words are not pulled apart.
        let latin = WORD_GAP + tracking;
        let threshold = if spaces * 15 >= self.glyphs.len() && spaces > 0 {
            WORD_GAP_BESIDE_SPACES
        } else {
            latin
        };
        let mut text = String::new();
        for (characters, gap, space) in &self.glyphs {
            let is_latin =
                text.ends_with(is_latin_letter) && characters.starts_with(is_latin_letter);
            let threshold = if is_latin { threshold.min(latin) } else { threshold };
            if (*space || *gap > threshold) && !text.is_empty() && !text.ends_with(' ') {
                text.push(' ');
            }
            text.push_str(characters);
        }
        let text = text.trim().to_owned();
        (!text.is_empty()).then_some(Fragment {
            text,
            left: self.left,
            right: self.ink_end,
            baseline: self.baseline,
            size: self.size,
            angle: self.angle,
            spaced: self.space,
        })
    }

    /// Letter spacing in font sizes: a low quantile of the gaps, below those between words.
    fn tracking(&self) -> f64 {
        let mut gaps: Vec<f64> = self.glyphs.iter().skip(1).map(|(_, gap, _)| *gap).collect();
        if gaps.len() < 4 {
            return 0.0;
        }
        gaps.sort_by(f64::total_cmp);
        gaps.get(gaps.len() * 3 / 10).copied().unwrap_or(0.0).clamp(0.0, 1.0)
    }
}

/// A letter of a word that is set without gaps. Digits are not, since figures and units are spaced finely.
fn is_latin_letter(character: char) -> bool {
    character.is_alphabetic() && character < '\u{250}' || matches!(character, ',' | ';' | ')')
}

/// Where each character was drawn so far.
struct Drawn<'a> {
    glyphs: &'a [Glyph],
    /// The last glyph of each place, by character and row.
    last: HashMap<(char, i16, i32), u32>,
    /// The glyph of the same place before each glyph.
    before: Vec<u32>,
}

/// Height of the rows in which glyphs are looked up, in points: more than a line's, so that one is enough for
/// most glyphs.
const ROW: f64 = 16.0;
const NONE: u32 = u32::MAX;
/// Glyphs of one character and row that are looked through; a page has fewer.
const MANY: usize = 512;

impl<'a> Drawn<'a> {
    fn new(glyphs: &'a [Glyph]) -> Self {
        let last = HashMap::with_capacity(glyphs.len() / 2);
        Self { glyphs, last, before: vec![NONE; glyphs.len()] }
    }

    /// Tells whether the same glyph was drawn at (nearly) the same place before, and remembers it.
    fn again(&mut self, index: usize) -> bool {
        let Some(glyph) = self.glyphs.get(index) else {
            return false;
        };
        let Some(first) = glyph.text.chars().next().filter(|first| !first.is_whitespace()) else {
            return false;
        };
        let near = 0.12 * glyph.size;
        let row = |y: f64| (y / ROW).floor() as i32;
        let key = (first, glyph.angle, row(glyph.y));
        let (above, below) = (row(glyph.y - near), row(glyph.y + near));
        let seen = self.is_near(glyph, (first, glyph.angle, above), near)
            || (above != below && self.is_near(glyph, (first, glyph.angle, below), near));
        if !seen {
            let before = self.last.insert(key, index as u32).unwrap_or(NONE);
            if let Some(place) = self.before.get_mut(index) {
                *place = before;
            }
        }
        seen
    }

    fn is_near(&self, glyph: &Glyph, key: (char, i16, i32), near: f64) -> bool {
        let mut at = self.last.get(&key).copied().unwrap_or(NONE);
        for _ in 0..MANY {
            let Some(other) = self.glyphs.get(at as usize) else {
                return false;
            };
            if (other.x - glyph.x).abs() < near
                && (other.y - glyph.y).abs() < near
                && other.text == glyph.text
            {
                return true;
            }
            at = self.before.get(at as usize).copied().unwrap_or(NONE);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::glyph::Origin;
    use super::*;

    fn glyphs(items: &[(&str, f64, f64, f64)]) -> Vec<Glyph> {
        items
            .iter()
            .map(|&(text, x, y, size)| Glyph {
                text: text.into(),
                x,
                y,
                size,
                advance: if text.is_ascii() { size / 2.0 } else { size },
                angle: 0,
                invisible: false,
                origin: Origin::Mapped,
            })
            .collect()
    }

    fn texts(items: &[(&str, f64, f64, f64)]) -> Vec<String> {
        fragments(&glyphs(items)).into_iter().map(|f| f.text).collect()
    }

    #[test]
    fn words_are_separated_by_gaps_or_by_space_glyphs() {
        assert_eq!(
            texts(&[("건", 0.0, 0.0, 10.0), ("물", 10.0, 0.0, 10.0), ("중", 23.0, 0.0, 10.0)]),
            ["건물 중"]
        );
        assert_eq!(
            texts(&[("건", 0.0, 0.0, 10.0), (" ", 10.0, 0.0, 10.0), ("물", 15.0, 0.0, 10.0)]),
            ["건 물"]
        );
    }

    #[test]
    fn letter_spacing_makes_no_words() {
        let spread: Vec<_> = ["고", "정", "하", "중", "은"]
            .iter()
            .enumerate()
            .map(|(i, text)| (*text, i as f64 * 13.0, 0.0, 10.0))
            .collect();
        assert_eq!(texts(&spread), ["고정하중은"]);
    }

    #[test]
    fn superscripts_stay_cells_part_and_overprinting_counts_once() {
        assert_eq!(
            texts(&[
                ("m", 0.0, 0.0, 10.0),
                ("2", 5.0, -4.0, 6.0),
                ("5", 60.0, 0.0, 10.0),
                ("5", 60.3, 0.1, 10.0),
            ]),
            ["m2", "5"]
        );
    }

    #[test]
    fn a_trailing_space_is_remembered() {
        let found = fragments(&glyphs(&[("용", 0.0, 0.0, 10.0), (" ", 10.0, 0.0, 10.0)]));
        assert!(found[0].spaced);
        assert_eq!(found[0].right, 10.0);
    }
}
