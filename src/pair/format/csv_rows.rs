//! Rows of CSV files.

use std::io::Read;

use serde_json::Value;

use super::{Raw, Record, Row};
use crate::pair::Problem;

/// Rows of a file with a header. Cells are UTF-8, or else CP949, as spreadsheet programs on Korean
/// Windows write them; the first cell that is not ASCII decides.
pub(super) struct Records<R> {
    reader: csv::Reader<R>,
    names: Result<Vec<String>, String>,
    cp949: Option<bool>,
    ended: bool,
}

impl<R: Read> Records<R> {
    pub fn new(reader: R, delimiter: u8) -> Self {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .terminator(csv::Terminator::Any(b'\n'))
            .flexible(true)
            .from_reader(reader);
        let mut cp949 = None;
        let names = match reader.byte_headers() {
            Ok(header) => header.iter().map(|name| cell(name, &mut cp949)).collect(),
            Err(error) => Err(error.to_string()),
        };
        let names = names.map(|names: Vec<String>| {
            // A byte order mark that the parser left in place.
            names.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect()
        });
        Self { reader, names, cp949, ended: false }
    }
}

impl<R: Read> Records<R> {
    /// The next row that is not blank; none at the end.
    fn row(&mut self) -> Result<Option<Row>, Problem> {
        let names = match &self.names {
            Ok(names) => names,
            Err(reason) => {
                self.ended = true;
                return Err(Problem { line: 1, reason: format!("the header: {reason}") });
            }
        };
        let mut cells = csv::ByteRecord::new();
        loop {
            match self.reader.read_byte_record(&mut cells) {
                Ok(true) if is_blank(&cells) => {}
                Ok(true) => break,
                Ok(false) => return Ok(None),
                Err(error) => {
                    self.ended = true;
                    let line = self.reader.position().line() as usize;
                    return Err(Problem { line, reason: format!("reading stops here: {error}") });
                }
            }
        }
        // The parser's own number is that of the first blank line before the row, where there is one.
        let before = cells.position().map_or(0, |position| position.line() as usize);
        let within = cells.as_slice().split(|byte| *byte == b'\n').count() - 1;
        let line = before.max((self.reader.position().line() as usize).saturating_sub(1 + within));
        let problem = |reason: String| Problem { line, reason };
        if cells.len() > names.len() {
            return Err(problem(format!(
                "{} cells where the header has {} names; quote cells that hold the delimiter",
                cells.len(),
                names.len()
            )));
        }
        let mut record = Record::new();
        let last = cells.len().saturating_sub(1);
        for (at, (name, bytes)) in names.iter().zip(&cells).enumerate() {
            let bytes = if at == last { without_return(bytes) } else { bytes };
            let text = cell(bytes, &mut self.cp949)
                .map_err(|reason| problem(format!("`{name}`: {reason}")))?;
            if !text.is_empty() {
                record.insert(name.clone(), Value::String(text));
            }
        }
        Ok(Some(Row { place: line, raw: Raw::Record(record) }))
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<Row, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.row().transpose();
        self.ended |= row.is_none();
        row
    }
}

/// Lines end with a line feed alone: with the parser's own rule for a return before it, the line feed
/// is read with the next row, whose number is then one too low.
fn without_return(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

fn is_blank(cells: &csv::ByteRecord) -> bool {
    cells.len() == 1 && cells.get(0).is_some_and(|cell| without_return(cell).is_empty())
}

fn cell(bytes: &[u8], cp949: &mut Option<bool>) -> Result<String, String> {
    if bytes.is_ascii() {
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    let utf8 = std::str::from_utf8(bytes);
    match (*cp949.get_or_insert(utf8.is_err()), utf8) {
        (false, Ok(text)) => Ok(text.to_owned()),
        (false, Err(error)) => Err(format!("not UTF-8 from byte {} on", error.valid_up_to() + 1)),
        (true, _) => encoding_rs::EUC_KR
            .decode_without_bom_handling_and_without_replacement(bytes)
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| "neither UTF-8 nor CP949".to_owned()),
    }
}
