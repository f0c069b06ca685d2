//! Values of JavaScript's source text, as BFCL reads them (`js_type_converter.py`).

use super::literal::Literal;
use super::python::{float, inner, int, is_space, number_or_text, patterns, put, strip};
use super::source::Raised;

// Python's `$` lets one line break follow; its `match` begins at the first character and may end
// anywhere.
patterns! {
    WHOLE = r"^-?\d+\n?$";
    FLOAT = r"^-?\d+(\.\d+)?\n?$";
    BIG = r"^-?\d+n\n?$";
    NESTED = r"^(?:\[\s*\[.*?\]\s*(?:,\s*\[.*?\]\s*)*\]|new\s+Array\(\s*\[.*?\]\s*(?:,\s*\[.*?\]\s*)*\))";
    INNER = r"\[(.*?)\]";
    ARRAY = r"^(?:\[(.*?)\]|new\s+Array\((.*?)\))";
    OBJECT = r"^\{(.*?)\}";
}

/// The value of a text of a declared type, with the declared type of its elements.
pub(super) fn value(text: &str, declared: &str, items: Option<&str>) -> Result<Literal, Raised> {
    Ok(match declared {
        "String" if is_quoted(text) => Literal::Text(inner(text)),
        "integer" if WHOLE.is_match(text) => int(text).ok_or(Raised)?,
        "float" if FLOAT.is_match(text) => float(text).ok_or(Raised)?,
        "Bigint" if BIG.is_match(text) => {
            // The last character goes, a line break too, and then `n` is left.
            text.strip_suffix('n').and_then(int).ok_or(Raised)?
        }
        "Boolean" if text == "true" || text == "false" => Literal::Bool(text == "true"),
        "dict" => object(strip(text)),
        // An error inside is caught, and the text stays one.
        "array" => {
            array(strip(text), items).unwrap_or_else(|Raised| Literal::Text(strip(text).to_owned()))
        }
        _ => Literal::Text(text.to_owned()),
    })
}

fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|mark| text.starts_with(*mark) && text.ends_with(*mark))
}

fn array(text: &str, items: Option<&str>) -> Result<Literal, Raised> {
    if let Some(rows) = NESTED.find(text) {
        let rows = INNER.captures_iter(rows.as_str()).filter_map(|found| found.get(1));
        let rows = rows.enumerate().map(|(index, row)| {
            let row = strip(row.as_str());
            // The first row was found with the bracket of the whole.
            let row = if index == 0 { row.strip_prefix('[').unwrap_or(row) } else { row };
            Literal::List(row.split(',').map(untyped).collect())
        });
        return Ok(Literal::List(rows.collect()));
    }
    let Some(found) = ARRAY.captures(text) else {
        return Ok(Literal::Text(text.to_owned()));
    };
    let elements = found.get(1).or(found.get(2)).map_or("", |group| strip(group.as_str()));
    if elements.is_empty() {
        return Ok(Literal::List(Vec::new()));
    }
    let elements: Result<_, _> = elements
        .split(',')
        .map(|element| match items {
            Some(items) => value(strip(element), items, None),
            None => Ok(untyped(element)),
        })
        .collect();
    elements.map(Literal::List)
}

fn object(text: &str) -> Literal {
    let Some(content) = OBJECT.captures(text).and_then(|found| found.get(1)) else {
        return Literal::Text(text.to_owned());
    };
    let mut entries = Vec::new();
    for (key, found) in pairs(content.as_str()) {
        let (key, found) = (strip(key).trim_matches(['\'', '"']), strip(found));
        let found = if found.starts_with('[') && found.ends_with(']') {
            array(found, None).unwrap_or_else(|Raised| Literal::Text(found.to_owned()))
        } else {
            untyped(found.trim_matches(['\'', '"']))
        };
        put(&mut entries, key, found);
    }
    Literal::Dict(entries)
}

/// Keys and values of an object: what
/// `([^:]+):\s*(.*?)(?:,\s*(?=[^,]+:)|$)` finds, which looks ahead and so is written out. A value ends
/// at a comma only where a colon comes before the next comma.
fn pairs(content: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    // A key has one character at least.
    let mut rest = content.trim_start_matches(':');
    while let Some((key, after)) = rest.split_once(':') {
        let after = after.trim_start_matches(is_space);
        let end = after.match_indices(',').find_map(|(comma, _)| {
            let next = after.get(comma + 1..)?;
            let part = next.split(',').next()?;
            let key = part.trim_start_matches(is_space);
            // A colon behind one character; white space before it counts if nothing else does.
            let has_key = key.char_indices().skip(1).any(|(_, character)| character == ':');
            let spaces = part.len() - key.len();
            match (has_key, key.starts_with(':') && spaces > 0) {
                (true, _) => Some((comma, comma + 1 + spaces)),
                (false, true) => {
                    let last = part.get(..spaces)?.chars().next_back()?;
                    Some((comma, comma + 1 + spaces - last.len_utf8()))
                }
                (false, false) => None,
            }
        });
        let (value, next) = end.unwrap_or((after.len(), after.len()));
        found.push((key, after.get(..value).unwrap_or_default()));
        rest = after.get(next..).unwrap_or_default().trim_start_matches(':');
    }
    found
}

/// A value whose type is not declared.
fn untyped(text: &str) -> Literal {
    match strip(text) {
        "true" => Literal::Bool(true),
        "false" => Literal::Bool(false),
        text if is_quoted(text) => Literal::Text(inner(text)),
        text => number_or_text(text),
    }
}
