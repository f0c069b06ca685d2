//! Answers of models that were given before, in a file of their own beside the store: it can be
//! deleted at any time, and costs only the time to ask again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::failures::SqlContext as _;
use crate::evaluate::AnswerCache;
use crate::failure::{Context as _, Result};

const FOLDER: &str = "cache";
const FILE: &str = "answers.sqlite";

/// The answers of a project, and hashes of large files.
#[derive(Debug)]
pub struct AnswerStore {
    connection: Connection,
    path: PathBuf,
}

impl AnswerStore {
    /// Opens or makes the file in the project at `folder`; one that is damaged is made anew.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(folder: &Path) -> Result<Self> {
        let folder = folder.join(FOLDER);
        fs::create_dir_all(&folder).because(folder.display())?;
        let path = folder.join(FILE);
        Self::open_file(&path).or_else(|_| {
            // Only a cache: what cannot be read is worth nothing.
            for suffix in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(folder.join(format!("{FILE}{suffix}")));
            }
            Self::open_file(&path)
        })
    }

    fn open_file(path: &Path) -> Result<Self> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(Duration::from_secs(20))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER NOT NULL,
                     modified INTEGER NOT NULL, sha256 TEXT NOT NULL) WITHOUT ROWID;",
            )?;
            Ok(connection)
        };
        let connection = open().at(path)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// The SHA-256 of a file as it was last computed, if the file has not changed in size or time
    /// since.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn known_sha256(&self, file: &Path, size: u64, modified: i64) -> Result<Option<String>> {
        let row = self.connection.query_row(
            "SELECT sha256 FROM files WHERE path = ? AND size = ? AND modified = ?",
            params![file.to_string_lossy(), size as i64, modified],
            |row| row.get(0),
        );
        row.optional().at(&self.path)
    }

    /// Remembers the SHA-256 of a file.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub fn remember_sha256(
        &self,
        file: &Path,
        size: u64,
        modified: i64,
        sha256: &str,
    ) -> Result<()> {
        let done = self.connection.execute(
            "INSERT OR REPLACE INTO files (path, size, modified, sha256) VALUES (?, ?, ?, ?)",
            params![file.to_string_lossy(), size as i64, modified, sha256],
        );
        done.map(drop).at(&self.path)
    }
}

impl AnswerCache for AnswerStore {
    fn get(&self, key: &str) -> Result<Option<String>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT value FROM answers WHERE key = ?")
            .at(&self.path)?;
        statement.query_row([key], |row| row.get(0)).optional().at(&self.path)
    }

    fn put(&mut self, entries: &[(String, String)]) -> Result<()> {
        let transaction = self.connection.transaction().at(&self.path)?;
        {
            let mut statement = transaction
                .prepare_cached("INSERT OR REPLACE INTO answers (key, value) VALUES (?, ?)")
                .at(&self.path)?;
            for (key, value) in entries {
                statement.execute([key, value]).at(&self.path)?;
            }
        }
        transaction.commit().at(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_outlive_the_program_and_a_damaged_file_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = AnswerStore::open(folder.path()).unwrap();
        assert_eq!(store.get("k").unwrap(), None);
        store.put(&[("k".to_owned(), "서울".to_owned())]).unwrap();
        store.remember_sha256(Path::new("/m"), 3, 4, "ab").unwrap();
        drop(store);
        let store = AnswerStore::open(folder.path()).unwrap();
        assert_eq!(store.get("k").unwrap().as_deref(), Some("서울"));
        assert_eq!(store.known_sha256(Path::new("/m"), 3, 4).unwrap().as_deref(), Some("ab"));
        assert_eq!(store.known_sha256(Path::new("/m"), 3, 5).unwrap(), None);
        drop(store);
        let file = folder.path().join(FOLDER).join(FILE);
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(file.with_file_name(format!("{FILE}{suffix}")));
        }
        fs::write(&file, "no database at all").unwrap();
        assert_eq!(AnswerStore::open(folder.path()).unwrap().get("k").unwrap(), None);
    }
}
