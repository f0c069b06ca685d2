//! Multiple choice by likelihood.

use super::result::Answer;
use super::score::accuracy;

/// Judges a choice: the option with the fewest nats per UTF-8 byte is taken as the model's answer,
/// so that long options are not punished and tokenizers do not matter (lm-evaluation-harness calls
/// this measure `acc_norm`). `nats` are the negative log-likelihoods of the options.
pub fn judge(options: &[String], right: usize, nats: &[f64]) -> Answer {
    let chosen = options
        .iter()
        .zip(nats)
        .map(|(option, nats)| nats / option.len().max(1) as f64)
        .enumerate()
        .filter(|(_, each)| each.is_finite())
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(index, _)| index);
    Answer {
        text: chosen.and_then(|index| options.get(index).cloned()).unwrap_or_default(),
        verdicts: accuracy(chosen == Some(right)),
        nats: nats.iter().copied().filter(|nats| nats.is_finite()).collect(),
        ..Answer::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_with_the_fewest_nats_per_byte_is_taken() {
        let options = ["서울".to_owned(), "부산광역시".to_owned(), "rice".to_owned()];
        let cases = [
            ([6.0, 12.0, 8.0], "부산광역시"), // 1.0, 0.8 and 2.0 nats a byte
            ([3.0, 12.0, 8.0], "서울"),
            ([f64::NAN, 12.0, 1.0], "rice"),
            ([f64::NAN, f64::NAN, f64::INFINITY], ""),
        ];
        for (nats, chosen) in cases {
            let answer = judge(&options, 1, &nats);
            assert_eq!(answer.text, chosen);
            assert_eq!(answer.verdicts[0].right, chosen == "부산광역시");
        }
    }
}
