//! Documents, their passages, and the text of a passage.

mod passages;
mod view;

use std::cell::Cell;

use ratatui::Frame;
use ratatui::layout::Rect;

use super::curate::draft_passages;
use super::{ScreenState, empty};
use crate::app::Effect;
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::overlays::{Asking, Choice, Choosing, Confirm, Overlay, Prompt, Question};
use crate::app::reply::{Place, Reply};
use crate::app::strings::{Text, common, screen as texts};
use crate::app::widgets::columns::columns;
use crate::app::widgets::{ListState, Scroll};
use crate::pair::format::Format;
use crate::project::{DocumentRecord, PassageRecord};

const DOCUMENTS: usize = 0;
const PASSAGES: usize = 1;
const TEXT: usize = 2;
const WEIGHTS: [u16; 3] = [34, 38, 46];

/// State of the screen.
#[derive(Default)]
pub struct Sources {
    focus: usize,
    documents: ListState,
    passages: ListState,
    /// Indices of the passages of the selected document.
    shown: Vec<usize>,
    scroll: Scroll,
    /// Selected sentence of the passage.
    sentence: usize,
    /// The next drawing brings the selected sentence into sight.
    follow: Cell<bool>,
}

impl Sources {
    fn document<'a>(&self, look: &Look<'a>) -> Option<&'a DocumentRecord> {
        look.data.snapshot.documents.get(self.documents.selected)
    }

    fn passage<'a>(&self, look: &Look<'a>) -> Option<&'a PassageRecord> {
        look.data.snapshot.passages.get(*self.shown.get(self.passages.selected)?)
    }

    fn refresh(&mut self, look: &Look) {
        let snapshot = &look.data.snapshot;
        self.documents.by(0, snapshot.documents.len());
        let document = self.document(look).map(|document| document.id);
        let passages = snapshot.passages.iter().enumerate();
        let fits = |(index, record): (usize, &PassageRecord)| {
            (Some(record.document) == document).then_some(index)
        };
        self.shown = passages.filter_map(fits).collect();
        self.passages.by(0, self.shown.len());
    }

    fn step(&mut self, rows: isize, look: &Look) {
        match self.focus {
            DOCUMENTS => {
                let before = self.documents.selected;
                self.documents.by(rows, look.data.snapshot.documents.len());
                if self.documents.selected != before {
                    self.passages = ListState::default();
                }
                self.refresh(look);
                self.begin_text();
            }
            PASSAGES => {
                self.passages.by(rows, self.shown.len());
                self.begin_text();
            }
            _ => self.step_sentence(rows, look),
        }
    }

    /// The text column begins with another passage.
    fn begin_text(&mut self) {
        self.scroll.reset();
        self.sentence = 0;
    }

    fn page(&mut self, pages: isize, look: &Look) {
        match self.focus {
            DOCUMENTS => self.documents.by_page(pages, look.data.snapshot.documents.len()),
            PASSAGES => self.passages.by_page(pages, self.shown.len()),
            _ => return self.scroll.by_page(pages),
        }
        self.step(0, look);
    }

    fn draft_uncovered(&self, look: &Look, reply: &mut Reply) {
        let records = self.shown.iter().filter_map(|&index| look.data.snapshot.passages.get(index));
        let free =
            records.filter(|record| !record.excluded && look.data.pairs_about(record.id) == 0);
        let passages: Vec<_> = free.map(|record| record.id).collect();
        if passages.is_empty() {
            reply.tell(look.t(texts::ALL_COVERED));
        } else {
            draft_passages(passages, look, reply);
        }
    }
}

impl ScreenState for Sources {
    fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        if look.data.snapshot.documents.is_empty() {
            let commands = [Command::SourcesAdd, Command::SourcesImport, Command::Help];
            empty(frame, area, texts::NO_DOCUMENTS, &commands, look);
            return;
        }
        for column in columns(area, &WEIGHTS, self.focus) {
            match column.index {
                DOCUMENTS => self.draw_documents(frame, column, look),
                PASSAGES => self.draw_passages(frame, column, look),
                _ => self.draw_text(frame, column, look),
            }
        }
    }

    fn command(&mut self, command: Command, look: &Look, reply: &mut Reply) {
        let mut ask = |asking, text: &str| {
            reply.overlay = Some(Overlay::Prompt(Prompt::new(asking, text)));
        };
        match command {
            Command::SourcesAdd => ask(Asking::Document, ""),
            Command::SourcesAddEncrypted => ask(Asking::EncryptedDocument, ""),
            Command::SourcesImport => ask(Asking::Import, ""),
            Command::SourcesExport => {
                let options = Format::ALL.map(|format| {
                    (format.name().to_owned(), look.t(format_words(format)).to_owned())
                });
                let choice = Choice::new(Choosing::Format, options.to_vec(), None);
                reply.overlay = Some(Overlay::Choice(choice));
            }
            Command::SourcesDraft => {
                let passage = self.passage(look).map(|record| record.id);
                draft_passages(passage.into_iter().collect(), look, reply);
            }
            Command::SourcesDraftAll => self.draft_uncovered(look, reply),
            Command::SourcesRemove => {
                if let Some(document) = self.document(look) {
                    let words = look.fill(common::REMOVE_QUESTION, &[&document.name]);
                    let question = Question::RemoveDocument(document.id);
                    reply.overlay = Some(Overlay::Confirm(Confirm::new(question, words)));
                }
            }
            Command::SourcesSplit => self.split(look, reply),
            Command::SourcesMerge => self.merge(look, reply),
            Command::SourcesExclude => self.exclude(look, reply),
            Command::SourcesLength => self.ask_length(look, reply),
            Command::SourcesBegin => self.set_bound(true, look, reply),
            Command::SourcesEnd => self.set_bound(false, look, reply),
            Command::SourcesChanges => {
                if let Some(document) = self.document(look) {
                    reply.effect(Effect::ReadChanges(document.id));
                }
            }
            Command::ListOpen => match (self.focus, self.passage(look)) {
                (DOCUMENTS, _) => self.focus = PASSAGES,
                (_, Some(record)) => reply.go = Some(Place::Passage(record.id)),
                (_, None) => {}
            },
            Command::Back => self.focus = self.focus.saturating_sub(1),
            Command::FocusNext => self.focus = (self.focus + 1) % 3,
            Command::FocusPrevious => self.focus = (self.focus + 2) % 3,
            Command::ListUp => self.step(-1, look),
            Command::ListDown => self.step(1, look),
            Command::ListPageUp => self.page(-1, look),
            Command::ListPageDown => self.page(1, look),
            Command::ListFirst => self.step(isize::MIN / 2, look),
            Command::ListLast => self.step(isize::MAX / 2, look),
            _ => {}
        }
    }

    fn unavailable(&self, command: Command, look: &Look) -> Option<Text> {
        match command {
            Command::SourcesRemove | Command::SourcesChanges | Command::SourcesLength => {
                self.document(look).is_none().then_some(texts::NO_DOCUMENTS)
            }
            // Between sentences a passage is cut in sight of them.
            Command::SourcesSplit | Command::SourcesBegin | Command::SourcesEnd
                if self.focus != TEXT =>
            {
                Some(texts::CUT_WHERE)
            }
            Command::SourcesMerge | Command::SourcesExclude if self.focus == DOCUMENTS => {
                Some(texts::CHANGE_WHERE)
            }
            Command::SourcesDraft
            | Command::SourcesDraftAll
            | Command::SourcesSplit
            | Command::SourcesMerge
            | Command::SourcesExclude
            | Command::SourcesBegin
            | Command::SourcesEnd => {
                self.passage(look).is_none().then_some(texts::NO_PASSAGE_SELECTED)
            }
            Command::SourcesExport => {
                (look.data.snapshot.example_count == 0).then_some(texts::NO_PAIRS)
            }
            Command::ListOpen | Command::FocusNext => {
                look.data.snapshot.documents.is_empty().then_some(texts::NO_DOCUMENTS)
            }
            _ => None,
        }
    }

    fn data_changed(&mut self, look: &Look) {
        self.refresh(look);
    }

    fn copied(&self, look: &Look) -> Option<String> {
        self.passage(look).map(|record| record.passage.text.clone())
    }

    fn click(&mut self, column: usize, row: Option<usize>, look: &Look) {
        self.focus = column;
        match (column, row) {
            (DOCUMENTS, Some(row)) => {
                self.documents.select(row, look.data.snapshot.documents.len());
                self.passages = ListState::default();
                self.refresh(look);
            }
            (PASSAGES, Some(row)) => {
                self.passages.select(row, self.shown.len());
                self.begin_text();
            }
            _ => {}
        }
    }
}

fn format_words(format: Format) -> Text {
    match format {
        Format::Canonical => texts::FORMAT_CANONICAL,
        Format::OpenAi => texts::FORMAT_OPENAI,
        Format::Trl => texts::FORMAT_TRL,
        Format::ShareGpt => texts::FORMAT_SHAREGPT,
        Format::Alpaca => texts::FORMAT_ALPACA,
        Format::LlamaFactory => texts::FORMAT_LLAMA_FACTORY,
        Format::LlamaFactoryOpenAi => texts::FORMAT_LLAMA_FACTORY_OPENAI,
        Format::Axolotl => texts::FORMAT_AXOLOTL,
        Format::Csv => texts::FORMAT_CSV,
        Format::Parquet => texts::FORMAT_PARQUET,
    }
}
