//! Documents, their passages, and the text of a passage.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::curate::draft_passages;
use super::{ScreenState, empty};
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::overlays::{Asking, Confirm, Overlay, Prompt, Question};
use crate::app::reply::{Place, Reply};
use crate::app::strings::{Text, common, screen as texts};
use crate::app::widgets::columns::{columns, draw_column, inside, split_bottom};
use crate::app::widgets::{Column, ListState, Rich, Scroll};
use crate::app::{format, theme};
use crate::document::PageFlag;
use crate::project::{DocumentRecord, PassageRecord};
use crate::text::width::right;
use crate::text::{fit, width};

const DOCUMENTS: usize = 0;
const PASSAGES: usize = 1;
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
                self.scroll.reset();
            }
            PASSAGES => {
                self.passages.by(rows, self.shown.len());
                self.scroll.reset();
            }
            _ => self.scroll.by(rows),
        }
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
        let free = records.filter(|record| look.data.pairs_about(record.id) == 0);
        let passages: Vec<_> = free.map(|record| record.id).collect();
        if passages.is_empty() {
            reply.tell(look.t(texts::ALL_COVERED));
        } else {
            draft_passages(passages, look, reply);
        }
    }

    fn draw_documents(&self, frame: &mut Frame, column: Column, look: &Look) {
        let documents = &look.data.snapshot.documents;
        let count = documents.len().to_string();
        let title = look.t(texts::DOCUMENTS);
        let inner = draw_column(frame, column, self.focus, title, &count, look);
        let (rows, foot) = split_bottom(inner, 3.min(inner.height / 3));
        let focused = self.focus == DOCUMENTS;
        let focus = (DOCUMENTS, focused);
        self.documents.draw(frame, rows, documents.len(), focus, look, |index, room| {
            let document = &documents[index];
            let warn = if document.needs_ocr > 0 { look.symbols.warn } else { " " };
            let pages = look.fill(texts::PAGES, &[&document.pages]);
            let room = room.saturating_sub(width(&pages) + 4);
            Line::from(vec![
                Span::raw(fit(&document.name, room, look.symbols.ellipsis)),
                Span::styled(format!("  {pages} "), theme::DIM),
                Span::styled(warn, theme::WARN),
            ])
        });
        let Some(document) = self.document(look) else {
            return;
        };
        let foot = inside(foot);
        let mut lines = vec![Line::default()];
        let added = format::day(document.added);
        let passages = format::count(u64::from(document.passages));
        lines
            .push(Line::styled(look.fill(texts::DOCUMENT_FACTS, &[&passages, &added]), theme::DIM));
        let flagged = |flag: PageFlag| {
            let pages = look.data.snapshot.flagged_pages.iter();
            let pages =
                pages.filter(|page| page.document == document.id && page.flags.contains(&flag));
            pages.map(|page| page.number.to_string()).collect::<Vec<_>>().join(", ")
        };
        let ocr = flagged(PageFlag::NeedsOcr);
        if document.needs_ocr > 0 {
            let words = look.fill(texts::NEEDS_OCR, &[&document.needs_ocr, &ocr]);
            lines.push(Line::styled(words, theme::WARN));
        }
        for (row, line) in foot.rows().zip(lines) {
            frame.render_widget(line, row);
        }
    }

    fn draw_passages(&self, frame: &mut Frame, column: Column, look: &Look) {
        let count = format::count(self.shown.len() as u64);
        let title = look.t(texts::PASSAGES);
        let inner = draw_column(frame, column, self.focus, title, &count, look);
        if self.shown.is_empty() {
            empty(frame, inner, texts::NO_PASSAGES, &[], look);
            return;
        }
        let focused = self.focus == PASSAGES;
        let focus = (PASSAGES, focused);
        self.passages.draw(frame, inner, self.shown.len(), focus, look, |row, room| {
            let Some(record) = look.data.snapshot.passages.get(self.shown[row]) else {
                return Line::default();
            };
            let passage = &record.passage;
            let pairs = match look.data.pairs_about(record.id) {
                0 => look.symbols.dot.to_owned(),
                pairs => pairs.to_string(),
            };
            let page = right(&passage.page.to_string(), 4);
            let head = passage.context.last().map_or("", String::as_str);
            let body = passage.text.lines().next().unwrap_or_default();
            let text = if head.is_empty() { body.to_owned() } else { format!("{head}  {body}") };
            let room = room.saturating_sub(width(&page) + width(&pairs) + 3);
            Line::from(vec![
                Span::styled(format!("{page} "), theme::DIM),
                Span::raw(fit(&text, room, look.symbols.ellipsis)),
                Span::styled(format!(" {pairs}"), theme::DIM),
            ])
        });
    }

    fn draw_text(&self, frame: &mut Frame, column: Column, look: &Look) {
        let record = self.passage(look);
        let title = look.t(texts::PASSAGE);
        let note = record
            .map_or_else(String::new, |record| look.fill(texts::PAGE, &[&record.passage.page]));
        let inner = inside(draw_column(frame, column, self.focus, title, &note, look));
        let Some(record) = record else { return };
        let mut text = Rich::default();
        for heading in &record.passage.context {
            text.push(heading, theme::DIM).line();
        }
        if !record.passage.context.is_empty() {
            text.line();
        }
        text.push(&record.passage.text, theme::PLAIN).line().line();
        let flags =
            look.data.snapshot.flagged_pages.iter().find(|page| {
                page.document == record.document && page.number == record.passage.page
            });
        for flag in flags.map_or(&[][..], |page| page.flags.as_slice()) {
            let words = format!("{} {}", look.symbols.warn, look.t(flag_name(*flag)));
            text.hang(2).push(&words, theme::WARN).line();
        }
        let pairs = look.data.pairs_about(record.id);
        text.push(&look.fill(texts::PAIRS_HERE, &[&pairs]), theme::DIM);
        let lines = text.lines(usize::from(inner.width.saturating_sub(1)));
        self.scroll.draw(frame, inner, &lines, look);
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
            Command::SourcesExport => ask(Asking::Export, "pairs.jsonl"),
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
            Command::SourcesRemove => self.document(look).is_none().then_some(texts::NO_DOCUMENTS),
            Command::SourcesDraft | Command::SourcesDraftAll => {
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
            (PASSAGES, Some(row)) => self.passages.select(row, self.shown.len()),
            _ => {}
        }
    }
}

fn flag_name(flag: PageFlag) -> Text {
    match flag {
        PageFlag::NeedsOcr => texts::FLAG_NEEDS_OCR,
        PageFlag::Guessed => texts::FLAG_GUESSED,
        PageFlag::Recovered => texts::FLAG_RECOVERED,
        PageFlag::Failed => texts::FLAG_FAILED,
        PageFlag::Ocr => texts::FLAG_OCR,
    }
}
