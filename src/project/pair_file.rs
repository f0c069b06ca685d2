//! A file of pairs on disk: what it holds is found out once, then its rows are read one by one.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::failure::{Context as _, Failure, Result};
use crate::pair::format::{self, Container, Format, Layout, Mapping, Record, Rows};
use crate::pair::{Example, Problem};

/// Bytes that tell the container.
const HEAD_BYTES: usize = 64 << 10;
/// Rows that tell the layout.
const SAMPLE_ROWS: usize = 50;
/// Rows that are looked at for a sample, where many cannot be read.
const SAMPLE_TRIES: usize = 1000;
/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// How a file is to be read; what is not said is found out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadAs {
    /// Its format.
    pub format: Option<Format>,
    /// Columns by their meaning.
    pub mapping: Mapping,
}

/// A file of pairs and how it is read.
#[derive(Debug, Clone)]
pub struct PairFile {
    path: PathBuf,
    /// How rows lie in it.
    pub container: Container,
    /// What they mean.
    pub layout: Layout,
    /// Its size.
    pub bytes: u64,
}

impl PairFile {
    /// Finds out what the file holds.
    ///
    /// # Errors
    /// Names the file, what is missing or ambiguous, and what to do.
    pub fn open(path: &Path, read_as: &ReadAs) -> Result<Self> {
        let file = File::open(path).because(path.display())?;
        let bytes = file.metadata().because(path.display())?.len();
        let mut head = Vec::new();
        file.take(HEAD_BYTES as u64).read_to_end(&mut head).because(path.display())?;
        let refused = |reason: String| {
            Failure::user(format!("{}: {reason}", path.display())).hint(
                "files of pairs are JSON Lines, JSON, CSV with a header, or Parquet; \
                 `hone pairs import FILE --preview` shows what is recognized",
            )
        };
        let container = Container::detect(&head, read_as.format).map_err(refused)?;
        let mut file = Self {
            path: path.to_owned(),
            container,
            layout: Layout { shape: format::Shape::Messages, mapping: Mapping::default() },
            bytes,
        };
        let sample = file.sample()?;
        let layout = Layout::detect(&sample, read_as.format, &read_as.mapping);
        file.layout = layout.map_err(|reason| {
            Failure::user(format!("{}: {reason}", path.display()))
                .hint("say which column is which: `--map question=COLUMN,answer=COLUMN`")
                .hint("messages look like this: {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}, {\"role\": \"assistant\", \"content\": \"...\"}]}")
        })?;
        Ok(file)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was recognized, for people: `CSV, question=Q, answer=A`.
    pub fn description(&self) -> String {
        let mut text = format!("{}, {}", self.container.name(), self.layout.shape.name());
        for (target, column) in &self.layout.mapping.0 {
            let _ = write!(text, ", {target}={column}");
        }
        text
    }

    /// The rows from the first on, and a counter of how far reading is, in the units of
    /// [`Self::extent`].
    pub fn rows(&self) -> Result<(Rows<'static>, Arc<AtomicU64>)> {
        let file = File::open(&self.path).because(self.path.display())?;
        let done = Arc::new(AtomicU64::new(0));
        let rows: Rows<'static> = if self.container == Container::Parquet {
            let done = Arc::clone(&done);
            Box::new(format::parquet_rows(file).inspect(move |_| {
                done.fetch_add(1, Ordering::Relaxed);
            }))
        } else {
            let counted = Counted { file, done: Arc::clone(&done) };
            format::text_rows(self.container, BufReader::with_capacity(BUFFER_BYTES, counted))
        };
        Ok((rows, done))
    }

    /// How much there is to read, and its unit: bytes of a text, rows of a Parquet file.
    pub fn extent(&self) -> (Option<u64>, &'static str) {
        if self.container != Container::Parquet {
            return (Some(self.bytes), "bytes");
        }
        let rows = File::open(&self.path).ok().map(format::parquet_row_count);
        (rows.and_then(std::result::Result::ok), "rows")
    }

    /// Reads row after row: its place, and the example it means or why it means none. `unkept` is
    /// told the names of keys that are left out, once each.
    ///
    /// # Errors
    /// When the file cannot be opened any more.
    pub fn examples(
        &self,
        mut unkept: impl FnMut(usize, &str),
    ) -> Result<impl Iterator<Item = Result<(usize, Example), Problem>>> {
        let layout = self.layout.clone();
        let mut told = std::collections::HashSet::new();
        Ok(self.rows()?.0.map(move |row| {
            let row = row?;
            let line = row.place;
            let mut left_out = Vec::new();
            let example = row.record().and_then(|record| layout.example(record, &mut left_out));
            for key in left_out {
                if !told.contains(&key) {
                    unkept(line, &key);
                    told.insert(key);
                }
            }
            example.map(|example| (line, example)).map_err(|reason| Problem { line, reason })
        }))
    }

    fn sample(&self) -> Result<Vec<Record>> {
        let (mut sample, mut problem) = (Vec::new(), None);
        for row in self.rows()?.0.take(SAMPLE_TRIES) {
            let line = row.as_ref().map_or(0, |row| row.place);
            let record =
                row.and_then(|row| row.record().map_err(|reason| Problem { line, reason }));
            match record {
                Ok(record) => sample.push(record),
                Err(other) => problem = problem.or(Some(other)),
            }
            if sample.len() == SAMPLE_ROWS {
                break;
            }
        }
        if !sample.is_empty() {
            return Ok(sample);
        }
        let name = self.path.display();
        Err(Failure::user(match problem {
            None => format!("{name}: the file is empty"),
            Some(Problem { line, reason }) => {
                format!("{name}: {} {line}: {reason}", self.container.counts())
            }
        })
        .hint(r#"one object a line is expected: {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}"#))
    }
}

/// A file that tells how far it was read.
struct Counted {
    file: File,
    done: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.done.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
