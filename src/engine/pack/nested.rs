//! Rows as a tree: whatever several of them begin with is there once, and of those what some of them go on with.

use super::{Packed, Row};

/// Fewest tokens that are worth a segment of their own: attention has a task for each segment and head.
const SEGMENT_MIN: usize = 4;

/// Packs rows that are only read, into batches of at most `limit` tokens; a longer row is a batch of its own. Rows
/// without labels are left out. Labels may lie within what rows share.
pub(in crate::engine) fn pack_nested(rows: &[Row], limit: usize) -> Vec<Packed> {
    let mut order: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].label_count() > 0).collect();
    // Neighbours in this order have the longest beginnings in common.
    order.sort_by(|a, b| needed(rows, *a).cmp(needed(rows, *b)).then(a.cmp(b)));
    let (mut batches, tokens) = parts(rows, &order, limit);
    // As few batches as that, but none much smaller than the others.
    let mut even = tokens.div_ceil(batches.len().max(1));
    while even < limit {
        let (more, _) = parts(rows, &order, even);
        if more.len() == batches.len() {
            batches = more;
            break;
        }
        even += limit.div_ceil(16);
    }
    (batches.into_iter())
        .map(|members| {
            let mut tree =
                Tree { rows, packed: Packed::default(), path: Vec::new(), labels: Vec::new() };
            tree.lay(members, 0, None);
            tree.labelled()
        })
        .collect()
}

/// The tokens of a row that must be read.
fn needed(rows: &[Row], index: usize) -> &[u32] {
    &rows[index].ids[..rows[index].needed()]
}

/// Tokens that two rows begin with in common.
fn same(rows: &[Row], a: usize, b: usize) -> usize {
    needed(rows, a).iter().zip(needed(rows, b)).take_while(|(a, b)| a == b).count()
}

/// Fewest of those that a tree has once: it may leave out what is too short for a segment.
fn shared(rows: &[Row], a: usize, b: usize) -> usize {
    same(rows, a, b).saturating_sub(SEGMENT_MIN - 1)
}

/// Cuts ordered rows into parts of at most `limit` tokens, or of one row; gives the tokens of all parts, too.
fn parts<'a>(rows: &[Row], order: &'a [usize], limit: usize) -> (Vec<&'a [usize]>, usize) {
    let mut parts = Vec::new();
    let (mut first, mut used, mut all) = (0, 0, 0);
    for (at, index) in order.iter().enumerate() {
        let needed = rows[*index].needed();
        let fresh = if at > first { needed - shared(rows, order[at - 1], *index) } else { needed };
        if at > first && used + fresh > limit {
            parts.push(&order[first..at]);
            (first, used, all) = (at, needed, all + used);
        } else {
            used += fresh;
        }
    }
    parts.extend((first < order.len()).then(|| &order[first..]));
    (parts, all + used)
}

struct Tree<'a> {
    rows: &'a [Row],
    packed: Packed,
    /// Where the segments that lead here begin: the position in their rows, and the token.
    path: Vec<(usize, usize)>,
    /// The token that predicts a label, the label, and whose it is.
    labels: Vec<(usize, u32, usize)>,
}

impl Tree<'_> {
    /// Lays out ordered rows from a position on, up to which they are one; what they are laid out for continues
    /// `parent`.
    fn lay(&mut self, members: &[usize], position: usize, parent: Option<usize>) {
        let rows = self.rows;
        let alike = |a: &usize, b: &usize| same(rows, *a, *b) >= position + SEGMENT_MIN;
        for run in members.chunk_by(alike) {
            let common = run.windows(2).map(|pair| same(rows, pair[0], pair[1])).min();
            let common = common.unwrap_or_else(|| rows[run[0]].needed());
            let start = self.packed.tokens();
            let ids = &needed(rows, run[0])[position..common];
            let segment = self.packed.push_segment(ids, position, parent);
            self.path.push((position, start));
            // Of ordered rows those that end here come first.
            let ended = run.partition_point(|index| rows[*index].needed() == common);
            for index in &run[..ended] {
                self.label(*index);
            }
            self.lay(&run[ended..], common, Some(segment));
            self.path.pop();
        }
    }

    fn label(&mut self, index: usize) {
        let row = &self.rows[index];
        for (at, id) in row.ids.iter().enumerate().skip(1).filter(|(at, _)| row.labels[*at]) {
            let segment = self.path.partition_point(|(position, _)| *position < at);
            if let Some((position, start)) = segment.checked_sub(1).map(|last| self.path[last]) {
                self.labels.push((start + at - 1 - position, *id, index));
            }
        }
    }

    fn labelled(mut self) -> Packed {
        self.labels.sort_by_key(|(token, ..)| *token);
        for (token, id, owner) in self.labels {
            self.packed.label_rows.push(token);
            self.packed.label_ids.push(id);
            self.packed.label_owners.push(owner);
        }
        self.packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::pack::{Segment, upwards};

    fn row(ids: &[u32], labels: &[usize]) -> Row {
        Row { ids: ids.to_vec(), labels: (0..ids.len()).map(|i| labels.contains(&i)).collect() }
    }

    /// The tokens that a token sees, itself last, read off the segments.
    fn seen(packed: &Packed, token: usize) -> Vec<u32> {
        let path = packed.path(token);
        path.into_iter().flat_map(|range| packed.ids[range].to_vec()).collect()
    }

    /// Each label of each row is there once, after what comes before it in its row.
    fn check(rows: &[Row], packed: &[Packed]) {
        let mut found = Vec::new();
        for packed in packed {
            assert!(packed.label_rows.is_sorted());
            let ends = packed.segments.iter().map(|segment| segment.own.clone());
            assert!(ends.flatten().eq(0..packed.tokens()));
            let labels = packed.label_ids.iter().zip(&packed.label_owners);
            for (token, (id, owner)) in packed.label_rows.iter().zip(labels) {
                let at = packed.positions[*token] as usize + 1;
                assert_eq!(seen(packed, *token), rows[*owner].ids[..at]);
                assert_eq!((rows[*owner].ids[at], rows[*owner].labels[at]), (*id, true));
                found.push((*owner, at));
            }
        }
        found.sort_unstable();
        let labels = |(owner, row): (usize, &Row)| -> Vec<(usize, usize)> {
            (1..row.ids.len()).filter(|at| row.labels[*at]).map(|at| (owner, at)).collect()
        };
        assert_eq!(found, rows.iter().enumerate().flat_map(labels).collect::<Vec<_>>());
    }

    #[test]
    fn what_several_rows_share_is_there_once_at_every_depth() {
        let (system, first, second) = (1..=20, 30..=39, 50..=55);
        let with = |question: std::ops::RangeInclusive<u32>, answer: &[u32]| {
            let ids: Vec<u32> =
                system.clone().chain(question).chain(answer.iter().copied()).collect();
            let from = ids.len() - answer.len();
            row(&ids, &(from..ids.len()).collect::<Vec<_>>())
        };
        let rows = [
            with(first.clone(), &[100, 101, 102]),
            with(second.clone(), &[100]),
            with(first.clone(), &[100, 101, 103, 104]),
            with(first.clone(), &[110, 111, 112]),
            row(&[7, 8, 9], &[]),
            with(second, &[120, 121]),
            with(first, &[100]),
        ];
        let packed = pack_nested(&rows, 1000);
        check(&rows, &packed);
        let [packed] = &packed[..] else { panic!("{}", packed.len()) };
        // Twenty, ten and six tokens once, and before each label of several tokens what leads to it.
        assert_eq!(packed.tokens(), 20 + 10 + 2 + 3 + 2 + 6 + 1);
        let depth = |index: usize| upwards(&packed.segments, index).count();
        assert_eq!((0..packed.segments.len()).map(depth).max(), Some(3));
        assert_eq!(packed.segments[0], Segment { own: 0..20, parent: None });
        // The labels of the first tokens after a question are predicted by one token.
        let most = packed.label_rows.chunk_by(|a, b| a == b).map(<[usize]>::len).max();
        assert_eq!(most, Some(4));
    }

    #[test]
    fn equal_rows_and_rows_within_others_are_read_once() {
        let long: Vec<u32> = (1..=30).collect();
        let rows =
            [row(&long, &[29]), row(&long, &[29]), row(&long[..12], &[11]), row(&long, &[5, 20])];
        let packed = pack_nested(&rows, 1000);
        check(&rows, &packed);
        assert_eq!(packed.iter().map(Packed::tokens).sum::<usize>(), 29);
    }

    #[test]
    fn batches_are_even_and_within_the_limit() {
        let rows: Vec<Row> = (0..40u32)
            .map(|n| {
                let ids: Vec<u32> = (1..=20).chain((0..30).map(|i| 100 + n * 50 + i)).collect();
                row(&ids, &[49])
            })
            .collect();
        let packed = pack_nested(&rows, 256);
        check(&rows, &packed);
        let tokens: Vec<usize> = packed.iter().map(Packed::tokens).collect();
        assert!(tokens.iter().all(|tokens| (150..=256).contains(tokens)), "{tokens:?}");
        let long = [row(&[1; 30], &[29]), row(&[2; 5], &[4])];
        let tokens: Vec<usize> = pack_nested(&long, 8).iter().map(Packed::tokens).collect();
        assert_eq!(tokens, [29, 4]);
        assert!(pack_nested(&[row(&[1], &[0])], 8).is_empty());
    }
}
