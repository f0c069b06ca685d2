//! Tables of the store and how an older one becomes current.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::failures::SqlContext as _;
use crate::failure::{Failure, Result};

/// Marks the file as this program's in the SQLite header ("hone").
const APPLICATION_ID: i32 = 0x686f_6e65;

/// Scripts that make each version from the one before; `user_version` counts those done.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
];

/// Brings a store to the current version, each step whole or not at all.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    migrate_with(connection, path, MIGRATIONS)
}

/// Refuses a store that is not current; for connections that may not change it.
pub(super) fn require_current(connection: &Connection, path: &Path) -> Result<()> {
    let version = version(connection, path)?;
    check_not_newer(version, MIGRATIONS.len(), path)?;
    if version < MIGRATIONS.len() {
        return Err(Failure::user(format!(
            "{}: the store is of the older version {version}",
            path.display()
        ))
        .hint(
            "close every `hone` that has this project open, then open it once; that updates it",
        ));
    }
    Ok(())
}

fn migrate_with(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<()> {
    let done = version(connection, path)?;
    check_not_newer(done, migrations.len(), path)?;
    if done == migrations.len() {
        return Ok(());
    }
    if done > 0 {
        let copy = path.with_extension(format!("version-{done}.sqlite"));
        super::backup::copy_to(connection, path, &copy)?;
    }
    for (script, next) in migrations.iter().zip(1_i64..).skip(done) {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(
            |transaction| {
                transaction.execute_batch(script)?;
                transaction.pragma_update(None, "user_version", next)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
                transaction.commit()
            },
        );
        step.at(path)?;
    }
    Ok(())
}

fn version(connection: &Connection, path: &Path) -> Result<usize> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id").at(path)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .at(path)?;
    if application != i64::from(APPLICATION_ID) && tables > 0 {
        return Err(Failure::user(format!(
            "{}: a SQLite file, but not of this program",
            path.display()
        ))
        .hint("move it away, or choose another folder"));
    }
    Ok(usize::try_from(pragma("user_version").at(path)?).unwrap_or(0))
}

fn check_not_newer(version: usize, known: usize, path: &Path) -> Result<()> {
    if version <= known {
        return Ok(());
    }
    Err(Failure::user(format!(
        "{}: the store is of version {version}; this program knows versions up to {known}",
        path.display()
    ))
    .hint("update `hone`, or export the pairs with the newer one and import them here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_stores_are_copied_and_updated_and_newer_ones_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        let first = "CREATE TABLE a(x)";
        let mut connection = Connection::open(&path).unwrap();
        migrate_with(&mut connection, &path, &[first]).unwrap();
        connection.execute("INSERT INTO a VALUES (1)", []).unwrap();
        migrate_with(&mut connection, &path, &[first, "ALTER TABLE a ADD COLUMN y DEFAULT 7"])
            .unwrap();
        let row: (i64, i64) = connection
            .query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(row, (1, 7));
        let copy = Connection::open(folder.path().join("store.version-1.sqlite")).unwrap();
        assert_eq!(version(&copy, &path).unwrap(), 1);

        let failure = migrate_with(&mut connection, &path, &[first]).unwrap_err();
        assert!(failure.message.contains("version 2"), "{failure}");
        assert!(failure.hints[0].contains("update"), "{failure:?}");
    }

    #[test]
    fn failed_step_leaves_the_store_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        let mut connection = Connection::open(&path).unwrap();
        migrate_with(&mut connection, &path, &["CREATE TABLE a(x)"]).unwrap();
        let broken = ["CREATE TABLE a(x)", "CREATE TABLE b(x); NONSENSE"];
        assert!(migrate_with(&mut connection, &path, &broken).is_err());
        assert_eq!(version(&connection, &path).unwrap(), 1);
        assert!(connection.execute("SELECT * FROM b", []).is_err());
    }

    #[test]
    fn foreign_databases_are_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute("CREATE TABLE bookmarks(x)", []).unwrap();
        let failure = migrate(&mut connection, Path::new("places.sqlite")).unwrap_err();
        assert!(failure.message.contains("places.sqlite"), "{failure}");
    }
}
