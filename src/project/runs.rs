//! Training runs and evaluations.

use std::fs;

use rusqlite::params;

use super::Store;
use super::failures::SqlContext as _;
use super::store::{json, to_json};
use crate::evaluate::Evaluation;
use crate::failure::Result;
use crate::train::RunRecord;

impl Store {
    /// The number for a new run: one above the highest recorded and above any folder in `runs/`,
    /// so that what a crashed run left is never written over.
    pub fn next_run(&self) -> Result<u32> {
        let sql = "SELECT coalesce(max(number), 0) FROM runs";
        let recorded: u32 =
            self.connection().query_row(sql, [], |row| row.get(0)).at(self.path())?;
        let folders =
            self.path().parent().and_then(|project| fs::read_dir(project.join("runs")).ok());
        let highest = folders
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .max();
        Ok(recorded.max(highest.unwrap_or(0)) + 1)
    }

    /// Records a run, or what has become of it.
    pub fn save_run(&self, run: &RunRecord) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO runs (number, record) VALUES (?1, ?2)";
        let row = params![run.number, to_json(run)?];
        self.connection().execute(sql, row).at(self.path()).map(drop)
    }

    /// All runs by number.
    pub fn runs(&self) -> Result<Vec<RunRecord>> {
        self.all("SELECT record FROM runs ORDER BY number", [], |row| json(row, 0))
    }

    /// Adds an evaluation.
    pub fn save_evaluation(&self, evaluation: &Evaluation) -> Result<()> {
        let sql = "INSERT INTO evaluations (result) VALUES (?1)";
        self.connection().execute(sql, [to_json(evaluation)?]).at(self.path()).map(drop)
    }

    /// All evaluations, oldest first.
    pub fn evaluations(&self) -> Result<Vec<Evaluation>> {
        self.all("SELECT result FROM evaluations ORDER BY id", [], |row| json(row, 0))
    }
}
