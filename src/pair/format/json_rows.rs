//! Rows of JSON files: one object a line, or objects in an array or one after the other.

use std::io::BufRead;

use serde_json::Value;

use super::{Raw, Record, Row};
use crate::pair::Problem;

/// Longest row, in bytes; what is longer is no training pair and would fill the memory.
const ROW_BYTES_MAX: usize = 32 << 20;

/// Rows of a JSON Lines file. Blank lines and a byte order mark are skipped.
pub(super) struct Lines<R> {
    reader: R,
    line: usize,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, line: 0, ended: false }
    }

    /// Reads a line into `bytes`, at most [`ROW_BYTES_MAX`] of it, and tells whether there was one.
    fn line(&mut self, bytes: &mut Vec<u8>) -> std::io::Result<bool> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(!bytes.is_empty());
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(buffer.len());
            let room = (ROW_BYTES_MAX + 1).saturating_sub(bytes.len());
            bytes.extend_from_slice(&buffer[..taken.min(room)]);
            self.reader.consume(end.map_or(taken, |end| end + 1));
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Row, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let mut bytes = Vec::new();
            let found = self.line(&mut bytes);
            self.line += 1;
            match found {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(stops(self.line, &error)));
                }
            }
            if self.line == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
                bytes.drain(..3);
            }
            if bytes.len() > ROW_BYTES_MAX {
                return Some(Err(too_long(self.line)));
            }
            if !bytes.trim_ascii().is_empty() {
                return Some(Ok(Row { place: self.line, raw: Raw::Json(bytes) }));
            }
        }
        self.ended = true;
        None
    }
}

/// Objects in one array, or one after the other; cut apart by brackets and quotes alone, so that one
/// that is no JSON does not end the file.
pub(super) struct Values<R> {
    reader: R,
    line: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Begin,
    /// Between rows; whether they are the elements of an array.
    Between(bool),
    Ended,
}

impl<R: BufRead> Values<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, line: 1, state: State::Begin }
    }

    fn peek(&mut self) -> std::io::Result<Option<u8>> {
        self.reader.fill_buf().map(|buffer| buffer.first().copied())
    }

    /// The next byte that is not white space, which stays unread.
    fn skip_space(&mut self, also: u8) -> std::io::Result<Option<u8>> {
        loop {
            match self.peek()? {
                Some(byte) if byte.is_ascii_whitespace() || byte == also => {
                    self.line += usize::from(byte == b'\n');
                    self.reader.consume(1);
                }
                other => return Ok(other),
            }
        }
    }

    /// Reads up to the comma, the closing bracket or the end that follows an element; without an
    /// array, up to the end of one value.
    fn element(&mut self, in_array: bool, bytes: &mut Vec<u8>) -> std::io::Result<Element> {
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(if in_array || depth > 0 { Element::CutOff } else { Element::Whole });
            }
            let mut taken = 0;
            let mut end = None;
            for byte in buffer {
                if quoted {
                    self.line += usize::from(*byte == b'\n');
                    quoted = *byte != b'"' || escaped;
                    escaped = *byte == b'\\' && !escaped;
                } else {
                    match byte {
                        b'\n' => self.line += 1,
                        b'"' => quoted = true,
                        b'{' | b'[' => depth += 1,
                        b',' | b']' if depth == 0 && in_array => {
                            end = Some(Element::Whole);
                            break;
                        }
                        b'}' | b']' => {
                            depth = depth.saturating_sub(1);
                            if depth == 0 && !in_array {
                                taken += 1;
                                end = Some(Element::Whole);
                                break;
                            }
                        }
                        _ => {}
                    }
                }
                taken += 1;
            }
            bytes.extend_from_slice(&buffer[..taken]);
            self.reader.consume(taken);
            if bytes.len() > ROW_BYTES_MAX {
                return Ok(Element::TooLong);
            }
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    fn step(&mut self) -> Result<Option<Row>, Problem> {
        let line = self.line;
        let broken = |error: std::io::Error| stops(line, &error);
        if self.state == State::Begin {
            if self.peek().map_err(broken)? == Some(0xef) {
                self.reader.consume(3);
            }
            let in_array = self.skip_space(b' ').map_err(broken)? == Some(b'[');
            if in_array {
                self.reader.consume(1);
            }
            self.state = State::Between(in_array);
        }
        let State::Between(in_array) = self.state else { return Ok(None) };
        // Rows after one another may have commas between them too.
        let next = self.skip_space(b',').map_err(broken)?;
        match next {
            None if in_array => return Err(cut_off(self.line)),
            None => return Ok(None),
            Some(b']') if in_array => return Ok(None),
            Some(_) => {}
        }
        let place = self.line;
        let mut bytes = Vec::new();
        match self.element(in_array, &mut bytes).map_err(broken)? {
            Element::Whole => Ok(Some(Row { place, raw: Raw::Json(bytes) })),
            Element::CutOff => Err(cut_off(place)),
            Element::TooLong => Err(too_long(place)),
        }
    }
}

enum Element {
    Whole,
    CutOff,
    TooLong,
}

impl<R: BufRead> Iterator for Values<R> {
    type Item = Result<Row, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Ended {
            return None;
        }
        let step = self.step().transpose();
        if !matches!(step, Some(Ok(_))) {
            self.state = State::Ended;
        }
        step
    }
}

/// Parses one row.
pub(in crate::pair) fn object(bytes: &[u8]) -> Result<Record, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| format!("not UTF-8 from byte {} of the row on", e.valid_up_to() + 1))?;
    // Without the line's end, which the parser would count as a line of its own.
    match serde_json::from_str(text.trim_end()) {
        Ok(Value::Object(record)) => Ok(record),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => {
            // The parser knows one row only; its "line 1" would mislead.
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            Err(match error.line() {
                ..=1 => format!("not JSON at byte {}: {reason}", error.column()),
                line => format!("not JSON in line {line} of the row: {reason}"),
            })
        }
    }
}

fn stops(line: usize, error: &std::io::Error) -> Problem {
    Problem { line, reason: format!("reading stops here: {error}") }
}

fn cut_off(line: usize) -> Problem {
    Problem { line, reason: "the file ends inside the row that begins here".to_owned() }
}

fn too_long(line: usize) -> Problem {
    let reason = format!("the row is longer than {} MiB", ROW_BYTES_MAX >> 20);
    Problem { line, reason }
}
