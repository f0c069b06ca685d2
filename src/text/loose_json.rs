//! Reads JSON as models write it: strict JSON first, else with single or typographic quotation
//! marks, line breaks and stray quotation marks in strings, bare keys, trailing commas, Python's
//! words for true and nothing, and no end.

use serde_json::{Map, Value};

/// An object at the beginning of a text.
#[derive(Debug)]
pub(super) struct Object {
    pub value: Value,
    /// Bytes read.
    pub length: usize,
    /// Whether the text ended before the object did.
    pub cut: bool,
}

/// Deepest nesting read leniently; strict JSON has serde_json's own limit.
const DEEPEST: usize = 16;

/// Reads the object that `text` begins with; none where it is no object even by lenient rules.
pub(super) fn read_object(text: &str) -> Option<Object> {
    let mut strict = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    if let Some(Ok(value @ Value::Object(_))) = strict.next() {
        return Some(Object { value, length: strict.byte_offset(), cut: false });
    }
    let mut reader = Reader { text, at: 0, cut: false };
    let value = reader.object(0)?;
    Some(Object { value, length: reader.at, cut: reader.cut })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    cut: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Skips spaces and commas; a missing or doubled comma harms nobody.
    fn skip(&mut self) {
        while self.peek().is_some_and(|c| c.is_whitespace() || c == ',') {
            self.take();
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST || self.take() != Some('{') {
            return None;
        }
        let mut map = Map::new();
        loop {
            self.skip();
            match self.peek() {
                None => {
                    self.cut = true;
                    break;
                }
                Some('}') => {
                    self.take();
                    break;
                }
                // The array ends here, so the object's brace was forgotten.
                Some(']') => break,
                Some(_) => {}
            }
            let key = self.key()?;
            self.skip_spaces();
            match self.take() {
                Some(':' | '：' | '=') => {}
                None => {
                    self.cut = true;
                    break;
                }
                Some(_) => return None,
            }
            self.skip_spaces();
            if self.peek().is_none() {
                self.cut = true;
                break;
            }
            let value = self.value(depth + 1)?;
            map.insert(key, value);
            if self.cut {
                break;
            }
        }
        Some(Value::Object(map))
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.take();
        }
    }

    fn key(&mut self) -> Option<String> {
        // Bare keys are words; anything longer is prose.
        const LONGEST: usize = 40;
        if self.peek().is_some_and(|c| closing(c).is_some()) {
            // Marks inside a key show that a mark was forgotten and what follows was swallowed.
            return Some(self.string()).filter(|key| !key.contains(['"', '{', '}', '[', ']']));
        }
        let mut key = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_alphanumeric() || "_ -".contains(*c)) {
            key.push(c);
            self.take();
            if key.chars().count() > LONGEST {
                return None;
            }
        }
        (!key.is_empty()).then_some(key)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.peek()? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            c if closing(c).is_some() => Some(Value::String(self.string())),
            _ => Some(self.bare()),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST || self.take() != Some('[') {
            return None;
        }
        let mut values = Vec::new();
        loop {
            self.skip();
            match self.peek() {
                None => {
                    self.cut = true;
                    break;
                }
                Some(']') => {
                    self.take();
                    break;
                }
                Some('}') => break,
                Some(_) => {}
            }
            values.push(self.value(depth + 1)?);
            if self.cut {
                break;
            }
        }
        Some(Value::Array(values))
    }

    /// A word or number without quotation marks, up to the end of the line, a comma or a bracket.
    fn bare(&mut self) -> Value {
        let start = self.at;
        while self.peek().is_some_and(|c| !",]}\n".contains(c)) {
            self.take();
        }
        let word = self.text[start..self.at].trim();
        match word {
            "null" | "None" | "" => Value::Null,
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            _ => Value::String(word.to_owned()),
        }
    }

    /// A quoted text. A quotation mark ends it only where a comma, colon, bracket or the end of
    /// the text follows, so that marks inside a sentence stay part of it.
    fn string(&mut self) -> String {
        let Some(close) = self.take().and_then(closing) else {
            return String::new();
        };
        let mut text = String::new();
        loop {
            match self.take() {
                None => {
                    self.cut = true;
                    return text;
                }
                Some('\\') => self.escape(&mut text),
                Some(c) if close.contains(c) => {
                    if self.ends_here() {
                        return text;
                    }
                    text.push(c);
                }
                Some(c) => text.push(c),
            }
        }
    }

    fn ends_here(&self) -> bool {
        let rest = self.text[self.at..].trim_start();
        let mut following = rest.chars();
        match following.next() {
            None | Some(':' | '：' | '}' | ']') => true,
            // A comma ends a string when a key, a value or the end of the list comes after it.
            Some(',') => {
                let next = following.as_str().trim_start();
                let mark =
                    next.chars().next().is_none_or(|c| closing(c).is_some() || "{[]}".contains(c));
                mark || begins_with_bare_key(next)
            }
            // A forgotten comma: the next line begins with a mark.
            Some(c) => closing(c).is_some() && self.text[self.at..].starts_with(['\n', '\r']),
        }
    }

    fn escape(&mut self, text: &mut String) {
        match self.take() {
            None => self.cut = true,
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => {}
            Some('b' | 'f') => text.push(' '),
            Some('u') => text.push(self.unicode_escape().unwrap_or('\u{fffd}')),
            // Markdown's and Python's: \_ \' \* stand for the character itself.
            Some(c) => text.push(c),
        }
    }

    /// The character of `\uXXXX`, or of two that form a surrogate pair.
    fn unicode_escape(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.text[self.at..].starts_with("\\u") {
            return None;
        }
        self.at += 2;
        let second = self.four_digits()?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let number = u32::from_str_radix(digits, 16).ok()?;
        self.at += 4;
        Some(number)
    }
}

/// Tells whether a word and a colon come next.
fn begins_with_bare_key(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    rest.len() < text.len() && rest.starts_with([':', '：'])
}

/// The marks that may close a string opened by `open`.
fn closing(open: char) -> Option<&'static str> {
    match open {
        '"' => Some("\""),
        '\'' => Some("'"),
        '“' | '”' | '„' | '＂' => Some("”“\"＂"),
        '‘' | '’' => Some("’'"),
        '`' => Some("`"),
        _ => None,
    }
}
