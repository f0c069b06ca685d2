//! Numbers that a program puts before paragraphs: they are not in the text, but people cite them.

/// What a level counts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numeral {
    Decimal,
    /// 01, 02.
    DecimalZero,
    /// ①.
    Circled,
    LowerLetter,
    UpperLetter,
    LowerRoman,
    UpperRoman,
    /// 가, 나.
    Syllable,
    /// ㉮.
    CircledSyllable,
    /// ㄱ, ㄴ.
    Consonant,
    /// 일, 이, 삼.
    Korean,
    /// A sign instead of a number.
    Bullet,
    None,
}

/// One level of a numbering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Level {
    pub numeral: Numeral,
    /// What stands there, with the sign of a level (see [`label`]) and its number from 1 for the numbers.
    pub text: String,
    /// The first number.
    pub start: u32,
}

/// Counts of one list, by level.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(Vec<u32>);

impl Counts {
    /// Counts one more at this level; those inside it begin again.
    pub(super) fn next(&mut self, levels: &[Level], level: usize) {
        let start = |level: usize| levels.get(level).map_or(1, |level| level.start);
        self.0.truncate(level + 1);
        if self.0.len() == level + 1 {
            if let Some(count) = self.0.last_mut() {
                *count = count.saturating_add(1);
            }
            return;
        }
        // Levels that were passed over stand at their first number.
        while self.0.len() <= level {
            self.0.push(start(self.0.len()));
        }
    }
}

/// What stands before a paragraph of this level. `sign` marks the place of a level's number in the text:
/// `%` in Word files, `^` in HWPX files. A bullet becomes `-`, since its sign is often one of a symbol font.
pub(super) fn label(levels: &[Level], counts: &Counts, level: usize, sign: char) -> String {
    let Some(here) = levels.get(level) else {
        return String::new();
    };
    match here.numeral {
        Numeral::Bullet => return "-".to_owned(),
        Numeral::None if !here.text.contains(sign) => return here.text.trim().to_owned(),
        _ => {}
    }
    let number = |level: usize| {
        let count = counts.0.get(level).copied().unwrap_or(1);
        levels.get(level).map_or_else(String::new, |level| numeral(level.numeral, count))
    };
    let mut text = String::new();
    let mut rest = here.text.chars().peekable();
    while let Some(character) = rest.next() {
        if character != sign {
            text.push(character);
            continue;
        }
        let mut digits = String::new();
        while let Some(digit) = rest.next_if(|c| c.is_ascii_digit() && digits.len() < 2) {
            digits.push(digit);
        }
        if let Some(named) = digits.parse::<usize>().ok().and_then(|n| n.checked_sub(1)) {
            text.push_str(&number(named));
        } else if rest.next_if(|c| matches!(c, 'n' | 'N')).is_some() {
            // The whole path: "1.2.3".
            let path: Vec<String> = (0..=level).map(number).collect();
            text.push_str(&path.join("."));
        }
    }
    text.trim().to_owned()
}

fn numeral(numeral: Numeral, count: u32) -> String {
    const SYLLABLES: &str = "가나다라마바사아자차카타파하";
    const CONSONANTS: &str = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ";
    let from = |letters: &str| {
        let letter = (count as usize).checked_sub(1).and_then(|at| letters.chars().nth(at));
        letter.map_or_else(|| count.to_string(), String::from)
    };
    let offset = |first: u32, most: u32| {
        let character = (1..=most).contains(&count).then(|| char::from_u32(first + count - 1));
        character.flatten().map_or_else(|| format!("({count})"), String::from)
    };
    match numeral {
        Numeral::Decimal => count.to_string(),
        Numeral::DecimalZero => format!("{count:02}"),
        Numeral::Circled => offset('①' as u32, 20),
        Numeral::LowerLetter => letters(count),
        Numeral::UpperLetter => letters(count).to_uppercase(),
        Numeral::LowerRoman => roman(count).to_lowercase(),
        Numeral::UpperRoman => roman(count),
        Numeral::Syllable => from(SYLLABLES),
        Numeral::CircledSyllable => offset('㉮' as u32, 14),
        Numeral::Consonant => from(CONSONANTS),
        Numeral::Korean => korean(count),
        Numeral::Bullet | Numeral::None => String::new(),
    }
}

/// a to z, aa to zz, aaa: how word processors go on after z.
fn letters(count: u32) -> String {
    let Some(at) = count.checked_sub(1) else { return count.to_string() };
    let letter = char::from(b'a' + (at % 26) as u8);
    std::iter::repeat_n(letter, (at / 26 + 1).min(8) as usize).collect()
}

fn roman(count: u32) -> String {
    const PARTS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if count == 0 || count > 3999 {
        return count.to_string();
    }
    let mut rest = count;
    let mut text = String::new();
    for (value, sign) in PARTS {
        while rest >= value {
            text.push_str(sign);
            rest -= value;
        }
    }
    text
}

/// 일 to 구십구.
fn korean(count: u32) -> String {
    const DIGITS: [&str; 10] = ["", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"];
    let digit = |digit: u32| DIGITS.get(digit as usize).copied().unwrap_or_default();
    match count {
        1..=99 => {
            let tens = match count / 10 {
                0 => String::new(),
                1 => "십".to_owned(),
                tens => format!("{}십", digit(tens)),
            };
            tens + digit(count % 10)
        }
        _ => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(numeral: Numeral, text: &str, start: u32) -> Level {
        Level { numeral, text: text.to_owned(), start }
    }

    #[test]
    fn numbers_count_by_level() {
        let levels = [
            level(Numeral::Decimal, "제%1장", 1),
            level(Numeral::Decimal, "%1.%2", 1),
            level(Numeral::Syllable, "%3.", 1),
            level(Numeral::Bullet, "\u{F0B7}", 1),
        ];
        let mut counts = Counts::default();
        let mut labels = Vec::new();
        for at in [0, 1, 1, 2, 2, 0, 2, 1, 3] {
            counts.next(&levels, at);
            labels.push(label(&levels, &counts, at, '%'));
        }
        assert_eq!(labels, ["제1장", "1.1", "1.2", "가.", "나.", "제2장", "가.", "2.2", "-"]);
        assert_eq!(label(&levels, &counts, 9, '%'), "");
    }

    #[test]
    fn every_numeral() {
        for (numeral_of, count, text) in [
            (Numeral::DecimalZero, 3, "03"),
            (Numeral::Circled, 2, "②"),
            (Numeral::Circled, 21, "(21)"),
            (Numeral::LowerLetter, 28, "bb"),
            (Numeral::UpperRoman, 14, "XIV"),
            (Numeral::LowerRoman, 4, "iv"),
            (Numeral::Syllable, 14, "하"),
            (Numeral::Syllable, 15, "15"),
            (Numeral::CircledSyllable, 1, "㉮"),
            (Numeral::Consonant, 3, "ㄷ"),
            (Numeral::Korean, 21, "이십일"),
            (Numeral::UpperLetter, 0, "0"),
        ] {
            assert_eq!(numeral(numeral_of, count), text);
        }
        let levels = [level(Numeral::Decimal, "^1.", 3), level(Numeral::Decimal, "^n)", 1)];
        let mut counts = Counts::default();
        counts.next(&levels, 1);
        assert_eq!(label(&levels, &counts, 1, '^'), "3.1)");
    }
}
