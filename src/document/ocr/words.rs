//! tesseract's words to fragments of lines, as the layout of PDF pages takes them.
//!
//! tesseract is asked for its table of words with their boxes and for its text, one after the other. Of the
//! table Korean words are single syllables; the text says where there are spaces between them. *Sizes* are
//! decided here: the box of a line says its font size only roughly, by which letters happen to be in it;
//! lines of nearly one height are of one size.

use super::super::pdf::fragment::{Fragment, PageFragments};
use super::picture::DOTS;

/// Where the text does not tell, Korean words closer than this many line heights are one word: syllables leave up to a third of their
/// square blank, and a space adds a quarter or more to that.
const KOREAN_GAP: f64 = 0.4;
/// Words farther apart than this many line heights are in different cells or columns.
const CELL_GAP: f64 = 1.6;
/// Lines whose heights differ less than this share of the usual one have the usual size.
const SAME_SIZE: f64 = 0.3;
/// Signs that tesseract is less sure of, in percent, are specks and rules taken for letters.
const SURE: f64 = 10.0;
/// Columns of the table of words.
const COLUMNS: usize = 12;

/// A word and its box, in dots.
#[derive(Debug, Clone, PartialEq)]
struct Word {
    text: String,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    sure: f64,
    /// Whether a space stands before it, where the text tells.
    spaced: Option<bool>,
}

/// A page of tesseract's output: the table of words, then the text.
pub(super) fn fragments(output: &str) -> PageFragments {
    let scale = 72.0 / f64::from(DOTS);
    let mut page = PageFragments::default();
    let mut lines: Vec<Vec<Word>> = Vec::new();
    let mut said: Vec<&str> = Vec::new();
    for row in output.lines().skip(1) {
        let columns: Vec<&str> = row.splitn(COLUMNS, '\t').collect();
        if columns.len() < COLUMNS {
            said.extend(Some(row).filter(|row| !row.trim().is_empty()));
            continue;
        }
        let number = |at: usize| columns.get(at).and_then(|text| text.parse::<f64>().ok());
        let (Some(level), Some(left), Some(top), Some(width), Some(height)) =
            (number(0), number(6), number(7), number(8), number(9))
        else {
            continue;
        };
        match level as u32 {
            1 => (page.width, page.height) = (width * scale, height * scale),
            4 => lines.push(Vec::new()),
            5 => {
                let text = columns.get(COLUMNS - 1).copied().unwrap_or_default().trim();
                if let (Some(line), false) = (lines.last_mut(), text.is_empty()) {
                    line.push(Word {
                        text: text.to_owned(),
                        left,
                        right: left + width,
                        top,
                        bottom: top + height,
                        sure: number(10).unwrap_or(0.0),
                        spaced: None,
                    });
                }
            }
            _ => {}
        }
    }
    lines.retain(|line| !line.is_empty());
    take_spaces(&mut lines, &said);
    for line in &mut lines {
        line.retain(|word| word.sure >= SURE || word.text.contains(char::is_alphanumeric));
    }
    lines.retain(|line| !line.is_empty());
    let heights: Vec<f64> = lines.iter().map(|line| height(line)).collect();
    let usual = median(&heights);
    for (line, height) in lines.iter().zip(heights) {
        let size = if (height - usual).abs() < SAME_SIZE * usual { usual } else { height };
        page.fragments.extend(line_fragments(line, size, scale));
    }
    page
}

/// Takes over where the text has spaces. Its lines are those of the table; one that is not found there is
/// passed over.
fn take_spaces(lines: &mut [Vec<Word>], said: &[&str]) {
    let mut next = 0;
    for line in lines {
        let bare: String = line.iter().flat_map(|word| word.text.chars()).collect();
        let is_it = |text: &&str| text.chars().filter(|c| !c.is_whitespace()).eq(bare.chars());
        let rest = said.get(next..).unwrap_or_default();
        let Some(found) = rest.iter().position(is_it) else { continue };
        let mut rest = rest.get(found).copied().unwrap_or_default().chars().peekable();
        next += found + 1;
        for word in line {
            let mut spaced = false;
            while rest.next_if(|c| c.is_whitespace()).is_some() {
                spaced = true;
            }
            word.spaced = Some(spaced);
            // A space inside a word is not there in the table either.
            for _ in word.text.chars() {
                rest.next();
            }
        }
    }
}

/// The height of a line's letters: the median of its words, since a bracket or a rule may stand out.
fn height(line: &[Word]) -> f64 {
    let heights: Vec<f64> = line.iter().map(|word| word.bottom - word.top).collect();
    median(&heights)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Words that stand side by side, as fragments; `size` in dots.
fn line_fragments(line: &[Word], size: f64, scale: f64) -> Vec<Fragment> {
    let bottoms: Vec<f64> = line.iter().map(|word| word.bottom).collect();
    let baseline = median(&bottoms);
    let mut done: Vec<Fragment> = Vec::new();
    let mut end = f64::NEG_INFINITY;
    for word in line {
        let gap = (word.left - end) / size.max(1.0);
        let open = done.last_mut().filter(|_| gap < CELL_GAP);
        match open {
            Some(fragment) => {
                let near = gap < KOREAN_GAP && is_one_word(&fragment.text, &word.text);
                if word.spaced.unwrap_or(!near) {
                    fragment.text.push(' ');
                }
                fragment.text.push_str(&word.text);
                fragment.right = fragment.right.max(word.right * scale);
            }
            None => done.push(Fragment {
                text: word.text.clone(),
                left: word.left * scale,
                right: word.right * scale,
                baseline: baseline * scale,
                size: size * scale,
                angle: 0,
                spaced: false,
            }),
        }
        end = word.right;
    }
    done
}

/// Tells whether two pieces may be parts of one Korean word.
fn is_one_word(before: &str, after: &str) -> bool {
    let hangul = |c: char| ('가'..='힣').contains(&c);
    before.ends_with(hangul) && after.starts_with(hangul)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tsv(rows: &[&str]) -> String {
        let head = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n";
        head.to_owned() + &rows.join("\n").replace(' ', "\t").replace('_', " ")
    }

    #[test]
    fn close_syllables_are_one_word_and_wide_gaps_are_cells() {
        let page = fragments(&tsv(&[
            "1 1 0 0 0 0 0 0 2480 3508 -1 ",
            "4 1 1 1 1 0 300 300 900 40 -1 ",
            "5 1 1 1 1 1 300 300 40 40 96 고",
            "5 1 1 1 1 2 342 300 80 40 95 정하중",
            "5 1 1 1 1 3 442 302 80 38 95 자중",
            "5 1 1 1 1 4 700 300 60 40 90 2.5",
            "5 1 1 1 1 5 765 300 60 40 90 kN",
            "5 1 1 1 1 6 900 300 60 400 3 |",
            "4 1 1 1 2 0 300 360 900 46 -1 ",
            "5 1 1 1 2 1 300 360 40 46 96 둘째",
        ]));
        let found: Vec<_> = page.fragments.iter().map(|fragment| fragment.text.as_str()).collect();
        assert_eq!(found, ["고정하중 자중", "2.5 kN", "둘째"]);
        assert_eq!(page.fragments[0].size, page.fragments[2].size);
        assert!((page.width - 595.2).abs() < 0.1);
        assert!(fragments("").fragments.is_empty());
    }

    #[test]
    fn the_text_says_where_spaces_are() {
        let table = tsv(&[
            "4 1 1 1 1 0 300 300 900 40 -1 ",
            "5 1 1 1 1 1 300 300 40 40 96 고",
            "5 1 1 1 1 2 370 300 80 40 95 정하중",
            "5 1 1 1 1 3 460 302 80 38 95 자중",
            "4 1 1 1 2 0 300 360 900 40 -1 ",
            "5 1 1 1 2 1 300 360 40 40 96 끝",
        ]);
        let page = fragments(&format!("{table}\n고정하중 자중\n\n끝\n\u{c}"));
        let found: Vec<_> = page.fragments.iter().map(|fragment| fragment.text.as_str()).collect();
        assert_eq!(found, ["고정하중 자중", "끝"]);
    }
}
