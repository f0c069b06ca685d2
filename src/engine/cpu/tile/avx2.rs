//! Tiles of 3 rows by four registers of 8 columns, a whole panel, for AVX2 with FMA; of half a panel 6 rows by
//! two registers.
//!
//! Three rows by four registers read seven times for twelve multiplications, one less than six rows by two, and
//! a panel is read from end to end, line after line, once for all its columns.

use std::arch::x86_64::{
    __m256, _MM_HINT_T0, _mm_prefetch, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_setzero_ps, _mm256_storeu_ps,
};

use super::Work;

/// Rows of a tile: two times three of whole panels, six of halves; 12 registers of sums either way.
pub(super) const ROWS: usize = 6;

/// Depths at a time: the rows of a task stay in the second-level cache, and sums are seldom stored and loaded
/// again. The panel comes from there too, fast enough for tiles that read each line of it once.
pub(super) const CHUNK: usize = 640;

/// See [`super::Tile::run`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
pub(super) unsafe fn f32(work: Work<f32>) {
    // Two rows and two rather than three and one, whose sums would wait for each other.
    let first = if work.rows == 4 { 2 } else { work.rows.min(3) };
    // SAFETY: the caller saw AVX2 and FMA; sizes as the caller promised.
    unsafe {
        some(&work, 0, first);
        if work.rows > first {
            some(&work, first, work.rows - first);
        }
    }
}

/// See [`super::Tile::half`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
pub(super) unsafe fn half(work: Work<f32>) {
    // SAFETY: the caller saw AVX2 and FMA; sizes as the caller promised.
    unsafe {
        match work.rows {
            1 => tile::<1, 2>(&work, 0),
            2 => tile::<2, 2>(&work, 0),
            3 => tile::<3, 2>(&work, 0),
            4 => tile::<4, 2>(&work, 0),
            5 => tile::<5, 2>(&work, 0),
            _ => tile::<6, 2>(&work, 0),
        }
    }
}

// SAFETY of a call: as for `Tile::run`, which has `rows` rows from `first` on; at most 3.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
unsafe fn some(work: &Work<f32>, first: usize, rows: usize) {
    // SAFETY: the caller's.
    unsafe {
        match rows {
            1 => tile::<1, 4>(work, first),
            2 => tile::<2, 4>(work, first),
            _ => three(work, first),
        }
    }
}

/// Depths that a turn of [`three`]'s loop adds.
const TURN: usize = 8;

/// The products of one depth, which is so many bytes on in the rows and in the panel: 19 instructions. A row's value is
/// read just before its first product, so that reads are spread evenly.
macro_rules! depth {
    ($row:literal, $panel:literal) => {
        concat!(
            depth!(@part $panel, "0"),
            depth!(@load "12", "", $row),
            depth!(@add "0", "12"),
            depth!(@load "13", " + {p}", $row),
            depth!(@add "4", "13"),
            depth!(@load "14", " + 2 * {p}", $row),
            depth!(@add "8", "14"),
            depth!(@part $panel, "32"),
            depth!(@add "1", "12"),
            depth!(@add "5", "13"),
            depth!(@add "9", "14"),
            depth!(@part $panel, "64"),
            depth!(@add "2", "12"),
            depth!(@add "6", "13"),
            depth!(@add "10", "14"),
            depth!(@part $panel, "96"),
            depth!(@add "3", "12"),
            depth!(@add "7", "13"),
            depth!(@add "11", "14"),
        )
    };
    (@load $to:literal, $row:literal, $at:literal) => {
        concat!("vbroadcastss ymm", $to, ", dword ptr [{a}", $row, " + ", $at, "]\n")
    };
    (@part $panel:literal, $part:literal) => {
        concat!("vmovups ymm15, ymmword ptr [{b} + ", $panel, " + ", $part, "]\n")
    };
    (@add $sum:literal, $row:literal) => {
        concat!("vfmadd231ps ymm", $sum, ", ymm", $row, ", ymm15\n")
    };
}

/// `tile::<3, 4>`, the one that nearly all of a product is, in the same order. All 16 registers are taken, and a
/// compiler that sees several depths at once loads early and runs out of them; one by one, every eighth instruction
/// only counts, and threads that share a core are short of instructions first.
// SAFETY of a call: as for `Tile::run`, which has 3 rows from `first` on.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "vector instructions")]
unsafe fn three(work: &Work<f32>, first: usize) {
    // SAFETY: the caller's.
    let work = unsafe { work.from(first) };
    // SAFETY: `c` has 3 rows of 32 values.
    unsafe { ask::<3, 4>(&work) };
    // SAFETY: `c` has 3 rows of 32 values.
    let mut sums: [[__m256; 4]; 3] = unsafe { begun(&work) };
    // SAFETY: the caller's panel.
    for piece in unsafe { work.pieces() } {
        let turns = piece.depth / TURN;
        if turns > 0 {
            let [[s0, s1, s2, s3], [s4, s5, s6, s7], [s8, s9, s10, s11]] = &mut sums;
            // SAFETY: reads `TURN` times as many depths as there are turns, of 3 rows and of the panel, whose depths lie 32
            // values apart; writes registers only.
            unsafe {
                std::arch::asm!(
                    "2:",
                    depth!("0", "0"),
                    depth!("4", "128"),
                    depth!("8", "256"),
                    depth!("12", "384"),
                    depth!("16", "512"),
                    depth!("20", "640"),
                    depth!("24", "768"),
                    depth!("28", "896"),
                    "add {a}, 32",
                    "add {b}, 1024",
                    "dec {n}",
                    "jnz 2b",
                    a = inout(reg) piece.a => _,
                    b = inout(reg) piece.b => _,
                    n = inout(reg) turns => _,
                    p = in(reg) piece.a_pitch * size_of::<f32>(),
                    inout("ymm0") *s0, inout("ymm1") *s1, inout("ymm2") *s2, inout("ymm3") *s3,
                    inout("ymm4") *s4, inout("ymm5") *s5, inout("ymm6") *s6, inout("ymm7") *s7,
                    inout("ymm8") *s8, inout("ymm9") *s9, inout("ymm10") *s10, inout("ymm11") *s11,
                    out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                    options(nostack, readonly),
                );
            }
        }
        for k in turns * TURN..piece.depth {
            // SAFETY: a depth of this piece.
            unsafe { add(&piece, k, &mut sums) };
        }
    }
    // SAFETY: `c` has 3 rows of 32 values.
    unsafe { store(sums, &work) };
}

/// Asks for sums: they lie rows apart, where nothing reads ahead; asked for before the products, they are there after.
// SAFETY of a call: R rows of 8 N values of `c`.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "hints to the processor")]
unsafe fn ask<const R: usize, const N: usize>(work: &Work<f32>) {
    for r in 0..R {
        for line in (0..N).step_by(2) {
            // SAFETY: the caller's.
            unsafe {
                let c = work.c.add(r * work.c_pitch + line * 8);
                _mm_prefetch::<_MM_HINT_T0>(c.cast());
            }
        }
    }
}

// SAFETY of a call: as for `Tile::run`, which has R rows from `first` on, with the features named here, but for 8 N
// columns only.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn tile<const R: usize, const N: usize>(work: &Work<f32>, first: usize) {
    // SAFETY: the caller's.
    let work = unsafe { work.from(first) };
    // SAFETY: `c` has R rows of 8 N values.
    unsafe { ask::<R, N>(&work) };
    // SAFETY: `c` has R rows of 8 N values.
    let mut sums: [[__m256; N]; R] = unsafe { begun(&work) };
    // SAFETY: the caller's panel.
    for piece in unsafe { work.pieces() } {
        for k in 0..piece.depth {
            // SAFETY: a depth of this piece.
            unsafe { add(&piece, k, &mut sums) };
        }
    }
    // SAFETY: `c` has R rows of 8 N values.
    unsafe { store(sums, &work) };
}

/// Adds the products of depth `k`.
// SAFETY of a call: as for [`tile`], and there is such a depth.
#[inline]
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "vector loads")]
unsafe fn add<const R: usize, const N: usize>(
    work: &Work<f32>,
    k: usize,
    sums: &mut [[__m256; N]; R],
) {
    // SAFETY: depths of the panel lie 32 values apart, 8 N of each are read; each row has `depth` values.
    unsafe {
        let b = work.b.add(k * 32);
        // The fewer of both stay in registers, the others come and go.
        if R < N {
            let mut a = [_mm256_setzero_ps(); R];
            for (r, a) in a.iter_mut().enumerate() {
                *a = _mm256_broadcast_ss(&*work.a.add(r * work.a_pitch + k));
            }
            for part in 0..N {
                let b = _mm256_loadu_ps(b.add(part * 8));
                for (sums, a) in sums.iter_mut().zip(a) {
                    sums[part] = _mm256_fmadd_ps(a, b, sums[part]);
                }
            }
        } else {
            let mut right = [_mm256_setzero_ps(); N];
            for (part, right) in right.iter_mut().enumerate() {
                *right = _mm256_loadu_ps(b.add(part * 8));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = _mm256_broadcast_ss(&*work.a.add(r * work.a_pitch + k));
                for (sum, b) in sums.iter_mut().zip(right) {
                    *sum = _mm256_fmadd_ps(a, b, *sum);
                }
            }
        }
    }
}

/// Sums to go on with.
// SAFETY of a call: as for `Tile::run`, with the features named here, rows of 8 N values.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "vector loads")]
unsafe fn begun<const R: usize, const N: usize>(work: &Work<f32>) -> [[__m256; N]; R] {
    let mut sums = [[_mm256_setzero_ps(); N]; R];
    if work.add {
        for (r, sums) in sums.iter_mut().enumerate() {
            for (part, sum) in sums.iter_mut().enumerate() {
                // SAFETY: 8 values at each of N places of each row.
                *sum = unsafe { _mm256_loadu_ps(work.c.add(r * work.c_pitch + part * 8)) };
            }
        }
    }
    sums
}

// SAFETY of a call: as for `Tile::run`, with the features named here, rows of 8 N values.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "vector stores")]
unsafe fn store<const R: usize, const N: usize>(sums: [[__m256; N]; R], work: &Work<f32>) {
    for (r, sums) in sums.into_iter().enumerate() {
        for (part, sum) in sums.into_iter().enumerate() {
            // SAFETY: 8 values at each of N places of each row.
            unsafe { _mm256_storeu_ps(work.c.add(r * work.c_pitch + part * 8), sum) };
        }
    }
}
