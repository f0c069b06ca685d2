//! JSON text as Python's `json.dumps(..., ensure_ascii=False)` writes it.

use serde_json::{Number, Value};

/// Separators, indentation and order of keys.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    indent: Option<usize>,
    between: String,
    after_key: String,
    sorted: bool,
}

impl Style {
    /// Python's defaults where nothing is given.
    pub(crate) fn new(
        indent: Option<usize>,
        separators: Option<(String, String)>,
        sorted: bool,
    ) -> Self {
        let between = if indent.is_some() { "," } else { ", " };
        let (between, after_key) =
            separators.unwrap_or_else(|| (between.to_owned(), ": ".to_owned()));
        Self { indent, between, after_key, sorted }
    }
}

/// Writes a value on one line with Python's default separators.
pub(crate) fn one_line(value: &Value) -> String {
    write(value, &Style::new(None, None, false))
}

/// Writes a value.
pub(crate) fn write(value: &Value, style: &Style) -> String {
    let mut text = String::new();
    append(&mut text, value, style, 0);
    text
}

/// JSON text with everything outside of ASCII escaped, as `ensure_ascii=True` writes it.
pub(crate) fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        // Python escapes U+007F only there.
        if character.is_ascii() && character != '\u{7f}' {
            text.push(character);
        } else {
            let mut units = [0; 2];
            text.extend(character.encode_utf16(&mut units).iter().map(|u| format!("\\u{u:04x}")));
        }
    }
    text
}

fn append(text: &mut String, value: &Value, style: &Style, depth: usize) {
    match value {
        Value::Array(items) if items.is_empty() => text.push_str("[]"),
        Value::Object(entries) if entries.is_empty() => text.push_str("{}"),
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                open_item(text, style, depth + 1, position);
                append(text, item, style, depth + 1);
            }
            close(text, style, depth, ']');
        }
        Value::Object(entries) => {
            text.push('{');
            let mut entries: Vec<_> = entries.iter().collect();
            if style.sorted {
                entries.sort_by_key(|(key, _)| *key);
            }
            for (position, (key, item)) in entries.into_iter().enumerate() {
                open_item(text, style, depth + 1, position);
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push_str(&style.after_key);
                append(text, item, style, depth + 1);
            }
            close(text, style, depth, '}');
        }
        Value::Number(number) => text.push_str(&number_text(number)),
        // serde_json escapes exactly what Python does when `ensure_ascii` is off.
        Value::Null | Value::Bool(_) | Value::String(_) => text.push_str(&value.to_string()),
    }
}

fn open_item(text: &mut String, style: &Style, depth: usize, position: usize) {
    if position > 0 {
        text.push_str(&style.between);
    }
    if let Some(indent) = style.indent {
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', indent * depth));
    }
}

fn close(text: &mut String, style: &Style, depth: usize, bracket: char) {
    if let Some(indent) = style.indent {
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', indent * depth));
    }
    text.push(bracket);
}

/// A number as `repr` writes it: an exponent below -4 and from 16 on, with a sign and two digits.
pub(crate) fn number_text(number: &Number) -> String {
    let Some(real) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let scientific = format!("{real:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if real != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = real.to_string();
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_equals_what_python_writes() {
        let cases = [
            (
                json!({"cond": "h<3 & 폭>2", "b": [1, 2.5]}),
                r#"{"cond": "h<3 & 폭>2", "b": [1, 2.5]}"#,
            ),
            (json!(["it's", "\"\\\n\t\u{7f}\u{1}"]), "[\"it's\", \"\\\"\\\\\\n\\t\u{7f}\\u0001\"]"),
            (
                json!([1.0, 1e16, 1e-5, 0.0001, -0.0, 123_456_789_012_345_680.0]),
                "[1.0, 1e+16, 1e-05, 0.0001, -0.0, 1.2345678901234568e+17]",
            ),
            (
                json!({"a": {}, "b": [], "c": null, "d": true}),
                r#"{"a": {}, "b": [], "c": null, "d": true}"#,
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(one_line(&value), expected);
        }
    }

    #[test]
    fn indent_and_order_follow_python() {
        let style = Style::new(Some(2), None, true);
        let value = json!({"b": [1, {"x": 2}], "a": "값"});
        let expected =
            "{\n  \"a\": \"값\",\n  \"b\": [\n    1,\n    {\n      \"x\": 2\n    }\n  ]\n}";
        assert_eq!(write(&value, &style), expected);
    }
}
