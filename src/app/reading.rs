//! Taking in what was read from the project, and what edits changed.

use super::reply::{Notice, Reply};
use super::snapshot::{Changes, Data, Touched};
use super::strings::{Text, common};
use super::{App, Effect, SCREENS, Snapshot};
use crate::job::JobSpec;
use crate::pair::catalog::Catalog;
use crate::project::{ExampleId, StoredExample};

impl App {
    /// What the screens need to be read before they are drawn.
    pub(super) fn wanted(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some((number, query)) = self.screens.curate.wanted_list() {
            effects.push(Effect::List(number, self.data.catalog.clone(), query));
        }
        let missing = self.screens.curate.wanted_examples(&look!(self));
        if !missing.is_empty() {
            effects.push(Effect::ReadExamples(missing));
        }
        effects
    }

    /// Another program has the project open: leaves out what would write.
    pub(super) fn keep_to_reading(&mut self, reply: &mut Reply) {
        reply.effects.retain(|effect| {
            !matches!(
                effect,
                Effect::Apply(_)
                    | Effect::SaveUnsent(..)
                    | Effect::RemoveDocument(_)
                    | Effect::EditPassage(..)
                    | Effect::Dismiss(..)
                    | Effect::RemovePool(_)
            )
        });
        let reads = |spec: &JobSpec| {
            matches!(
                spec,
                JobSpec::Chat { .. } | JobSpec::ExportPairs { .. } | JobSpec::Check { .. }
            )
        };
        if reply.start.take_if(|spec| !reads(spec)).is_some() {
            self.notice = Some(Notice::warning(common::READ_ONLY.of(self.language())));
            reply.notice = None;
        }
    }

    pub(super) fn take_snapshot(&mut self, snapshot: Snapshot) -> Vec<Effect> {
        self.settings = snapshot.settings.clone();
        if !self.loaded {
            self.screens.curate.take_unsent(&snapshot.unsent);
        }
        let models = std::mem::take(&mut self.data.snapshot.models);
        let before = std::mem::take(&mut self.data);
        self.data = Data::new(snapshot, before);
        if self.data.snapshot.models.is_empty() {
            self.data.snapshot.models = models;
        }
        self.loaded = true;
        self.data_changed()
    }

    /// The examples were read while the rest of the project was in use already.
    pub(super) fn catalog_read(&mut self, catalog: Catalog) -> Vec<Effect> {
        self.data.set_catalog(catalog);
        for rows in std::mem::take(&mut self.changed_meanwhile) {
            self.data.change(rows);
            self.data.touched = Touched::All;
        }
        self.data_changed()
    }

    /// A job added examples; what is looked at stays.
    pub(super) fn added(&mut self, examples: Vec<StoredExample>) -> Vec<Effect> {
        let rows: Vec<_> = examples.into_iter().map(|stored| (stored.id, Some(stored))).collect();
        if self.data.is_partial() {
            self.changed_meanwhile.push(rows.clone());
        }
        self.data.change(rows);
        self.data_changed()
    }

    /// Takes in what an edit, undo or redo changed; `shows` leads the eye to the first of it.
    pub(super) fn changed(&mut self, changes: Changes, shows: bool) -> Vec<Effect> {
        let rows = match changes {
            Changes::Rows(rows) => rows,
            Changes::Many => return vec![Effect::Reload],
            Changes::Judged(dismissals) => {
                self.data.dismiss(dismissals);
                return self.data_changed();
            }
        };
        if self.data.is_partial() {
            self.changed_meanwhile.push(rows.clone());
        }
        let is_new = |id: &ExampleId| self.data.catalog.find(id.0).is_none();
        let new: Vec<_> = (rows.iter())
            .filter(|(id, example)| example.is_some() && is_new(id))
            .map(|(id, _)| *id)
            .collect();
        let touched: Vec<_> = rows.iter().map(|(id, _)| *id).collect();
        self.data.change(rows);
        let effects = self.data_changed();
        if shows {
            self.screens.curate.touched(&touched, &look!(self));
        } else {
            self.screens.curate.inserted(&new, &look!(self));
        }
        effects
    }

    pub(super) fn told(
        &mut self,
        done: Option<(String, Changes)>,
        words: Text,
        nothing: Text,
    ) -> Vec<Effect> {
        let language = self.language();
        let Some((summary, changes)) = done else {
            self.notice = Some(Notice::info(nothing.of(language)));
            return Vec::new();
        };
        self.notice = Some(Notice::info(words.fill(language, &[&summary])));
        self.changed(changes, true)
    }

    pub(super) fn data_changed(&mut self) -> Vec<Effect> {
        let look = look!(self);
        for screen in SCREENS {
            self.screens.get_mut(screen).data_changed(&look);
        }
        Vec::new()
    }
}
