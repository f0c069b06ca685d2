//! Which pages and clauses pairs have been written about, and where the holes are.

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Outcome;
use crate::app::keymap::{Key, decode};
use crate::app::look::Look;
use crate::app::strings::{common, screen as texts};
use crate::app::theme;
use crate::app::widgets::ListState;
use crate::app::widgets::overlay::{centred, open};
use crate::pair::ReviewState;
use crate::project::{DocumentId, PassageId};
use crate::text::width::right;
use crate::text::{fit, width};

/// A page's clause and the pairs about it.
struct Row {
    document: DocumentId,
    page: u32,
    /// Innermost heading, or the first words where there is none.
    clause: String,
    /// The first passage of the clause on the page.
    passage: PassageId,
    accepted: usize,
    drafts: usize,
}

impl Row {
    fn is_hole(&self) -> bool {
        self.accepted == 0
    }
}

/// The map of one project, made when it is opened.
pub struct Coverage {
    rows: Vec<Row>,
    /// Accepted pairs by document and page.
    pages: BTreeMap<(DocumentId, u32), usize>,
    holes_only: bool,
    /// Indices of the rows that are listed.
    shown: Vec<usize>,
    list: ListState,
}

impl Coverage {
    /// Counts the pairs of the whole project; the row of `passage` is selected.
    pub fn new(passage: Option<PassageId>, look: &Look) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        let mut pages = BTreeMap::new();
        let mut at = None;
        for record in look.data.snapshot.passages.iter().filter(|record| !record.excluded) {
            let count = |state| look.data.pairs_in_state(record.id, state);
            let (accepted, drafts) = (count(ReviewState::Accepted), count(ReviewState::Draft));
            let (document, page) = (record.document, record.passage.page);
            *pages.entry((document, page)).or_default() += accepted;
            let heading = record.passage.context.last();
            let first = || record.passage.text.lines().next().unwrap_or_default();
            let clause = heading.map_or_else(first, String::as_str);
            let same = rows
                .last_mut()
                .filter(|row| (row.document, row.page) == (document, page) && row.clause == clause);
            if let Some(row) = same {
                row.accepted += accepted;
                row.drafts += drafts;
            } else {
                let clause = clause.to_owned();
                let passage = record.id;
                rows.push(Row { document, page, clause, passage, accepted, drafts });
            }
            if passage == Some(record.id) {
                at = Some(rows.len() - 1);
            }
        }
        let shown = (0..rows.len()).collect();
        let mut list = ListState::default();
        list.select(at.unwrap_or_default(), rows.len());
        Self { rows, pages, holes_only: false, shown, list }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        match decode(Key::from(key)).first().copied() {
            Some(Key::UP | Key::Char('k')) => self.list.by(-1, self.shown.len()),
            Some(Key::DOWN | Key::Char('j')) => self.list.by(1, self.shown.len()),
            Some(Key::PAGE_UP) => self.list.by_page(-1, self.shown.len()),
            Some(Key::PAGE_DOWN) => self.list.by_page(1, self.shown.len()),
            Some(Key::HOME) => self.list.select(0, self.shown.len()),
            Some(Key::END) => self.list.select(usize::MAX, self.shown.len()),
            Some(Key::Char('n') | Key::SPACE | Key::F(7)) => self.next_hole(),
            Some(Key::Char('h') | Key::TAB) => self.switch_holes(),
            Some(Key::ENTER) => {
                return match self.selected() {
                    Some(row) => Outcome::Passage(row.passage),
                    None => Outcome::Close,
                };
            }
            Some(Key::ESCAPE | Key::Char('q' | 'c')) => return Outcome::Close,
            _ => {}
        }
        Outcome::Stay
    }

    fn selected(&self) -> Option<&Row> {
        self.rows.get(*self.shown.get(self.list.selected)?)
    }

    fn next_hole(&mut self) {
        let from = self.list.selected + 1;
        let order = (from..self.shown.len()).chain(0..from.min(self.shown.len()));
        let mut holes = order.filter(|&at| self.rows[self.shown[at]].is_hole());
        if let Some(at) = holes.next() {
            self.list.select(at, self.shown.len());
        }
    }

    fn switch_holes(&mut self) {
        let before = self.shown.get(self.list.selected).copied().unwrap_or_default();
        self.holes_only = !self.holes_only;
        let listed = |index: &usize| !self.holes_only || self.rows[*index].is_hole();
        self.shown = (0..self.rows.len()).filter(listed).collect();
        let at = self.shown.partition_point(|&index| index < before);
        self.list.select(at, self.shown.len());
    }

    pub(super) fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let (columns, lines) =
            (area.width.saturating_sub(4).min(100), area.height.saturating_sub(2));
        let inner = open(frame, centred(area, columns, lines), look.t(texts::COVERAGE), look);
        if inner.height < 6 {
            return;
        }
        let document = self.selected().map(|row| row.document);
        let map = self.map(document, usize::from(inner.width), look);
        let most = usize::from(inner.height / 3).max(1);
        let head = map.len().min(most);
        // Where the map is too long, the part around the selected page shows.
        let page = self.selected().map_or(1, |row| row.page) as usize;
        let row_of_page = page.saturating_sub(1) / usize::from(inner.width).max(1);
        let from = (row_of_page + 1).saturating_sub(head);
        for (row, line) in inner.rows().skip(2).zip(map.into_iter().skip(from).take(head)) {
            frame.render_widget(line, row);
        }
        let name = document.and_then(|id| look.data.document(id)).map(|found| found.name.as_str());
        let (with_pairs, all) = self.counts(document);
        let share = (with_pairs * 100).checked_div(all).unwrap_or_default();
        let figures = look.fill(texts::COVERAGE_FIGURES, &[&with_pairs, &all, &share]);
        let room = usize::from(inner.width).saturating_sub(width(&figures) + 2);
        let title = Line::from(vec![
            Span::styled(fit(name.unwrap_or_default(), room, look.symbols.ellipsis), theme::BOLD),
            Span::raw("  "),
            Span::raw(figures),
        ]);
        frame.render_widget(title, Rect { height: 1, ..inner });
        let top = head as u16 + 3;
        let rows = Rect { y: inner.y + top, height: inner.height.saturating_sub(top + 2), ..inner };
        if self.shown.is_empty() {
            frame.render_widget(Span::styled(look.t(texts::ALL_COVERED), theme::DIM), rows);
        }
        self.list.draw(frame, rows, self.shown.len(), (0, true), look, |at, room| {
            self.row(self.shown[at], room, look)
        });
        let keys = Rect { y: inner.bottom() - 1, height: 1, ..inner };
        frame.render_widget(Span::styled(look.t(common::COVERAGE_KEYS), theme::DIM), keys);
    }

    fn counts(&self, document: Option<DocumentId>) -> (usize, usize) {
        let pages = self.pages.iter().filter(|((of, _), _)| Some(*of) == document);
        let (mut with_pairs, mut all) = (0, 0);
        for (_, accepted) in pages {
            all += 1;
            with_pairs += usize::from(*accepted > 0);
        }
        (with_pairs, all)
    }

    /// One cell a page: how many accepted pairs, a dot for none, blank where there is no text.
    fn map(&self, document: Option<DocumentId>, columns: usize, look: &Look) -> Vec<Line<'static>> {
        let Some(document) = document else { return Vec::new() };
        let last = look.data.document(document).map_or(0, |found| found.pages);
        let here = self.selected().map(|row| row.page);
        let cell = |page: u32| {
            let (text, style) = match self.pages.get(&(document, page)) {
                None => (" ".to_owned(), theme::DIM),
                Some(0) => (look.symbols.dot.to_owned(), theme::WARN),
                Some(count @ 1..=9) => (count.to_string(), Style::default()),
                Some(_) => ("+".to_owned(), theme::BOLD),
            };
            let style = if here == Some(page) { style.patch(theme::SELECTED) } else { style };
            Span::styled(text, style)
        };
        let pages: Vec<u32> = (1..=last).collect();
        pages
            .chunks(columns.max(1))
            .map(|row| row.iter().map(|&page| cell(page)).collect())
            .collect()
    }

    fn row(&self, index: usize, room: usize, look: &Look) -> Line<'static> {
        let row = &self.rows[index];
        let accepted =
            if row.is_hole() { look.symbols.dot.to_owned() } else { row.accepted.to_string() };
        let drafts = match row.drafts {
            0 => String::new(),
            drafts => format!("{}{drafts}", look.symbols.open),
        };
        let several = look.data.snapshot.documents.len() > 1;
        let name = look.data.document(row.document).filter(|_| several);
        let name_room = if several { (room / 4).min(24) } else { 0 };
        let name = fit(name.map_or("", |found| &found.name), name_room, look.symbols.ellipsis);
        let clause_room = room.saturating_sub(18 + name_room);
        let clause = fit(&row.clause, clause_room, look.symbols.ellipsis);
        let style = if row.is_hole() { theme::WARN } else { theme::PLAIN };
        Line::from(vec![
            Span::styled(format!("{}  ", right(&row.page.to_string(), 5)), theme::DIM),
            Span::raw(clause),
            Span::styled(right(&accepted, 5), style),
            Span::styled(right(&drafts, 5), theme::DIM),
            Span::styled(format!(" {name}"), theme::DIM),
        ])
    }
}
