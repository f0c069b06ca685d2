//! Fragments to lines: text lines, and rows of tables with their cells.
//!
//! The order is the file's own: producers draw text in reading order far more often than geometry can
//! tell it. Only where a page jumps about is it sorted by place.

use super::fragment::Fragment;

/// Lines in one block are at most this many font sizes apart; double spacing is within.
const BLOCK_STEP: f64 = 2.15;
/// Share of backward steps above which the file's order is not a reading order.
const DISORDER: f64 = 0.25;

/// A line of text or a row of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// What it says.
    pub content: Content,
    /// Left end, in points.
    pub left: f64,
    /// Right end, in points.
    pub right: f64,
    /// Baseline (of a row: of its first line), in points.
    pub baseline: f64,
    /// Font size, in points.
    pub size: f64,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Running text.
    Text(Piece),
    /// Cells, each with its lines.
    Row(Vec<Vec<Piece>>),
}

/// One line of running text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// Its characters.
    pub text: String,
    /// The file draws a space after it, so a word ends there.
    pub spaced: bool,
}

impl Line {
    /// Every piece of the line.
    pub(super) fn pieces(&self) -> Box<dyn Iterator<Item = &Piece> + '_> {
        match &self.content {
            Content::Text(piece) => Box::new(std::iter::once(piece)),
            Content::Row(cells) => Box::new(cells.iter().flatten()),
        }
    }

    /// The piece, if this is running text.
    pub(super) fn piece(&self) -> Option<&Piece> {
        match &self.content {
            Content::Text(piece) => Some(piece),
            Content::Row(_) => None,
        }
    }
}

/// Makes lines of fragments that share one direction.
pub(super) fn lines(fragments: &[&Fragment]) -> Vec<Line> {
    let sorted;
    let gutter = gutter(fragments);
    let fragments = if disordered(fragments) || gutter.is_some_and(|x| weaves(fragments, x)) {
        sorted = by_place(fragments, gutter);
        &sorted
    } else {
        fragments
    };
    let strips = strips(fragments);
    rows(blocks(strips))
}

/// Fragments on one baseline with no more than a word's gap between them.
#[derive(Debug, Clone)]
struct Strip {
    piece: Piece,
    left: f64,
    right: f64,
    baseline: f64,
    size: f64,
}

/// Strips below one another.
#[derive(Debug)]
struct Block {
    strips: Vec<Strip>,
    left: f64,
    right: f64,
}

impl Block {
    fn new(strip: Strip) -> Self {
        Self { left: strip.left, right: strip.right, strips: vec![strip] }
    }

    fn top(&self) -> f64 {
        self.strips.first().map_or(0.0, |strip| strip.baseline)
    }

    fn bottom(&self) -> f64 {
        self.strips.last().map_or(0.0, |strip| strip.baseline)
    }

    fn size(&self) -> f64 {
        self.strips.iter().map(|strip| strip.size).fold(0.0, f64::max)
    }

    fn continues_with(&self, next: &Strip) -> bool {
        let Some(last) = self.strips.last() else {
            return false;
        };
        let size = last.size.max(next.size);
        let step = next.baseline - last.baseline;
        // A line that begins far to the left of a cell is the text below the table.
        let centred = (next.left + next.right - self.left - self.right).abs() < 2.0 * size;
        step > 0.45 * size
            && step < BLOCK_STEP * size
            && (next.left > self.left - 3.0 * size || centred)
            && next.left < self.right
            && next.right > self.left
    }

    fn push(&mut self, strip: Strip) {
        self.left = self.left.min(strip.left);
        self.right = self.right.max(strip.right);
        self.strips.push(strip);
    }
}

fn strips(fragments: &[&Fragment]) -> Vec<Strip> {
    let mut strips: Vec<Strip> = Vec::new();
    for fragment in fragments {
        if let Some(last) = strips.last_mut() {
            let size = last.size.max(fragment.size);
            let gap = fragment.left - last.right;
            if (fragment.baseline - last.baseline).abs() < 0.45 * size
                && gap > -0.5 * size
                && gap < 1.2 * size
            {
                if last.piece.spaced || gap > 0.25 * size {
                    last.piece.text.push(' ');
                }
                last.piece.text.push_str(&fragment.text);
                last.piece.spaced = fragment.spaced;
                last.right = fragment.right;
                if fragment.size > last.size {
                    last.size = fragment.size;
                    last.baseline = fragment.baseline;
                }
                continue;
            }
        }
        strips.push(Strip {
            piece: Piece { text: fragment.text.clone(), spaced: fragment.spaced },
            left: fragment.left,
            right: fragment.right,
            baseline: fragment.baseline,
            size: fragment.size,
        });
    }
    strips
}

fn blocks(strips: Vec<Strip>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for strip in strips {
        match blocks.last_mut() {
            Some(block) if block.continues_with(&strip) => block.push(strip),
            _ => blocks.push(Block::new(strip)),
        }
    }
    blocks
}

/// Puts blocks that stand side by side into rows; the rest become text lines.
fn rows(blocks: Vec<Block>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut row: Vec<Block> = Vec::new();
    for mut block in blocks {
        if let Some(last) = row.last_mut() {
            match beside(last, &block) {
                Some(Beside::Whole) => {
                    row.push(block);
                    continue;
                }
                Some(Beside::From(first)) if row.len() == 1 => {
                    // Only the last lines of what came before belong to the row.
                    if let Some(before) = row.pop() {
                        let (above, cell) = cut(before, first);
                        lines.extend(above.map(text_lines).unwrap_or_default());
                        row.extend(cell);
                    }
                    row.push(block);
                    continue;
                }
                _ => {}
            }
            // The first lines of a block may still belong to the row's last cell.
            flush(&mut row, &mut lines);
        }
        block.strips.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
        row.push(block);
    }
    flush(&mut row, &mut lines);
    lines
}

/// How much of a block stands beside the next one.
enum Beside {
    Whole,
    From(usize),
}

fn beside(block: &Block, next: &Block) -> Option<Beside> {
    let size = block.size().max(next.size());
    let slack = 0.7 * size;
    if next.top() > block.bottom() + slack || next.bottom() < block.top() - slack {
        return None;
    }
    let wide = |block: &Block| block.strips.len() >= 2 && block.right - block.left > 15.0 * size;
    if wide(block) && wide(next) || block.strips.len().min(next.strips.len()) >= 4 {
        return None;
    }
    // Lines of a paragraph above a table may be in the cell's block.
    let clear = |strips: &[Strip]| {
        let right = strips.iter().map(|strip| strip.right).fold(f64::MIN, f64::max);
        next.left > right - 0.3 * size
    };
    let centred =
        ((block.top() + block.bottom()) - (next.top() + next.bottom())).abs() < 0.8 * size;
    let level = (block.top() - next.top()).abs() < 0.4 * size
        || (block.bottom() - next.bottom()).abs() < 0.4 * size;
    if (centred || level) && clear(&block.strips) {
        return Some(Beside::Whole);
    }
    let first = block.strips.iter().position(|strip| strip.baseline > next.top() - slack)?;
    if !clear(block.strips.get(first..)?) {
        return None;
    }
    Some(if first == 0 { Beside::Whole } else { Beside::From(first) })
}

fn cut(mut block: Block, first: usize) -> (Option<Block>, Option<Block>) {
    let rest = block.strips.split_off(first.min(block.strips.len()));
    let rebuild = |strips: Vec<Strip>| {
        let mut strips = strips.into_iter();
        let mut block = Block::new(strips.next()?);
        strips.for_each(|strip| block.push(strip));
        Some(block)
    };
    (rebuild(block.strips), rebuild(rest))
}

fn text_lines(block: Block) -> Vec<Line> {
    block
        .strips
        .into_iter()
        .map(|strip| Line {
            content: Content::Text(strip.piece),
            left: strip.left,
            right: strip.right,
            baseline: strip.baseline,
            size: strip.size,
        })
        .collect()
}

fn flush(row: &mut Vec<Block>, lines: &mut Vec<Line>) {
    if row.len() < 2 {
        lines.extend(row.drain(..).flat_map(text_lines));
        return;
    }
    let left = row.iter().map(|block| block.left).fold(f64::MAX, f64::min);
    let right = row.iter().map(|block| block.right).fold(f64::MIN, f64::max);
    let baseline = row.iter().map(Block::top).fold(f64::MAX, f64::min);
    let size = row.iter().map(Block::size).fold(0.0, f64::max);
    lines.push(Line {
        content: Content::Row(
            row.drain(..)
                .map(|block| block.strips.into_iter().map(|strip| strip.piece).collect())
                .collect(),
        ),
        left,
        right,
        baseline,
        size,
    });
}

/// Tells whether the drawing order jumps back up the page without starting a column to the right.
fn disordered(fragments: &[&Fragment]) -> bool {
    let back = fragments
        .windows(2)
        .filter(|pair| {
            matches!(pair, [a, b] if b.baseline < a.baseline - 1.5 * a.size.max(b.size) && b.left < a.right)
        })
        .count();
    fragments.len() >= 8 && back as f64 > DISORDER * fragments.len() as f64
}

/// Tells whether lines are drawn across both columns: left, right, left, right.
fn weaves(fragments: &[&Fragment], gutter: f64) -> bool {
    let sides: Vec<bool> = fragments
        .iter()
        .filter(|f| !crosses(f, gutter))
        .map(|fragment| fragment.left >= gutter)
        .collect();
    let turns = sides.windows(2).filter(|pair| matches!(pair, [a, b] if a != b)).count();
    turns * 2 > sides.len()
}

fn crosses(fragment: &Fragment, x: f64) -> bool {
    fragment.left < x && fragment.right > x
}

/// Fragments by place: column by column where a gutter runs down the page, then top to bottom, left to right.
/// What crosses the gutter parts what is above it from what is below.
fn by_place<'a>(fragments: &[&'a Fragment], gutter: Option<f64>) -> Vec<&'a Fragment> {
    let mut bars: Vec<f64> = gutter
        .map(|x| fragments.iter().filter(|f| crosses(f, x)).map(|f| f.baseline).collect())
        .unwrap_or_default();
    bars.sort_by(f64::total_cmp);
    let column = |fragment: &Fragment| -> (usize, bool) {
        let Some(x) = gutter else { return (0, false) };
        let slack = 0.45 * fragment.size;
        let above = bars.partition_point(|bar| *bar < fragment.baseline - slack);
        let beside = bars.get(above).is_some_and(|bar| *bar < fragment.baseline + slack);
        (2 * above + usize::from(beside), !beside && fragment.left >= x)
    };
    let mut sorted = fragments.to_vec();
    sorted
        .sort_by(|a, b| column(a).cmp(&column(b)).then_with(|| a.baseline.total_cmp(&b.baseline)));
    // Fragments of one line have slightly different baselines (superscripts, mixed fonts).
    let mut start = 0;
    for index in 1..=sorted.len() {
        let ends = match (sorted.get(start), sorted.get(index)) {
            (Some(first), Some(next)) => {
                next.baseline - first.baseline > 0.45 * first.size.max(next.size)
                    || column(first) != column(next)
            }
            _ => true,
        };
        if ends {
            if let Some(line) = sorted.get_mut(start..index) {
                line.sort_by(|a, b| a.left.total_cmp(&b.left));
            }
            start = index;
        }
    }
    sorted
}

/// The place of a gap between two columns of text: near the middle, crossed by little (a title, a table), with
/// several long lines on either side that keep a paragraph's distance and end at their column's margin. The
/// cells of a table do not.
fn gutter(fragments: &[&Fragment]) -> Option<f64> {
    if fragments.len() < 8 {
        return None;
    }
    let left = fragments.iter().map(|f| f.left).fold(f64::MAX, f64::min);
    let right = fragments.iter().map(|f| f.right).fold(f64::MIN, f64::max);
    let width = right - left;
    (35..=65).map(|percent| left + width * f64::from(percent) / 100.0).find(|x| {
        let crossing = fragments.iter().filter(|f| crosses(f, *x)).count();
        crossing * 6 <= fragments.len()
            && is_column(fragments.iter().filter(|f| f.right <= *x), 0.25 * width)
            && is_column(fragments.iter().filter(|f| f.left >= *x), 0.25 * width)
    })
}

/// Tells whether fragments are a column of running text, of lines at least this long.
fn is_column<'a>(fragments: impl Iterator<Item = &'a &'a Fragment>, least: f64) -> bool {
    let mut long: Vec<&Fragment> =
        fragments.filter(|f| f.right - f.left > least).copied().collect();
    long.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    let margin = long.iter().map(|f| f.right).fold(f64::MIN, f64::max);
    let full = long.iter().filter(|f| margin - f.right < 2.0 * f.size).count();
    let close = long
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if b.baseline - a.baseline < 1.9 * a.size.max(b.size)))
        .count();
    long.len() >= 4 && full * 2 >= long.len() && close * 2 >= long.len() - 1
}
