//! How many tokens a text is about, where no tokenizer is at hand yet.

/// Tokens of a Hangul syllable, as Qwen2.5's tokenizer averages on Korean prose.
const PER_SYLLABLE: f64 = 0.75;
/// Tokens of any other character, as common byte-pair tokenizers average on English prose.
const PER_LETTER: f64 = 0.25;

/// Estimates the tokens of `text`. Good to a third; real counts come from the model's tokenizer.
pub fn tokens_estimate(text: &str) -> usize {
    let tokens: f64 = text
        .chars()
        .map(|c| if matches!(c, '가'..='힣') { PER_SYLLABLE } else { PER_LETTER })
        .sum();
    tokens.ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::tokens_estimate;

    #[test]
    fn korean_counts_by_syllable_and_english_by_letter() {
        assert_eq!(tokens_estimate(""), 0);
        assert_eq!(tokens_estimate("건물의 하중"), 4);
        assert_eq!(tokens_estimate("floor load"), 3);
    }
}
