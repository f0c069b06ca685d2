//! Pools of general conversation that the user added to a project: files in its folder `pools/`.

use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::Store;
use super::pair_file::{PairFile, ReadAs};
use crate::failure::{Context as _, Failure, Result};
use crate::pair::format::{Format, RowWriter};
use crate::pair::{Example, Problem, check};
use crate::progress::{OnProgress, Progress};
use crate::whole_file::write_whole_with;

const FOLDER: &str = "pools";
/// Rows of one pool that are read for a mix: far more than a mix of the usual size draws, and few
/// enough to be held in memory.
const ROWS_MAX: usize = 20_000;
/// Problems that are named one by one; beyond that they are counted.
const PROBLEMS_MAX: usize = 1000;
/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 1000;

/// What adding a pool did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolAdded {
    /// The pool's name, for taking it away again.
    pub name: String,
    /// What the file was taken for.
    pub read_as: String,
    /// Conversations in it.
    pub rows: usize,
    /// Rows left out, in all.
    pub faults: usize,
    /// The first of them.
    pub problems: Vec<Problem>,
}

impl Store {
    /// Reads the conversations of a file into a pool of the project, in place of one of that name;
    /// none when it was stopped, and then nothing changed. Rows that fail [`check`] are left out.
    ///
    /// # Errors
    /// When the file cannot be read or holds no usable row.
    pub fn add_pool(
        &self,
        path: &Path,
        read_as: &ReadAs,
        on_progress: &mut OnProgress<'_>,
    ) -> Result<Option<PoolAdded>> {
        let file = PairFile::open(path, read_as)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut added = PoolAdded { name, read_as: file.description(), ..PoolAdded::default() };
        let folder = self.pool_folder();
        fs::create_dir_all(&folder).because(folder.display())?;
        let target = folder.join(format!("{}.jsonl", added.name));
        let (mut rows, done) = file.rows()?;
        let (extent, unit) = file.extent();
        write_whole_with(&target, |out| {
            let mut writer =
                RowWriter::new(Format::Canonical, BufWriter::new(out)).because(target.display())?;
            for number in 1.. {
                let Some(row) = rows.next() else { break };
                let example = row.and_then(|row| {
                    let line = row.place;
                    let example = row.record().and_then(|record| {
                        let example = file.layout.example(record, &mut Vec::new())?;
                        check(&example).into_iter().next().map_or(Ok(example), Err)
                    });
                    example.map_err(|reason| Problem { line, reason })
                });
                match example {
                    Ok(example) => {
                        // A line of the canonical form holds every example.
                        let _ = writer.write(&example).because(target.display())?;
                        added.rows += 1;
                    }
                    Err(problem) => {
                        added.faults += 1;
                        if added.problems.len() < PROBLEMS_MAX {
                            added.problems.push(problem);
                        }
                    }
                }
                if number % PROGRESS_ROWS == 0 {
                    let far = done.load(std::sync::atomic::Ordering::Relaxed);
                    if on_progress(Progress::new("read", far, extent, unit)).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            if added.rows == 0 {
                let first = added.problems.first();
                let reason = first.map_or("the file is empty".to_owned(), |problem| {
                    format!("{} {}: {}", file.container.counts(), problem.line, problem.reason)
                });
                return Err(Failure::user(format!("{}: {reason}", path.display()))
                    .hint(format!("read as {}; `--map` says otherwise", added.read_as)));
            }
            let mut out = writer.finish().because(target.display())?;
            out.flush().because(target.display())?;
            Ok(ControlFlow::Continue(()))
        })
        .map(|done| done.map(|()| added))
    }

    /// Takes a pool away.
    ///
    /// # Errors
    /// Tells which pools there are when this one is not.
    pub fn remove_pool(&self, name: &str) -> Result<()> {
        let pools = self.pools()?;
        let named = |path: &&PathBuf| path.file_stem().is_some_and(|stem| stem == name);
        if let Some(path) = pools.iter().find(named) {
            return fs::remove_file(path).because(path.display());
        }
        let names: Vec<String> = pools.iter().map(|path| pool_name(path)).collect();
        Err(Failure::user(format!("there is no pool `{name}`")).hint(if names.is_empty() {
            "the project has no pools of its own; `hone mix --pool FILE` adds one".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        }))
    }

    /// Names of the project's pools.
    pub fn pool_names(&self) -> Result<Vec<String>> {
        Ok(self.pools()?.iter().map(|path| pool_name(path)).collect())
    }

    /// Conversations of the project's pools, a sample of large ones that depends on `seed` alone.
    ///
    /// # Errors
    /// Names the file and line that cannot be read.
    pub fn pool_rows(&self, seed: u64) -> Result<Vec<Example>> {
        let mut rows = Vec::new();
        for path in self.pools()? {
            let name = pool_name(&path);
            for (number, line) in sample(&path, seed)? {
                let mut example: Example = serde_json::from_str(&line).because(format!(
                    "{}:{}",
                    path.display(),
                    number + 1
                ))?;
                example.meta.document.get_or_insert_with(|| name.clone());
                example.meta.id.get_or_insert_with(|| format!("{name}-{}", number + 1));
                rows.push(example);
            }
        }
        Ok(rows)
    }

    fn pool_folder(&self) -> PathBuf {
        self.path().parent().unwrap_or_else(|| Path::new(".")).join(FOLDER)
    }

    fn pools(&self) -> Result<Vec<PathBuf>> {
        let folder = self.pool_folder();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Failure::user(format!("{}: {error}", folder.display()))),
        };
        let mut pools: Vec<PathBuf> = entries
            .filter_map(std::result::Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        pools.sort();
        Ok(pools)
    }
}

fn pool_name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Lines of a file with their numbers from 0: all, or those of [`ROWS_MAX`] numbers with the least
/// hashes.
fn sample(path: &Path, seed: u64) -> Result<Vec<(u64, String)>> {
    let file = File::open(path).because(path.display())?;
    let mut kept: BinaryHeap<(u64, u64, String)> = BinaryHeap::new();
    for (number, line) in (0..).zip(BufReader::new(file).lines()) {
        let line = line.because(path.display())?;
        let hash = mixed(seed ^ mixed(number));
        if kept.len() < ROWS_MAX {
            kept.push((hash, number, line));
        } else if kept.peek().is_some_and(|(greatest, ..)| hash < *greatest) {
            kept.pop();
            kept.push((hash, number, line));
        }
    }
    let mut rows: Vec<(u64, String)> = kept.into_iter().map(|(_, n, line)| (n, line)).collect();
    rows.sort_unstable_by_key(|(number, _)| *number);
    Ok(rows)
}

/// SplitMix64's output function (Steele, Lea and Flood 2014).
fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
