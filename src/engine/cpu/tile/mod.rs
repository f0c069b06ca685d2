//! Inner kernels: a few rows times one panel.
//!
//! Each computes `c[r][n] (+)= sum_k a[r][k] b[k][n]` for at most `rows` rows and
//! [`WIDTH`](super::panels::WIDTH) columns, sums in f32, depth after depth.

#[cfg(target_arch = "x86_64")]
pub(super) mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use half::bf16;

use super::kernel::Kernel;
use super::panels::{Element, WIDTH};

/// Depths of a row that lie side by side where rows come in blocks.
pub(super) const STEP: usize = 32;

/// Columns of half a panel.
pub(in crate::engine) const HALF: usize = WIDTH / 2;

/// What a kernel works on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<E> {
    /// Rows of the left operand, `a_pitch` values apart; depth padded as in the panel.
    pub(super) a: *const E,
    pub(super) a_pitch: usize,
    /// Values from [`STEP`] depths of a row to the next, `STEP` where rows are whole; only for
    /// kernels whose rows come [in blocks](Tile::blocked).
    pub(super) a_step: usize,
    /// Rows to compute.
    pub(super) rows: usize,
    /// A panel, from the first depth on.
    pub(super) b: *const E,
    /// Depths, a multiple of the element's step.
    pub(super) depth: usize,
    /// More depths of the same rows, which lie elsewhere; only for kernels with [halves](Tile::half).
    pub(super) then: Then<E>,
    /// Where the sums go, rows `c_pitch` apart.
    pub(super) c: *mut f32,
    pub(super) c_pitch: usize,
    /// Whether to go on with the sums that are there.
    pub(super) add: bool,
    /// What will be read after the panel: `blocked` kernels ask for an eighth of a panel's length from here on, into
    /// the second-level cache. It may be what is there already.
    pub(super) ahead: *const E,
}

/// Depths of rows that follow others, in the panel too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Then<E> {
    pub(super) a: *const E,
    pub(super) a_pitch: usize,
    pub(super) depth: usize,
}

impl<E> Then<E> {
    /// No depths.
    pub(super) const NONE: Self = Self { a: std::ptr::null(), a_pitch: 0, depth: 0 };
}

impl<E> Work<E> {
    /// The rows from `first` on. For kernels that use its fields at once: a whole copy would wait for the fields to be
    /// written to memory, and they for the sums before them.
    // SAFETY of a call: there are as many.
    #[inline]
    #[expect(unsafe_code, reason = "places in rows")]
    unsafe fn from(&self, first: usize) -> Self
    where
        E: Copy,
    {
        let then = Then { a: self.then.a.wrapping_add(first * self.then.a_pitch), ..self.then };
        // SAFETY: the caller's.
        let (a, c) =
            unsafe { (self.a.add(first * self.a_pitch), self.c.add(first * self.c_pitch)) };
        Self { a, then, c, rows: self.rows - first, ..*self }
    }

    /// The depths of `a`, then those that lie elsewhere.
    // SAFETY of a call: the panel has them all.
    #[expect(unsafe_code, reason = "a place in the panel")]
    unsafe fn pieces(self) -> [Self; 2] {
        let Then { a, a_pitch, depth } = self.then;
        // SAFETY: the caller's.
        let b = unsafe { self.b.add(self.depth * WIDTH) };
        [Self { then: Then::NONE, ..self }, Self { a, a_pitch, b, depth, then: Then::NONE, ..self }]
    }
}

/// A kernel for one kind of element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile<E> {
    /// Rows it takes at most.
    pub(super) rows: usize,
    /// Whether it always reads and writes all of them, and reads large left operands best as blocks of
    /// all its rows by [`STEP`] depths, one after the other.
    pub(super) blocked: bool,
    /// Depths that are multiplied before sums, if they are kept in f32, are stored and loaded again. They go on as if
    /// there had been no break, so nothing but time depends on it.
    pub(super) chunk: usize,
    /// The same work on [`HALF`] columns of a panel alone, for f32: `b` is the first of them, `c` has rows of so many
    /// values. Such a kernel, which is never `blocked`, also reads rows where they are.
    pub(super) half: Option<unsafe fn(Work<E>)>,
    /// Does the work.
    ///
    /// Safety: the machine runs the kernel; `a` has `rows` rows (all of `Tile::rows` when `blocked`), `b`
    /// a panel of that depth, `c` that many rows of `WIDTH` values nobody else uses.
    pub(super) run: unsafe fn(Work<E>),
    /// Readies the thread for `run`.
    pub(super) begin: fn(),
    /// Undoes `begin`.
    pub(super) end: fn(),
}

impl<E> Tile<E> {
    /// A kernel that takes up to `rows` rows, as they come, on whole panels, and needs no readying.
    fn plain(rows: usize, run: unsafe fn(Work<E>)) -> Self
    where
        E: Element,
    {
        let (begin, end) = (nothing as fn(), nothing as fn());
        Self { rows, blocked: false, chunk: E::CHUNK, half: None, run, begin, end }
    }

    /// Rows that are read and written are a multiple of it.
    pub(super) fn step(&self) -> usize {
        if self.blocked { self.rows } else { 1 }
    }
}

/// Elements with kernels.
pub(in crate::engine) trait Multiplied: Element {
    /// The kernel for it, as close to the asked one as there is.
    #[expect(private_interfaces, reason = "kernels are chosen inside this folder only")]
    fn tile(kernel: Kernel) -> Tile<Self>;
}

fn nothing() {}

impl Multiplied for f32 {
    #[expect(private_interfaces, reason = "kernels are chosen inside this folder only")]
    fn tile(kernel: Kernel) -> Tile<Self> {
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Amx | Kernel::Avx512Bf16 | Kernel::Avx512 => Tile {
                chunk: avx512::CHUNK,
                half: Some(avx512::half),
                ..Tile::plain(avx512::ROWS, avx512::f32)
            },
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => Tile {
                chunk: avx2::CHUNK,
                half: Some(avx2::half),
                ..Tile::plain(avx2::ROWS, avx2::f32)
            },
            _ => Tile {
                half: Some(portable::half),
                ..Tile::plain(portable::ROWS, portable::run::<f32>)
            },
        }
    }
}

impl Multiplied for bf16 {
    #[expect(private_interfaces, reason = "kernels are chosen inside this folder only")]
    fn tile(kernel: Kernel) -> Tile<Self> {
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Amx => Tile {
                blocked: true,
                begin: amx::begin,
                end: amx::end,
                ..Tile::plain(amx::ROWS, amx::bf16)
            },
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Bf16 => Tile::plain(avx512::ROWS, avx512::bf16),
            _ => Tile::plain(portable::ROWS, portable::run::<bf16>),
        }
    }
}

/// A little work for a kernel, to see how fast it is.
pub(super) fn probe<E: Multiplied>(kernel: Kernel) {
    const DEPTH: usize = 256;
    let tile = E::tile(kernel);
    let a = vec![E::default(); tile.rows * DEPTH];
    let b = [E::default(); WIDTH * DEPTH];
    let mut c = vec![0.0f32; tile.rows * WIDTH];
    (tile.begin)();
    for _ in 0..64 {
        let work = Work {
            a: a.as_ptr(),
            a_pitch: DEPTH,
            a_step: STEP,
            rows: tile.rows,
            b: b.as_ptr(),
            depth: DEPTH,
            then: Then::NONE,
            c: c.as_mut_ptr(),
            c_pitch: WIDTH,
            add: true,
            ahead: b.as_ptr(),
        };
        // SAFETY: the buffers have the sizes that `work` tells; the caller saw that the machine runs
        // the kernel.
        #[expect(unsafe_code, reason = "call of a kernel")]
        unsafe {
            (tile.run)(work);
        }
    }
    (tile.end)();
    std::hint::black_box(&c);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a kernel of this machine on so many rows of `a`, a panel of so many depths, and rows of `c`.
    fn run<E>(
        kernel: unsafe fn(Work<E>),
        (a, a_pitch, a_step): (&[E], usize, usize),
        (rows, depth): (usize, usize),
        b: &[E],
        (c, c_pitch): (&mut [f32], usize),
        add: bool,
    ) {
        assert!(a.len() > (rows - 1) * a_pitch + (depth - 1) / STEP * a_step, "rows");
        assert!(b.len() >= WIDTH * depth && c.len() >= (rows - 1) * c_pitch + WIDTH, "columns");
        let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
        let then = Then::NONE;
        let work = Work { a, a_pitch, a_step, rows, b, depth, then, c, c_pitch, add, ahead: b };
        // SAFETY: sizes as asserted, and callers ask whether the kernel is supported.
        #[expect(unsafe_code, reason = "call of a kernel")]
        unsafe {
            kernel(work);
        }
    }

    /// Every kernel that this machine runs against sums in f64 of the same rounded operands.
    fn check<E: Multiplied>(widen: impl Fn(E) -> f64) {
        let mut seen = 0;
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()) {
            let tile = E::tile(kernel);
            for depth in [E::STEP, 3 * E::STEP, 10 * E::STEP] {
                for rows in 1..=tile.rows {
                    if tile.blocked && rows < tile.rows {
                        continue;
                    }
                    for add in [false, true] {
                        let wave = |i: usize| ((i * 37 % 101) as f32 - 50.0) * 0.021;
                        let (pitch, c_pitch) = (depth + E::STEP, WIDTH + 5);
                        let wide: Vec<f32> = (0..rows * pitch).map(wave).collect();
                        let mut a = vec![E::default(); wide.len()];
                        E::narrow(&wide, &mut a);
                        let wide: Vec<f32> = (7..7 + WIDTH * depth).map(wave).collect();
                        let mut b = vec![E::default(); wide.len()];
                        E::narrow(&wide, &mut b);
                        let mut c = vec![0.5f32; rows * c_pitch];
                        (tile.begin)();
                        let out = (&mut c[..], c_pitch);
                        run(tile.run, (&a, pitch, STEP), (rows, depth), &b, out, add);
                        (tile.end)();
                        for r in 0..rows {
                            for n in 0..WIDTH {
                                let sum: f64 = (0..depth)
                                    .map(|k| {
                                        let at =
                                            (k / E::GROUP * WIDTH + n) * E::GROUP + k % E::GROUP;
                                        widen(a[r * pitch + k]) * widen(b[at])
                                    })
                                    .sum();
                                let want = sum + if add { 0.5 } else { 0.0 };
                                let got = f64::from(c[r * c_pitch + n]);
                                assert!(
                                    (got - want).abs() < 2e-5 * (1.0 + depth as f64).sqrt(),
                                    "{kernel:?} {rows}x{depth}: {got} {want}"
                                );
                            }
                            assert_eq!(
                                c[r * c_pitch + WIDTH..][..5.min(c.len() - r * c_pitch - WIDTH)],
                                [0.5; 5]
                            );
                            seen += 1;
                        }
                    }
                }
            }
        }
        assert!(seen > 0);
    }

    /// Half a panel gives the bits of the whole one's first columns, and leaves the others alone.
    #[test]
    fn halves_give_what_whole_panels_give() {
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()) {
            let tile = f32::tile(kernel);
            let half = tile.half.expect("kernels for f32 take halves");
            let depth = 70;
            let wave = |i: usize| ((i * 37 % 101) as f32 - 50.0) * 0.021;
            let a: Vec<f32> = (0..tile.rows * depth).map(wave).collect();
            let b: Vec<f32> = (3..3 + WIDTH * depth).map(wave).collect();
            for (rows, add) in (1..=tile.rows).flat_map(|rows| [(rows, false), (rows, true)]) {
                let by = |kernel: unsafe fn(Work<f32>)| {
                    let mut c = vec![0.5f32; rows * WIDTH];
                    run(kernel, (&a, depth, STEP), (rows, depth), &b, (&mut c, WIDTH), add);
                    c
                };
                let (whole, part) = (by(tile.run), by(half));
                for (whole, part) in whole.chunks_exact(WIDTH).zip(part.chunks_exact(WIDTH)) {
                    assert_eq!(whole[..HALF], part[..HALF], "{kernel:?} {rows}");
                    assert_eq!(part[HALF..], [0.5; HALF], "{kernel:?} {rows}");
                }
            }
        }
    }

    /// Kernels have loops of their own for the rows that nearly all of a product is.
    #[test]
    fn a_row_has_the_same_bits_alone_and_beside_others() {
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()) {
            let tile = f32::tile(kernel);
            for depth in [1, 3, 4, 7, 70, 320] {
                let wave = |i: usize| ((i * 37 % 101) as f32 - 50.0) * 0.021;
                let pitch = depth + 5;
                let a: Vec<f32> = (0..tile.rows * pitch).map(wave).collect();
                let b: Vec<f32> = (3..3 + WIDTH * depth).map(wave).collect();
                let of = |first: usize, rows: usize| {
                    let mut c = vec![0.5f32; rows * WIDTH];
                    let left = (&a[first * pitch..], pitch, STEP);
                    run(tile.run, left, (rows, depth), &b, (&mut c, WIDTH), true);
                    c
                };
                let alone: Vec<f32> = (0..tile.rows).flat_map(|row| of(row, 1)).collect();
                for rows in 2..=tile.rows {
                    assert_eq!(of(0, rows), alone[..rows * WIDTH], "{kernel:?} {rows} {depth}");
                }
            }
        }
    }

    /// Depths in two pieces, of rows that lie apart, and in two runs give the bits of all of them at once.
    #[test]
    fn sums_go_on_where_they_left_off() {
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()) {
            let tile = f32::tile(kernel);
            let half = tile.half.expect("kernels for f32 take halves");
            let wave = |i: usize| ((i * 37 % 101) as f32 - 50.0) * 0.021;
            for (run, width) in [(tile.run, WIDTH), (half, HALF)] {
                for (first, then) in [(70, 16), (9, 3), (64, 0), (0, 7), (5, 48)] {
                    let depth = first + then;
                    let a: Vec<f32> = (0..tile.rows * depth).map(wave).collect();
                    let b: Vec<f32> = (3..3 + WIDTH * depth).map(wave).collect();
                    let (mut left, mut right) = (Vec::new(), Vec::new());
                    for row in a.chunks_exact(depth) {
                        left.extend_from_slice(&row[..first]);
                        right.extend_from_slice(&row[first..]);
                    }
                    for rows in 1..=tile.rows {
                        let start = || vec![0.5f32; tile.rows * WIDTH];
                        let (mut whole, mut pieces, mut runs) = (start(), start(), start());
                        let of = |a: &[f32], a_pitch, depth, b: &[f32], c: &mut [f32]| Work {
                            a: a.as_ptr(),
                            a_pitch,
                            a_step: STEP,
                            rows,
                            b: b.as_ptr(),
                            depth,
                            then: Then::NONE,
                            c: c.as_mut_ptr(),
                            c_pitch: WIDTH,
                            add: true,
                            ahead: b.as_ptr(),
                        };
                        let beside = Then { a: right.as_ptr(), a_pitch: then, depth: then };
                        let one = of(&left, first, first, &b, &mut pieces);
                        // SAFETY: the buffers have the sizes that each work tells; the machine runs the kernel.
                        #[expect(unsafe_code, reason = "calls of a kernel")]
                        unsafe {
                            run(of(&a, depth, depth, &b, &mut whole));
                            run(Work { then: beside, ..one });
                            run(of(&left, first, first, &b, &mut runs));
                            run(of(&right, then, then, &b[first * WIDTH..], &mut runs));
                        }
                        assert_eq!(whole, pieces, "{kernel:?} {width} {rows} {first} {then}");
                        assert_eq!(whole, runs, "{kernel:?} {width} {rows} {first} {then}");
                        assert!(whole[..width].iter().any(|sum| *sum != 0.5), "{kernel:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_in_blocks_give_what_whole_rows_give() {
        let mut ran = false;
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_supported()) {
            let tile = bf16::tile(kernel);
            if !tile.blocked {
                continue;
            }
            ran = true;
            let depth = 5 * STEP;
            let value = |i: usize| bf16::from_f32(((i * 37 % 101) as f32 - 50.0) * 0.021);
            let whole: Vec<bf16> = (0..tile.rows * depth).map(value).collect();
            let mut blocks = Vec::new();
            for step in 0..depth / STEP {
                for row in whole.chunks_exact(depth) {
                    blocks.extend_from_slice(&row[step * STEP..][..STEP]);
                }
            }
            let panel: Vec<bf16> = (3..3 + WIDTH * depth).map(value).collect();
            let by = |a: &[bf16], a_pitch: usize, a_step: usize| {
                let mut c = vec![0.0f32; tile.rows * WIDTH];
                (tile.begin)();
                let sizes = (tile.rows, depth);
                run(tile.run, (a, a_pitch, a_step), sizes, &panel, (&mut c, WIDTH), false);
                (tile.end)();
                c
            };
            let (whole, blocks) = (by(&whole, depth, STEP), by(&blocks, STEP, tile.rows * STEP));
            assert_eq!(whole, blocks, "{kernel:?}");
        }
        if !ran {
            eprintln!("skipped: no kernel of this machine takes blocks");
        }
    }

    #[test]
    fn kernels_in_f32_match_f64() {
        check::<f32>(f64::from);
    }

    #[test]
    fn kernels_in_bf16_match_f64() {
        check::<bf16>(f64::from);
    }
}
