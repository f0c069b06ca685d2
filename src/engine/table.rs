//! Embeddings and output heads: one row a token of the vocabulary.

use half::bf16;
use rayon::prelude::*;

use super::base::Precision;
use super::cpu::pages::prefer_large;
use super::cpu::panels::Element;
use super::cpu::values;

/// A matrix `[rows, width]`, in bf16 where the source had no more, or where products are in bf16
/// anyway; in f32 otherwise.
#[derive(Debug)]
pub(super) struct Table {
    width: usize,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Full(Vec<f32>),
    Half(Vec<bf16>),
}

impl Table {
    /// Puts a table together from its values in order, as parts come.
    pub(super) fn begin(rows: usize, width: usize) -> Self {
        let mut values = Vec::with_capacity(rows * width);
        prefer_large(&mut values);
        Self { width, values: Values::Half(values) }
    }

    /// Adds whole rows. With [`Precision::F32`] the table is in bf16 as long as that loses nothing.
    pub(super) fn push(&mut self, values: &[f32], precision: Precision) {
        let lossless = || values.par_iter().all(|x| x.to_bits().trailing_zeros() >= 16);
        if let Values::Half(held) = &mut self.values
            && precision == Precision::F32
            && !lossless()
        {
            let mut all = Vec::with_capacity(held.capacity());
            all.extend(held.iter().map(|value| value.to_f32()));
            self.values = Values::Full(all);
        }
        match &mut self.values {
            Values::Full(held) => held.extend_from_slice(values),
            Values::Half(held) => {
                // Written once: setting it to zero before takes longer than rounding.
                held.par_extend(values.par_iter().with_min_len(1 << 14).map(|x| bf16::one(*x)));
            }
        }
    }

    #[cfg(test)]
    fn new(values: &[f32], width: usize, precision: Precision) -> Self {
        let mut table = Self::begin(values.len() / width, width);
        table.push(values, precision);
        table
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        let len = match &self.values {
            Values::Full(values) => values.len(),
            Values::Half(values) => values.len(),
        };
        len / self.width
    }

    /// Values of a row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Values from column `first` of a row on, rounded where `E` is narrower than they are held.
    pub(super) fn part<E: Element>(&self, row: usize, first: usize, out: &mut [E]) {
        let at = row * self.width + first;
        let range = at..at + out.len();
        E::take(
            match &self.values {
                Values::Full(values) => values::Values::Full(&values[range]),
                Values::Half(values) => values::Values::Half(&values[range]),
            },
            out,
        );
    }

    /// `count` whole rows from `first` on, where they are held in bf16.
    pub(super) fn halves(&self, first: usize, count: usize) -> Option<&[bf16]> {
        match &self.values {
            Values::Full(_) => None,
            Values::Half(values) => Some(&values[first * self.width..(first + count) * self.width]),
        }
    }

    /// Whole rows from `first` on.
    pub(super) fn read(&self, first: usize, out: &mut [f32]) {
        for (i, out) in out.chunks_exact_mut(self.width).enumerate() {
            self.part(first + i, 0, out);
        }
    }

    /// Other rows that are no further from a row than a share of its norm.
    pub(super) fn near(&self, row: usize, share: f32) -> usize {
        let mut own = vec![0.0; self.width];
        self.part(row, 0, &mut own);
        let limit = share * share * own.iter().map(|x| x * x).sum::<f32>();
        let near = |buffer: &mut Vec<f32>, other: usize| {
            let mut apart = 0.0;
            for (at, own) in own.chunks(buffer.len()).enumerate() {
                let theirs = &mut buffer[..own.len()];
                self.part(other, at * NEAR, theirs);
                apart += own.iter().zip(theirs).map(|(a, b)| (a - *b) * (a - *b)).sum::<f32>();
                if apart > limit {
                    return false;
                }
            }
            true
        };
        (0..self.rows())
            .into_par_iter()
            .map_init(|| vec![0.0; NEAR], |buffer, other| other != row && near(buffer, other))
            .filter(|near| *near)
            .count()
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        match &self.values {
            Values::Full(values) => values.len() * 4,
            Values::Half(values) => values.len() * 2,
        }
    }
}

/// Values that rows are compared by at once.
const NEAR: usize = 32;
/// Values of a part, when a table is read from a file.
pub(super) const PART: usize = 1 << 22;

/// Bytes that a table of `count` values takes at most.
pub(super) fn bytes(count: usize, precision: Precision) -> usize {
    count * precision.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_is_taken_where_it_loses_nothing_or_is_asked_for() {
        let exact = vec![1.0, -0.5, 3.0, 0.007_812_5];
        let table = Table::new(&exact, 2, Precision::F32);
        assert_eq!((table.bytes(), table.rows()), (8, 2));
        let mut read = vec![0.0; 4];
        table.read(0, &mut read);
        assert_eq!(read, exact);
        let fine = vec![0.1, 0.2, 0.3, 0.4];
        let table = Table::new(&fine, 2, Precision::F32);
        assert_eq!(table.bytes(), 16);
        table.read(0, &mut read);
        assert_eq!(read, fine);
        let table = Table::new(&fine, 2, Precision::Bf16);
        let mut one = [0.0];
        table.part(1, 1, &mut one);
        assert_eq!((table.bytes(), one[0]), (8, bf16::from_f32(0.4).to_f32()));
    }

    #[test]
    fn a_part_that_bf16_cannot_hold_takes_what_came_before_along() {
        let mut table = Table::begin(2, 2);
        table.push(&[1.0, -0.5], Precision::F32);
        assert!(table.halves(0, 1).is_some());
        table.push(&[0.1, 2.0], Precision::F32);
        let mut read = [0.0; 4];
        table.read(0, &mut read);
        assert_eq!((read, table.bytes()), ([1.0, -0.5, 0.1, 2.0], 16));
    }

    #[test]
    fn rows_that_are_alike_are_counted() {
        let row = |seed: f32, share: f32| -> Vec<f32> {
            let norm = 45f32.sqrt();
            (0..90)
                .map(move |i| (i as f32 * 0.7).sin() + share * norm * f32::from(i as f32 == seed))
                .collect()
        };
        let rows =
            [row(0.0, 0.0), row(3.0, 0.015), row(80.0, 0.015), row(80.0, 0.03), vec![0.5; 90]];
        let table = Table::new(&rows.concat(), 90, Precision::F32);
        let near: Vec<usize> = (0..5).map(|row| table.near(row, 0.02)).collect();
        assert_eq!(near, [2, 1, 2, 1, 0]);
    }
}
