//! Rows of tokens laid end to end, so that no product works on padding.

mod nested;

use std::ops::Range;

pub(super) use nested::pack_nested;

use super::base::Base;
use crate::failure::{Failure, Result};

/// One training or test row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Tokens.
    pub ids: Vec<u32>,
    /// `labels[i]`: token i is to be predicted from those before it. `labels[0]` is ignored.
    pub labels: Vec<bool>,
}

impl Row {
    /// Tokens that are to be predicted.
    pub fn label_count(&self) -> usize {
        self.labels.iter().skip(1).filter(|label| **label).count()
    }

    /// Tokens that must be read to predict all labels: those before the last label.
    fn needed(&self) -> usize {
        self.labels.iter().rposition(|label| *label).unwrap_or(0)
    }
}

/// Tokens that follow each other, and the segment that they continue: a part of one row, or of all rows that are
/// alike so far. A token sees those before it in its segment and all of the segments that lead there. What continues
/// a segment comes after it, before anything that does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) own: Range<usize>,
    /// Index of the segment before, if this is not where rows begin.
    pub(super) parent: Option<usize>,
}

/// A segment and those that lead to it, from the last to the first.
pub(super) fn upwards(segments: &[Segment], index: usize) -> impl Iterator<Item = &Segment> {
    std::iter::successors(segments.get(index), |segment| segments.get(segment.parent?))
}

/// Segments with all that continue them, so that none sees one of another slice.
pub(super) fn trees(segments: &[Segment]) -> impl Iterator<Item = &[Segment]> {
    segments.chunk_by(|_, next| next.parent.is_some())
}

/// One past the last token that may see each segment's: the end of all that continues it.
pub(super) fn ends(segments: &[Segment]) -> Vec<usize> {
    let mut ends: Vec<usize> = segments.iter().map(|segment| segment.own.end).collect();
    for (index, segment) in segments.iter().enumerate().rev() {
        if let Some(parent) = segment.parent {
            ends[parent] = ends[parent].max(ends[index]);
        }
    }
    ends
}

/// Rows that go through the model together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Packed {
    pub(super) ids: Vec<u32>,
    /// Position of each token in its row.
    pub(super) positions: Vec<u32>,
    /// Cover all tokens in order.
    pub(super) segments: Vec<Segment>,
    /// Tokens that predict a label, ascending. Where rows share it, a token is there for each of them.
    pub(super) label_rows: Vec<usize>,
    /// What each of them should predict.
    pub(super) label_ids: Vec<u32>,
    /// Which row each of them belongs to.
    pub(super) label_owners: Vec<usize>,
}

impl Packed {
    /// Adds a row of its own, without labels.
    pub(super) fn push(&mut self, ids: &[u32]) {
        self.push_segment(ids, 0, None);
    }

    /// Adds tokens from a position of their rows on, which continue a segment; gives the new one's index.
    fn push_segment(&mut self, ids: &[u32], position: usize, parent: Option<usize>) -> usize {
        let start = self.ids.len();
        self.ids.extend(ids);
        self.positions.extend(position as u32..(position + ids.len()) as u32);
        self.segments.push(Segment { own: start..start + ids.len(), parent });
        self.segments.len() - 1
    }

    /// Adds the needed parts of rows whose first `shared` tokens are the same; with one row,
    /// `shared` is 0.
    fn push_rows(&mut self, rows: &[Row], members: &[usize], shared: usize) {
        let ids = |index: usize| &rows[index].ids[..rows[index].needed()];
        if shared == 0 {
            for index in members {
                let start = self.ids.len();
                self.push(ids(*index));
                self.push_labels(*index, &rows[*index], start, 0);
            }
            return;
        }
        let head = self.push_segment(&ids(members[0])[..shared], 0, None);
        for index in members {
            let start = self.ids.len();
            self.push_segment(&ids(*index)[shared..], shared, Some(head));
            self.push_labels(*index, &rows[*index], start, shared);
        }
    }

    /// Labels of a row whose token `first` lies at `start`; none is predicted before it.
    fn push_labels(&mut self, index: usize, row: &Row, start: usize, first: usize) {
        for (i, id) in row.ids.iter().enumerate().skip(1) {
            if row.labels[i] {
                self.label_rows.push(start + i - 1 - first);
                self.label_ids.push(*id);
                self.label_owners.push(index);
            }
        }
    }

    pub(super) fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Tokens of the longest row.
    pub(super) fn longest(&self) -> usize {
        self.positions.iter().max().map_or(0, |last| *last as usize + 1)
    }

    /// Where the tokens of a row lie, up to `token` of it: in order, so that each range continues the one before.
    pub(super) fn path(&self, token: usize) -> Vec<Range<usize>> {
        let index = self.segments.partition_point(|segment| segment.own.end <= token);
        let mut path: Vec<Range<usize>> =
            upwards(&self.segments, index).map(|segment| segment.own.clone()).collect();
        path.reverse();
        if let Some(last) = path.last_mut() {
            last.end = token + 1;
        }
        path
    }
}

/// Shortest beginning worth sharing, in tokens.
const SHARED_MIN: usize = 16;

/// Rows that go into a batch together, and how many first tokens they share.
struct Unit {
    members: Vec<usize>,
    shared: usize,
    tokens: usize,
}

/// Packs rows into batches of at most `limit` tokens; a longer row is a batch of its own. Rows
/// without labels are left out. With `share`, tokens that rows begin with in common are in a batch
/// once. The plan depends on the rows and the limit only.
pub(super) fn pack(rows: &[Row], limit: usize, share: bool) -> Vec<Packed> {
    batches(rows, limit, share)
        .into_iter()
        .map(|(_, units)| {
            let mut packed = Packed::default();
            for unit in units {
                packed.push_rows(rows, &unit.members, unit.shared);
            }
            packed
        })
        .collect()
}

/// Tokens of each batch of [`pack`].
pub(super) fn sizes(rows: &[Row], limit: usize, share: bool) -> impl Iterator<Item = usize> {
    batches(rows, limit, share).into_iter().map(|(tokens, _)| tokens)
}

/// The units of each batch, and their tokens.
fn batches(rows: &[Row], limit: usize, share: bool) -> Vec<(usize, Vec<Unit>)> {
    // Best fit, longest first: few batches, each nearly full.
    let mut units = units(rows, limit, share);
    units.sort_by_key(|unit| std::cmp::Reverse(unit.tokens));
    let mut batches: Vec<(usize, Vec<Unit>)> = Vec::new();
    for unit in units {
        let place = batches
            .iter_mut()
            .filter(|(used, _)| used + unit.tokens <= limit)
            .max_by_key(|(used, _)| *used);
        if let Some((used, members)) = place {
            *used += unit.tokens;
            members.push(unit);
        } else {
            batches.push((unit.tokens, vec![unit]));
        }
    }
    batches
}

/// Rows with labels, those that begin alike together.
fn units(rows: &[Row], limit: usize, share: bool) -> Vec<Unit> {
    let mut order: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].label_count() > 0).collect();
    let single =
        |index: usize| Unit { members: vec![index], shared: 0, tokens: rows[index].needed() };
    if !share {
        return order.into_iter().map(single).collect();
    }
    // Neighbours in this order have the longest beginnings in common.
    order.sort_by(|a, b| rows[*a].ids.cmp(&rows[*b].ids).then(a.cmp(b)));
    let mut units: Vec<Unit> = Vec::new();
    for index in order {
        if let Some(last) = units.last_mut()
            && let Some(shared) = joined(rows, last, index, limit)
        {
            let members = last.members.len() + 1;
            let own: usize = last.members.iter().map(|member| rows[*member].needed()).sum();
            last.members.push(index);
            last.tokens = own + rows[index].needed() - (members - 1) * shared;
            last.shared = shared;
        } else {
            units.push(single(index));
        }
    }
    units
}

/// How many tokens a unit shares when a row joins it, where that saves tokens and fits the limit.
fn joined(rows: &[Row], unit: &Unit, index: usize, limit: usize) -> Option<usize> {
    let first = &rows[unit.members[0]];
    let row = &rows[index];
    let same = first.ids.iter().zip(&row.ids).take_while(|(a, b)| a == b).count();
    let most = if unit.members.len() == 1 { shareable(first) } else { unit.shared };
    let shared = same.min(most).min(shareable(row));
    if shared < SHARED_MIN {
        return None;
    }
    let before = unit.tokens + row.needed();
    let own: usize = unit.members.iter().map(|member| rows[*member].needed()).sum();
    let after = own + row.needed() - unit.members.len() * shared;
    (after < before && after <= limit).then_some(shared)
}

/// First tokens of a row that predict no label, so that others may share them.
fn shareable(row: &Row) -> usize {
    let first = row.labels.iter().enumerate().skip(1).find(|(_, label)| **label);
    first.map_or(0, |(at, _)| at - 1)
}

/// Fails for a row that does not fit the model or itself.
pub(super) fn check(base: &Base, rows: &[Row]) -> Result<()> {
    for (i, row) in rows.iter().enumerate() {
        if row.ids.len() != row.labels.len() {
            return Err(Failure::defect(format!(
                "row {} has {} tokens but {} labels",
                i + 1,
                row.ids.len(),
                row.labels.len()
            )));
        }
        for id in &row.ids {
            base.check_id(*id).map_err(|failure| failure.context(format!("row {}", i + 1)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ids: &[u32], labels: &[usize]) -> Row {
        Row { ids: ids.to_vec(), labels: (0..ids.len()).map(|i| labels.contains(&i)).collect() }
    }

    #[test]
    fn segments_positions_and_labels_line_up() {
        let rows = [row(&[1, 2, 3], &[1, 2]), row(&[4, 5], &[]), row(&[6, 7, 8, 9, 10], &[0, 3])];
        let packed = pack(&rows, 100, false);
        assert_eq!(packed.len(), 1);
        let packed = &packed[0];
        // Row 3 needs three tokens (8 is read to predict 9), row 1 two.
        assert_eq!(packed.ids, [6, 7, 8, 1, 2]);
        assert_eq!(packed.positions, [0, 1, 2, 0, 1]);
        let own = |own: Range<usize>| Segment { own, parent: None };
        assert_eq!(packed.segments, [own(0..3), own(3..5)]);
        assert_eq!(packed.label_rows, [2, 3, 4]);
        assert_eq!(packed.label_ids, [9, 2, 3]);
        assert_eq!(packed.label_owners, [2, 0, 0]);
    }

    #[test]
    fn batches_keep_the_limit_but_for_long_rows() {
        let rows: Vec<Row> =
            [9, 3, 30, 5, 4].iter().map(|length| row(&vec![1; length + 1], &[*length])).collect();
        let tokens: Vec<usize> = pack(&rows, 12, false).iter().map(Packed::tokens).collect();
        assert_eq!(tokens, [30, 9, 12]);
        assert!(pack(&[row(&[1], &[0])], 12, true).is_empty());
    }

    #[test]
    fn beginnings_in_common_are_there_once() {
        let begin: Vec<u32> = (100..130).collect();
        let with = |end: &[u32], labels: &[usize]| row(&[&begin[..], end].concat(), labels);
        let rows = [
            with(&[1, 2, 3], &[32]),
            row(&[7, 8, 9], &[2]),
            with(&[4, 5], &[31]),
            with(&[1, 6, 6, 6], &[31, 33]),
        ];
        let packed = pack(&rows, 1000, true);
        assert_eq!(packed.len(), 1);
        let packed = &packed[0];
        // 30 shared; needed 32, 31 and 33 tokens; and a row of two.
        assert_eq!(packed.tokens(), 30 + 2 + 1 + 3 + 2);
        let [tree, alone] = trees(&packed.segments).collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!((&tree[0], tree.len()), (&Segment { own: 0..30, parent: None }, 4));
        assert!(tree[1..].iter().all(|tail| tail.parent == Some(0)) && alone.len() == 1);
        assert_eq!(packed.positions[tree[2].own.start], 30);
        assert_eq!(packed.path(tree[3].own.end - 1), [0..30, tree[3].own.clone()]);
        assert_eq!(ends(&packed.segments), [36, 32, 35, 36, 38]);
        for ((label_row, id), owner) in
            packed.label_rows.iter().zip(&packed.label_ids).zip(&packed.label_owners)
        {
            let row = &rows[*owner];
            let at = packed.positions[*label_row] as usize;
            assert_eq!((packed.ids[*label_row], *id), (row.ids[at], row.ids[at + 1]));
        }
        // Each label is counted where it belongs, and a small limit parts the rows.
        let labels: usize = rows.iter().map(Row::label_count).sum();
        assert_eq!(packed.label_rows.len(), labels);
        assert!(pack(&rows, 34, true).iter().all(|packed| packed.tokens() <= 34));
        // A label at the beginning cannot be shared.
        let early = [with(&[1, 2], &[5, 31]), with(&[3, 4], &[5, 31])];
        assert_eq!(pack(&early, 1000, true)[0].tokens(), 62);
    }
}
