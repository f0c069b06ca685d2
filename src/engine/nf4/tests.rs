use super::*;
use half::bf16;
use rand::Rng;
use rand::SeedableRng;
use sha2::{Digest, Sha256};

#[test]
fn code_and_thresholds_have_the_bits_of_bitsandbytes() {
    let decimal = [
        -1.0,
        -0.696_192_800_998_687_7,
        -0.525_073_051_452_636_7,
        -0.394_917_488_098_144_53,
        -0.284_441_381_692_886_35,
        -0.184_773_430_228_233_34,
        -0.091_050_036_251_544_95,
        0.0,
        0.079_580_299_556_255_34,
        0.160_930_201_411_247_25,
        0.246_112_301_945_686_34,
        0.337_915_241_718_292_24,
        0.440_709_829_330_444_34,
        0.562_617_003_917_694_1,
        0.722_956_836_223_602_3,
        1.0f64,
    ];
    assert_eq!(CODE.map(f64::from), decimal);
    let bits: Vec<String> =
        THRESHOLDS.iter().map(|limit| format!("{:08x}", limit.to_bits())).collect();
    assert_eq!(
        bits.join(" "),
        "bf591cd8 bf1c5270 beeb8480 beadea76 be703cec be0d38bc bd3a7871 3d22faff 3df64862 3e5067e0 \
         3e9582d4 3ec753f9 3f006d04 3f248daf 3f5c89da"
    );
}

#[test]
fn dynamic_map_has_the_digest_of_the_one_bitsandbytes_stores() {
    use std::fmt::Write;
    let bytes: Vec<u8> = DYNAMIC_MAP.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut hex = String::new();
    for byte in Sha256::digest(&bytes) {
        write!(hex, "{byte:02x}").unwrap();
    }
    assert_eq!(hex, "e732639a65f497b4ad684bb166a4467708255edd5207757de8b8f0c7e1fda89c");
    assert!((DYNAMIC_MAP[0] + 0.992_968_74).abs() < 1e-7);
    assert_eq!(DYNAMIC_MAP[255], 1.0);
    assert!(DYNAMIC_MAP.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_value_on_a_limit_takes_the_lower_code() {
    for (i, limit) in THRESHOLDS.iter().enumerate() {
        assert_eq!(usize::from(nearest_code(*limit)), i);
        assert_eq!(usize::from(nearest_code(limit.next_up())), i + 1);
    }
    for (i, code) in CODE.iter().enumerate() {
        assert_eq!(usize::from(nearest_code(*code)), i);
    }
    assert_eq!(nearest_code(f32::NAN), 0);
    // Also where a product is a little beyond 1.
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    let some = (0..100_000).map(|_| random.random_range(-1.01f32..1.01));
    let steps = (-1100..=1100).map(|step| step as f32 / 1024.0);
    let edges = THRESHOLDS.into_iter().flat_map(|x| [x, x.next_up(), x.next_down()]);
    let far = [f32::INFINITY, f32::NEG_INFINITY, 3.0, -3.0, -0.0, 1e-38];
    for x in some.chain(steps).chain(edges).chain(far) {
        let searched = THRESHOLDS.partition_point(|limit| x > *limit);
        assert_eq!(usize::from(nearest_code(x)), searched, "{x}");
    }
    let map = &*DYNAMIC_MAP;
    for i in 0..255 {
        let middle = f32::midpoint(map[i], map[i + 1]);
        assert_eq!(usize::from(nearest_in_map(middle)), i);
        assert_eq!(usize::from(nearest_in_map(map[i])), i);
    }
}

#[test]
fn blocks_have_the_codes_of_their_values_one_by_one() {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    let some = (0..100_000).map(|_| random.random_range(-1.01f32..1.01));
    let steps = (-1024..=1024).map(|step| step as f32 / 1024.0);
    let edges = THRESHOLDS.into_iter().flat_map(|x| [x, x.next_up(), x.next_down(), -x]);
    let far = [f32::NAN, -0.0, 1e-38, 1e-45];
    let mut values: Vec<f32> = steps.chain(edges).chain(far).chain(some).collect();
    for length in [values.len(), values.len() / BLOCK * BLOCK, 64 * 40 + 37, 1, 2, 18, 33] {
        values.truncate(length);
        let quantized = quantize(&values);
        for (block, (codes, values)) in
            quantized.codes.chunks(BLOCK / 2).zip(values.chunks(BLOCK)).enumerate()
        {
            let most = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let inverse = 1.0 / most.max(1e-38);
            for (at, x) in values.iter().enumerate() {
                let code = if at % 2 == 0 { codes[at / 2] >> 4 } else { codes[at / 2] & 15 };
                let want = THRESHOLDS.partition_point(|limit| x * inverse > *limit);
                assert_eq!(usize::from(code), want, "{length} {block} {at} {x}");
            }
        }
    }
}

#[test]
fn the_even_value_lies_in_the_high_nibble() {
    let mut values = vec![0.0; 64];
    values[0] = 2.0;
    values[1] = -2.0;
    values[2] = 2.0 * CODE[9];
    let quantized = quantize(&values);
    assert_eq!(&quantized.codes[..3], &[0xf0, 0x97, 0x77]);
}

#[test]
fn an_all_zero_block_stays_zero() {
    let mut values = vec![0.0; 128];
    values[64..].fill(1.0);
    let quantized = quantize(&values);
    assert!(quantized.codes[..32].iter().all(|byte| *byte == 0x77));
    let mut out = vec![9.0; 128];
    quantized.dequantize(0, &mut out);
    assert!(out[..64].iter().all(|x| *x == 0.0));
    assert!(out[64..].iter().all(|x| (x - 1.0).abs() < 1e-6));
}

fn normal(count: usize) -> Vec<f32> {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    (0..count)
        .map(|_| {
            let (u, v): (f64, f64) = (random.random_range(1e-12..1.0), random.random());
            ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos() * 0.02) as f32
        })
        .collect()
}

#[test]
fn error_on_normal_weights_is_the_published_one() {
    let values = normal(1 << 20);
    let quantized = quantize(&values);
    let mut out = vec![0.0; values.len()];
    quantized.dequantize(0, &mut out);
    let (mut error, mut power) = (0f64, 0f64);
    for (x, y) in values.iter().zip(&out) {
        error += f64::from(x - y).powi(2);
        power += f64::from(*x).powi(2);
    }
    let relative = (error / power).sqrt();
    assert!((relative - 0.091_96).abs() < 2e-4, "{relative}");
    let bits = quantized.bytes() as f64 * 8.0 / values.len() as f64;
    assert!((bits - 4.127).abs() < 1e-3, "{bits}");
}

#[test]
fn every_range_decodes_to_the_same_bits_as_the_definition() {
    for len in [1, 63, 64, 65, 300, 64 * 300 + 17] {
        let values = normal(len);
        let quantized = quantize(&values);
        let want: Vec<f32> = (0..len)
            .map(|i| {
                let byte = quantized.codes[i / 2];
                let index = if i % 2 == 0 { byte >> 4 } else { byte & 15 };
                CODE[usize::from(index)] * quantized.magnitude(i / 64)
            })
            .collect();
        for (start, end) in [(0, len), (len / 3, len), (1.min(len), len * 2 / 3 + 1), (0, 0)] {
            let mut out = vec![0.0; end.saturating_sub(start)];
            quantized.dequantize(start, &mut out);
            assert_eq!(out, want[start..start + out.len()]);
            let mut rounded = vec![bf16::ZERO; out.len()];
            decode(&quantized, start, &mut rounded);
            let half: Vec<bf16> = out.iter().map(|value| bf16::from_f32(*value)).collect();
            assert_eq!(rounded, half, "as decoded and rounded afterwards");
        }
    }
}
