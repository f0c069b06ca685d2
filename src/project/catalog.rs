//! Reading all pairs into the catalog that lists and searches run on.

use rusqlite::params;

use super::failures::SqlContext as _;
use super::store::stored_example;
use super::{Store, StoredExample};
use crate::failure::Result;
use crate::pair::Knowledge;
use crate::pair::catalog::{Catalog, Digest, Judged};
use crate::pair::checks::content_hash;

/// Keys from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRange {
    /// Least key.
    pub first: i64,
    /// Greatest key.
    pub last: i64,
}

impl KeyRange {
    /// Every key after one.
    pub fn after(key: i64) -> Self {
        Self { first: key.saturating_add(1), last: i64::MAX }
    }
}

impl Store {
    /// Number of examples.
    pub fn example_count(&self) -> Result<usize> {
        let count = "SELECT count(*) FROM examples";
        let count: i64 = self.connection().query_row(count, [], |row| row.get(0)).at(self.path())?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// The examples after a key, oldest first; none where there are more than `limit`.
    pub fn examples_after(&self, key: i64, limit: usize) -> Result<Option<Vec<StoredExample>>> {
        let most = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        let sql =
            "SELECT id, passage, state, body FROM examples WHERE id > ?1 ORDER BY id LIMIT ?2";
        let examples = self.all(sql, params![key, most], stored_example)?;
        Ok((examples.len() <= limit).then_some(examples))
    }

    /// Reads at most `limit` rows of a range into a catalog of their own, lowest keys first, with what
    /// `model` made of them as they are now.
    pub fn catalog(&self, range: KeyRange, limit: usize, model: Option<&str>) -> Result<Catalog> {
        let mut catalog = Catalog::default();
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection().prepare_cached(
                "SELECT id, passage, state, body, loss, known, content_hash
                 FROM examples LEFT JOIN measures ON measures.example = id AND model = ?4
                 WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![range.first, range.last, limit, model])?;
            while let Some(row) = rows.next()? {
                let stored = stored_example(row)?;
                let passage = stored.passage.map(|passage| passage.0);
                catalog.put(&Digest::new(stored.id.0, passage, stored.state, &stored.example));
                let hash: Option<String> = row.get(6)?;
                if hash.is_some_and(|hash| hash == content_hash(&stored.example)) {
                    let loss = row.get::<_, Option<f64>>(4)?.map(|loss| loss as f32);
                    let known = row.get::<_, Option<f64>>(5)?.map(Knowledge::of_share);
                    let found = Judged { loss, known, ..Judged::default() };
                    catalog.set_judged(stored.id.0, found);
                }
            }
            Ok(())
        };
        read().at(self.path())?;
        Ok(catalog)
    }

    /// Parts the keys into ranges with about as many rows each.
    pub fn key_ranges(&self, parts: usize) -> Result<Vec<KeyRange>> {
        let rows = self.example_count()?;
        let mut bounds = Vec::new();
        for part in 1..parts {
            let offset = i64::try_from(rows * part / parts.max(1)).unwrap_or(0);
            let sql = "SELECT id FROM examples ORDER BY id LIMIT 1 OFFSET ?1";
            let key = self.connection().query_row(sql, [offset], |row| row.get::<_, i64>(0));
            match key {
                Ok(key) => bounds.push(key),
                Err(rusqlite::Error::QueryReturnedNoRows) => {}
                Err(error) => return Err(error).at(self.path()),
            }
        }
        let mut ranges = Vec::new();
        let mut first = i64::MIN;
        for bound in bounds {
            if bound > first {
                ranges.push(KeyRange { first, last: bound - 1 });
                first = bound;
            }
        }
        ranges.push(KeyRange { first, last: i64::MAX });
        Ok(ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::{Change, Edit, Example, Message, ReviewState, Role};
    use crate::project::Project;

    #[test]
    fn rows_are_read_in_parts_that_make_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::create(folder.path(), "test").unwrap();
        let store = project.store();
        let change = |n: usize| {
            let messages = vec![Message::text(Role::User, format!("질문 {n}"))];
            Change::insert(None, ReviewState::Draft, Example { messages, ..Example::default() })
        };
        store.apply(Edit::new("rows", (0..50).map(change).collect())).unwrap();
        store.apply(Edit::new("gone", vec![Change::Delete { key: 7 }])).unwrap();
        assert_eq!(store.example_count().unwrap(), 49);
        let mut whole = Catalog::default();
        let ranges = store.key_ranges(3).unwrap();
        assert_eq!(ranges.len(), 3);
        for range in ranges {
            whole.append(store.catalog(range, usize::MAX, None).unwrap());
        }
        let keys: Vec<_> = whole.iter().map(|(_, entry)| entry.key()).collect();
        assert_eq!(keys, (1..=50).filter(|key| *key != 7).collect::<Vec<_>>());
        assert_eq!(whole.get(9).unwrap().question(), "질문 8");
        let first = store.catalog(KeyRange::after(10), 5, None).unwrap();
        assert_eq!((first.len(), first.last_key()), (5, 15));
        // What a model made of pairs is read with them, as long as they say the same.
        let row = |key| store.example(crate::project::ExampleId(key)).unwrap().unwrap();
        let measure = |key, hash: &str| crate::project::Measure {
            loss: Some(2.5),
            known: Some(0.5),
            ..Store::measured(crate::project::ExampleId(key), "m", hash)
        };
        let current = measure(11, &content_hash(&row(11).example));
        store.save_measures(&[current, measure(12, "another")]).unwrap();
        let judged = |model| {
            let read = store.catalog(KeyRange::after(10), 5, model).unwrap();
            [11, 12].map(|key| read.get(key).unwrap().judged())
        };
        let known = Judged { loss: Some(2.5), known: Some(Knowledge::Partly), ..Judged::default() };
        assert_eq!(judged(Some("m")), [known, Judged::default()]);
        assert_eq!(judged(Some("n")), [Judged::default(); 2]);
    }
}
