//! What one thread works on at a time: a piece of the queries of a tree, with all the query heads that
//! share a key head.
//!
//! Queries are taken as *lanes*, the heads of one token side by side: lane `i` of a part is the query of
//! its token `i / share` in head `i % share` of those that share. So keys and values are laid out once for
//! all these heads, gradients of keys are summed over heads as they are over queries, and blocks of lanes
//! are full even where a part is short.

use std::ops::Range;

use super::{BLOCK, Heads};
use crate::engine::pack::{self, Segment};

/// Lanes of a piece, at least, where a tree has more. What is laid out for a piece (keys and values of all that it sees)
/// takes as long as some tens of lanes, or a hundred where lanes are multiplied by AMX.
const LANES: usize = 256;

/// Tokens of a segment whose queries are worked on together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    segment: usize,
    pub(super) own: Range<usize>,
    /// Tokens before them that they see, at most.
    pub(super) before: usize,
}

/// Lanes of a part.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) part: Part,
    pub(super) lanes: Range<usize>,
}

/// A piece of a tree.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) stretches: Vec<Stretch>,
    /// All tokens of the tree.
    pub(super) tokens: Range<usize>,
    /// Which of the tree's pieces it is.
    pub(super) index: usize,
    work: usize,
}

/// Lanes that go through the products at once.
struct Block {
    part: Part,
    lanes: Range<usize>,
    /// Keys that this and the blocks before it see, from before it to after it.
    work: Range<usize>,
}

impl Part {
    /// Sets `ranges` to where the tokens that it sees lie, in order: what leads there, as far as its first token's
    /// window reaches, and its own.
    pub(super) fn sees(&self, segments: &[Segment], ranges: &mut Vec<Range<usize>>) {
        ranges.clear();
        ranges.push(self.own.clone());
        let mut left = self.before;
        for segment in pack::upwards(segments, self.segment) {
            let end = segment.own.end.min(self.own.start);
            let first = end.saturating_sub(left).max(segment.own.start);
            left -= end - first;
            ranges.push(first..end);
        }
        ranges.retain(|range| !range.is_empty());
        ranges.reverse();
    }

    /// Keys that some of its lanes up to `end` see.
    pub(super) fn seen(&self, end: usize, share: usize) -> usize {
        self.before + end.div_ceil(share)
    }
}

/// The parts of a segment.
///
/// Where there is a window, a long segment is cut, so that keys beyond the window are left out.
fn parts(segments: &[Segment], index: usize, window: usize) -> impl Iterator<Item = Part> + use<> {
    let Range { start, end } = segments[index].own;
    let position: usize =
        pack::upwards(segments, index).skip(1).map(|segment| segment.own.len()).sum();
    let step = if window < end - start {
        window.next_multiple_of(BLOCK).max(2 * BLOCK)
    } else {
        (end - start).max(1)
    };
    (start..end).step_by(step).map(move |first| Part {
        segment: index,
        own: first..(first + step).min(end),
        before: (position + first - start).min(window - 1),
    })
}

/// The blocks of some lanes.
pub(super) fn blocks(lanes: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = lanes.end;
    lanes.clone().step_by(BLOCK).map(move |first| first..(first + BLOCK).min(end))
}

/// The pieces of all trees, at most `most` each, those with most work first, so that threads end together. They give
/// about `tasks` tasks, one for each of the heads that share queries, or one for each tree if that is more; fewer where
/// there are few lanes.
pub(super) fn pieces(
    heads: Heads,
    segments: &[Segment],
    (tasks, most): (usize, usize),
) -> Vec<Piece> {
    let tokens = segments.last().map_or(0, |segment| segment.own.end);
    let each = (tokens * heads.query / tasks).max(LANES);
    let mut pieces = Vec::new();
    let mut first = 0;
    for tree in pack::trees(segments) {
        let indices = first..first + tree.len();
        first = indices.end;
        let parts = indices.flat_map(|index| parts(segments, index, heads.window));
        let tokens = tree[0].own.start..tree[tree.len() - 1].own.end;
        let count = (tokens.len() * heads.share() / each).clamp(1, most);
        pieces.extend(cut(parts, &tokens, heads.share(), count));
    }
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.work));
    pieces
}

/// Cuts a tree between blocks into so many pieces, which have about the same work.
fn cut(
    parts: impl Iterator<Item = Part>,
    tokens: &Range<usize>,
    share: usize,
    count: usize,
) -> Vec<Piece> {
    let mut done = 0;
    let blocks: Vec<Block> = parts
        .flat_map(|part| {
            blocks(&(0..part.own.len() * share)).map(move |lanes| (part.clone(), lanes))
        })
        .map(|(part, lanes)| {
            let before = done;
            done += part.seen(lanes.end, share);
            Block { part, lanes, work: before..done }
        })
        .collect();
    let place = |block: &Block| (block.work.start + block.work.end) * count / (2 * done).max(1);
    let piece = |(index, blocks): (usize, &[Block])| {
        let mut stretches: Vec<Stretch> = Vec::new();
        for block in blocks {
            match stretches.last_mut() {
                Some(last) if last.part == block.part => last.lanes.end = block.lanes.end,
                _ => {
                    let (part, lanes) = (block.part.clone(), block.lanes.clone());
                    stretches.push(Stretch { part, lanes });
                }
            }
        }
        let work = blocks.iter().map(|block| block.work.len()).sum();
        Piece { stretches, tokens: tokens.clone(), index, work }
    };
    let same = |one: &Block, next: &Block| place(one) == place(next);
    blocks.chunk_by(same).enumerate().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::base::Precision;

    fn heads(query: usize, shared: usize, window: usize) -> Heads {
        Heads { query, shared, dim: 64, scale: 0.125, window, precision: Precision::F32 }
    }

    /// A tree of a beginning and three that continue it, and one alone.
    fn segments() -> Vec<Segment> {
        let segment = |own: Range<usize>, parent| Segment { own, parent };
        vec![
            segment(0..300, None),
            segment(300..340, Some(0)),
            segment(340..341, Some(0)),
            segment(341..460, Some(0)),
            segment(460..500, None),
        ]
    }

    #[test]
    fn each_lane_is_in_one_piece_and_pieces_are_alike() {
        for (shared, window, tasks, most, count) in [
            (3, usize::MAX, 30, 3, 3),
            (3, 70, 30, 9, 5),
            (3, 70, 12, 9, 3),
            (9, usize::MAX, 30, 9, 1),
            (1, 8, 30, 2, 2),
            (1, 8, 8, 9, 7),
        ] {
            let heads = heads(9, shared, window);
            let share = heads.share();
            let pieces = pieces(heads, &segments(), (tasks, most));
            let mut lanes = vec![0; 500 * share];
            for piece in &pieces {
                assert!(piece.index < most);
                for Stretch { part, lanes: some } in &piece.stretches {
                    assert!(some.start.is_multiple_of(BLOCK) && !some.is_empty());
                    let first = part.own.start * share;
                    lanes[first + some.start..first + some.end].iter_mut().for_each(|n| *n += 1);
                }
            }
            assert!(lanes.iter().all(|count| *count == 1), "{pieces:?}");
            let tree: Vec<&Piece> = pieces.iter().filter(|piece| piece.tokens.start == 0).collect();
            assert_eq!(tree.len(), count);
            let [most, least] = [
                tree.iter().map(|piece| piece.work).max().unwrap(),
                tree.iter().map(|piece| piece.work).min().unwrap(),
            ];
            // A block sees 460 keys at most.
            assert!(most - least <= 2 * 460, "{most} {least}");
        }
    }

    #[test]
    fn a_part_sees_what_leads_to_it_as_far_as_its_window() {
        let segments = segments();
        let mut ranges = Vec::new();
        for (window, want) in
            [(usize::MAX, vec![0..300, 341..460]), (100, vec![201..300, 341..460])]
        {
            let part = parts(&segments, 3, window).next().unwrap();
            part.sees(&segments, &mut ranges);
            let cut: Vec<_> = want.iter().map(|r| r.start..r.end.min(part.own.end)).collect();
            assert_eq!(ranges, cut);
        }
    }
}
