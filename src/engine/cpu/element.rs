//! The numbers that products are computed in, and how they are rounded and laid out.

use half::bf16;

use super::panels::WIDTH;
use super::rounding::{self, PAIRS, round};
use super::tile::STEP;
use super::turn;
use super::values::Values;
use super::vector::vectorized;

/// A number that products are computed in.
pub(in crate::engine) trait Element:
    Copy + Default + Send + Sync + PartialEq + std::fmt::Debug + 'static
{
    /// Neighbours along the depth that lie side by side in a panel.
    const GROUP: usize;
    /// Depths are padded to a multiple of it.
    const STEP: usize;
    /// Depths multiplied before sums are stored and loaded again.
    const CHUNK: usize;

    /// Rounds to nearest.
    fn narrow(from: &[f32], to: &mut [Self]);

    /// Rounds one value to nearest.
    fn one(value: f32) -> Self;

    /// Rounds a line, for loops of `rounding` functions.
    fn line<const ROUNDS: bool>(from: &[f32; WIDTH], to: &mut [Self; WIDTH]);

    /// The same value in f32.
    fn widen(self) -> f32;

    /// The values themselves, where they are such numbers already.
    fn own(from: Values<'_>) -> Option<&[Self]>;

    /// Takes values as they are, or rounds them.
    fn take(from: Values<'_>, to: &mut [Self]);

    /// [`Self::take`] into a block of [`STEP`] rows (see [`super::tile::Tile::blocked`]), from the value
    /// `at` on; the row's other depths are set to zero.
    fn take_apart(from: Values<'_>, block: &mut [Self], at: usize);

    /// Lays the [`WIDTH`] columns of a group of depths (`b` is the second of a pair) side by side.
    fn lay(a: &[Self], b: &[Self], to: &mut [Self]);

    /// [`Self::lay`] for rows of many panels, whose places lie `stride` values apart.
    fn lay_rows(a: Values<'_>, b: Values<'_>, to: &mut [Self], stride: usize);

    /// Lays [`WIDTH`] rows of `pitch` values out as a panel.
    fn turn(rows: &[Self], pitch: usize, panel: &mut [Self]);

    /// The first `depth` depths of a panel as [`WIDTH`] rows of `pitch` values.
    fn turn_back(panel: &[Self], depth: usize, rows: &mut [Self], pitch: usize);
}

impl Element for f32 {
    const GROUP: usize = 1;
    const STEP: usize = 1;
    /// A panel of so many depths stays in the first-level cache beside the rows.
    const CHUNK: usize = 320;

    fn narrow(from: &[f32], to: &mut [Self]) {
        to.copy_from_slice(from);
    }

    #[expect(clippy::inline_always, reason = "takes on the caller's target features")]
    #[inline(always)]
    fn one(value: f32) -> Self {
        value
    }

    #[expect(clippy::inline_always, reason = "takes on the caller's target features")]
    #[inline(always)]
    fn line<const ROUNDS: bool>(from: &[f32; WIDTH], to: &mut [Self; WIDTH]) {
        *to = *from;
    }

    #[expect(clippy::inline_always, reason = "takes on the caller's target features")]
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    fn own(from: Values<'_>) -> Option<&[Self]> {
        match from {
            Values::Full(from) => Some(from),
            Values::Half(_) => None,
        }
    }

    fn take(from: Values<'_>, to: &mut [Self]) {
        match from {
            Values::Full(from) => to.copy_from_slice(from),
            Values::Half(from) => widen(from, to),
        }
    }

    fn take_apart(from: Values<'_>, block: &mut [Self], at: usize) {
        let mut first = 0;
        for to in block.chunks_exact_mut(STEP * STEP) {
            let inside = first..from.len().min(first + STEP);
            first = inside.end;
            let (to, rest) = to[at..][..STEP].split_at_mut(inside.len());
            Self::take(from.part(inside), to);
            rest.fill(0.0);
        }
    }

    fn lay(a: &[Self], _: &[Self], to: &mut [Self]) {
        to.copy_from_slice(a);
    }

    fn lay_rows(a: Values<'_>, _: Values<'_>, to: &mut [Self], stride: usize) {
        for (panel, to) in to.chunks_mut(stride).enumerate() {
            let columns = panel * WIDTH..((panel + 1) * WIDTH).min(a.len());
            if columns.is_empty() {
                break;
            }
            Self::take(a.part(columns.clone()), &mut to[..columns.len()]);
        }
    }

    #[expect(unsafe_code, reason = "numbers moved as words")]
    fn turn(rows: &[Self], pitch: usize, panel: &mut [Self]) {
        // SAFETY: f32 and u32 have one size and alignment, and every bit pattern is both.
        let (rows, panel) = unsafe {
            (
                std::slice::from_raw_parts(rows.as_ptr().cast::<u32>(), rows.len()),
                std::slice::from_raw_parts_mut(panel.as_mut_ptr().cast::<u32>(), panel.len()),
            )
        };
        turn::words(rows, pitch, panel);
    }

    #[expect(unsafe_code, reason = "numbers moved as words")]
    fn turn_back(panel: &[Self], depth: usize, rows: &mut [Self], pitch: usize) {
        // SAFETY: as in `turn`.
        let (panel, rows) = unsafe {
            (
                std::slice::from_raw_parts(panel.as_ptr().cast::<u32>(), panel.len()),
                std::slice::from_raw_parts_mut(rows.as_mut_ptr().cast::<u32>(), rows.len()),
            )
        };
        turn::back(panel, depth, rows, pitch);
    }
}

impl Element for bf16 {
    const GROUP: usize = 2;
    const STEP: usize = 32;
    /// Tiles load and store sums slowly, so as few chunks as the second-level cache allows.
    const CHUNK: usize = 1792;

    fn narrow(from: &[f32], to: &mut [Self]) {
        narrow(from, to);
    }

    #[expect(clippy::inline_always, reason = "takes on the caller's target features")]
    #[inline(always)]
    fn one(value: f32) -> Self {
        round(value)
    }

    #[expect(clippy::inline_always, reason = "takes on the caller's target features")]
    #[inline(always)]
    fn line<const ROUNDS: bool>(from: &[f32; WIDTH], to: &mut [Self; WIDTH]) {
        rounding::line::<ROUNDS>(from, to);
    }

    #[expect(clippy::inline_always, reason = "takes on the caller's target features")]
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    fn own(from: Values<'_>) -> Option<&[Self]> {
        match from {
            Values::Half(from) => Some(from),
            Values::Full(_) => None,
        }
    }

    fn take(from: Values<'_>, to: &mut [Self]) {
        match from {
            Values::Full(from) => narrow(from, to),
            Values::Half(from) => to.copy_from_slice(from),
        }
    }

    fn take_apart(from: Values<'_>, block: &mut [Self], at: usize) {
        match from {
            Values::Full(from) => narrow_apart(from, block, at),
            Values::Half(from) => copy_apart(from, block, at),
        }
    }

    fn lay(a: &[Self], b: &[Self], to: &mut [Self]) {
        lay_pairs(a, b, words(to));
    }

    fn lay_rows(a: Values<'_>, b: Values<'_>, to: &mut [Self], stride: usize) {
        let (to, stride) = (words(to), stride / 2);
        match (a, b) {
            (Values::Full(a), Values::Full(b)) => lay_full_rows(a, b, to, stride),
            (Values::Half(a), Values::Half(b)) => lay_half_rows(a, b, to, stride),
            _ => unreachable!("rows of one operand are of one kind"),
        }
    }

    #[expect(unsafe_code, reason = "pairs read as words")]
    fn turn(rows: &[Self], pitch: usize, panel: &mut [Self]) {
        // SAFETY: a pair has the size of a word, and every bit pattern is one; the parts before and
        // after aligned words are checked to be empty.
        let (before, rows, after) = unsafe { rows.align_to::<u32>() };
        assert!(before.is_empty() && after.is_empty(), "rows begin at whole words");
        turn::words(rows, pitch / 2, words(panel));
    }

    #[expect(unsafe_code, reason = "pairs read as words")]
    fn turn_back(panel: &[Self], depth: usize, rows: &mut [Self], pitch: usize) {
        // SAFETY: as in `turn`.
        let (before, panel, after) = unsafe { panel.align_to::<u32>() };
        assert!(before.is_empty() && after.is_empty(), "panels hold whole words");
        turn::back(panel, depth / 2, words(rows), pitch / 2);
    }
}

/// Pairs as words.
#[expect(unsafe_code, reason = "pairs written as words")]
pub(in crate::engine) fn words(pairs: &mut [bf16]) -> &mut [u32] {
    // SAFETY: as in `turn`.
    let (before, words, after) = unsafe { pairs.align_to_mut::<u32>() };
    assert!(before.is_empty() && after.is_empty(), "panels hold whole words");
    words
}

vectorized! {
    /// The low half of each word is `a`, the high half `b`.
    fn lay_pairs(a: &[bf16], b: &[bf16], to: &mut [u32]) {
        for ((a, b), to) in a.iter().zip(b).zip(to) {
            *to = u32::from(a.to_bits()) | u32::from(b.to_bits()) << 16;
        }
    }
}

vectorized! {
    /// Pairs of two rows into panels whose words lie `stride` apart.
    rounding fn lay_full_rows(a: &[f32], b: &[f32], to: &mut [u32], stride: usize) {
        for ((a, b), to) in a.chunks(WIDTH).zip(b.chunks(WIDTH)).zip(to.chunks_mut(stride)) {
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<PAIRS>(), b.as_chunks::<PAIRS>());
            let (to, rest) = to.split_at_mut(a.len() * PAIRS);
            for ((a, b), to) in a.iter().zip(b).zip(to.as_chunks_mut::<PAIRS>().0) {
                rounding::pairs::<ROUNDS>(a, b, to);
            }
            for ((a, b), to) in a_rest.iter().zip(b_rest).zip(rest) {
                *to = rounding::pair(*a, *b);
            }
        }
    }
}

vectorized! {
    /// As above, of rows that are rounded already.
    fn lay_half_rows(a: &[bf16], b: &[bf16], to: &mut [u32], stride: usize) {
        for ((a, b), to) in a.chunks(WIDTH).zip(b.chunks(WIDTH)).zip(to.chunks_mut(stride)) {
            for ((a, b), to) in a.iter().zip(b).zip(to) {
                *to = u32::from(a.to_bits()) | u32::from(b.to_bits()) << 16;
            }
        }
    }
}

vectorized! {
    /// Rounds to nearest, ties to even.
    rounding fn narrow(from: &[f32], to: &mut [bf16]) {
        let len = from.len().min(to.len());
        let (from, from_rest) = from[..len].as_chunks::<WIDTH>();
        let (to, to_rest) = to[..len].as_chunks_mut::<WIDTH>();
        for (from, to) in from.iter().zip(to) {
            rounding::line::<ROUNDS>(from, to);
        }
        for (from, to) in from_rest.iter().zip(to_rest) {
            *to = round(*from);
        }
    }
}

vectorized! {
    /// Rounds to nearest into every 32nd group of 32 values from `at` on, zeros beyond.
    rounding fn narrow_apart(from: &[f32], block: &mut [bf16], at: usize) {
        assert!(at + STEP <= STEP * STEP, "a place in the block");
        let mut groups = block.chunks_exact_mut(STEP * STEP).filter_map(|group| {
            group[at..].first_chunk_mut::<STEP>()
        });
        let (whole, mut rest) = from.as_chunks::<STEP>();
        // By whole lines: loops over single values are turned inside out, which is several times slower.
        for (from, to) in whole.iter().zip(&mut groups) {
            rounding::line::<ROUNDS>(from, to);
        }
        for to in groups {
            let mut last = [0.0; STEP];
            last[..rest.len()].copy_from_slice(rest);
            rounding::line::<ROUNDS>(&last, to);
            rest = &[];
        }
    }
}

vectorized! {
    /// As above, of values that are rounded already.
    fn copy_apart(from: &[bf16], block: &mut [bf16], at: usize) {
        assert!(at + STEP <= STEP * STEP, "a place in the block");
        let mut groups = block.chunks_exact_mut(STEP * STEP);
        let whole = from.chunks_exact(STEP);
        let mut rest = whole.remainder();
        for (from, to) in whole.zip(&mut groups) {
            to[at..][..STEP].copy_from_slice(from);
        }
        for to in groups {
            let to = &mut to[at..][..STEP];
            to.fill(bf16::ZERO);
            to[..rest.len()].copy_from_slice(rest);
            rest = &[];
        }
    }
}

vectorized! {
    /// The same values in f32.
    pub(in crate::engine) fn widen(from: &[bf16], to: &mut [f32]) {
        for (from, to) in from.iter().zip(to) {
            *to = from.widen();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrowing_rounds_as_the_half_crate_does() {
        let mut bits = 0x0080_0001u32;
        let mut values = Vec::new();
        while bits < 0x7f80_0000 {
            values.extend([f32::from_bits(bits), -f32::from_bits(bits)]);
            bits += 0x0003_1337;
        }
        values.extend([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, 1.5]);
        let mut narrowed = vec![bf16::ZERO; values.len()];
        bf16::narrow(&values, &mut narrowed);
        for (value, narrowed) in values.iter().zip(&narrowed) {
            assert_eq!(narrowed.to_bits(), bf16::from_f32(*value).to_bits(), "{value:e}");
        }
        let mut nan = [bf16::ZERO];
        bf16::narrow(&[f32::NAN], &mut nan);
        assert!(nan[0].is_nan());
    }

    #[test]
    fn rows_of_a_block_lie_in_groups_with_zeros_beyond() {
        for count in [0, 1, 32, 45, 64, 95] {
            let values: Vec<f32> = (0..count).map(|i| i as f32 * 0.5 - 3.0).collect();
            let mut rounded = vec![bf16::ZERO; count];
            bf16::narrow(&values, &mut rounded);
            let row = 5;
            let (mut a, mut b) =
                (vec![bf16::ONE; 3 * STEP * STEP], vec![bf16::ONE; 3 * STEP * STEP]);
            bf16::take_apart(values[..].into(), &mut a, row * STEP);
            bf16::take_apart(Values::Half(&rounded), &mut b, row * STEP);
            let mut full = vec![1.0f32; 3 * STEP * STEP];
            f32::take_apart(values[..].into(), &mut full, row * STEP);
            for (i, value) in a.iter().enumerate() {
                let k = i / (STEP * STEP) * STEP + i % STEP;
                let want = match rounded.get(k) {
                    _ if i / STEP % STEP != row => bf16::ONE,
                    Some(value) => *value,
                    None => bf16::ZERO,
                };
                assert_eq!((*value, b[i]), (want, want), "{count} {i}");
                assert_eq!(bf16::one(full[i]), want, "{count} {i}");
            }
        }
    }
}
