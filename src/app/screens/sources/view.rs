//! How Sources is drawn.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::{DOCUMENTS, PASSAGES, Sources, TEXT};
use crate::app::look::Look;
use crate::app::screens::empty;
use crate::app::strings::{Text, screen as texts};
use crate::app::widgets::columns::{draw_column, inside, split_bottom};
use crate::app::widgets::{Column, Rich};
use crate::app::{format, theme};
use crate::document::PageFlag;
use crate::text::width::right;
use crate::text::{fit, width};

impl Sources {
    pub(super) fn draw_documents(&self, frame: &mut Frame, column: Column, look: &Look) {
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

    pub(super) fn draw_passages(&self, frame: &mut Frame, column: Column, look: &Look) {
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
                _ if record.excluded => look.symbols.no.to_owned(),
                0 => look.symbols.dot.to_owned(),
                pairs => pairs.to_string(),
            };
            let style = if record.excluded { theme::DIM } else { theme::PLAIN };
            let page = right(&passage.page.to_string(), 4);
            let head = passage.context.last().map_or("", String::as_str);
            let body = passage.text.lines().next().unwrap_or_default();
            let text = if head.is_empty() { body.to_owned() } else { format!("{head}  {body}") };
            let room = room.saturating_sub(width(&page) + width(&pairs) + 3);
            Line::from(vec![
                Span::styled(format!("{page} "), theme::DIM),
                Span::styled(fit(&text, room, look.symbols.ellipsis), style),
                Span::styled(format!(" {pairs}"), theme::DIM),
            ])
        });
    }

    pub(super) fn draw_text(&self, frame: &mut Frame, column: Column, look: &Look) {
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
        if record.excluded {
            let words = format!("{} {}", look.symbols.no, look.t(texts::PASSAGE_OUT));
            text.hang(2).push(&words, theme::WARN).line().line();
        }
        let (start, words) = (text.len(), &record.passage.text);
        text.push(words, theme::PLAIN).line().line();
        let room = usize::from(inner.width.saturating_sub(1));
        let mut at = 0;
        if self.focus == TEXT
            && let Some(sentence) = self.selected_sentence(look)
        {
            let bytes = sentence.bytes(words);
            at = text.line_at(start + bytes.start, room);
            text.over(start + bytes.start..start + bytes.end, theme::QUOTE);
        }
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
        let lines = text.lines(room);
        if self.follow.replace(false) {
            self.scroll.reveal(at, inner.height);
        }
        self.scroll.draw(frame, inner, &lines, look);
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
