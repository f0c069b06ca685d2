//! Finds a quote in a passage.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::quote::find_quote;
use crate::text::Span;

/// Finds where `quote` stands in `passage`, as a range of the passage's characters.
///
/// First as [`find_quote`] does. Models also write m² for m2 or ㎡, mend typography and put quotation
/// marks or an ellipsis around a quote, so next those are left out of the comparison too. Words,
/// letters and figures must be the same in any case.
pub fn locate(passage: &str, quote: &str) -> Option<Span> {
    let quote = strip_frame(quote);
    if quote.is_empty() {
        return None;
    }
    find_quote(passage, quote).or_else(|| find_folded(passage, quote))
}

fn find_folded(passage: &str, quote: &str) -> Option<Span> {
    let wanted: Vec<char> = folded(quote).map(|(c, _)| c).collect();
    let here: Vec<(char, Span)> = folded(passage).collect();
    if wanted.is_empty() {
        return None;
    }
    let found =
        here.windows(wanted.len()).find(|window| window.iter().map(|(c, _)| c).eq(&wanted))?;
    let (first, last) = (found.first()?.1, found.last()?.1);
    Some(Span { start: first.start, end: last.end })
}

/// Drops quotation marks and ellipses around a quote.
fn strip_frame(quote: &str) -> &str {
    let mark = |c: char| c.is_whitespace() || "\"'“”‘’「」『』…`".contains(c);
    let mut quote = quote.trim_matches(mark);
    while let Some(rest) = quote.strip_prefix("...").or_else(|| quote.strip_suffix("...")) {
        quote = rest.trim_matches(mark);
    }
    quote
}

/// Comparable characters with the span, in characters, of the grapheme that each comes from.
fn folded(text: &str) -> impl Iterator<Item = (char, Span)> + '_ {
    let mut start = 0;
    text.graphemes(true).flat_map(move |grapheme| {
        let span = Span { start, end: start + grapheme.chars().count() };
        start = span.end;
        grapheme
            .nfkc()
            .filter(|c| !c.is_whitespace() && !invisible(*c))
            .map(move |c| (plain(c), span))
            .collect::<Vec<_>>()
    })
}

fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// One form of characters that models and typesetters swap.
fn plain(c: char) -> char {
    match c {
        '“' | '”' | '„' | '″' => '"',
        '‘' | '’' | '‚' | '′' | '`' => '\'',
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' => '-',
        // U+119E is what NFKC makes of the Korean middle dot U+318D.
        '•' | '‧' | '・' | '\u{119e}' | '⋅' => '·',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_found_up_to_spacing_and_unicode_form() {
        for (passage, quote, expected) in [
            ("The live load is 2.5 kN/m².", "live load is 2.5 kN/m²", "live load is 2.5 kN/m²"),
            ("The live\nload  is low.", "live load is", "live\nload  is"),
            (
                "사무실의 등분포\n활하중은 2.5 kN/m²로 한다.",
                "사무실의 등분포 활하중은 2.5kN/m²로 한다.",
                "사무실의 등분포\n활하중은 2.5 kN/m²로 한다.",
            ),
            ("사무실의 활하\n중은 크다", "\u{1112}\u{116a}\u{11af}하중은", "활하\n중은"),
            ("면적 20㎡ 이상", "면적 20m2 이상", "면적 20㎡ 이상"),
            ("a “dead load” – fixed", "\"dead load\" - fixed", "dead load” – fixed"),
            ("구조물은 안전해야 한다.", "...안전해야 한다…", "안전해야 한다"),
            ("건축ㆍ토목 공사", "건축·토목", "건축ㆍ토목"),
            ("all rein-\nforcement bars", "all reinforcement", "all rein-\nforcement"),
            ("co\u{ad}operate", "cooperate", "co\u{ad}operate"),
        ] {
            let span = locate(passage, quote).unwrap_or_else(|| panic!("{quote} not in {passage}"));
            assert_eq!(span.of(passage), expected);
        }
    }

    #[test]
    fn other_words_and_figures_are_not_found() {
        for (passage, quote) in [
            ("The live load is 2.5 kN/m².", "The live load is 3.5 kN/m²."),
            ("The live load is 2.5 kN/m².", "the Live Load"),
            ("사무실의 활하중은 2.5이다.", "병실의 활하중은 2.5이다."),
            ("short", "shorter than that"),
            ("text", "  … "),
            ("", "quote"),
        ] {
            assert_eq!(locate(passage, quote), None, "{quote}");
        }
    }
}
