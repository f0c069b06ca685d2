//! Units by sign and word.

use super::{Folded, is_hangul};

/// A unit of measure or count.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// What it measures; an unknown unit measures itself.
    pub dimension: String,
    /// Size in the dimension's base unit.
    pub scale: f64,
    /// As it stands in the text, after NFKC and without `^` and `·`.
    pub written: String,
}

impl Unit {
    /// That of a fraction.
    pub(super) fn ratio() -> Self {
        Self { dimension: "ratio".to_owned(), scale: 1.0, written: "분의".to_owned() }
    }
}

/// Signs and words, what they measure, and their size. Counters of different things (명, 개) are
/// different dimensions.
const UNITS: [(&str, &str, f64); 135] = [
    ("mm", "length", 1e-3),
    ("cm", "length", 1e-2),
    ("m", "length", 1.0),
    ("km", "length", 1e3),
    ("밀리미터", "length", 1e-3),
    ("센티미터", "length", 1e-2),
    ("미터", "length", 1.0),
    ("킬로미터", "length", 1e3),
    ("millimeters", "length", 1e-3),
    ("millimetres", "length", 1e-3),
    ("centimeters", "length", 1e-2),
    ("centimetres", "length", 1e-2),
    ("meters", "length", 1.0),
    ("metres", "length", 1.0),
    ("meter", "length", 1.0),
    ("metre", "length", 1.0),
    ("kilometers", "length", 1e3),
    ("kilometres", "length", 1e3),
    ("mm2", "area", 1e-6),
    ("cm2", "area", 1e-4),
    ("m2", "area", 1.0),
    ("km2", "area", 1e6),
    ("ha", "area", 1e4),
    ("제곱미터", "area", 1.0),
    ("평방미터", "area", 1.0),
    ("mm3", "volume", 1e-9),
    ("cm3", "volume", 1e-6),
    ("m3", "volume", 1.0),
    ("세제곱미터", "volume", 1.0),
    ("L", "volume", 1e-3),
    ("l", "volume", 1e-3),
    ("리터", "volume", 1e-3),
    ("mL", "volume", 1e-6),
    ("ml", "volume", 1e-6),
    ("mg", "mass", 1e-6),
    ("g", "mass", 1e-3),
    ("kg", "mass", 1.0),
    ("t", "mass", 1e3),
    ("밀리그램", "mass", 1e-6),
    ("그램", "mass", 1e-3),
    ("킬로그램", "mass", 1.0),
    ("톤", "mass", 1e3),
    ("kilograms", "mass", 1.0),
    ("tonnes", "mass", 1e3),
    ("tons", "mass", 1e3),
    ("N", "force", 1.0),
    ("kN", "force", 1e3),
    ("MN", "force", 1e6),
    ("Pa", "pressure", 1.0),
    ("kPa", "pressure", 1e3),
    ("MPa", "pressure", 1e6),
    ("GPa", "pressure", 1e9),
    ("N/mm2", "pressure", 1e6),
    ("N/cm2", "pressure", 1e4),
    ("N/m2", "pressure", 1.0),
    ("kN/m2", "pressure", 1e3),
    ("kN/mm2", "pressure", 1e9),
    ("MN/m2", "pressure", 1e6),
    ("kN/m3", "weight", 1e3),
    ("N/m3", "weight", 1.0),
    ("%", "ratio", 1e-2),
    ("퍼센트", "ratio", 1e-2),
    ("프로", "ratio", 1e-2),
    ("percent", "ratio", 1e-2),
    ("‰", "ratio", 1e-3),
    ("°C", "degree", 1.0),
    ("°", "degree", 1.0),
    ("도", "degree", 1.0),
    ("degrees", "degree", 1.0),
    ("°F", "fahrenheit", 1.0),
    ("W", "power", 1.0),
    ("kW", "power", 1e3),
    ("V", "voltage", 1.0),
    ("kV", "voltage", 1e3),
    ("A", "current", 1.0),
    ("Hz", "frequency", 1.0),
    ("kHz", "frequency", 1e3),
    ("dB", "level", 1.0),
    ("lx", "light", 1.0),
    ("s", "time", 1.0),
    ("초", "time", 1.0),
    ("seconds", "time", 1.0),
    ("min", "time", 60.0),
    ("분", "time", 60.0),
    ("minutes", "time", 60.0),
    ("h", "time", 3600.0),
    ("시간", "time", 3600.0),
    ("hour", "time", 3600.0),
    ("hours", "time", 3600.0),
    ("일", "day", 1.0),
    ("day", "day", 1.0),
    ("days", "day", 1.0),
    ("주", "day", 7.0),
    ("주일", "day", 7.0),
    ("week", "day", 7.0),
    ("weeks", "day", 7.0),
    ("개월", "month", 1.0),
    ("달", "month", 1.0),
    ("month", "month", 1.0),
    ("months", "month", 1.0),
    ("년", "month", 12.0),
    ("year", "month", 12.0),
    ("years", "month", 12.0),
    ("월", "월", 1.0),
    ("시", "시", 1.0),
    ("원", "won", 1.0),
    ("명", "person", 1.0),
    ("인", "person", 1.0),
    ("사람", "person", 1.0),
    ("people", "person", 1.0),
    ("persons", "person", 1.0),
    ("workers", "person", 1.0),
    ("층", "storey", 1.0),
    ("storeys", "storey", 1.0),
    ("floors", "storey", 1.0),
    ("배", "times", 1.0),
    ("times", "count", 1.0),
    ("회", "count", 1.0),
    ("번", "count", 1.0),
    ("개", "piece", 1.0),
    ("개소", "place", 1.0),
    ("곳", "place", 1.0),
    ("가지", "kind", 1.0),
    ("세대", "household", 1.0),
    ("가구", "household", 1.0),
    ("대", "machine", 1.0),
    ("점", "point", 1.0),
    ("points", "point", 1.0),
    ("살", "age", 1.0),
    ("세", "age", 1.0),
    ("건", "case", 1.0),
    ("권", "volume of a book", 1.0),
    ("장", "sheet", 1.0),
    ("마리", "animal", 1.0),
    ("병", "bottle", 1.0),
];

/// What may follow a unit in Hangul within its word, where a space stands before the unit.
const PARTICLES: [&str; 36] = [
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "의",
    "에",
    "로",
    "으로",
    "와",
    "과",
    "도",
    "만",
    "까지",
    "부터",
    "보다",
    "마다",
    "씩",
    "간",
    "당",
    "쯤",
    "입니다",
    "이다",
    "이며",
    "이고",
    "인",
    "정도",
    "이상",
    "이하",
    "이내",
    "미만",
    "초과",
    "다",
    "로서",
    "짜리",
];

/// The unit at `at`, and where number and unit end; a space may stand before it.
pub(super) fn read(text: &[Folded], at: usize) -> (Option<Unit>, usize) {
    let spaced = text.get(at).is_some_and(|(c, _)| *c == ' ');
    let start = at + usize::from(spaced);
    let run = |part: &dyn Fn(char) -> bool| -> String {
        let rest = text.get(start..).unwrap_or_default().iter().map(|(c, _)| *c);
        rest.take_while(|c| part(*c)).collect()
    };
    let hangul = run(&is_hangul);
    if !hangul.is_empty() {
        let fits = |word: &str| {
            hangul.strip_prefix(word).is_some_and(|rest| {
                !spaced || rest.is_empty() || PARTICLES.iter().any(|mark| rest.starts_with(mark))
            })
        };
        let known = UNITS.iter().filter(|(word, ..)| fits(word));
        return match known.max_by_key(|(word, ..)| word.len()) {
            Some((word, dimension, scale)) => {
                let unit = made(word, dimension, *scale);
                (Some(unit), start + word.chars().count())
            }
            None => (None, at),
        };
    }
    let written = run(&|c: char| {
        c.is_alphabetic() && !is_hangul(c) || c.is_ascii_digit() || "%‰°/·*^⋅".contains(c)
    });
    let written = written.trim_end_matches(['/', '·', '*', '^', '⋅']);
    if !written.chars().any(|c| c.is_alphabetic() || "%‰°".contains(c)) {
        return (None, at);
    }
    let end = start + written.chars().count();
    let sign = written.replace(['^', '*', '·', '⋅'], "");
    if let Some((_, dimension, scale)) = UNITS.iter().find(|(word, ..)| *word == sign) {
        return (Some(made(&sign, dimension, *scale)), end);
    }
    let lower = sign.to_lowercase();
    if let Some((_, dimension, scale)) =
        UNITS.iter().find(|(word, ..)| *word == lower && word.len() > 2)
    {
        return (Some(made(&sign, dimension, *scale)), end);
    }
    if let Some(percent) = sign.chars().next().filter(|c| matches!(c, '%' | '‰')) {
        let scale = if percent == '%' { 1e-2 } else { 1e-3 };
        return (Some(made(&percent.to_string(), "ratio", scale)), start + 1);
    }
    if spaced && !sign.contains(['/', '°']) {
        return (None, at);
    }
    // "L/500" is a quotient; only exponents are digits of a unit.
    let letters: Vec<char> = sign.chars().collect();
    let quotient = letters
        .windows(2)
        .any(|two| two[1].is_ascii_digit() && (two[0].is_ascii_digit() || two[0] == '/'));
    if quotient {
        return (None, at);
    }
    (Some(made(&sign, &sign, 1.0)), end)
}

fn made(written: &str, dimension: &str, scale: f64) -> Unit {
    Unit { dimension: dimension.to_owned(), scale, written: written.to_owned() }
}

/// Tells whether a unit in words or of count stands at `at`, so that a word before it is a number.
pub(super) fn follows(text: &[Folded], at: usize) -> bool {
    let (unit, _) = read(text, at);
    unit.is_some_and(|unit| UNITS.iter().any(|(word, ..)| *word == unit.written))
}
