//! What kind of file it is, from its first bytes.

use super::Format;

/// How rows lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// One JSON object a line.
    Lines,
    /// JSON objects in one array, or one after the other over several lines each.
    Values,
    /// Comma-separated values, or with another delimiter.
    Csv {
        /// The byte between two cells.
        delimiter: u8,
    },
    /// Apache Parquet.
    Parquet,
}

impl Container {
    /// Finds the container from the first bytes of a file; `format` overrules where it implies one.
    ///
    /// # Errors
    /// Names what the file is instead, and what to do.
    pub fn detect(head: &[u8], format: Option<Format>) -> Result<Self, String> {
        if head.starts_with(b"PAR1") {
            return Ok(Self::Parquet);
        }
        foreign(head)?;
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let start = text.iter().position(|byte| !byte.is_ascii_whitespace());
        let Some(text) = start.map(|at| &text[at..]) else {
            return Err("the file is empty".to_owned());
        };
        match (format, text[0]) {
            (Some(Format::Parquet), _) => {
                Err("no Parquet file: it does not begin with PAR1".to_owned())
            }
            (Some(Format::Csv), _) => Ok(Self::Csv { delimiter: delimiter(text) }),
            (_, b'[') => Ok(Self::Values),
            (_, b'{') => Ok(if is_open(first_line(text)) { Self::Values } else { Self::Lines }),
            (None | Some(Format::Alpaca), _) if is_table(text) => {
                Ok(Self::Csv { delimiter: delimiter(text) })
            }
            _ => Err("neither JSON, CSV with a header, nor Parquet".to_owned()),
        }
    }

    /// The container's name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lines => "JSON Lines",
            Self::Values => "JSON",
            Self::Csv { delimiter: b'\t' } => "CSV with tabs",
            Self::Csv { delimiter: b';' } => "CSV with semicolons",
            Self::Csv { .. } => "CSV",
            Self::Parquet => "Parquet",
        }
    }

    /// What a row's place counts: "line" or "row".
    pub fn counts(self) -> &'static str {
        if self == Self::Parquet { "row" } else { "line" }
    }
}

/// Refuses files of kinds that can be told by their first bytes.
fn foreign(head: &[u8]) -> Result<(), String> {
    let (what, instead) = if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        ("UTF-16", "save it as UTF-8")
    } else if head.starts_with(b"PK\x03\x04") {
        ("a ZIP archive or a spreadsheet workbook", "save the sheet as CSV (UTF-8), or unpack it")
    } else if head.starts_with(b"\x1f\x8b") || head.starts_with(b"\x28\xb5\x2f\xfd") {
        ("compressed", "unpack it first")
    } else if head.starts_with(b"SQLite format 3\0") {
        ("a SQLite file", "export its rows first")
    } else if head.starts_with(b"ARROW1") {
        ("an Arrow file", "save it as Parquet: `dataset.to_parquet(...)`")
    } else {
        return Ok(());
    };
    Err(format!("the file is {what}; {instead}"))
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == b'\n').next().unwrap_or(text)
}

/// Tells whether a text that begins like an object only breaks off before its end.
fn is_open(line: &[u8]) -> bool {
    let mut values =
        serde_json::Deserializer::from_slice(line).into_iter::<serde::de::IgnoredAny>();
    matches!(values.next(), Some(Err(error)) if error.is_eof())
}

/// The candidate that occurs most often in the header, outside quotes.
fn delimiter(text: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0_usize), (b'\t', 0), (b';', 0)];
    for byte in first_line(text) {
        quoted ^= *byte == b'"';
        for (candidate, count) in &mut counts {
            *count += usize::from(!quoted && byte == candidate);
        }
    }
    // The first of equals, hence the reversal.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(candidate, _)| *candidate)
}

fn is_table(text: &[u8]) -> bool {
    let line = first_line(text);
    !line.contains(&0) && line.contains(&delimiter(text))
}
