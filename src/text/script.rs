//! Letters of a text by script.

/// Tells whether a character is Chinese, or Japanese kana.
pub fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{3040}'..='\u{30ff}')
}

/// Letters of a text by script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Letters {
    /// Letters in all.
    pub all: usize,
    /// Hangul.
    pub hangul: usize,
    /// Chinese and kana.
    pub han: usize,
    /// Latin.
    pub latin: usize,
}

impl Letters {
    /// Counts the letters of a text.
    pub fn of(text: &str) -> Self {
        let mut letters = Self { all: 0, hangul: 0, han: 0, latin: 0 };
        for c in text.chars().filter(|c| c.is_alphabetic()) {
            letters.all += 1;
            match c {
                '가'..='힣' | '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' => {
                    letters.hangul += 1;
                }
                _ if is_han(c) => letters.han += 1,
                'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => letters.latin += 1,
                _ => {}
            }
        }
        letters
    }
}
