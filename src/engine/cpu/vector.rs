//! Passes over slices of f32, compiled for several instruction sets and chosen at run time.
//!
//! Sums run over a fixed number of lanes in a fixed order, so a result may depend on the machine
//! but never on threads or timing.

#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::kernel::{self, Kernel};

/// Lanes of a sum: two AVX-512 registers.
const LANES: usize = 32;

/// Defines a function whose body is compiled for AVX-512, for AVX2 with FMA, and for the baseline.
///
/// Inside the body the constant `FUSED` tells whether [`multiply_add`] is one instruction. A `rounding fn` is also
/// compiled for AVX-512 with BF16, where rounding is one too: its constant `ROUNDS` is for [`super::rounding`].
macro_rules! vectorized {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?)
        $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn plain<const FUSED: bool>($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
                fn wide($($argument: $type),*) $(-> $result)? {
                    plain::<true>($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn middle($($argument: $type),*) $(-> $result)? {
                    plain::<true>($($argument),*)
                }
                match $crate::engine::cpu::vector::level() {
                    $crate::engine::cpu::vector::Level::Rounding
                    | $crate::engine::cpu::vector::Level::Wide => {
                        // SAFETY: `level` saw all features of `wide`.
                        #[expect(unsafe_code, reason = "call of a target-feature function")]
                        return unsafe { wide($($argument),*) };
                    }
                    $crate::engine::cpu::vector::Level::Middle => {
                        // SAFETY: `level` saw all features of `middle`.
                        #[expect(unsafe_code, reason = "call of a target-feature function")]
                        return unsafe { middle($($argument),*) };
                    }
                    $crate::engine::cpu::vector::Level::Baseline => {}
                }
            }
            plain::<{ cfg!(target_arch = "aarch64") }>($($argument),*)
        }
    };
    ($(#[$meta:meta])* $vis:vis rounding fn $name:ident($($argument:ident: $type:ty),* $(,)?)
        $body:block) => {
        $(#[$meta])*
        $vis fn $name($($argument: $type),*) {
            #[inline(always)]
            fn body<const FUSED: bool, const ROUNDS: bool>($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
                fn rounding($($argument: $type),*) {
                    body::<true, true>($($argument),*);
                }
                if $crate::engine::cpu::vector::level()
                    == $crate::engine::cpu::vector::Level::Rounding
                {
                    // SAFETY: `level` saw all features of `rounding`.
                    #[expect(unsafe_code, reason = "call of a target-feature function")]
                    return unsafe { rounding($($argument),*) };
                }
            }
            $crate::engine::cpu::vector::vectorized! {
                fn others($($argument: $type),*) {
                    body::<FUSED, false>($($argument),*);
                }
            }
            others($($argument),*);
        }
    };
}
pub(in crate::engine) use vectorized;

/// Instruction sets that passes are compiled for, each with those before it.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) enum Level {
    /// Whatever the target guarantees.
    Baseline,
    /// AVX2 and FMA.
    Middle,
    /// AVX-512 (F, BW, DQ, VL) and FMA.
    Wide,
    /// [`Self::Wide`] and AVX-512 BF16.
    Rounding,
}

#[cfg(target_arch = "x86_64")]
impl Level {
    /// Whether there is AVX-512.
    pub(in crate::engine) fn is_wide(self) -> bool {
        self >= Self::Wide
    }
}

/// The widest instruction set of this machine, but none wider than the kernel that is forced, or that a resumed run
/// began with: passes by other sets would round otherwise.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(in crate::engine) fn level() -> Level {
    let most = match kernel::chosen() {
        Some(Kernel::Portable) => Level::Baseline,
        Some(Kernel::Avx2) => Level::Middle,
        Some(Kernel::Amx | Kernel::Avx512Bf16 | Kernel::Avx512) | None => Level::Rounding,
    };
    widest().min(most)
}

/// The widest instruction set of this machine.
#[cfg(target_arch = "x86_64")]
fn widest() -> Level {
    static WIDEST: OnceLock<Level> = OnceLock::new();
    *WIDEST.get_or_init(|| {
        let sets = [
            (Level::Rounding, Kernel::Avx512Bf16),
            (Level::Wide, Kernel::Avx512),
            (Level::Middle, Kernel::Avx2),
        ];
        let here = sets.into_iter().find(|(_, with)| with.is_supported());
        here.map_or(Level::Baseline, |(level, _)| level)
    })
}

/// `a * b + c`, in one instruction when `FUSED`.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
pub(in crate::engine) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// e^x to about 1e-7 relative for x in [-87, 88]; held at the ends of that range outside it.
///
/// Cephes `expf` (range reduction by ln 2 in two parts, polynomial of degree 6) without branches,
/// so that it vectorizes. NaN stays NaN.
#[inline(always)]
pub(in crate::engine) fn exp<const FUSED: bool>(x: f32) -> f32 {
    /// Adding it leaves the nearest integer in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Comparisons written so that NaN passes through.
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = multiply_add::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let r = multiply_add::<FUSED>(whole, -LN2_HIGH, x);
    let r = multiply_add::<FUSED>(whole, -LN2_LOW, r);
    let mut p = 1.987_569_1e-4;
    p = multiply_add::<FUSED>(p, r, 1.398_2e-3);
    p = multiply_add::<FUSED>(p, r, 8.333_452e-3);
    p = multiply_add::<FUSED>(p, r, 4.166_579_6e-2);
    p = multiply_add::<FUSED>(p, r, 1.666_666_5e-1);
    p = multiply_add::<FUSED>(p, r, 0.5);
    let y = multiply_add::<FUSED>(p, r * r, r) + 1.0;
    y * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// Adds up lanes in a fixed order.
#[expect(clippy::inline_always, reason = "takes on the caller's target features")]
#[inline(always)]
fn total(lanes: [f32; LANES]) -> f32 {
    let mut lanes = lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

vectorized! {
    /// Sum of `a[i] * b[i]`.
    pub(in crate::engine) fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [0.0; LANES];
        let (a_chunks, a_rest) = a.as_chunks::<LANES>();
        let (b_chunks, b_rest) = b.as_chunks::<LANES>();
        for (a, b) in a_chunks.iter().zip(b_chunks) {
            for i in 0..LANES {
                lanes[i] = multiply_add::<FUSED>(a[i], b[i], lanes[i]);
            }
        }
        for (i, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
            lanes[i] = multiply_add::<FUSED>(*a, *b, lanes[i]);
        }
        total(lanes)
    }
}

vectorized! {
    /// Largest value; negative infinity for an empty slice. NaN is passed over.
    pub(in crate::engine) fn largest(x: &[f32]) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
            }
        }
        let mut most = f32::NEG_INFINITY;
        for value in lanes.iter().chain(rest) {
            most = if *value > most { *value } else { most };
        }
        most
    }
}

vectorized! {
    /// Replaces `x[i]` by `exp(x[i] - shift)` and gives the sum of the results.
    pub(in crate::engine) fn exp_shifted(x: &mut [f32], shift: f32) -> f32 {
        let mut lanes = [0.0; LANES];
        let (chunks, rest) = x.as_chunks_mut::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                chunk[i] = exp::<FUSED>(chunk[i] - shift);
                lanes[i] += chunk[i];
            }
        }
        for (i, value) in rest.iter_mut().enumerate() {
            *value = exp::<FUSED>(*value - shift);
            lanes[i] += *value;
        }
        total(lanes)
    }
}

vectorized! {
    /// Sum of all values, lane by lane.
    pub(in crate::engine) fn sum(x: &[f32]) -> f32 {
        let mut lanes = [0.0; LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                lanes[i] += chunk[i];
            }
        }
        for (i, value) in rest.iter().enumerate() {
            lanes[i] += value;
        }
        total(lanes)
    }
}

vectorized! {
    /// Sum of `exp(x[i] - shift)`.
    pub(in crate::engine) fn exp_sum(x: &[f32], shift: f32) -> f32 {
        let mut lanes = [0.0; LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                lanes[i] += exp::<FUSED>(chunk[i] - shift);
            }
        }
        for (i, value) in rest.iter().enumerate() {
            lanes[i] += exp::<FUSED>(*value - shift);
        }
        total(lanes)
    }
}

vectorized! {
    /// Multiplies every value by `factor`.
    pub(in crate::engine) fn scale(x: &mut [f32], factor: f32) {
        for value in x {
            *value *= factor;
        }
    }
}

vectorized! {
    /// `y[i] += factor * x[i]`.
    pub(in crate::engine) fn add_scaled(y: &mut [f32], x: &[f32], factor: f32) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = multiply_add::<FUSED>(factor, *x, *y);
        }
    }
}

vectorized! {
    /// `sum[i] = a[i] + b[i]`.
    pub(in crate::engine) fn add(sum: &mut [f32], a: &[f32], b: &[f32]) {
        for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
            *sum = a + b;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn passes_are_as_wide_as_the_kernel() {
        let (kernel, level) = (kernel::kernel(), level());
        assert_eq!(
            level >= Level::Wide,
            kernel.is_half() || kernel == Kernel::Avx512,
            "{kernel:?}"
        );
        assert_eq!(level >= Level::Middle, kernel != Kernel::Portable, "{kernel:?}");
    }

    #[test]
    fn exp_is_close_everywhere() {
        let mut worst = 0f64;
        let mut x = -86.9f32;
        while x < 87.9 {
            let exact = f64::from(x).exp();
            for got in [exp::<false>(x), exp::<true>(x)] {
                worst = worst.max((f64::from(got) - exact).abs() / exact);
            }
            x += 0.001_37;
        }
        assert!(worst < 3e-7, "{worst:e}");
        assert_eq!(exp::<true>(0.0), 1.0);
        assert!(exp::<true>(f32::NAN).is_nan());
        assert!(exp::<false>(-1000.0) < 2e-38);
        assert!(exp::<true>(1000.0).is_finite());
    }

    #[test]
    fn sums_match_f64_at_every_length() {
        for length in [0, 1, 7, 31, 32, 33, 64, 100, 577] {
            let a: Vec<f32> = (0..length).map(|i| (i as f32 * 0.37).sin()).collect();
            let b: Vec<f32> = (0..length).map(|i| (i as f32 * 0.11).cos()).collect();
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4);
            let most = a.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&a), most);
            if length > 0 {
                let exact: f64 = a.iter().map(|x| f64::from(x - most).exp()).sum();
                assert!((f64::from(exp_sum(&a, most)) - exact).abs() < 1e-4);
                let mut c = a.clone();
                assert_eq!(exp_shifted(&mut c, most), exp_sum(&a, most));
                assert!((f64::from(c[0]) - f64::from(a[0] - most).exp()).abs() < 1e-6);
            }
        }
    }
}
