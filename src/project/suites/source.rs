//! Files of other evaluations on disk, as rows.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::evaluate::import::SourceFile;
use crate::failure::{Context as _, Failure, Result};
use crate::pair::format::{self, Container, Rows};

/// Endings of files that may hold rows.
const ENDINGS: [&str; 6] = ["json", "jsonl", "ndjson", "csv", "tsv", "parquet"];
/// Folder of BFCL's answers, beside the questions.
const ANSWERS: &str = "possible_answer";
/// FunctionChat-Bench's standing instructions, beside its rows.
const SYSTEM: &str = "system_prompt.txt";
/// Bytes that tell the container.
const HEAD_BYTES: u64 = 64 << 10;
/// The header of MMLU's own files, which have none.
const MMLU_HEADER: &str = "question,A,B,C,D,answer\n";

/// The files that `path` names: itself, or those of a folder that may hold rows, by name.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let is_folder = fs::metadata(path).because(path.display())?.is_dir();
    if !is_folder {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).because(path.display())? {
        let file = entry.because(path.display())?.path();
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if file.is_file() && ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) {
            found.push(file);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Failure::user(format!(
            "{}: no file that could hold questions",
            path.display()
        ))
        .hint(format!("looked for {}; name the folder that they lie in", ENDINGS.join(", "))));
    }
    Ok(found)
}

/// Reads a file and what belongs to it.
pub(super) fn read(path: &Path) -> Result<SourceFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let answers = folder.join(ANSWERS).join(&name);
    let mut by_id = BTreeMap::new();
    if answers.is_file() {
        for (_, row) in rows(&answers)? {
            let Ok(row) = row else { continue };
            if let Some(Value::String(id)) = row.get("id") {
                by_id.insert(id.clone(), row);
            }
        }
    }
    let system = folder.join(SYSTEM);
    let system = if system.is_file() {
        Some(fs::read_to_string(&system).because(system.display())?)
    } else {
        None
    };
    Ok(SourceFile { rows: rows(path)?, name, answers: by_id, system })
}

type PlacedRows = Vec<(usize, Result<crate::evaluate::import::Record, String>)>;

fn rows(path: &Path) -> Result<PlacedRows> {
    let mut head = Vec::new();
    let file = File::open(path).because(path.display())?;
    file.take(HEAD_BYTES).read_to_end(&mut head).because(path.display())?;
    let container = Container::detect(&head, None)
        .map_err(|reason| Failure::user(format!("{}: {reason}", path.display())))?;
    let file = File::open(path).because(path.display())?;
    let mut lines_before = 0;
    let rows: Rows<'static> = if container == Container::Parquet {
        format::parquet_rows(file)
    } else if is_headless(container, &head) {
        lines_before = 1;
        let header = Cursor::new(MMLU_HEADER.as_bytes());
        format::text_rows(container, BufReader::new(header.chain(file)))
    } else {
        format::text_rows(container, BufReader::new(file))
    };
    let placed = rows.map(|row| match row {
        Ok(row) => (row.place - lines_before, row.record()),
        Err(problem) => (problem.line.saturating_sub(lines_before), Err(problem.reason)),
    });
    Ok(placed.collect())
}

/// Tells whether a table begins with a question, not with names: six cells, of which the last is the
/// letter of an option.
fn is_headless(container: Container, head: &[u8]) -> bool {
    let Container::Csv { delimiter: b',' } = container else { return false };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(head);
    let mut first = csv::ByteRecord::new();
    let last = |record: &csv::ByteRecord| record.get(5).map(<[u8]>::trim_ascii).map(<[u8]>::to_vec);
    matches!(reader.read_byte_record(&mut first), Ok(true))
        && first.len() == 6
        && last(&first).is_some_and(|cell| matches!(cell.as_slice(), [b'A'..=b'D']))
}
