//! What was found out about pairs beside what they say: dismissed findings, and what models make of them.

use rusqlite::params;

use super::failures::SqlContext as _;
use super::store::now;
use super::{ExampleId, Store};
use crate::failure::Result;
use crate::pair::checks::Kind;

/// A finding that a person judged to be no problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dismissal {
    /// The pair.
    pub example: ExampleId,
    /// Kind of the finding.
    pub kind: Kind,
    /// [`content_hash`](crate::pair::checks::content_hash) of the pair as it was judged.
    pub content_hash: String,
}

/// What a base model makes of a pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// The pair.
    pub example: ExampleId,
    /// The model's name.
    pub model: String,
    /// Mean loss of the trained tokens in nats, once measured.
    pub loss: Option<f64>,
    /// Share of answers sampled without the passage that were right, once measured.
    pub known: Option<f64>,
    /// Unix seconds.
    pub measured_at: i64,
    /// Hash of the pair as it was measured; another hash makes this void.
    pub content_hash: String,
}

/// Whether a model answers a question without having been taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Knowledge {
    /// Every sampled answer was right.
    Known,
    /// Some were.
    Partly,
    /// None was.
    Unknown,
}

impl Measure {
    /// Whether the model knows the answer, once measured.
    pub fn knowledge(&self) -> Option<Knowledge> {
        self.known.map(|share| match share {
            share if share >= 1.0 => Knowledge::Known,
            share if share > 0.0 => Knowledge::Partly,
            _ => Knowledge::Unknown,
        })
    }
}

impl Store {
    /// Records that findings of a kind about a pair are no problem, as long as the pair stays as it is.
    ///
    /// # Errors
    /// When the store cannot be written, or there is no such pair.
    pub fn dismiss(&self, dismissal: &Dismissal) -> Result<()> {
        self.write(|transaction| {
            transaction
                .execute(
                    "INSERT OR REPLACE INTO dismissals VALUES (?1, ?2, ?3, ?4)",
                    params![
                        dismissal.example.0,
                        dismissal.kind.name(),
                        dismissal.content_hash,
                        now()
                    ],
                )
                .at(self.path())
        })?;
        Ok(())
    }

    /// Takes a dismissal back; tells whether there was one.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn undismiss(&self, example: ExampleId, kind: Kind) -> Result<bool> {
        let taken = self.write(|transaction| {
            let sql = "DELETE FROM dismissals WHERE example = ?1 AND kind = ?2";
            transaction.execute(sql, params![example.0, kind.name()]).at(self.path())
        })?;
        Ok(taken > 0)
    }

    /// All dismissals, those that have become void included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn dismissals(&self) -> Result<Vec<Dismissal>> {
        let sql = "SELECT example, kind, content_hash FROM dismissals ORDER BY example, kind";
        let rows: Vec<(i64, String, String)> =
            self.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        // A later version may know more kinds.
        let known = rows.into_iter().filter_map(|(id, kind, content_hash)| {
            Some(Dismissal { example: ExampleId(id), kind: Kind::of_name(&kind)?, content_hash })
        });
        Ok(known.collect())
    }

    /// Keeps measures in one transaction. What one leaves open stays as it was, if it was measured of
    /// the same content.
    ///
    /// # Errors
    /// When the store cannot be written. A pair that is no longer there is passed over.
    pub fn save_measures(&self, measures: &[Measure]) -> Result<()> {
        let sql = "INSERT INTO measures SELECT ?1, ?2, ?3, ?4, ?5, ?6
             WHERE EXISTS (SELECT 1 FROM examples WHERE id = ?1)
             ON CONFLICT (example, model) DO UPDATE SET
               loss = coalesce(excluded.loss, CASE WHEN content_hash = excluded.content_hash THEN loss END),
               known = coalesce(excluded.known, CASE WHEN content_hash = excluded.content_hash THEN known END),
               measured_at = excluded.measured_at,
               content_hash = excluded.content_hash";
        self.write(|transaction| {
            let save = || -> rusqlite::Result<()> {
                let mut statement = transaction.prepare_cached(sql)?;
                for measure in measures {
                    statement.execute(params![
                        measure.example.0,
                        measure.model,
                        measure.loss,
                        measure.known,
                        measure.measured_at,
                        measure.content_hash
                    ])?;
                }
                Ok(())
            };
            save().at(self.path())
        })
    }

    /// Measures of all models, those that have become void included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn measures(&self) -> Result<Vec<Measure>> {
        let sql = "SELECT example, model, loss, known, measured_at, content_hash
             FROM measures ORDER BY example, model";
        self.all(sql, [], |row| {
            Ok(Measure {
                example: ExampleId(row.get(0)?),
                model: row.get(1)?,
                loss: row.get(2)?,
                known: row.get(3)?,
                measured_at: row.get(4)?,
                content_hash: row.get(5)?,
            })
        })
    }

    /// Makes a measure of now.
    pub fn measured(example: ExampleId, model: &str, content_hash: &str) -> Measure {
        Measure {
            example,
            model: model.to_owned(),
            loss: None,
            known: None,
            measured_at: now(),
            content_hash: content_hash.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::Example;
    use crate::project::Project;

    fn project() -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::create(&folder.path().join("p"), "p").unwrap();
        let sql = "INSERT INTO examples (id, state, body) VALUES (?1, 'draft', ?2)";
        let body = serde_json::to_string(&Example::default()).unwrap();
        for id in [1, 2] {
            project.store().connection().execute(sql, params![id, body]).unwrap();
        }
        (folder, project)
    }

    #[test]
    fn a_dismissal_is_kept_and_taken_back() {
        let (_folder, project) = project();
        let store = project.store();
        let dismissal = Dismissal {
            example: ExampleId(1),
            kind: Kind::NearDuplicate,
            content_hash: "a".to_owned(),
        };
        store.dismiss(&dismissal).unwrap();
        let again = Dismissal { content_hash: "b".to_owned(), ..dismissal };
        store.dismiss(&again).unwrap();
        assert_eq!(store.dismissals().unwrap(), [again]);
        assert!(store.undismiss(ExampleId(1), Kind::NearDuplicate).unwrap());
        assert!(!store.undismiss(ExampleId(1), Kind::NearDuplicate).unwrap());
        let nobody =
            Dismissal { example: ExampleId(9), kind: Kind::Leak, content_hash: String::new() };
        assert!(store.dismiss(&nobody).is_err());
    }

    #[test]
    fn measures_of_one_content_add_up_and_those_of_another_replace() {
        let (_folder, project) = project();
        let store = project.store();
        let of = |hash: &str| Store::measured(ExampleId(1), "m", hash);
        store.save_measures(&[Measure { loss: Some(1.5), ..of("a") }]).unwrap();
        store.save_measures(&[Measure { known: Some(0.25), ..of("a") }]).unwrap();
        let both = &store.measures().unwrap()[0];
        assert_eq!((both.loss, both.known), (Some(1.5), Some(0.25)));
        assert_eq!(both.knowledge(), Some(Knowledge::Partly));
        store.save_measures(&[Measure { known: Some(1.0), ..of("b") }]).unwrap();
        let changed = &store.measures().unwrap()[0];
        assert_eq!((changed.loss, changed.known), (None, Some(1.0)));
        // A pair that went away meanwhile costs nothing but its measure.
        let gone = Measure { loss: Some(1.0), ..Store::measured(ExampleId(9), "m", "c") };
        store.save_measures(&[gone]).unwrap();
        assert_eq!(store.measures().unwrap().len(), 1);
    }
}
