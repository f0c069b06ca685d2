//! JSON as models write it: with single or typographic quotation marks, bare keys, trailing commas,
//! comments, Python's words for true and nothing, and no end.
//!
//! Read in one of two ways. [`Taste::Exact`] takes what can mean one thing only and refuses the rest;
//! scores rest on it. [`Taste::Guessing`] makes the most of a text: words without marks are texts,
//! a mark inside a sentence stays part of it, commas may be missing; people review what comes of it.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

/// How far a reader goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taste {
    /// Nothing is guessed.
    Exact,
    /// What is likeliest is taken.
    Guessing,
}

/// A departure from JSON that was read over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slip {
    /// Single or typographic quotation marks, full-width colons and commas.
    Marks,
    /// `True`, `False`, `None`.
    PythonWords,
    /// A comma before a closing bracket.
    TrailingComma,
    /// Closing brackets that are missing.
    Unclosed,
    /// Keys without quotation marks.
    BareKeys,
    /// Comments.
    Comments,
    /// Line breaks and tabs in a text that are not escaped.
    LineBreaks,
}

/// A value at the beginning of a text.
#[derive(Debug)]
pub struct Loose {
    /// The value.
    pub value: Value,
    /// Bytes read.
    pub length: usize,
    /// Whether the text ended before the value did.
    pub cut: bool,
    /// What was read over. Kept for [`Taste::Exact`] only.
    pub slips: BTreeSet<Slip>,
}

/// Reads the object that `text` begins with, guessing; none where it is no object even so.
pub fn read_object(text: &str) -> Option<Loose> {
    let mut strict = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    if let Some(Ok(value @ Value::Object(_))) = strict.next() {
        let length = strict.byte_offset();
        return Some(Loose { value, length, cut: false, slips: BTreeSet::new() });
    }
    if !text.starts_with('{') {
        return None;
    }
    Reader::new(text, Taste::Guessing, false).read().0
}

/// Reads the value that `text` begins with without guessing, and tells how many bytes were looked at.
/// `is_whole` says that the text ends because what stands in it ends, so that a number at its end is
/// all there.
pub fn read_exactly(text: &str, is_whole: bool) -> (Option<Loose>, usize) {
    Reader::new(text, Taste::Exact, is_whole).read()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    taste: Taste,
    is_whole: bool,
    cut: bool,
    slips: BTreeSet<Slip>,
}

/// What follows an element.
enum Next {
    Element,
    End,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, taste: Taste, is_whole: bool) -> Self {
        Self { text, at: 0, taste, is_whole, cut: false, slips: BTreeSet::new() }
    }

    fn read(mut self) -> (Option<Loose>, usize) {
        let value = self.value(0);
        let (length, cut, slips) = (self.at, self.cut, self.slips);
        (value.map(|value| Loose { value, length, cut, slips }), length)
    }

    fn is_exact(&self) -> bool {
        self.taste == Taste::Exact
    }

    /// Deepest nesting read.
    fn deepest(&self) -> usize {
        if self.is_exact() { 100 } else { 16 }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.take();
        }
        if self.is_exact() && self.skip_comment() {
            self.slips.insert(Slip::Comments);
            self.skip_spaces_and_comments();
        }
    }

    fn skip_spaces_and_comments(&mut self) {
        loop {
            while self.peek().is_some_and(char::is_whitespace) {
                self.take();
            }
            if !self.skip_comment() {
                return;
            }
        }
    }

    /// Skips one comment of C, C++ or Python; a comment without an end takes the rest.
    fn skip_comment(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let length = if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("//") || rest.starts_with('#') {
            rest.find('\n').unwrap_or(rest.len())
        } else {
            return false;
        };
        self.at += length;
        true
    }

    /// What comes before the next element or instead of it. None where the text is not read on.
    fn next(&mut self, close: char, first: bool) -> Option<Next> {
        if !self.is_exact() {
            // A missing or doubled comma harms nobody.
            while self.peek().is_some_and(|c| c.is_whitespace() || c == ',') {
                self.take();
            }
        }
        self.skip_spaces();
        let mut comma = false;
        if self.is_exact() && !first && matches!(self.peek(), Some(',' | '，')) {
            if self.take() == Some('，') {
                self.slips.insert(Slip::Marks);
            }
            comma = true;
            self.skip_spaces();
        }
        match self.peek() {
            None => {
                self.cut = true;
                // Something was to follow, and nobody knows what.
                if self.is_exact() && (first || comma) {
                    return None;
                }
                self.slips.insert(Slip::Unclosed);
            }
            Some(c) if c == close => {
                self.take();
                if comma {
                    self.slips.insert(Slip::TrailingComma);
                }
            }
            // The bracket around this one ends, so this one's was forgotten.
            Some('}' | ']') if !(self.is_exact() && (first || comma)) => {
                self.slips.insert(Slip::Unclosed);
            }
            Some(_) if !self.is_exact() || first || comma => return Some(Next::Element),
            Some(_) => return None,
        }
        Some(Next::End)
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        if depth > self.deepest() || self.take() != Some('{') {
            return None;
        }
        let mut map = Map::new();
        while let Next::Element = self.next('}', map.is_empty())? {
            let key = self.key()?;
            self.skip_spaces();
            match self.take() {
                Some(':') => {}
                Some('：') => {
                    self.slips.insert(Slip::Marks);
                }
                Some('=') if !self.is_exact() => {}
                None if !self.is_exact() => {
                    self.cut = true;
                    break;
                }
                _ => return None,
            }
            self.skip_spaces();
            if self.peek().is_none() && !self.is_exact() {
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

    fn array(&mut self, depth: usize) -> Option<Value> {
        if depth > self.deepest() || self.take() != Some('[') {
            return None;
        }
        let mut values = Vec::new();
        while let Next::Element = self.next(']', values.is_empty())? {
            values.push(self.value(depth + 1)?);
            if self.cut {
                break;
            }
        }
        Some(Value::Array(values))
    }

    fn key(&mut self) -> Option<String> {
        // Bare keys are words; anything longer is prose.
        const LONGEST: usize = 40;
        if self.peek().is_some_and(|c| closing(c).is_some()) {
            if self.is_exact() {
                return self.exact_string();
            }
            // Marks inside a key show that a mark was forgotten and what follows was swallowed.
            return Some(self.string()).filter(|key| !key.contains(['"', '{', '}', '[', ']']));
        }
        let of_key = if self.is_exact() { "_-.$" } else { "_ -" };
        let mut key = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_alphanumeric() || of_key.contains(*c)) {
            key.push(c);
            self.take();
            if key.chars().count() > LONGEST {
                return None;
            }
        }
        self.slips.insert(Slip::BareKeys);
        (!key.is_empty()).then_some(key)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.peek()? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            c if closing(c).is_some() => {
                let text = if self.is_exact() { self.exact_string()? } else { self.string() };
                Some(Value::String(text))
            }
            _ if self.is_exact() => self.exact_word(),
            _ => Some(self.bare()),
        }
    }

    /// A number, a truth value or nothing.
    fn exact_word(&mut self) -> Option<Value> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_alphanumeric() || "+-._".contains(c)) {
            self.take();
        }
        let word = &self.text[start..self.at];
        let python = match word {
            "true" => return Some(Value::Bool(true)),
            "false" => return Some(Value::Bool(false)),
            "null" => return Some(Value::Null),
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::Null,
            // More digits may have been to come.
            _ if self.peek().is_none() && !self.is_whole => return None,
            _ => return word.parse::<Number>().ok().map(Value::Number),
        };
        self.slips.insert(Slip::PythonWords);
        Some(python)
    }

    /// A quoted text that ends at the first mark that closes it.
    fn exact_string(&mut self) -> Option<String> {
        let close = match self.take()? {
            '"' => '"',
            open => {
                self.slips.insert(Slip::Marks);
                match open {
                    '\'' => '\'',
                    '“' | '”' => '”',
                    '‘' | '’' => '’',
                    '＂' => '＂',
                    _ => return None,
                }
            }
        };
        let mut text = String::new();
        loop {
            match self.take()? {
                c if c == close => return Some(text),
                '\\' => text.push(self.exact_escape()?),
                c => {
                    if c.is_control() {
                        self.slips.insert(Slip::LineBreaks);
                    }
                    text.push(c);
                }
            }
        }
    }

    /// The escapes of JSON, and the single mark that Python escapes.
    fn exact_escape(&mut self) -> Option<char> {
        Some(match self.take()? {
            c @ ('"' | '\\' | '/') => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode_escape()?,
            '\'' => {
                self.slips.insert(Slip::Marks);
                '\''
            }
            _ => return None,
        })
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
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
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

#[cfg(test)]
mod tests;
