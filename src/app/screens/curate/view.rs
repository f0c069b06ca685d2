//! How Curate is drawn.

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::editing::Editing;
use super::turns;
use super::{Curate, Filter, LIST, PAIR, PASSAGE};
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::screens::empty;
use crate::app::strings::{Text, screen as texts};
use crate::app::widgets::columns::{
    columns_with_last, draw_column, inside, split_bottom, split_top,
};
use crate::app::widgets::{Column, Rich};
use crate::app::{pair_text, theme};
use crate::pair::catalog::{Entry, Judged};
use crate::pair::checks::{Field, Kind, Severity};
use crate::pair::{Knowledge, ReviewState, Role};
use crate::project::StoredExample;
use crate::text::{fit, truncate, width};

const WEIGHTS: [u16; 3] = [28, 44, 44];
/// Rows of a turn that does not have the focus, its head included.
const SMALL_FIELD_ROWS: u16 = 3;
/// Most rows that the question takes while the pair is edited.
const QUESTION_ROWS_MAX: u16 = 6;

impl Curate {
    pub(super) fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let nothing = look.data.snapshot.example_count == 0 && self.editing.is_none();
        if nothing && look.data.snapshot.passages.is_empty() {
            empty(frame, area, texts::CURATE_NOTHING, &[Command::GoSources], look);
            return;
        }
        let columns = columns_with_last(area, WEIGHTS, self.focus);
        let alone = columns.len() == 1;
        for mut column in columns {
            match column.index {
                LIST if alone => {
                    // What Accept would accept is never out of sight.
                    let (top, below) = split_bottom(column.area, column.area.height * 3 / 5);
                    column.area = top;
                    self.draw_list(frame, column, look);
                    self.draw_pair(frame, Column { index: PAIR, area: below }, look);
                }
                LIST => self.draw_list(frame, column, look),
                PASSAGE => self.draw_passage(frame, column, look),
                _ => self.draw_pair(frame, column, look),
            }
        }
    }

    fn draw_list(&self, frame: &mut Frame, column: Column, look: &Look) {
        let filter = match self.filter {
            Filter::All => texts::FILTER_ALL,
            Filter::Only(ReviewState::Draft) => texts::FILTER_DRAFTS,
            Filter::Only(ReviewState::Accepted) => texts::FILTER_ACCEPTED,
            Filter::Only(ReviewState::Rejected) => texts::FILTER_REJECTED,
        };
        let mut title = look.t(filter).to_owned();
        if let Some(record) = self.only.and_then(|passage| look.data.passage(passage)) {
            title = format!("{title}, {}", look.fill(texts::PAGE, &[&record.passage.page]));
        }
        let mut total = crate::app::format::count(self.shown() as u64);
        if !self.marked.is_empty() {
            let marked = look.fill(texts::MARKED_SHORT, &[&self.marked.len()]);
            total = format!("{marked} {} {total}", look.symbols.dot);
        } else if self.asked.waiting || look.data.is_partial() {
            total = format!("{} {total}", look.symbols.ellipsis);
        }
        let inner = draw_column(frame, column, self.focus, &title, &total, look);
        let rows = if self.searching || !self.search.text().is_empty() {
            let (line, rows) = split_top(inner, 1);
            let mark = Rect { width: 3.min(line.width), ..line };
            frame.render_widget(Span::styled(" / ", theme::ACCENT), mark);
            let field = Rect { x: line.x + 3, width: line.width.saturating_sub(4), ..line };
            self.search.draw(frame, field, self.searching && look.on_top);
            if self.searching && rows.height > 8 {
                // What can be typed shows only while it is typed.
                let hints = Rich::plain(look.t(texts::SEARCH_HINT));
                let hints = hints.lines(usize::from(rows.width.saturating_sub(4)));
                let (top, below) = split_top(rows, hints.len() as u16 + 1);
                let place = Rect { x: top.x + 3, width: top.width.saturating_sub(4), ..top };
                for (row, line) in place.rows().zip(hints) {
                    frame.render_widget(line.style(theme::DIM), row);
                }
                below
            } else {
                rows
            }
        } else {
            inner
        };
        let rows = match self.query.faults.first() {
            Some(fault) => {
                let (line, rows) = split_top(rows, 1);
                let words = look.fill(texts::QUERY_FAULT, &[fault]);
                let words = truncate(&words, usize::from(line.width), look.symbols.ellipsis);
                frame.render_widget(Span::styled(words.into_owned(), theme::WARN), line);
                rows
            }
            None => rows,
        };
        if self.shown() == 0 {
            let hint = if look.data.snapshot.example_count == 0 {
                (texts::NO_PAIRS, vec![Command::CurateDraft, Command::CurateNew])
            } else {
                (texts::NOTHING_LISTED, vec![Command::CurateFilter, Command::Back])
            };
            empty(frame, rows, hint.0, &hint.1, look);
            return;
        }
        let focused = self.focus == LIST && self.alone.is_none();
        self.list.draw(frame, rows, self.shown(), (LIST, focused), look, |row, room| {
            let marked = |entry: Entry| self.marked.contains(&entry.key());
            self.row(look, row)
                .map_or_else(Line::default, |entry| list_row(entry, marked(entry), room, look))
        });
    }

    fn draw_passage(&self, frame: &mut Frame, column: Column, look: &Look) {
        let stored = self.current(look);
        let record = self.current_passage(look);
        let meta = stored.map(|stored| &stored.example.meta);
        let document = record.and_then(|record| look.data.document(record.document));
        let name = document.map(|document| document.name.as_str());
        let name = name.or_else(|| meta.and_then(|meta| meta.document.as_deref()));
        let page = record.map(|record| record.passage.page);
        let page = page.or_else(|| meta.and_then(|meta| meta.page));
        let title = name.unwrap_or(look.t(texts::PASSAGE));
        let note = page.map_or_else(String::new, |page| look.fill(texts::PAGE, &[&page]));
        let inner = draw_column(frame, column, self.focus, title, &note, look);
        let inner = inside(inner);
        let quote = meta.and_then(|meta| meta.quote.as_deref()).unwrap_or_default();
        let mut text = Rich::default();
        let mut marks: Vec<Span> = Vec::new();
        let mut quote_at = None;
        if let Some(record) = record {
            for (depth, heading) in record.passage.context.iter().enumerate() {
                text.hang(depth + 2).push(&" ".repeat(depth), theme::DIM);
                text.push(heading, theme::DIM).line();
            }
            if !record.passage.context.is_empty() {
                text.line();
            }
            let range = pair_text::quote_range(&record.passage.text, quote);
            let mut body = Rich::plain(&record.passage.text);
            if let Some(range) = range.clone() {
                quote_at = Some(text.len() + range.start);
                body.over(range, theme::QUOTE);
            }
            text.append(&body);
            marks.push(quote_mark(quote, range.is_some(), look));
            let pairs = look.data.pairs_about(record.id);
            marks.push(Span::styled(look.fill(texts::PAIRS_HERE, &[&pairs]), theme::DIM));
        } else if quote.is_empty() {
            let words = if stored.is_some() { texts::NO_PASSAGE } else { texts::NO_PAIR_SELECTED };
            text.push(look.t(words), theme::DIM);
        } else {
            text.push(look.t(texts::QUOTE_ONLY), theme::DIM).line().line();
            text.push(quote, theme::QUOTE);
        }
        let (body, foot) = split_bottom(inner, 2.min(inner.height / 4));
        let cells = usize::from(body.width.saturating_sub(1));
        let lines = text.lines(cells);
        if let Some(at) = quote_at {
            self.passage_scroll.show(text.line_at(at, cells), body.height);
        }
        self.passage_scroll.draw(frame, body, &lines, look);
        if foot.height > 1 {
            marks.retain(|mark| !mark.content.is_empty());
            draw_marks(frame, foot, marks);
        }
    }

    fn draw_pair(&self, frame: &mut Frame, column: Column, look: &Look) {
        if self.editing.is_some() {
            self.draw_editing(frame, column, look);
            return;
        }
        let Some(stored) = self.current(look) else {
            let title = look.t(texts::PAIR);
            let inner = draw_column(frame, column, self.focus, title, "", look);
            let commands = [Command::CurateNew, Command::CurateDraft];
            let words = if self.current_passage(look).is_some() {
                texts::NO_PAIR_HERE
            } else {
                texts::NO_PAIR_SELECTED
            };
            empty(frame, inner, words, &commands, look);
            if self.has_unsent(look) {
                let (_, line) = split_bottom(inside(inner), 1);
                frame.render_widget(Span::styled(look.t(texts::UNSENT), theme::WARN), line);
            }
            return;
        };
        let (row, of) = (self.list.selected + 1, self.shown());
        let title = look.fill(texts::PAIR_OF, &[&row, &of]);
        let mut note = look.t(state_name(stored.state)).to_owned();
        if let Some(author) = &stored.example.meta.author {
            note = format!("{note} {} {author}", look.symbols.dot);
        }
        let inner = inside(draw_column(frame, column, self.focus, &title, &note, look));
        let text = self.pair_text(stored, look);
        let lines = text.lines(usize::from(inner.width.saturating_sub(1)));
        self.pair_scroll.draw(frame, inner, &lines, look);
    }

    fn pair_text(&self, stored: &StoredExample, look: &Look) -> Rich {
        let example = &stored.example;
        let mut text = Rich::default();
        let findings = self.findings(look);
        let part = |text: &mut Rich, mark: &str, words: &str, style: Style, concerned: &[_]| {
            let mut before = 0;
            for (index, line) in words.split('\n').enumerate() {
                let mark = if index == 0 { mark } else { "" };
                text.hang(2).push(&fit(mark, 2, ""), theme::ACCENT);
                let start = text.len();
                text.push(line, style);
                for span in concerned {
                    text.over(within(line, before, start, *span), theme::WARN);
                }
                text.line();
                before += line.chars().count() + 1;
            }
        };
        for (at, message) in example.messages.iter().enumerate() {
            let (mark, style) = match message.role {
                Role::System => ("S", theme::DIM),
                Role::User => ("Q", theme::BOLD),
                Role::Assistant => ("A", theme::PLAIN),
                Role::Tool => ("T", theme::DIM),
            };
            let concerned: Vec<_> = (findings.iter())
                .filter(|finding| {
                    finding.severity > Severity::Note
                        && finding.field == Field::Message(at)
                        && message.tool_calls.is_empty()
                })
                .filter_map(|finding| finding.span)
                .collect();
            part(&mut text, mark, message.text_or_calls().trim_end(), style, &concerned);
            text.line();
        }
        if !example.tools.is_empty() {
            let names: Vec<_> =
                example.tools.iter().map(|tool| tool.function.name.as_str()).collect();
            let words = format!("{} {}", look.t(texts::TOOLS), names.join(", "));
            text.hang(2).push(&words, theme::DIM).line();
        }
        if !example.meta.tags.is_empty() {
            let words = format!("{} {}", look.t(texts::TAGS), example.meta.tags.join(", "));
            text.hang(2).push(&words, theme::DIM).line();
        }
        if let Some(entry) = self.entry(look) {
            measured(&mut text, entry.judged(), look);
        }
        let problems: Vec<_> = (findings.iter())
            .filter(|finding| finding.kind != Kind::QuoteNotFound || stored.passage.is_none())
            .collect();
        if problems.is_empty() {
            text.push(&format!("{} {}", look.t(texts::CHECKS), look.symbols.yes), theme::DIM);
        }
        let quote = example.meta.quote.as_deref().unwrap_or_default();
        if let Some(record) = stored.passage.and_then(|passage| look.data.passage(passage)) {
            let found = pair_text::quote_range(&record.passage.text, quote).is_some();
            let mark = quote_mark(quote, found, look);
            let gap = if problems.is_empty() && !quote.is_empty() { "   " } else { "" };
            text.push(gap, theme::PLAIN).push(&mark.content, mark.style);
        }
        text.line();
        for finding in problems {
            let words = finding.describe(look.language);
            let (mark, style) = match finding.severity {
                Severity::Note => (look.symbols.dot, theme::DIM),
                Severity::Warning | Severity::Error => (look.symbols.warn, theme::WARN),
            };
            text.hang(2).push(&format!("{mark} {words}"), style).line();
        }
        if self.has_unsent(look) {
            text.line().push(look.t(texts::UNSENT), theme::WARN);
        }
        text
    }

    fn draw_editing(&self, frame: &mut Frame, column: Column, look: &Look) {
        let Some(editing) = &self.editing else { return };
        let title = if editing.is_new() { texts::WRITING } else { texts::EDITING };
        let inner = inside(draw_column(frame, column, self.focus, look.t(title), "", look));
        let problems = if inner.height > 8 && !turns::unchanged(&editing.turns) {
            self.problems_typed(look)
        } else {
            Vec::new()
        };
        let (inner, foot) = split_bottom(inner, u16::from(!problems.is_empty()));
        if let Some(problem) = problems.first() {
            let words = format!("{} {problem}", look.symbols.warn);
            let words = truncate(&words, usize::from(foot.width), look.symbols.ellipsis);
            frame.render_widget(Span::styled(words.into_owned(), theme::WARN), foot);
        }
        let rows = field_rows(editing, inner.height);
        let mut top = inner.y;
        for (index, (turn, rows)) in editing.turns.iter().zip(rows).enumerate() {
            if rows == 0 {
                continue;
            }
            let area = Rect { y: top, height: rows, ..inner };
            top += rows;
            let focused = editing.field == index;
            let (head, body) = split_top(area, 1);
            let style = if focused { theme::TITLE } else { theme::DIM };
            let label = look.t(turn.label());
            let rule = usize::from(head.width).saturating_sub(width(label) + 1);
            let rule = look.symbols.rule.repeat(rule);
            frame.render_widget(
                Line::from(vec![
                    Span::styled(format!("{label} "), style),
                    Span::styled(rule, theme::DIM),
                ]),
                head,
            );
            turn.editor.draw(frame, body, focused && look.on_top);
        }
    }
}

/// Rows of each turn's field, its head included. Two turns share the height; of more, the one with
/// the focus gets what it needs and those around it a line or two, as far as there is room.
fn field_rows(editing: &Editing, height: u16) -> Vec<u16> {
    let turns = editing.turns.len();
    if turns <= 2 {
        let question = ((height / 3).clamp(1, QUESTION_ROWS_MAX) + 1).min(height);
        return [question, height - question].into_iter().take(turns).collect();
    }
    let mut rows = vec![0; turns];
    let focus = editing.field.min(turns - 1);
    let wanted = editing.turns[focus].editor.line_count() as u16 + 2;
    rows[focus] = wanted.max(height / 2).min(height);
    let mut left = height - rows[focus];
    // Nearest turns first, the ones before it before those behind.
    for distance in 1..turns {
        let near = [focus.checked_sub(distance), Some(focus + distance)];
        for index in near.into_iter().flatten().filter(|&index| index < turns) {
            let take = SMALL_FIELD_ROWS.min(left);
            // A head without a line under it says nothing.
            if take > 1 {
                rows[index] = take;
                left -= take;
            }
        }
    }
    rows[focus] += left;
    rows
}

/// Draws remarks on the last row, or one a row where they do not fit beside each other.
fn draw_marks(frame: &mut Frame, foot: Rect, marks: Vec<Span>) {
    const GAP: usize = 3;
    let beside = marks.iter().map(|mark| mark.width() + GAP).sum::<usize>().saturating_sub(GAP);
    if beside > usize::from(foot.width) {
        for (row, mark) in foot.rows().zip(marks) {
            frame.render_widget(mark, row);
        }
        return;
    }
    let gap = Span::raw(" ".repeat(GAP));
    let spans: Vec<_> = marks.into_iter().flat_map(|mark| [mark, gap.clone()]).collect();
    frame.render_widget(Line::from(spans), Rect { y: foot.bottom() - 1, height: 1, ..foot });
}

fn list_row<'a>(entry: Entry<'a>, marked: bool, room: usize, look: &Look) -> Line<'a> {
    let (mark, style) = match entry.state() {
        ReviewState::Draft => (look.symbols.open, theme::WARN),
        ReviewState::Accepted => (look.symbols.yes, theme::BETTER),
        ReviewState::Rejected => (look.symbols.no, theme::DIM),
    };
    let question = entry.question().lines().next().unwrap_or_default();
    let score = entry.score().map_or_else(String::new, |score| format!(" {score}"));
    let room = room.saturating_sub(2 + score.len() + usize::from(marked) * 2);
    let question = truncate(question, room, look.symbols.ellipsis);
    let text = if entry.state() == ReviewState::Rejected { theme::DIM } else { theme::PLAIN };
    let mut line = vec![Span::styled(format!("{mark} "), style)];
    if marked {
        line.push(Span::styled(format!("{} ", look.symbols.marked), theme::ACCENT));
    }
    if score.is_empty() {
        line.push(Span::styled(question, text));
    } else {
        line.push(Span::styled(fit(&question, room, ""), text));
        line.push(Span::styled(score, theme::DIM));
    }
    Line::from(line)
}

/// What a base model makes of the pair.
fn measured(text: &mut Rich, judged: Judged, look: &Look) {
    let known = judged.known.map(|known| match known {
        Knowledge::Known => texts::KNOWN_YES,
        Knowledge::Partly => texts::KNOWN_PARTLY,
        Knowledge::Unknown => texts::KNOWN_NO,
    });
    let loss = judged.loss.map(|loss| look.fill(texts::MEASURED_LOSS, &[&format!("{loss:.2}")]));
    let parts: Vec<String> =
        loss.into_iter().chain(known.map(|known| look.t(known).to_owned())).collect();
    if !parts.is_empty() {
        let words = parts.join(&format!(" {} ", look.symbols.dot));
        text.hang(2).push(&words, theme::DIM).line();
    }
}

/// The part of a line that lies in a span of characters, as bytes of the text that has the line at
/// `start`; `before` characters stand before the line.
fn within(line: &str, before: usize, start: usize, span: crate::text::Span) -> Range<usize> {
    let inside = crate::text::Span {
        start: span.start.saturating_sub(before),
        end: span.end.saturating_sub(before),
    };
    let bytes = inside.bytes(line);
    start + bytes.start..start + bytes.end
}

fn quote_mark(quote: &str, found: bool, look: &Look) -> Span<'static> {
    match (quote.is_empty(), found) {
        (true, _) => Span::default(),
        (false, true) => {
            let words = format!("{} {}", look.t(texts::QUOTE_FOUND), look.symbols.yes);
            Span::styled(words, theme::DIM)
        }
        (false, false) => {
            let words = format!("{} {}", look.t(texts::QUOTE_MISSING), look.symbols.warn);
            Span::styled(words, theme::WARN)
        }
    }
}

fn state_name(state: ReviewState) -> Text {
    match state {
        ReviewState::Draft => texts::STATE_DRAFT,
        ReviewState::Accepted => texts::STATE_ACCEPTED,
        ReviewState::Rejected => texts::STATE_REJECTED,
    }
}
