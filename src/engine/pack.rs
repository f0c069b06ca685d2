//! Rows of tokens laid end to end, so that no product works on padding.

use std::ops::Range;

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

/// Segments that go through the model together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Packed {
    pub(super) ids: Vec<u32>,
    /// Position of each token in its segment.
    pub(super) positions: Vec<u32>,
    pub(super) segments: Vec<Range<usize>>,
    /// Tokens that predict a label, ascending.
    pub(super) label_rows: Vec<usize>,
    /// What each of them should predict.
    pub(super) label_ids: Vec<u32>,
    /// Which row each of them belongs to.
    pub(super) label_owners: Vec<usize>,
}

impl Packed {
    /// Adds a segment without labels.
    pub(super) fn push(&mut self, ids: &[u32]) {
        let start = self.ids.len();
        self.ids.extend(ids);
        self.positions.extend(0..ids.len() as u32);
        self.segments.push(start..start + ids.len());
    }

    /// Adds the needed part of a row.
    fn push_row(&mut self, index: usize, row: &Row) {
        let start = self.ids.len();
        self.push(&row.ids[..row.needed()]);
        for (i, id) in row.ids.iter().enumerate().skip(1) {
            if row.labels[i] {
                self.label_rows.push(start + i - 1);
                self.label_ids.push(*id);
                self.label_owners.push(index);
            }
        }
    }

    pub(super) fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// The longest segment.
    pub(super) fn longest(&self) -> usize {
        self.segments.iter().map(Range::len).max().unwrap_or(0)
    }
}

/// Packs rows into batches of at most `limit` tokens; a longer row is a batch of its own. Rows
/// without labels are left out. The plan depends on the rows and the limit only.
pub(super) fn pack(rows: &[Row], limit: usize) -> Vec<Packed> {
    // Best fit, longest first: few batches, each nearly full.
    let mut order: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].label_count() > 0).collect();
    order.sort_by_key(|i| std::cmp::Reverse(rows[*i].needed()));
    let mut batches: Vec<(usize, Vec<usize>)> = Vec::new();
    for i in order {
        let length = rows[i].needed();
        let place = batches
            .iter_mut()
            .filter(|(used, _)| used + length <= limit)
            .max_by_key(|(used, _)| *used);
        if let Some((used, members)) = place {
            *used += length;
            members.push(i);
        } else {
            batches.push((length, vec![i]));
        }
    }
    batches
        .into_iter()
        .map(|(_, members)| {
            let mut packed = Packed::default();
            for i in members {
                packed.push_row(i, &rows[i]);
            }
            packed
        })
        .collect()
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
        let packed = pack(&rows, 100);
        assert_eq!(packed.len(), 1);
        let packed = &packed[0];
        // Row 3 needs three tokens (8 is read to predict 9), row 1 two.
        assert_eq!(packed.ids, [6, 7, 8, 1, 2]);
        assert_eq!(packed.positions, [0, 1, 2, 0, 1]);
        assert_eq!(packed.segments, [0..3, 3..5]);
        assert_eq!(packed.label_rows, [2, 3, 4]);
        assert_eq!(packed.label_ids, [9, 2, 3]);
        assert_eq!(packed.label_owners, [2, 0, 0]);
    }

    #[test]
    fn batches_keep_the_limit_but_for_long_rows() {
        let rows: Vec<Row> =
            [9, 3, 30, 5, 4].iter().map(|length| row(&vec![1; length + 1], &[*length])).collect();
        let tokens: Vec<usize> = pack(&rows, 12).iter().map(Packed::tokens).collect();
        assert_eq!(tokens, [30, 9, 12]);
        assert!(pack(&[row(&[1], &[0])], 12).is_empty());
    }
}
