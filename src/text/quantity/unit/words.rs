//! Units in words, put together from their parts: `킬로뉴턴`, `square metres`, `megapascals`.

use super::{Folded, is_hangul};

/// What a unit in words measures, its size, and where it ends.
pub(super) type Found = (&'static str, f64, usize);

/// Base units in words that take a prefix; in English without the `s` of more than one.
const BASES: [(&str, &str, f64); 30] = [
    ("metre", "length", 1.0),
    ("meter", "length", 1.0),
    ("gram", "mass", 1e-3),
    ("gramme", "mass", 1e-3),
    ("tonne", "mass", 1e3),
    ("ton", "mass", 1e3),
    ("litre", "volume", 1e-3),
    ("liter", "volume", 1e-3),
    ("newton", "force", 1.0),
    ("pascal", "pressure", 1.0),
    ("watt", "power", 1.0),
    ("volt", "voltage", 1.0),
    ("ampere", "current", 1.0),
    ("amp", "current", 1.0),
    ("hertz", "frequency", 1.0),
    ("joule", "energy", 1.0),
    ("byte", "data", 1.0),
    ("second", "time", 1.0),
    ("미터", "length", 1.0),
    ("그램", "mass", 1e-3),
    ("톤", "mass", 1e3),
    ("리터", "volume", 1e-3),
    ("뉴턴", "force", 1.0),
    ("파스칼", "pressure", 1.0),
    ("와트", "power", 1.0),
    ("볼트", "voltage", 1.0),
    ("암페어", "current", 1.0),
    ("헤르츠", "frequency", 1.0),
    ("바이트", "data", 1.0),
    ("초", "time", 1.0),
];

/// English words that take none.
const PLAIN: [(&str, &str, f64); 11] = [
    ("lux", "light", 1.0),
    ("dollar", "dollar", 1.0),
    ("minute", "time", 60.0),
    ("hour", "time", 3600.0),
    ("day", "time", 86_400.0),
    ("week", "time", 604_800.0),
    ("month", "month", 1.0),
    ("year", "month", 12.0),
    ("inch", "length", 0.0254),
    ("foot", "length", 0.3048),
    ("hectare", "area", 1e4),
];

const PREFIXES: [(&str, f64); 16] = [
    ("nano", 1e-9),
    ("micro", 1e-6),
    ("milli", 1e-3),
    ("centi", 1e-2),
    ("hecto", 1e2),
    ("kilo", 1e3),
    ("mega", 1e6),
    ("giga", 1e9),
    ("나노", 1e-9),
    ("마이크로", 1e-6),
    ("밀리", 1e-3),
    ("센티", 1e-2),
    ("헥토", 1e2),
    ("킬로", 1e3),
    ("메가", 1e6),
    ("기가", 1e9),
];

/// Words that raise a length, and what they raise it to.
const POWERS: [(&str, i32); 6] =
    [("square ", 2), ("cubic ", 3), ("세제곱", 3), ("입방", 3), ("제곱", 2), ("평방", 2)];

/// Words that may stand between a number and its unit: "10 working days".
const BETWEEN: [&str; 5] = ["working ", "business ", "calendar ", "consecutive ", "us "];

/// Most characters that a unit in words takes.
const LONGEST: usize = 32;

/// The unit in words that begins at `start`.
pub(super) fn read(text: &[Folded], start: usize) -> Option<Found> {
    let first = text.get(start)?.0;
    if !first.is_ascii_alphabetic() && !is_hangul(first) {
        return None;
    }
    let here = text.get(start..)?.iter().take(LONGEST);
    let here: String = here.map(|(c, _)| c.to_ascii_lowercase()).collect();
    let mut rest = &*here;
    if let Some(word) = BETWEEN.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = word;
    }
    let mut power = 1;
    for (word, raised) in POWERS {
        if let Some(after) = rest.strip_prefix(word) {
            (rest, power) = (after, raised);
            break;
        }
    }
    let (base, prefix) = PREFIXES
        .iter()
        .find_map(|(word, scale)| rest.strip_prefix(word).map(|rest| (rest, *scale)))
        .filter(|(rest, _)| BASES.iter().any(|(word, ..)| rest.starts_with(word)))
        .unwrap_or((rest, 1.0));
    let (dimension, scale, after) = base_unit(base)?;
    let dimension = match (dimension, power) {
        (dimension, 1) => dimension,
        ("length", 2) => "area",
        ("length", 3) => "volume",
        _ => return None,
    };
    let end = start + here[..here.len() - after.len()].chars().count();
    Some((dimension, (scale * prefix).powi(power), end))
}

/// What a base unit at the start measures, its size, and what stands after it.
fn base_unit(text: &str) -> Option<(&'static str, f64, &str)> {
    if text.starts_with(is_hangul) {
        let known = BASES.iter().filter(|(word, ..)| text.starts_with(word));
        let (word, dimension, scale) = known.max_by_key(|(word, ..)| word.len())?;
        return Some((dimension, *scale, &text[word.len()..]));
    }
    let letters = text.find(|c: char| !c.is_alphabetic() || is_hangul(c)).unwrap_or(text.len());
    let (word, after) = text.split_at(letters);
    let degrees = ["degrees", "degree"].contains(&word);
    if degrees {
        let named = |name: &str| after.strip_prefix(name).filter(|rest| ends(rest));
        for (name, dimension) in [
            (" celsius", "degree"),
            (" centigrade", "degree"),
            (" c", "degree"),
            (" fahrenheit", "fahrenheit"),
            (" f", "fahrenheit"),
        ] {
            if let Some(rest) = named(name) {
                return Some((dimension, 1.0, rest));
            }
        }
        return Some(("degree", 1.0, after));
    }
    match word {
        "percent" => return Some(("ratio", 1e-2, after)),
        "per" => {
            let rest = after.strip_prefix(" cent")?;
            return ends(rest).then_some(("ratio", 1e-2, rest));
        }
        "feet" => return Some(("length", 0.3048, after)),
        "inches" => return Some(("length", 0.0254, after)),
        _ => {}
    }
    let one = word.strip_suffix('s').filter(|_| word != "s");
    let fits = |known: &str| known == word || one == Some(known);
    let (_, dimension, scale) = BASES.iter().chain(&PLAIN).find(|(known, ..)| fits(known))?;
    Some((dimension, *scale, after))
}

fn ends(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
}
