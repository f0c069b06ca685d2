//! What an import would make of a file.

use std::path::Path;

use crate::failure::Result;
use crate::pair::{Example, Problem, check};
use crate::project::pair_file::{PairFile, ReadAs};

/// Rows that a preview examines.
const EXAMINED_MAX: usize = 1000;

/// A file as an import would read it.
#[derive(Debug)]
pub struct Preview {
    /// The file and what was recognized.
    pub file: PairFile,
    /// First examples with their lines.
    pub rows: Vec<(usize, Example)>,
    /// Rows examined.
    pub examined: usize,
    /// What is wrong with them, and keys that are not kept.
    pub problems: Vec<Problem>,
}

/// Reads the beginning of a file: `shown` examples and the problems of some hundred rows.
///
/// # Errors
/// When the file cannot be read or its layout is not recognized.
pub fn preview(path: &Path, read_as: &ReadAs, shown: usize) -> Result<Preview> {
    let file = PairFile::open(path, read_as)?;
    let mut unkept = Vec::new();
    let (mut rows, mut problems, mut examined) = (Vec::new(), Vec::new(), 0);
    for row in file.examples(|line, key| unkept.push((line, key.to_owned())))?.take(EXAMINED_MAX) {
        examined += 1;
        match row {
            Ok((line, example)) => {
                problems.extend(check(&example).into_iter().map(|reason| Problem { line, reason }));
                if rows.len() < shown {
                    rows.push((line, example));
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(unkept.into_iter().map(|(line, key)| Problem {
        line,
        reason: format!("{key} is not kept (told once; the row is loaded)"),
    }));
    problems.sort_by_key(|problem| problem.line);
    Ok(Preview { file, rows, examined, problems })
}
