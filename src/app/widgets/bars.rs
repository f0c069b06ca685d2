//! Bars and small columns made of characters.

use crate::app::symbols::Symbols;

/// A bar of `cells` cells, filled by `share` (0 to 1), the rest empty.
pub fn bar(share: f64, cells: usize, symbols: &Symbols) -> (String, String) {
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let filled = (share * cells as f64).round() as usize;
    (
        symbols.full.repeat(filled),
        symbols.empty.repeat(cells.saturating_sub(filled)),
    )
}

/// One character a value, as high as the value is among them; zero is a dot.
pub fn heights(values: &[u32], symbols: &Symbols) -> String {
    let highest = values.iter().copied().max().unwrap_or_default().max(1);
    let steps = symbols.heights.len();
    let character = |&value: &u32| {
        if value == 0 {
            return symbols.dot;
        }
        let level = (f64::from(value) / f64::from(highest) * steps as f64).ceil() as usize;
        symbols.heights[level.clamp(1, steps) - 1]
    };
    values.iter().map(character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::symbols::SymbolSet;

    #[test]
    fn bars_have_their_width_whatever_the_share() {
        let symbols = SymbolSet::Unicode.symbols();
        for (share, filled) in [
            (0.0, 0),
            (0.5, 5),
            (1.0, 10),
            (7.0, 10),
            (f64::NAN, 0),
            (-1.0, 0),
        ] {
            let (full, empty) = bar(share, 10, symbols);
            assert_eq!(
                (full.chars().count(), empty.chars().count()),
                (filled, 10 - filled)
            );
        }
        assert_eq!(heights(&[0, 1, 4, 8], symbols), "·▁▄█");
        assert_eq!(heights(&[], symbols), "");
    }
}
