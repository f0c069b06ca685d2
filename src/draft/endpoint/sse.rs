//! Server-sent events, decoded as bytes arrive
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>).

/// Splits a byte stream into the data of its events. Lines are decoded only when whole, so a
/// character may be split between reads.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Option<String>,
    after_return: bool,
    begun: bool,
}

impl Events {
    /// Takes bytes and adds the data of events that they complete.
    pub fn push(&mut self, bytes: &[u8], complete: &mut Vec<String>) {
        for &byte in bytes {
            let second_half = self.after_return && byte == b'\n';
            self.after_return = byte == b'\r';
            match byte {
                _ if second_half => {}
                b'\r' | b'\n' => self.end_line(complete),
                _ => self.line.push(byte),
            }
        }
    }

    /// Ends the stream. An event without the blank line after it is taken too, unlike in the
    /// specification, since some servers leave the last one out.
    pub fn finish(&mut self, complete: &mut Vec<String>) {
        if !self.line.is_empty() {
            self.end_line(complete);
        }
        complete.extend(self.data.take());
    }

    fn end_line(&mut self, complete: &mut Vec<String>) {
        let bytes = std::mem::take(&mut self.line);
        let decoded = String::from_utf8_lossy(&bytes);
        let mut line: &str = &decoded;
        if !std::mem::replace(&mut self.begun, true) {
            line = line.trim_start_matches('\u{feff}');
        }
        if line.is_empty() {
            complete.extend(self.data.take());
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        // A comment has an empty field name; event, id and retry say nothing to us.
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(bytes: &[u8], piece: usize) -> Vec<String> {
        let (mut events, mut complete) = (Events::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            events.push(piece, &mut complete);
        }
        events.finish(&mut complete);
        complete
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_events() {
        let stream = "\u{feff}: hello\r\n\r\nevent: x\r\ndata: 하중\r\ndata:둘째 줄\r\n\r\nid: 1\n\n\
                      data\n\ndata: a:b\r\rdata: [DONE]";
        let expected = ["하중\n둘째 줄", "", "a:b", "[DONE]"];
        for piece in 1..20 {
            assert_eq!(events(stream.as_bytes(), piece), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        assert_eq!(events(b"data: \xff\xfe\n\n\x00\x80\n", 3), ["\u{fffd}\u{fffd}"]);
        assert!(events(b"", 1).is_empty());
    }
}
