//! Sums of outer products, `out[n][r] = sum_k x[k][n] v[k][r]`: products of a few columns `v` with rows `x`
//! that are read where they are, for AVX2 with FMA.
//!
//! A panel of such a product would be laid out to be read a few times only; here nothing but `v` is.

use rayon::prelude::*;

use super::kernel::Kernel;
use super::panels::{Aligned, Rows};
use super::team::Together as _;
use super::values::Values;

/// Columns of `v` that are worked on at a time.
pub(in crate::engine) const LANES: usize = 16;

/// Columns of `x` that a task takes.
const COLUMNS: usize = 96;

/// Rows that a task takes at a time: of all its columns they stay in the second-level cache.
const DEPTHS: usize = 256;

/// `put(n, r, sums)` gets the sums of some columns of `x` from `n` on with [`LANES`] columns of `v` from `r` on,
/// zeros beyond the last of them. Blocks of columns of `x` come in any order, on the current pool; the calls for
/// one of them come one after the other. `laid` is a buffer.
///
/// Only the AVX2 kernel has it, for at least one row and values in f32: others are left to the caller (`false`).
/// Each sum is one of fused multiplications and additions from zero on, row after row.
pub(in crate::engine) fn outer(
    kernel: Kernel,
    x: Rows<'_>,
    v: Rows<'_>,
    laid: &mut Aligned<f32>,
    put: impl Fn(usize, usize, &[[f32; LANES]]) + Sync,
) -> bool {
    let (Values::Full(x_data), Values::Full(v_data)) = (x.data, v.data) else { return false };
    if kernel != Kernel::Avx2 || !kernel.is_supported() || x.count == 0 {
        return false;
    }
    assert!(x.count == v.count, "rows");
    assert!((x.count - 1) * x.pitch + x.columns <= x_data.len(), "rows of x");
    // `[r / LANES][k][LANES]`
    let size = x.count * LANES;
    let laid = laid.fit(v.columns.div_ceil(LANES) * size);
    laid.par_chunks_exact_mut(size).enumerate().together(|(group, laid)| {
        let columns = group * LANES..v.columns.min((group + 1) * LANES);
        for (k, laid) in laid.chunks_exact_mut(LANES).enumerate() {
            let (inside, rest) = laid.split_at_mut(columns.len());
            inside.copy_from_slice(&v_data[k * v.pitch..][columns.clone()]);
            rest.fill(0.0);
        }
    });
    let laid = &*laid;
    (0..x.columns.div_ceil(COLUMNS)).into_par_iter().with_max_len(1).together(|index| {
        let first = index * COLUMNS;
        let columns = COLUMNS.min(x.columns - first);
        for (group, v) in laid.chunks_exact(size).enumerate() {
            let mut sums = [[0.0; LANES]; COLUMNS];
            for (chunk, v) in v.chunks(DEPTHS * LANES).enumerate() {
                let rows = &x_data[chunk * DEPTHS * x.pitch + first..];
                // SAFETY: the machine runs the kernel of AVX2.
                #[expect(unsafe_code, reason = "call of a kernel")]
                unsafe {
                    add((rows, x.pitch), v, &mut sums[..columns]);
                }
            }
            put(first, group * LANES, &sums[..columns]);
        }
    });
    true
}

/// `sums[n][r] += sum_k x[k][n] v[k][r]` for rows of `x` that lie `pitch` apart.
// SAFETY of a call: AVX2 and FMA.
#[expect(unsafe_code, reason = "a kernel")]
unsafe fn add((x, pitch): (&[f32], usize), v: &[f32], sums: &mut [[f32; LANES]]) {
    let depths = v.len() / LANES;
    assert!(depths == 0 || (depths - 1) * pitch + sums.len() <= x.len(), "rows of x");
    for (tile, sums) in sums.chunks_mut(ROWS).enumerate() {
        let columns = &x[tile * ROWS..];
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: the caller saw AVX2 and FMA; `columns` has as many values as there are sums in each of
            // `depths` rows, as asserted.
            #[expect(unsafe_code, reason = "call of a target-feature function")]
            unsafe {
                match sums.len() {
                    1 => tile_of::<1>((columns.as_ptr(), pitch), v, sums),
                    2 => tile_of::<2>((columns.as_ptr(), pitch), v, sums),
                    3 => tile_of::<3>((columns.as_ptr(), pitch), v, sums),
                    4 => tile_of::<4>((columns.as_ptr(), pitch), v, sums),
                    5 => tile_of::<5>((columns.as_ptr(), pitch), v, sums),
                    _ => tile_of::<ROWS>((columns.as_ptr(), pitch), v, sums),
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (columns, sums);
    }
}

/// Columns of `x` in a tile: 12 registers of sums, two of `v`, one of `x`.
const ROWS: usize = 6;

/// Rows that are asked for before they are read: nothing reads ahead from row to row.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 16;

// SAFETY of a call: AVX2 and FMA, `R` sums, and `x` with `R` values in each of as many rows as `v` has.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "vector loads and stores")]
unsafe fn tile_of<const R: usize>(
    (x, pitch): (*const f32, usize),
    v: &[f32],
    sums: &mut [[f32; LANES]],
) {
    use std::arch::x86_64::{
        _MM_HINT_T0, _mm_prefetch, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps,
        _mm256_setzero_ps, _mm256_storeu_ps,
    };
    let mut held = [[_mm256_setzero_ps(); 2]; R];
    for (held, sums) in held.iter_mut().zip(&*sums) {
        // SAFETY: 8 values at 0 and at 8 of 16.
        unsafe {
            *held = [_mm256_loadu_ps(sums.as_ptr()), _mm256_loadu_ps(sums.as_ptr().add(8))];
        }
    }
    for (k, v) in v.chunks_exact(LANES).enumerate() {
        // SAFETY: 8 values at 0 and at 8 of 16; `R` values of row `k`; no address of a hint can do harm.
        unsafe {
            let row = x.add(k * pitch);
            _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(AHEAD * pitch).cast());
            let (v0, v1) = (_mm256_loadu_ps(v.as_ptr()), _mm256_loadu_ps(v.as_ptr().add(8)));
            for (i, held) in held.iter_mut().enumerate() {
                let x = _mm256_broadcast_ss(&*row.add(i));
                held[0] = _mm256_fmadd_ps(x, v0, held[0]);
                held[1] = _mm256_fmadd_ps(x, v1, held[1]);
            }
        }
    }
    for (held, sums) in held.into_iter().zip(sums) {
        // SAFETY: as above.
        unsafe {
            _mm256_storeu_ps(sums.as_mut_ptr(), held[0]);
            _mm256_storeu_ps(sums.as_mut_ptr().add(8), held[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_match_f64_at_every_width() {
        if !Kernel::Avx2.is_supported() {
            eprintln!("skipped: this machine has no AVX2");
            return;
        }
        let (depths, pitch) = (70, 40);
        let wave = |i: usize| ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3;
        let x: Vec<f32> = (0..depths * pitch).map(wave).collect();
        let v: Vec<f32> = (9..9 + depths * LANES).map(wave).collect();
        for columns in 1..=13 {
            let mut sums = vec![[0.25f32; LANES]; columns];
            // SAFETY: the kernel is supported.
            #[expect(unsafe_code, reason = "call of a kernel")]
            unsafe {
                add((&x[3..], pitch), &v, &mut sums);
            }
            for (n, sums) in sums.iter().enumerate() {
                for (r, got) in sums.iter().enumerate() {
                    let products = (0..depths)
                        .map(|k| f64::from(x[3 + k * pitch + n]) * f64::from(v[k * LANES + r]));
                    let want = 0.25 + products.sum::<f64>();
                    assert!(
                        (f64::from(*got) - want).abs() < 1e-5,
                        "{columns} {n} {r} {got} {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn sums_are_fused_row_after_row() {
        if !Kernel::Avx2.is_supported() {
            eprintln!("skipped: this machine has no AVX2");
            return;
        }
        let (depth, columns, ranks, pitch) = (300, 101, 24, 130);
        let wave = |i: usize| ((i * 7919 % 1009) as f32 - 504.0) * 0.001_3;
        let data: Vec<f32> = (0..depth * pitch).map(wave).collect();
        let x = Rows { data: data[..].into(), count: depth, columns, pitch };
        let v = Rows { data: data[columns..].into(), count: depth, columns: ranks, pitch };
        let out = std::sync::Mutex::new(vec![f32::NAN; columns * 32]);
        let put = |first: usize, rank: usize, sums: &[[f32; LANES]]| {
            let mut out = out.lock().unwrap();
            for (n, sums) in sums.iter().enumerate() {
                out[(first + n) * 32 + rank..][..LANES].copy_from_slice(sums);
            }
        };
        let none = Rows { count: 0, ..x };
        assert!(!outer(Kernel::Portable, x, v, &mut Aligned::default(), put));
        assert!(!outer(Kernel::Avx2, none, v, &mut Aligned::default(), put));
        assert!(outer(Kernel::Avx2, x, v, &mut Aligned::default(), put));
        for (i, got) in out.into_inner().unwrap().into_iter().enumerate() {
            let (n, r) = (i / 32, i % 32);
            let one = |sum: f32, k: usize| {
                data[k * pitch + n].mul_add(data[k * pitch + columns + r], sum)
            };
            let want = if r < ranks { (0..depth).fold(0.0, one) } else { 0.0 };
            assert_eq!(got, want, "{n} {r}");
        }
    }
}
