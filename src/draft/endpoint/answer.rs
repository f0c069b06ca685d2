//! Reads the body of a completion: a stream of events, or one JSON object where the server does
//! not stream.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::draft::parse::beginning;
use crate::failure::Failure;

use super::exchange::Trouble;
use super::sse::Events;

/// A completion as read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub text: String,
    /// Whether a length limit ended it.
    pub cut: bool,
}

/// Most bytes read for one answer, whatever is in them.
const MOST_BYTES: usize = 32 << 20;

/// Reads a body as its bytes arrive.
pub(super) struct Reader {
    form: Form,
    bytes_read: usize,
    text: String,
    /// Calls of tools by their index: name and arguments, as far as they have come.
    calls: BTreeMap<u64, (String, String)>,
    text_limit: usize,
    /// A length limit was met, the model's or ours.
    cut: bool,
    /// The model said that it is finished.
    finished: bool,
    /// Nothing more needs to be read.
    done: bool,
}

enum Form {
    /// Nothing but white space so far.
    Unknown,
    Stream {
        events: Events,
        any: bool,
    },
    Whole(Vec<u8>),
}

impl Reader {
    /// Makes a reader that keeps at most `text_limit` bytes of text.
    pub fn new(text_limit: usize) -> Self {
        Self {
            form: Form::Unknown,
            bytes_read: 0,
            text: String::new(),
            calls: BTreeMap::new(),
            text_limit,
            cut: false,
            finished: false,
            done: false,
        }
    }

    /// Tells whether the answer is complete, so that the rest need not be read.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Takes bytes of the body and passes on the text in them.
    pub fn push(&mut self, bytes: &[u8], on_text: &mut dyn FnMut(&str)) -> Result<(), Trouble> {
        self.bytes_read += bytes.len();
        if self.bytes_read > MOST_BYTES {
            self.cut = true;
            self.done = true;
            return if self.text.is_empty() {
                Err(Trouble::Final(Failure::user(format!(
                    "{} MiB came and no text in them",
                    MOST_BYTES >> 20
                ))))
            } else {
                Ok(())
            };
        }
        if matches!(self.form, Form::Unknown) {
            // Servers that ignore `stream` rarely get the content type wrong, proxies do; the
            // first byte is surer.
            let blank = |byte: &u8| byte.is_ascii_whitespace() || b"\xef\xbb\xbf".contains(byte);
            match bytes.iter().find(|byte| !blank(byte)) {
                None => return Ok(()),
                Some(b'{' | b'[') => self.form = Form::Whole(Vec::new()),
                Some(b'<') => {
                    return Err(Trouble::Final(
                        Failure::user("a web page came instead of an answer")
                            .hint("The address usually ends in /v1."),
                    ));
                }
                Some(_) => self.form = Form::Stream { events: Events::default(), any: false },
            }
        }
        let mut complete = Vec::new();
        match &mut self.form {
            Form::Whole(body) => body.extend_from_slice(bytes),
            Form::Stream { events, any } => {
                events.push(bytes, &mut complete);
                *any |= !complete.is_empty();
            }
            Form::Unknown => {}
        }
        self.take_events(&complete, on_text)
    }

    /// Ends the body.
    pub fn finish(mut self, on_text: &mut dyn FnMut(&str)) -> Result<Answer, Trouble> {
        let passing = |what: String| Err(Trouble::passing(Failure::user(what)));
        match std::mem::replace(&mut self.form, Form::Unknown) {
            Form::Unknown => return passing("the answer has no content".to_owned()),
            Form::Whole(body) => {
                let body = String::from_utf8_lossy(&body);
                let Ok(value) = serde_json::from_str::<Value>(&body) else {
                    return passing(format!(
                        "the answer is no whole JSON: \"{}\"",
                        beginning(&body, 80)
                    ));
                };
                if !self.take_chunk(&value, on_text)? {
                    return Err(Trouble::Final(Failure::user(format!(
                        "the answer has no choices: \"{}\"",
                        beginning(&body, 80)
                    ))));
                }
            }
            Form::Stream { mut events, mut any } => {
                let mut complete = Vec::new();
                if !self.done {
                    events.finish(&mut complete);
                    any |= !complete.is_empty();
                    self.take_events(&complete, on_text)?;
                }
                if !any {
                    return passing("the answer is neither JSON nor an event stream".to_owned());
                }
                if !(self.done || self.finished) {
                    return passing("the answer broke off before its end".to_owned());
                }
            }
        }
        self.write_calls();
        Ok(Answer { text: self.text, cut: self.cut })
    }

    fn take_events(
        &mut self,
        complete: &[String],
        on_text: &mut dyn FnMut(&str),
    ) -> Result<(), Trouble> {
        for data in complete {
            if self.done {
                break;
            }
            let data = data.trim();
            if data == "[DONE]" {
                self.done = true;
            } else if let Ok(value) = serde_json::from_str::<Value>(data) {
                self.take_chunk(&value, on_text)?;
            } else {
                // Some servers leave out the blank line between events.
                for line in data.lines().map(str::trim).filter(|line| !line.is_empty()) {
                    if line == "[DONE]" {
                        self.done = true;
                        break;
                    }
                    let value = serde_json::from_str::<Value>(line).map_err(|_| {
                        Trouble::passing(Failure::user(format!(
                            "part of the answer is no JSON: \"{}\"",
                            beginning(line, 80)
                        )))
                    })?;
                    self.take_chunk(&value, on_text)?;
                }
            }
        }
        Ok(())
    }

    /// Takes a chunk of a stream, or a whole answer; tells whether it has choices.
    fn take_chunk(
        &mut self,
        value: &Value,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<bool, Trouble> {
        if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
            return Err(stated_error(error));
        }
        // The chunk with the usage has no choices.
        let Some(choice) = value.pointer("/choices/0") else {
            return Ok(false);
        };
        // A refusal is text too: it then shows up in the report.
        let parts =
            ["/delta/content", "/delta/refusal", "/message/content", "/message/refusal", "/text"];
        for text in parts.iter().filter_map(|part| choice.pointer(part)).filter_map(plain_text) {
            self.take_text(&text, on_text);
        }
        for part in ["/delta/tool_calls", "/message/tool_calls"] {
            let calls = choice.pointer(part).and_then(Value::as_array);
            for (place, call) in (0..).zip(calls.into_iter().flatten()) {
                self.take_call(place, call);
            }
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finished = true;
            self.cut |= reason == "length";
        }
        Ok(true)
    }

    /// Takes a piece of a call: a stream gives the name once and the arguments bit by bit.
    fn take_call(&mut self, place: u64, call: &Value) {
        let index = call.get("index").and_then(Value::as_u64).unwrap_or(place);
        let held: usize = self.calls.values().map(|(_, arguments)| arguments.len()).sum();
        let (name, arguments) = self.calls.entry(index).or_default();
        if let Some(given) = call.pointer("/function/name").and_then(Value::as_str)
            && name.is_empty()
        {
            given.clone_into(name);
        }
        match call.pointer("/function/arguments") {
            Some(Value::String(part)) if held + part.len() <= self.text_limit => {
                arguments.push_str(part);
            }
            Some(Value::String(_)) => self.cut = true,
            // Some servers give the object itself.
            Some(object @ Value::Object(_)) => *arguments = object.to_string(),
            _ => {}
        }
    }

    /// Writes the calls after the text, in the Hermes form; arguments stay as the model wrote them,
    /// valid JSON or not.
    fn write_calls(&mut self) {
        for (name, arguments) in std::mem::take(&mut self.calls).into_values() {
            if !self.text.is_empty() && !self.text.ends_with('\n') {
                self.text.push('\n');
            }
            let name = Value::from(name);
            let arguments = if arguments.trim().is_empty() { "{}" } else { arguments.trim() };
            let call = format!("{{\"name\": {name}, \"arguments\": {arguments}}}");
            let _ = write!(self.text, "<tool_call>\n{call}\n</tool_call>");
        }
    }

    fn take_text(&mut self, text: &str, on_text: &mut dyn FnMut(&str)) {
        let mut room = self.text_limit.saturating_sub(self.text.len()).min(text.len());
        while !text.is_char_boundary(room) {
            room -= 1;
        }
        if room > 0 {
            on_text(&text[..room]);
            self.text.push_str(&text[..room]);
        }
        if room < text.len() {
            self.cut = true;
            self.done = true;
        }
    }
}

/// Content is a string, or a list of parts with a `text` each.
fn plain_text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            Some(parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect())
        }
        _ => None,
    }
}

/// An error that came in place of an answer, after a status that promised one.
fn stated_error(error: &Value) -> Trouble {
    let failure = Failure::user(format!("the server reports: {}", error_message(error)));
    match error.get("code").and_then(Value::as_u64) {
        Some(400..=407 | 409..=424) => Trouble::Final(failure),
        _ => Trouble::passing(failure),
    }
}

fn error_message(error: &Value) -> String {
    const MOST: usize = 300;
    let message = error.as_str().or_else(|| error.get("message").and_then(Value::as_str));
    let code = error.get("code").and_then(Value::as_str);
    match (message, code) {
        (Some(message), Some(code)) if !message.contains(code) => {
            format!("{} ({code})", beginning(message, MOST))
        }
        (Some(message), _) => beginning(message, MOST),
        (None, _) => beginning(&error.to_string(), MOST),
    }
}

/// What the body of a refused request says, in one line.
pub(super) fn error_text(body: &str) -> String {
    const MOST: usize = 200;
    match serde_json::from_str::<Value>(body) {
        Ok(value) => {
            let error = ["error", "detail", "message"].iter().find_map(|key| value.get(key));
            error_message(error.unwrap_or(&value))
        }
        // A proxy's web page says nothing of use.
        Err(_) if body.trim_start().starts_with('<') => String::new(),
        Err(_) => beginning(body, MOST),
    }
}
