//! The number guard: every figure of an answer must occur in its source, with the same unit.
//! In regulations a wrong figure is the error that matters.

use unicode_normalization::UnicodeNormalization;

/// A number and the unit written after it ("" where there is none), both in one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Figure {
    number: String,
    unit: String,
}

/// Tells whether every figure of `answer` occurs in the source with the same unit. The unit may be
/// left out where the source has none or the question names it. Small counts that the source does
/// not have are let pass: they number lists and stand for words.
pub(super) fn occur(answer: &str, question: &str, source: &str) -> bool {
    let known = figures(source);
    let asked: String = question.nfkc().filter(|c| !c.is_whitespace()).collect();
    figures(answer).iter().all(|figure| {
        let mut same = known.iter().filter(|other| other.number == figure.number).peekable();
        if same.peek().is_none() {
            return figure.unit.is_empty() && figure.number.len() == 1;
        }
        same.any(|other| {
            other.unit == figure.unit || figure.unit.is_empty() && asked.contains(&other.unit)
        })
    })
}

/// Units in Hangul and English words and the sign they mean. Longest first where one begins
/// another; a Hangul unit may be followed by a particle ("30일로").
const WORDS: [(&str, &str); 62] = [
    ("제곱미터", "m2"),
    ("세제곱미터", "m3"),
    ("평방미터", "m2"),
    ("밀리미터", "mm"),
    ("센티미터", "cm"),
    ("킬로미터", "km"),
    ("미터", "m"),
    ("킬로그램", "kg"),
    ("밀리그램", "mg"),
    ("그램", "g"),
    ("퍼센트", "%"),
    ("프로", "%"),
    ("개월", "개월"),
    ("개소", "개소"),
    ("시간", "시간"),
    ("만원", "만원"),
    ("억원", "억원"),
    ("천원", "천원"),
    ("층", "층"),
    ("년", "년"),
    ("월", "월"),
    ("일", "일"),
    ("주", "주"),
    ("분", "분"),
    ("초", "초"),
    ("원", "원"),
    ("만", "만"),
    ("억", "억"),
    ("명", "명"),
    ("인", "명"),
    ("배", "배"),
    ("회", "회"),
    ("개", "개"),
    ("톤", "t"),
    ("도", "°"),
    ("세대", "세대"),
    ("대", "대"),
    ("점", "점"),
    ("percent", "%"),
    ("millimeters", "mm"),
    ("millimetres", "mm"),
    ("centimeters", "cm"),
    ("centimetres", "cm"),
    ("kilometers", "km"),
    ("kilometres", "km"),
    ("meters", "m"),
    ("metres", "m"),
    ("meter", "m"),
    ("metre", "m"),
    ("kilograms", "kg"),
    ("tonnes", "t"),
    ("tons", "t"),
    ("years", "year"),
    ("year", "year"),
    ("months", "month"),
    ("month", "month"),
    ("weeks", "week"),
    ("days", "day"),
    ("day", "day"),
    ("hours", "hour"),
    ("minutes", "minute"),
    ("seconds", "second"),
];

/// Signs that are units also when a space stands before them.
const SIGNS: [&str; 34] = [
    "mm", "cm", "m", "km", "mm2", "cm2", "m2", "m3", "mg", "g", "kg", "t", "N", "kN", "MN", "Pa",
    "kPa", "MPa", "GPa", "W", "kW", "V", "A", "Hz", "dB", "lx", "L", "l", "mL", "h", "s", "min",
    "%", "°C",
];

fn figures(text: &str) -> Vec<Figure> {
    let text: Vec<char> = text.nfkc().filter(|c| !matches!(c, '\u{200b}' | '\u{ad}')).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if !text[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        // Figures inside a name ("C24", "KDS41") are names, not quantities, but must occur too.
        let start = at;
        while at < text.len() && (text[at].is_ascii_digit() || separates(&text, at)) {
            at += 1;
        }
        let number: String = text[start..at].iter().collect();
        let (unit, after) = unit(&text, at);
        at = after;
        found.push(Figure { number: one_spelling(&number), unit });
    }
    found
}

/// Tells whether the character is a point or comma between two digits.
fn separates(text: &[char], at: usize) -> bool {
    matches!(text[at], '.' | ',') && text.get(at + 1).is_some_and(char::is_ascii_digit)
}

/// Drops thousands separators, leading zeros and zeros at the end of a fraction.
fn one_spelling(number: &str) -> String {
    let plain = number.replace(',', "");
    let plain = match plain.split_once('.') {
        // A clause number such as 3.2.1 is no decimal number.
        Some((_, fraction)) if !fraction.contains('.') => {
            plain.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => plain,
    };
    let bare = plain.trim_start_matches('0');
    if bare.is_empty() || bare.starts_with('.') { format!("0{bare}") } else { bare.to_owned() }
}

/// The unit at `at`, and where it ends.
fn unit(text: &[char], at: usize) -> (String, usize) {
    let spaced = text.get(at) == Some(&' ');
    let start = at + usize::from(spaced);
    let run = |part: fn(char) -> bool| -> String {
        text.get(start..).unwrap_or_default().iter().copied().take_while(|c| part(*c)).collect()
    };
    let hangul = run(|c| ('가'..='힣').contains(&c));
    if !hangul.is_empty() {
        let known = WORDS.iter().filter(|(word, _)| hangul.starts_with(word));
        return match known.max_by_key(|(word, _)| word.len()) {
            Some((word, sign)) => ((*sign).to_owned(), start + word.chars().count()),
            None => (String::new(), at),
        };
    }
    let written = run(|c| {
        c.is_alphabetic() && !('가'..='힣').contains(&c)
            || c.is_ascii_digit()
            || "%°/·*^".contains(c)
    });
    let written = written.trim_end_matches(['/', '·', '*']);
    if !written.chars().any(|c| c.is_alphabetic() || "%°".contains(c)) {
        return (String::new(), at);
    }
    let end = start + written.chars().count();
    let lower = written.to_lowercase();
    if let Some((_, sign)) = WORDS.iter().find(|(word, _)| *word == lower) {
        return ((*sign).to_owned(), end);
    }
    let sign = written.replace(['^', '*'], "").replace('·', "");
    let is_unit = !spaced || sign.contains(['/', '%', '°']) || SIGNS.contains(&sign.as_str());
    if is_unit { (sign, end) } else { (String::new(), at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_with_units_are_read() {
        for (text, expected) in [
            ("등분포 활하중은 2.5kN/m²로 한다", vec![("2.5", "kN/m2")]),
            ("2.50 kN/㎡ 이상", vec![("2.5", "kN/m2")]),
            ("30일 이내에 1,500만원을", vec![("30", "일"), ("1500", "만원")]),
            ("3개월 또는 0.5 %", vec![("3", "개월"), ("0.5", "%")]),
            ("50 percent of 10 metres", vec![("50", "%"), ("10", "m")]),
            ("5 of 7 beams, 24 MPa.", vec![("5", ""), ("7", ""), ("24", "MPa")]),
            ("20 제곱미터", vec![("20", "m2")]),
            ("clause 3.2.1 (007)", vec![("3.2.1", ""), ("7", "")]),
            ("100.", vec![("100", "")]),
            ("0.00 and 000", vec![("0", ""), ("0", "")]),
        ] {
            let read = figures(text);
            let read: Vec<(&str, &str)> =
                read.iter().map(|f| (f.number.as_str(), f.unit.as_str())).collect();
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn an_answer_may_only_use_figures_of_its_source() {
        for (answer, question, source, right) in [
            ("2.5 kN/m²이다.", "", "활하중은 2.5kN/㎡로 한다.", true),
            ("2.5 MPa이다.", "", "활하중은 2.5kN/㎡로 한다.", false),
            ("3.5 kN/m²이다.", "", "활하중은 2.5kN/㎡로 한다.", false),
            ("25 kN/m²이다.", "", "활하중은 2.5kN/㎡로 한다.", false),
            ("2.5이다.", "활하중은?", "활하중은 2.5kN/㎡로 한다.", false),
            ("2.5이다.", "활하중은 몇 kN/m²인가?", "활하중은 2.5kN/㎡로 한다.", true),
            ("30일 안에 신고한다.", "", "30일 이내에 신고", true),
            ("30개월 안에 신고한다.", "", "30일 이내에 신고", false),
            ("There are 2 kinds.", "", "dead load and live load", true),
            ("There are 20 kinds.", "", "dead load and live load", false),
            ("Class 12 applies.", "", "class 12 of the table", true),
            ("It is 1500 mm.", "", "a width of 1,500 mm", true),
            ("It is 50%.", "", "fifty, that is 50 percent", true),
            ("No figures.", "", "", true),
        ] {
            assert_eq!(occur(answer, question, source), right, "{answer} / {source}");
        }
    }
}
