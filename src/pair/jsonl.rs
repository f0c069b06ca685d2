//! JSON Lines of canonical examples: read tolerantly, written strictly.

use std::collections::HashSet;
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

pub use super::check::check;
use super::format::json_rows;
use super::{Example, repair};

/// What is wrong with a line, or what of it could not be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Line number, from 1.
    pub line: usize,
    /// What and why, for people.
    pub reason: String,
}

/// Reads examples with their line numbers (from 1), in NFC.
///
/// A line that cannot be read becomes a problem and the rest still loads. Repaired silently:
/// `arguments` or `tools` as JSON strings, `content` null or in parts, bare tool definitions,
/// missing call identifiers, a byte order mark, blank lines. A key that is left out is told once.
pub fn read(mut reader: impl BufRead) -> (Vec<(usize, Example)>, Vec<Problem>) {
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let (mut bytes, mut line) = (Vec::new(), 0);
    let mut told = HashSet::new();
    loop {
        bytes.clear();
        line += 1;
        match reader.read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                problems.push(Problem { line, reason: format!("reading stops here: {error}") });
                break;
            }
        }
        if line == 1
            && let Some(reason) = other_format(&bytes)
        {
            problems.push(Problem { line, reason });
            break;
        }
        let mut unkept = Vec::new();
        match read_line(&bytes, line, &mut unkept) {
            Ok(None) => {}
            Ok(Some(example)) => {
                rows.push((line, example));
                for key in unkept {
                    if !told.contains(&key) {
                        let reason = format!("{key} is not kept (told once; the row is loaded)");
                        problems.push(Problem { line, reason });
                        told.insert(key);
                    }
                }
            }
            Err(reason) => problems.push(Problem { line, reason }),
        }
    }
    (rows, problems)
}

/// Writes canonical examples, one a line, UTF-8 unescaped, and tells how many.
pub fn write<'a>(
    writer: impl Write,
    examples: impl Iterator<Item = &'a Example>,
) -> io::Result<usize> {
    write_lines(writer, examples)
}

/// Writes any values as JSON Lines and tells how many.
pub(super) fn write_lines<T: Serialize>(
    mut writer: impl Write,
    values: impl Iterator<Item = T>,
) -> io::Result<usize> {
    let mut written = 0;
    for value in values {
        serde_json::to_writer(&mut writer, &value)?;
        writer.write_all(b"\n")?;
        written += 1;
    }
    writer.flush()?;
    Ok(written)
}

fn read_line(
    bytes: &[u8],
    line: usize,
    unkept: &mut Vec<String>,
) -> Result<Option<Example>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| format!("not UTF-8 from byte {} of the line on", e.valid_up_to() + 1))?;
    let text = if line == 1 { text.trim_start_matches('\u{feff}') } else { text };
    // Without the line's end, which the parser would count as a line of its own.
    let text = text.trim_end();
    if text.is_empty() {
        return Ok(None);
    }
    repair::example(json_rows::object(text.as_bytes())?, unkept).map(Some)
}

/// Why the first line shows that this is no UTF-8 JSON Lines at all.
fn other_format(bytes: &[u8]) -> Option<String> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some("the file is UTF-16; save it as UTF-8".to_owned());
    }
    let first =
        bytes.iter().find(|byte| !byte.is_ascii_whitespace() && !b"\xef\xbb\xbf".contains(byte));
    (first == Some(&b'[')).then(|| {
        "the file is one JSON array; one object a line is expected (`jq -c '.[]' FILE` makes it so)"
            .to_owned()
    })
}
