//! JSON as Python's `json.loads` reads it (CPython 3.11, `Modules/_json.c` and `json/decoder.py`):
//! as RFC 8259, and beyond it `NaN`, `Infinity` and `-Infinity`, lone surrogates and whole numbers
//! of any length up to [`DIGITS_MAX`] digits.

use super::literal::Literal;
use super::python::DIGITS_MAX;

/// Depth at which Python gives up: its recursion limit of 1,000, less what its own callers take.
const DEPTH_MAX: usize = 985;

/// Reads a whole text as one value.
pub fn parse(text: &str) -> Option<Literal> {
    let (value, _) = read(text)?;
    Some(value)
}

/// Reads a whole text as one value and tells whether it is JSON of RFC 8259 too.
pub fn read(text: &str) -> Option<(Literal, bool)> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, strict: true };
    reader.skip_blanks();
    let value = reader.value(0)?;
    reader.skip_blanks();
    (reader.at == reader.bytes.len()).then_some((value, reader.strict))
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Whether all so far is JSON of RFC 8259.
    strict: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn takes(&mut self, word: &str) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.starts_with(word.as_bytes());
        if taken {
            self.at += word.len();
        }
        taken
    }

    fn value(&mut self, depth: usize) -> Option<Literal> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.string().map(Literal::Text)
            }
            b'{' => {
                self.at += 1;
                self.object(depth)
            }
            b'[' => {
                self.at += 1;
                self.array(depth)
            }
            b'n' => self.takes("null").then_some(Literal::Null),
            b't' => self.takes("true").then_some(Literal::Bool(true)),
            b'f' => self.takes("false").then_some(Literal::Bool(false)),
            b'N' => self.beyond("NaN", f64::NAN),
            b'I' => self.beyond("Infinity", f64::INFINITY),
            b'-' if self.bytes.get(self.at + 1) == Some(&b'I') => {
                self.beyond("-Infinity", f64::NEG_INFINITY)
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn beyond(&mut self, word: &str, value: f64) -> Option<Literal> {
        self.strict = false;
        self.takes(word).then_some(Literal::Float(value))
    }

    fn object(&mut self, depth: usize) -> Option<Literal> {
        let mut entries: Vec<(String, Literal)> = Vec::new();
        self.skip_blanks();
        if self.takes("}") {
            return Some(Literal::Dict(entries));
        }
        loop {
            self.skip_blanks();
            if !self.takes("\"") {
                return None;
            }
            let key = self.string()?;
            self.skip_blanks();
            if !self.takes(":") {
                return None;
            }
            self.skip_blanks();
            let value = self.value(depth + 1)?;
            match entries.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => *known = value,
                None => entries.push((key, value)),
            }
            self.skip_blanks();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(Literal::Dict(entries));
                }
                _ => return None,
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Literal> {
        let mut items = Vec::new();
        self.skip_blanks();
        if self.takes("]") {
            return Some(Literal::List(items));
        }
        loop {
            self.skip_blanks();
            items.push(self.value(depth + 1)?);
            self.skip_blanks();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(Literal::List(items));
                }
                _ => return None,
            }
        }
    }

    /// What follows the opening quote, up to and with the closing one.
    fn string(&mut self) -> Option<String> {
        let mut out = String::new();
        loop {
            let from = self.at;
            while !matches!(self.peek()?, b'"' | b'\\' | 0..=0x1f) {
                self.at += 1;
            }
            out.push_str(self.text.get(from..self.at)?);
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(out),
                b'\\' => out.push(self.escape()?),
                // A control character.
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.four_digits()?;
                if (0xd800..0xdc00).contains(&first)
                    && self.bytes.get(self.at..self.at + 2) == Some(b"\\u")
                {
                    let back = self.at;
                    self.at += 2;
                    let second = self.four_digits()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return char::from_u32(code);
                    }
                    self.at = back;
                }
                // A lone surrogate: no text of ours can hold it, and none of an answer's does.
                char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return None,
        })
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - from
    }

    fn number(&mut self) -> Option<Literal> {
        let from = self.at;
        self.takes("-");
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => {
                self.digits();
            }
            _ => return None,
        }
        let mut float = false;
        for part in [&b"."[..], b"eE"] {
            let back = self.at;
            if !self.peek().is_some_and(|byte| part.contains(&byte)) {
                continue;
            }
            self.at += 1;
            if part.len() == 2 && matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() > 0 {
                float = true;
            } else {
                // Python ends the number before a mark that no digit follows.
                self.at = back;
            }
        }
        let text = self.text.get(from..self.at)?;
        if float {
            return text.parse().ok().map(Literal::Float);
        }
        match text.parse::<i128>() {
            Ok(value) => Some(Literal::Int(value)),
            Err(_) if text.trim_start_matches('-').len() <= DIGITS_MAX => {
                Some(Literal::Large(text.to_owned()))
            }
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value as JSON, an asterisk before what RFC 8259 would not have.
    fn shown(text: &str) -> String {
        match read(text) {
            Some((value, strict)) => {
                let mark = if strict { "" } else { "*" };
                format!("{mark}{}", serde_json::Value::from(&value))
            }
            None => "-".to_owned(),
        }
    }

    #[test]
    fn texts_are_read_as_python_reads_them() {
        // Right sides by CPython 3.11.
        for (text, expected) in [
            (r#"{"a": 1, "b": [true, null], "a": 2}"#, r#"{"a":2,"b":[true,null]}"#),
            ("[NaN, -Infinity]", r#"*["NaN","-inf"]"#),
            (" 1e5 ", "100000.0"),
            ("-0", "0"),
            ("1.", "-"),
            ("01", "-"),
            ("+1", "-"),
            (".5", "-"),
            ("1e", "-"),
            ("\u{feff}{}", "-"),
            ("\"a\tb\"", "-"),
            (r#""\u00e9\ud55c""#, "\"é한\""),
            (r#""\ud83d\ude00""#, "\"😀\""),
            (r#""\ud83d""#, "\"\u{fffd}\""),
            ("\"\u{7f}\"", "\"\u{7f}\""),
            ("[1,]", "-"),
            ("{\"a\":1,}", "-"),
            ("{'a':1}", "-"),
            ("{} x", "-"),
            ("", "-"),
            (
                "123456789012345678901234567890123456789012345",
                "\"123456789012345678901234567890123456789012345\"",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert!(read(&"[".repeat(10_000)).is_none());
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(read(&deep(900)).is_some());
        assert!(read(&deep(10_000)).is_none());
        assert!(read(&"1".repeat(4300)).is_some() && read(&"1".repeat(4301)).is_none());
    }

    #[test]
    fn python_equality() {
        let equal = |a: &str, b: &str| read(a).unwrap().0.equals(&read(b).unwrap().0);
        for (a, b, expected) in [
            ("1", "1.0", true),
            ("true", "1", true),
            ("false", "0.0", true),
            ("null", "0", false),
            ("NaN", "NaN", false),
            ("[1, true]", "[1.0, 1]", true),
            (r#"{"a":1,"b":2}"#, r#"{"b":2.0,"a":true}"#, true),
            (r#""1""#, "1", false),
            ("9007199254740993", "9007199254740992.0", false),
            ("9007199254740992", "9007199254740992.0", true),
        ] {
            assert_eq!(equal(a, b), expected, "{a} {b}");
        }
    }
}
