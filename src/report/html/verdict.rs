//! What a difference comes to, told by a word, a sign and a colour.

use crate::evaluate::{Difference, TextLoss};
use crate::report::figures;
use crate::report::words::Words;

/// What can be said of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Better,
    Worse,
    Same,
    CannotTell,
}

impl Verdict {
    pub(super) fn of(difference: &Difference) -> Self {
        if difference.is_told() {
            if difference.delta > 0.0 { Self::Better } else { Self::Worse }
        } else if difference.is_same() {
            Self::Same
        } else {
            Self::CannotTell
        }
    }

    /// Of a cross-entropy, where less is better.
    pub(super) fn of_loss(loss: &TextLoss) -> Option<Self> {
        let relative = loss.relative()?;
        Some(match (loss.is_told(), relative > 0.0) {
            (false, _) => Self::CannotTell,
            (true, true) => Self::Worse,
            (true, false) => Self::Better,
        })
    }

    pub(super) fn is_told(self) -> bool {
        matches!(self, Self::Better | Self::Worse)
    }

    pub(super) fn word(self, words: &Words) -> &'static str {
        match self {
            Self::Better => words.better,
            Self::Worse => words.worse,
            Self::Same => words.same,
            Self::CannotTell => words.cannot_tell,
        }
    }

    /// Class of the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Same | Self::CannotTell => "unsure",
        }
    }

    /// Word and sign; the sign says the same to those who do not see the colour.
    pub(super) fn html(self, words: &Words) -> String {
        let sign = match self {
            Self::Better => "▲",
            Self::Worse => "▼",
            Self::Same => "=",
            Self::CannotTell => "?",
        };
        format!(
            "<span class=\"{}\"><span class=\"sign\" aria-hidden=\"true\">{sign}</span> {}</span>",
            self.class(),
            self.word(words)
        )
    }
}

/// `n=18; about 111 would do`, where a difference cannot be told.
pub(super) fn enough(difference: &Difference, n: u32, words: &Words) -> Option<String> {
    if Verdict::of(difference) != Verdict::CannotTell {
        return None;
    }
    let more = figures::needed(difference, n)
        .map(|needed| format!("; {}", words.items_would_do.replace("{}", &grouped(needed.into()))));
    Some(format!("n={n}{}", more.unwrap_or_default()))
}

/// A count with its digits in groups of three.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        for (count, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(count), expected);
        }
    }
}
