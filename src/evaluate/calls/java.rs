//! Values of Java's source text, as BFCL reads them (`java_type_converter.py`).

use regex::Regex;

use super::literal::Literal;
use super::python::{float, inner, int, number_or_text, patterns, put, strip};
use super::source::Raised;

// Python's `$` lets one line break follow.
patterns! {
    WHOLE = r"^-?\d+\n?$";
    LONG = r"^-?\d+[lL]\n?$";
    FLOAT = r"^-?\d+(\.\d+)?([eE][+-]?\d+)?[fF]\n?$";
    DOUBLE = r"^-?\d+(\.\d+)?([eE][+-]?\d+)?\n?$";
    AS_LIST = r"new\s+ArrayList<\w*>\(Arrays\.asList\((.+?)\)\)";
    ADDED = r"(?s)new\s+ArrayList<\w*>\(\)\s*\{\{\s*(.+?)\s*\}\}";
    ADD = r"add\((.+?)\)";
    EMPTY_LIST = r"new\s+ArrayList<\w*>\(\)";
    ARRAY = r"new\s+\w+\[\]\s*\{(.*?)\}";
    MAP = r"(?s)new\s+HashMap<.*?>\s*\(\)\s*\{\s*\{?\s*(.*?)\s*\}?\s*\}";
    PUT = r#"put\("(.*?)",\s*(.*?)\)"#;
    EMPTY_MAP = r"new\s+HashMap<.*?>\s*\(\)";
}

/// The value of a text of a declared type, with the declared type of its elements.
pub(super) fn value(text: &str, declared: &str, items: Option<&str>) -> Result<Literal, Raised> {
    let as_text = || Literal::Text(text.to_owned());
    let without = |letters: [char; 2]| {
        let bare = text.strip_suffix('\n').unwrap_or(text);
        bare.strip_suffix(letters).unwrap_or(bare)
    };
    Ok(match declared {
        "byte" | "short" | "integer" if WHOLE.is_match(text) => int(text).ok_or(Raised)?,
        "long" if LONG.is_match(text) => int(without(['l', 'L'])).ok_or(Raised)?,
        "float" if FLOAT.is_match(text) => float(without(['f', 'F'])).ok_or(Raised)?,
        "double" if DOUBLE.is_match(text) => float(text).ok_or(Raised)?,
        "boolean" if text == "true" || text == "false" => Literal::Bool(text == "true"),
        "ArrayList" => list(text, items)?,
        "Array" => array(text, items)?,
        "HashMap" => map(text)?,
        "Set" | "Hashtable" | "Queue" | "Stack" => return Err(Raised),
        // A quoted `char` keeps its quotes, and so does a `String`.
        _ => as_text(),
    })
}

/// The first group of a pattern's first match.
fn within<'a>(pattern: &Regex, text: &'a str) -> Option<&'a str> {
    pattern.captures(text).and_then(|found| found.get(1)).map(|group| group.as_str())
}

fn list(text: &str, items: Option<&str>) -> Result<Literal, Raised> {
    // Here elements lose their first and last character, whatever these are.
    let element = |element: &str| match items {
        Some("char" | "String") => Ok(Literal::Text(inner(strip(element)))),
        Some(items) => value(strip(element), items, None),
        None => untyped(strip(element)),
    };
    if let Some(elements) = within(&AS_LIST, text) {
        let elements: Result<_, _> = elements.split(',').map(element).collect();
        return elements.map(Literal::List);
    }
    if let Some(added) = within(&ADDED, text) {
        let added = ADD.captures_iter(added).filter_map(|found| found.get(1));
        let elements: Result<_, _> = added.map(|found| element(found.as_str())).collect();
        return elements.map(Literal::List);
    }
    Ok(if EMPTY_LIST.is_match(text) {
        Literal::List(Vec::new())
    } else {
        Literal::Text(text.to_owned())
    })
}

fn array(text: &str, items: Option<&str>) -> Result<Literal, Raised> {
    let Some(elements) = within(&ARRAY, text) else {
        return Ok(Literal::Text(text.to_owned()));
    };
    let elements = elements.split(',').map(strip).filter(|element| !element.is_empty());
    let elements: Result<_, _> = elements
        .map(|element| match items {
            Some(items) => value(element, items, None),
            None => untyped(element),
        })
        .collect();
    elements.map(Literal::List)
}

fn map(text: &str) -> Result<Literal, Raised> {
    let mut entries = Vec::new();
    let Some(puts) = within(&MAP, text) else {
        let is_empty = EMPTY_MAP.is_match(text);
        return Ok(if is_empty { Literal::Dict(entries) } else { Literal::Text(text.to_owned()) });
    };
    for found in PUT.captures_iter(puts) {
        if let (Some(key), Some(value)) = (found.get(1), found.get(2)) {
            put(&mut entries, key.as_str(), untyped(strip(value.as_str()))?);
        }
    }
    Ok(Literal::Dict(entries))
}

/// A value whose type is not declared.
fn untyped(text: &str) -> Result<Literal, Raised> {
    Ok(match text {
        "true" => Literal::Bool(true),
        "false" => Literal::Bool(false),
        _ if text.starts_with('"') && text.ends_with('"') => Literal::Text(inner(text)),
        _ if LONG.is_match(text) => int(&text[..text.len() - 1]).ok_or(Raised)?,
        _ if FLOAT.is_match(text) => float(&text[..text.len() - 1]).ok_or(Raised)?,
        _ => number_or_text(text),
    })
}
