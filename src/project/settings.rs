//! Settings, and text being typed.

use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Store;
use super::failures::SqlContext as _;
use super::store::{now, to_json};
use crate::failure::{Context as _, Result};

impl Store {
    /// The setting of that key; none when it was never set.
    ///
    /// # Errors
    /// When the value has another shape than `T`.
    pub fn setting<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let text = self.text("SELECT value FROM settings WHERE key = ?1", key)?;
        text.map(|text| serde_json::from_str(&text))
            .transpose()
            .because(format!("{}: setting `{key}`", self.path().display()))
    }

    /// Sets a setting.
    pub fn set_setting<T: Serialize>(&self, key: &str, value: &T) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)";
        let value = to_json(value)?;
        self.connection().execute(sql, [key, &value]).at(self.path()).map(drop)
    }

    /// Keeps text that is being typed, so that a crash loses nothing.
    pub fn save_unsent(&self, key: &str, text: &str) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO unsent (key, text, saved) VALUES (?1, ?2, ?3)";
        self.connection().execute(sql, params![key, text, now()]).at(self.path()).map(drop)
    }

    /// Text kept under that key.
    pub fn unsent(&self, key: &str) -> Result<Option<String>> {
        self.text("SELECT text FROM unsent WHERE key = ?1", key)
    }

    /// Forgets text kept under that key, if any.
    pub fn clear_unsent(&self, key: &str) -> Result<()> {
        let sql = "DELETE FROM unsent WHERE key = ?1";
        self.connection().execute(sql, [key]).at(self.path()).map(drop)
    }

    fn text(&self, sql: &str, key: &str) -> Result<Option<String>> {
        self.connection().query_row(sql, [key], |row| row.get(0)).optional().at(self.path())
    }
}
