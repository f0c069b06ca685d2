//! Tiles of 12 rows by two registers of 16 columns, for AVX-512 in f32 and in pairs of bf16.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use half::bf16 as Half;

use super::Work;

/// Rows of a tile: 24 registers of sums, two of the panel, one of the left operand.
pub(super) const ROWS: usize = 12;

/// Depths of f32 at a time: sums are seldom stored and loaded again, and a panel comes from the second-level cache fast
/// enough for tiles that read each line of it once.
pub(super) const CHUNK: usize = 640;

/// Calls `$function::<R>` with R = `$work.rows`.
// SAFETY of each arm: the caller's.
macro_rules! by_rows {
    ($function:ident, $work:expr, $($rows:literal),*) => {
        match $work.rows {
            $($rows => unsafe { $function::<$rows>($work) },)*
            _ => {}
        }
    };
}

/// See [`super::Tile::run`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
pub(super) unsafe fn f32(work: Work<f32>) {
    if work.rows == ROWS {
        // SAFETY: the caller saw AVX-512; sizes as the caller promised.
        unsafe { twelve(work) };
        return;
    }
    // SAFETY: as above.
    by_rows!(whole, work, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
}

/// See [`super::Tile::half`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
pub(super) unsafe fn half(work: Work<f32>) {
    // SAFETY: the caller saw AVX-512; sizes as the caller promised.
    by_rows!(part, work, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
}

/// See [`super::Tile::run`].
///
/// # Safety
/// As there.
#[expect(unsafe_code, reason = "calls of target-feature functions")]
pub(super) unsafe fn bf16(work: Work<Half>) {
    // SAFETY: the caller saw AVX-512 with BF16; sizes as the caller promised.
    by_rows!(pairs, work, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
}

// SAFETY of a call: as for `Tile::run`, with the features named here.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "calls of target-feature functions")]
unsafe fn whole<const R: usize>(work: Work<f32>) {
    // SAFETY: the caller's.
    unsafe { full::<R, 2>(work) };
}

// SAFETY of a call: as for `Tile::half`, with the features named here.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "calls of target-feature functions")]
unsafe fn part<const R: usize>(work: Work<f32>) {
    // SAFETY: the caller's.
    unsafe { full::<R, 1>(work) };
}

// SAFETY of a call: as for `Tile::run`, with the features named here, but for 16 N columns only.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn full<const R: usize, const N: usize>(work: Work<f32>) {
    // SAFETY: `c` has R rows of 16 N values.
    let mut sums: [[__m512; N]; R] = unsafe { begun(&work) };
    // SAFETY: the caller's panel.
    for piece in unsafe { work.pieces() } {
        for k in 0..piece.depth {
            // SAFETY: the panel has 32 values for each depth, of which 16 N are read, each row `depth` values.
            unsafe {
                let mut right = [_mm512_setzero_ps(); N];
                for (half, right) in right.iter_mut().enumerate() {
                    *right = _mm512_loadu_ps(piece.b.add(k * 32 + half * 16));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = _mm512_set1_ps(*piece.a.add(r * piece.a_pitch + k));
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = _mm512_fmadd_ps(a, right, *sum);
                    }
                }
            }
        }
    }
    // SAFETY: `c` has R rows of 16 N values.
    unsafe { store(sums, &work) };
}

/// Depths that a turn of [`twelve`]'s loop adds.
const TURN: usize = 8;

/// The products of one depth, which is so many bytes on in the rows and in the panel: 38 instructions. Rows are
/// found from two of them, `a` and the fourth, by one, three and five pitches.
macro_rules! depth {
    ($row:literal, $panel:literal) => {
        concat!(
            "vmovups zmm24, zmmword ptr [{b} + ", $panel, "]\n",
            "vmovups zmm25, zmmword ptr [{b} + ", $panel, " + 64]\n",
            depth!(@row "26", "0", "1", "{a}", $row),
            depth!(@row "27", "2", "3", "{a} + {p}", $row),
            depth!(@row "28", "4", "5", "{a} + 2 * {p}", $row),
            depth!(@row "29", "6", "7", "{d}", $row),
            depth!(@row "30", "8", "9", "{a} + 4 * {p}", $row),
            depth!(@row "31", "10", "11", "{d} + 2 * {p}", $row),
            depth!(@row "26", "12", "13", "{a} + 2 * {p3}", $row),
            depth!(@row "27", "14", "15", "{d} + 4 * {p}", $row),
            depth!(@row "28", "16", "17", "{a} + 8 * {p}", $row),
            depth!(@row "29", "18", "19", "{d} + 2 * {p3}", $row),
            depth!(@row "30", "20", "21", "{a} + 2 * {p5}", $row),
            depth!(@row "31", "22", "23", "{d} + 8 * {p}", $row),
        )
    };
    (@row $value:literal, $first:literal, $second:literal, $place:literal, $row:literal) => {
        concat!(
            "vbroadcastss zmm", $value, ", dword ptr [", $place, " + ", $row, "]\n",
            "vfmadd231ps zmm", $first, ", zmm", $value, ", zmm24\n",
            "vfmadd231ps zmm", $second, ", zmm", $value, ", zmm25\n",
        )
    };
}

/// `full::<12, 2>`, the one that nearly all of a product is, in the same order. Left to the compiler, addresses of rows are
/// added up from row to row and depth to depth, on ports that multiplications wait for.
// SAFETY of a call: as for `Tile::run`, 12 rows.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "vector instructions")]
unsafe fn twelve(work: Work<f32>) {
    // SAFETY: `c` has 12 rows of 32 values.
    let mut sums: [[__m512; 2]; ROWS] = unsafe { begun(&work) };
    let [
        [s0, s1],
        [s2, s3],
        [s4, s5],
        [s6, s7],
        [s8, s9],
        [s10, s11],
        [s12, s13],
        [s14, s15],
        [s16, s17],
        [s18, s19],
        [s20, s21],
        [s22, s23],
    ] = &mut sums;
    // SAFETY: the caller's panel.
    for piece in unsafe { work.pieces() } {
        let pitch = piece.a_pitch * size_of::<f32>();
        // SAFETY: reads `depth` depths of 12 rows and of the panel, whose depths lie 32 values apart; writes registers only.
        unsafe {
            std::arch::asm!(
                "test {n}, {n}",
                "jz 3f",
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
                "add {d}, 32",
                "add {b}, 1024",
                "dec {n}",
                "jnz 2b",
                "3:",
                "test {rest}, {rest}",
                "jz 5f",
                "4:",
                depth!("0", "0"),
                "add {a}, 4",
                "add {d}, 4",
                "add {b}, 128",
                "dec {rest}",
                "jnz 4b",
                "5:",
                a = inout(reg) piece.a => _,
                d = inout(reg) piece.a.wrapping_add(3 * piece.a_pitch) => _,
                b = inout(reg) piece.b => _,
                n = inout(reg) piece.depth / TURN => _,
                rest = inout(reg) piece.depth % TURN => _,
                p = in(reg) pitch,
                p3 = in(reg) 3 * pitch,
                p5 = in(reg) 5 * pitch,
                inout("zmm0") *s0, inout("zmm1") *s1, inout("zmm2") *s2, inout("zmm3") *s3,
                inout("zmm4") *s4, inout("zmm5") *s5, inout("zmm6") *s6, inout("zmm7") *s7,
                inout("zmm8") *s8, inout("zmm9") *s9, inout("zmm10") *s10, inout("zmm11") *s11,
                inout("zmm12") *s12, inout("zmm13") *s13, inout("zmm14") *s14, inout("zmm15") *s15,
                inout("zmm16") *s16, inout("zmm17") *s17, inout("zmm18") *s18, inout("zmm19") *s19,
                inout("zmm20") *s20, inout("zmm21") *s21, inout("zmm22") *s22, inout("zmm23") *s23,
                out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _,
                out("zmm28") _, out("zmm29") _, out("zmm30") _, out("zmm31") _,
                options(nostack, readonly),
            );
        }
    }
    // SAFETY: `c` has 12 rows of 32 values.
    unsafe { store(sums, &work) };
}

// SAFETY of a call: as for `Tile::run`, with the features named here.
#[target_feature(enable = "avx512f,avx512bf16")]
#[expect(unsafe_code, reason = "vector loads and stores")]
#[expect(clippy::cast_ptr_alignment, reason = "pairs are read unaligned")]
unsafe fn pairs<const R: usize>(work: Work<Half>) {
    // SAFETY: `c` has R rows of 32 values.
    let mut sums: [[__m512; 2]; R] = unsafe { begun(&work) };
    let (a, b, pitch) = (work.a.cast::<i32>(), work.b.cast::<i32>(), work.a_pitch / 2);
    for k in 0..work.depth / 2 {
        // SAFETY: the panel has 32 pairs for each pair of depths, each row `depth / 2` pairs; pitches
        // are even and buffers start at cache lines.
        unsafe {
            let b = b.add(k * 32);
            let b0: __m512bh = std::mem::transmute::<__m512i, _>(_mm512_loadu_si512(b.cast()));
            let b1: __m512bh =
                std::mem::transmute::<__m512i, _>(_mm512_loadu_si512(b.add(16).cast()));
            for (r, sums) in sums.iter_mut().enumerate() {
                let a: __m512bh = std::mem::transmute::<__m512i, _>(_mm512_set1_epi32(
                    a.add(r * pitch + k).read_unaligned(),
                ));
                sums[0] = _mm512_dpbf16_ps(sums[0], a, b0);
                sums[1] = _mm512_dpbf16_ps(sums[1], a, b1);
            }
        }
    }
    // SAFETY: `c` has R rows of 32 values.
    unsafe { store(sums, &work) };
}

/// Sums to go on with.
// SAFETY of a call: as for `Tile::run`, with the features named here, rows of 16 N values.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "vector loads")]
unsafe fn begun<E, const R: usize, const N: usize>(work: &Work<E>) -> [[__m512; N]; R] {
    let mut sums = [[_mm512_setzero_ps(); N]; R];
    if work.add {
        for (r, sums) in sums.iter_mut().enumerate() {
            for (half, sum) in sums.iter_mut().enumerate() {
                // SAFETY: 16 values at each of N places of each row.
                *sum = unsafe { _mm512_loadu_ps(work.c.add(r * work.c_pitch + half * 16)) };
            }
        }
    }
    sums
}

// SAFETY of a call: as for `Tile::run`, with the features named here, rows of 16 N values.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "vector stores")]
unsafe fn store<E, const R: usize, const N: usize>(sums: [[__m512; N]; R], work: &Work<E>) {
    for (r, sums) in sums.into_iter().enumerate() {
        for (half, sum) in sums.into_iter().enumerate() {
            // SAFETY: 16 values at each of N places of each row.
            unsafe { _mm512_storeu_ps(work.c.add(r * work.c_pitch + half * 16), sum) };
        }
    }
}
