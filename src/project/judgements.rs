//! What was found out about pairs beside what they say: dismissed findings, and what models make of them.

use rusqlite::{OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};

use super::failures::SqlContext as _;
use super::history::Step;
use super::store::now;
use super::{ExampleId, Store};
use crate::failure::Result;
use crate::pair::Knowledge;
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

/// A change of what is judged to be no problem, as the history holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "judgement", rename_all = "snake_case")]
pub(super) enum JudgementChange {
    /// Findings of a kind about an example are no problem while its content has this hash.
    Dismiss { example: i64, kind: Kind, content_hash: String },
    /// They are told again.
    Recall { example: i64, kind: Kind },
}

impl JudgementChange {
    /// Makes the change; the change and the one that takes it back, or none where there is nothing to do.
    pub(super) fn make(self, store: &Store, to: &Transaction<'_>) -> Result<Option<(Self, Self)>> {
        let (Self::Dismiss { example, kind, .. } | Self::Recall { example, kind }) = &self;
        let (example, kind) = (*example, *kind);
        let before: Option<String> = to
            .query_row(
                "SELECT content_hash FROM dismissals WHERE example = ?1 AND kind = ?2",
                params![example, kind.name()],
                |row| row.get(0),
            )
            .optional()
            .at(store.path())?;
        let back = match before.clone() {
            Some(content_hash) => Self::Dismiss { example, kind, content_hash },
            None => Self::Recall { example, kind },
        };
        let changed = match &self {
            Self::Dismiss { content_hash, .. } => to.execute(
                "INSERT OR REPLACE INTO dismissals SELECT ?1, ?2, ?3, ?4
                 WHERE EXISTS (SELECT 1 FROM examples WHERE id = ?1)",
                params![example, kind.name(), content_hash, now()],
            ),
            Self::Recall { .. } => to.execute(
                "DELETE FROM dismissals WHERE example = ?1 AND kind = ?2",
                params![example, kind.name()],
            ),
        };
        let changed = changed.at(store.path())?;
        Ok((changed > 0).then_some((self, back)))
    }
}

impl Measure {
    /// Whether the model knows the answer, once measured.
    pub fn knowledge(&self) -> Option<Knowledge> {
        self.known.map(Knowledge::of_share)
    }
}

impl Store {
    /// Records that findings about pairs are no problem, as long as the pairs stay as they are, as one edit
    /// that can be undone. A pair that is gone is passed over. `summary` is what undo shows.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn dismiss(&self, dismissals: &[Dismissal], summary: &str) -> Result<()> {
        let steps = dismissals.iter().map(|dismissal| {
            Step::Judgement(JudgementChange::Dismiss {
                example: dismissal.example.0,
                kind: dismissal.kind,
                content_hash: dismissal.content_hash.clone(),
            })
        });
        self.write(|transaction| self.record(transaction, summary, steps.collect()))?;
        Ok(())
    }

    /// Takes a dismissal back; tells whether there was one.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn undismiss(&self, example: ExampleId, kind: Kind, summary: &str) -> Result<bool> {
        let before = self.dismissals()?.len();
        let recall = Step::Judgement(JudgementChange::Recall { example: example.0, kind });
        self.write(|transaction| self.record(transaction, summary, vec![recall]))?;
        Ok(self.dismissals()?.len() < before)
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

    /// The model that measured a pair last; none where none was measured.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn measured_last(&self) -> Result<Option<String>> {
        let sql = "SELECT model FROM measures ORDER BY measured_at DESC LIMIT 1";
        let last = self.connection().query_row(sql, [], |row| row.get(0)).optional();
        last.at(self.path())
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
        store.dismiss(std::slice::from_ref(&dismissal), "first").unwrap();
        let again = Dismissal { content_hash: "b".to_owned(), ..dismissal.clone() };
        store.dismiss(std::slice::from_ref(&again), "second").unwrap();
        assert_eq!(store.dismissals().unwrap(), std::slice::from_ref(&again));
        let undone = store.undo().unwrap().unwrap();
        assert_eq!((undone.summary.as_str(), undone.judged), ("second", true));
        assert_eq!(store.dismissals().unwrap(), [dismissal]);
        store.redo().unwrap();
        assert!(store.undismiss(ExampleId(1), Kind::NearDuplicate, "third").unwrap());
        assert!(!store.undismiss(ExampleId(1), Kind::NearDuplicate, "fourth").unwrap());
        assert!(store.dismissals().unwrap().is_empty());
        assert_eq!(store.undo().unwrap().unwrap().summary, "third");
        assert_eq!(store.dismissals().unwrap(), [again]);
        // A pair that is gone is passed over, and nothing is left to undo for it.
        let nobody =
            Dismissal { example: ExampleId(9), kind: Kind::Leak, content_hash: String::new() };
        store.dismiss(&[nobody], "nobody").unwrap();
        assert_eq!(store.dismissals().unwrap().len(), 1);
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
