//! Blocks of a document to pages of text: what every format but PDF is brought to.

use super::super::passage::Page;
use super::part::paginate;
use crate::failure::{Failure, Result};

/// Characters that a document may have; books have one or two million.
const CHARACTERS: usize = 64 << 20;
/// How deep tables, cells and notes may lie in one another.
const DEPTH: usize = 64;

/// What a paragraph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Running text.
    Text,
    /// A heading, 1 outermost.
    Heading(u8),
    /// An item of a list.
    Item,
    /// Text whose blanks and line ends count, as that of a program.
    Verbatim,
}

/// A finished piece of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// A paragraph, with the notes that belong to it.
    Paragraph(Kind, String, Vec<String>),
    /// A row of a table, with the notes that belong to it.
    Row(String, Vec<String>),
    /// A new page begins.
    Break,
}

/// Takes a document's paragraphs, tables and notes in reading order, forgives those that are not closed,
/// and gives its pages.
///
/// A table's row becomes a line with its cells separated by spaces, as PDF tables do; a row of one cell is
/// what offices draw a frame with and becomes the paragraphs in it. Notes go to the end of their page.
pub(super) struct Flow {
    frames: Vec<Frame>,
    characters: usize,
    /// Pages that begin at the next paragraph or table on the page itself.
    breaks: usize,
}

enum Frame {
    /// A page, a cell or a note.
    Text(Container),
    /// A table.
    Table(Vec<Row>),
}

#[derive(Default)]
struct Container {
    blocks: Vec<Block>,
    open: Option<Open>,
    /// Notes of the rows of a table inside this cell.
    notes: Vec<String>,
}

struct Open {
    kind: Kind,
    label: String,
    text: String,
    notes: Vec<String>,
    /// What stands in frames beside the paragraph.
    aside: Vec<Block>,
}

#[derive(Default)]
struct Row {
    cells: Vec<Container>,
    break_before: bool,
    break_after: bool,
}

impl Flow {
    pub(super) fn new() -> Self {
        Self { frames: vec![Frame::Text(Container::default())], characters: 0, breaks: 0 }
    }

    /// Begins a paragraph; `label` is what its number or bullet says, if it has one.
    pub(super) fn paragraph(&mut self, kind: Kind, label: &str) {
        self.close_paragraph();
        if self.frames.len() == 1 {
            self.begin_page();
        }
        if let Some(Frame::Text(container)) = self.frames.last_mut() {
            container.open = Some(Open {
                kind,
                label: label.to_owned(),
                text: String::new(),
                notes: Vec::new(),
                aside: Vec::new(),
            });
        }
    }

    /// Appends text to the open paragraph, or begins one.
    pub(super) fn text(&mut self, text: &str) -> Result<()> {
        self.characters += text.chars().count();
        if self.characters > CHARACTERS {
            return Err(Failure::user(format!(
                "the file has more than {} million characters of text",
                CHARACTERS >> 20
            ))
            .hint("Save it in parts and add those."));
        }
        let waits = matches!(self.frames.last(), Some(Frame::Text(Container { open: None, .. })));
        if waits && !text.trim().is_empty() {
            self.paragraph(Kind::Text, "");
        }
        if let Some(Frame::Text(Container { open: Some(open), .. })) = self.frames.last_mut() {
            open.text.push_str(text);
        }
        Ok(())
    }

    /// Ends the open paragraph, if there is one.
    pub(super) fn close_paragraph(&mut self) {
        if let Some(Frame::Text(container)) = self.frames.last_mut() {
            container.close();
        }
    }

    /// Begins a table.
    pub(super) fn table(&mut self) -> Result<()> {
        self.close_paragraph();
        if matches!(self.frames.last(), Some(Frame::Table(_))) {
            // A table directly inside a table lacks its cell.
            self.cell()?;
        }
        if self.frames.len() == 1 {
            self.begin_page();
        }
        self.push(Frame::Table(Vec::new()))
    }

    /// Begins a row.
    pub(super) fn row(&mut self) {
        self.close_cell();
        if let Some(Frame::Table(rows)) = self.frames.last_mut() {
            rows.push(Row::default());
        }
    }

    /// Begins a cell.
    pub(super) fn cell(&mut self) -> Result<()> {
        self.close_cell();
        match self.frames.last_mut() {
            Some(Frame::Table(rows)) => {
                if rows.is_empty() {
                    rows.push(Row::default());
                }
                self.push(Frame::Text(Container::default()))
            }
            _ => Ok(()),
        }
    }

    /// Ends the cell that is open in the innermost table, and what is open in it.
    pub(super) fn close_cell(&mut self) {
        let in_cell = self.frames.len() >= 3
            && matches!(self.frames.get(self.frames.len() - 2), Some(Frame::Table(_)));
        if in_cell && let Some(Frame::Text(mut cell)) = self.frames.pop() {
            cell.close();
            if let Some(Frame::Table(rows)) = self.frames.last_mut()
                && let Some(row) = rows.last_mut()
            {
                row.cells.push(cell);
            }
        }
    }

    /// Ends the innermost table.
    pub(super) fn close_table(&mut self) {
        self.close_cell();
        if !matches!(self.frames.last(), Some(Frame::Table(_))) {
            return;
        }
        let Some(Frame::Table(rows)) = self.frames.pop() else { return };
        let at_page = self.frames.len() == 1;
        let Some(Frame::Text(container)) = self.frames.last_mut() else { return };
        for row in rows {
            if row.break_before && at_page {
                container.blocks.push(Block::Break);
            }
            let (broken, blocks) = (row.break_after, row.blocks());
            container.blocks.extend(blocks);
            if broken && at_page {
                container.blocks.push(Block::Break);
            }
        }
    }

    /// Begins a footnote or endnote inside a paragraph.
    pub(super) fn note(&mut self) -> Result<()> {
        self.push(Frame::Text(Container::default()))
    }

    /// Ends the note and leaves `mark` where it is referred to.
    pub(super) fn close_note(&mut self, mark: &str) -> Result<()> {
        let Some(container) = self.pop_container() else { return Ok(()) };
        let text = flat(container.blocks);
        self.text(&format!("[^{mark}]"))?;
        if let Some(Frame::Text(container)) = self.frames.last_mut() {
            let note = format!("[^{mark}]: {text}");
            match &mut container.open {
                Some(open) => open.notes.push(note),
                None => container.notes.push(note),
            }
        }
        Ok(())
    }

    /// Begins a frame beside the text, as a text box is.
    pub(super) fn aside(&mut self) -> Result<()> {
        self.push(Frame::Text(Container::default()))
    }

    /// Ends the frame; what is in it comes after the paragraph that it hangs on.
    pub(super) fn close_aside(&mut self) {
        let Some(container) = self.pop_container() else { return };
        if let Some(Frame::Text(outer)) = self.frames.last_mut() {
            match &mut outer.open {
                Some(open) => open.aside.extend(container.blocks),
                None => outer.blocks.extend(container.blocks),
            }
        }
    }

    /// Closes and takes off the innermost note or frame.
    fn pop_container(&mut self) -> Option<Container> {
        while matches!(self.frames.last(), Some(Frame::Table(_))) {
            self.close_table();
        }
        if self.frames.len() < 2 {
            return None;
        }
        match self.frames.pop() {
            Some(Frame::Text(mut container)) => {
                container.close();
                Some(container)
            }
            _ => None,
        }
    }

    /// Begins a page: at once if nothing was said since the last paragraph, else after the paragraph or
    /// row that is open, so that sentences stay whole. `rendered` marks a break that the writing program
    /// found when it last laid the document out; it repeats a break that stands before it.
    pub(super) fn page_break(&mut self, rendered: bool) {
        let nested = self.frames.len() > 1;
        match self.frames.as_mut_slice() {
            [Frame::Text(page)] => {
                let said = page.open.as_ref().is_some_and(|open| !open.text.trim().is_empty());
                let repeats = rendered
                    && (matches!(page.blocks.last(), Some(Block::Break) | None) || self.breaks > 0);
                if said {
                    if !(rendered && self.breaks > 0) {
                        self.breaks += 1;
                    }
                } else if !repeats {
                    page.blocks.push(Block::Break);
                }
            }
            [_, Frame::Table(rows), rest @ ..] if nested => {
                let blank = rest.iter().all(|frame| match frame {
                    Frame::Text(cell) => cell.is_blank(),
                    Frame::Table(rows) => rows.iter().all(Row::is_blank),
                });
                let first = rows.len() == 1;
                if let Some(row) = rows.last_mut() {
                    if blank && row.is_blank() {
                        // At the very first row the break before the table has said it.
                        row.break_before = !(first && rendered) || row.break_before;
                    } else {
                        row.break_after = true;
                    }
                }
            }
            _ => {}
        }
    }

    /// The place before the paragraph or table that comes next on the page.
    pub(super) fn place(&mut self) -> usize {
        self.close_paragraph();
        if self.frames.len() == 1 {
            self.begin_page();
        }
        match self.frames.first() {
            Some(Frame::Text(page)) => page.blocks.len(),
            _ => 0,
        }
    }

    /// Begins a page at such a place, as a program has laid it out; what repeats a break there is none.
    pub(super) fn break_at(&mut self, place: usize) {
        if let Some(Frame::Text(page)) = self.frames.first_mut() {
            let before = place.checked_sub(1).and_then(|before| page.blocks.get(before));
            if place <= page.blocks.len() && before.is_some_and(|before| *before != Block::Break) {
                page.blocks.insert(place, Block::Break);
            }
        }
    }

    /// Every page.
    pub(super) fn finish(mut self) -> Vec<Page> {
        while self.frames.len() > 1 {
            match self.frames.last() {
                Some(Frame::Table(_)) => self.close_table(),
                _ if matches!(self.frames.get(self.frames.len() - 2), Some(Frame::Table(_))) => {
                    self.close_cell();
                }
                // A note without an end or a mark.
                _ => drop(self.frames.pop()),
            }
        }
        self.close_paragraph();
        match self.frames.pop() {
            Some(Frame::Text(page)) => paginate(page.blocks),
            _ => Vec::new(),
        }
    }

    fn begin_page(&mut self) {
        let count = std::mem::take(&mut self.breaks);
        if let Some(Frame::Text(page)) = self.frames.first_mut() {
            page.blocks.extend(std::iter::repeat_n(Block::Break, count));
        }
    }

    fn push(&mut self, frame: Frame) -> Result<()> {
        if self.frames.len() >= DEPTH {
            return Err(too_deep());
        }
        self.frames.push(frame);
        Ok(())
    }
}

/// The failure of a file whose parts lie too deep in one another.
pub(super) fn too_deep() -> Failure {
    Failure::user("the file's elements lie too deep in one another; no real document is like that")
        .hint("Open it in its program and save it as PDF, then add that.")
}

impl Container {
    fn close(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        let text = match open.kind {
            Kind::Verbatim => open.text.trim_matches('\n').trim_end().to_owned(),
            Kind::Heading(_) => one_line(&open.text),
            Kind::Text | Kind::Item => tidy(&open.text),
        };
        open.notes.append(&mut self.notes);
        if !text.is_empty() {
            let label = if open.label.is_empty() { "" } else { " " };
            let text = format!("{}{label}{text}", open.label);
            self.blocks.push(Block::Paragraph(open.kind, text, open.notes));
        } else if !open.notes.is_empty() {
            self.notes = open.notes;
        }
        self.blocks.append(&mut open.aside);
    }

    fn is_blank(&self) -> bool {
        let said = |open: &Open| !open.text.trim().is_empty() || !open.aside.is_empty();
        self.blocks.is_empty() && !self.open.as_ref().is_some_and(said)
    }
}

impl Row {
    fn is_blank(&self) -> bool {
        self.cells.iter().all(Container::is_blank)
    }

    fn blocks(self) -> Vec<Block> {
        let mut cells: Vec<Container> =
            self.cells.into_iter().filter(|cell| !cell.is_blank()).collect();
        if cells.len() == 1 {
            return cells.pop().map(|cell| cell.blocks).unwrap_or_default();
        }
        let mut notes = Vec::new();
        let mut texts = Vec::new();
        for mut cell in cells {
            notes.append(&mut cell.notes);
            for block in &mut cell.blocks {
                if let Block::Paragraph(_, _, own) | Block::Row(_, own) = block {
                    notes.append(own);
                }
            }
            texts.push(flat(cell.blocks));
        }
        if texts.is_empty() { Vec::new() } else { vec![Block::Row(texts.join(" "), notes)] }
    }
}

/// What blocks say, in one line.
fn flat(blocks: Vec<Block>) -> String {
    let texts: Vec<String> = blocks
        .into_iter()
        .filter_map(|block| match block {
            Block::Paragraph(_, text, _) | Block::Row(text, _) => Some(one_line(&text)),
            Block::Break => None,
        })
        .collect();
    texts.join(" ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// No blanks at the ends of lines and none in a row.
fn tidy(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(one_line).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(flow: Flow) -> Vec<String> {
        flow.finish().into_iter().map(|page| page.text).collect()
    }

    fn say(flow: &mut Flow, kind: Kind, text: &str) {
        flow.paragraph(kind, "");
        flow.text(text).unwrap();
        flow.close_paragraph();
    }

    fn table(flow: &mut Flow, rows: &[&[&str]]) {
        flow.table().unwrap();
        for row in rows {
            flow.row();
            for cell in *row {
                flow.cell().unwrap();
                flow.text(cell).unwrap();
            }
        }
        flow.close_table();
    }

    #[test]
    fn blocks_become_text() {
        let mut flow = Flow::new();
        say(&mut flow, Kind::Heading(2), " 하중의\n종류 ");
        say(&mut flow, Kind::Text, "고정하중은  \t자중이다.\n둘째 줄");
        flow.paragraph(Kind::Item, "1.");
        flow.text("첫째").unwrap();
        flow.paragraph(Kind::Item, "2.");
        flow.text("둘째").unwrap();
        table(&mut flow, &[&["용도", "하중"], &["사무실", "2.5"], &["", ""], &["틀 안의 글"]]);
        assert_eq!(
            texts(flow),
            [
                "## 하중의 종류\n\n고정하중은 자중이다.\n둘째 줄\n\n1. 첫째\n2. 둘째\n\n용도 하중\n사무실 2.5\n\n틀 안의 글"
            ]
        );
    }

    #[test]
    fn notes_go_to_the_end_of_their_page() {
        let mut flow = Flow::new();
        flow.paragraph(Kind::Text, "");
        flow.text("활하중").unwrap();
        flow.note().unwrap();
        say(&mut flow, Kind::Text, "기준 제3장");
        flow.close_note("1").unwrap();
        flow.text("은 다음과 같다.").unwrap();
        say(&mut flow, Kind::Text, "다음 문단");
        flow.page_break(false);
        say(&mut flow, Kind::Text, "둘째 쪽");
        assert_eq!(
            texts(flow),
            ["활하중[^1]은 다음과 같다.\n\n다음 문단\n\n[^1]: 기준 제3장", "둘째 쪽"]
        );
    }

    #[test]
    fn pages_break_between_paragraphs_and_rows() {
        let mut flow = Flow::new();
        flow.paragraph(Kind::Text, "");
        flow.text("첫 문장이 ").unwrap();
        flow.page_break(true);
        flow.text("이어진다.").unwrap();
        say(&mut flow, Kind::Text, "둘째 쪽");
        flow.paragraph(Kind::Text, "");
        flow.page_break(false);
        flow.paragraph(Kind::Text, "");
        flow.page_break(true);
        flow.text("셋째 쪽").unwrap();
        flow.table().unwrap();
        for word in ["가", "나"] {
            flow.row();
            flow.cell().unwrap();
            flow.page_break(true);
            flow.text(word).unwrap();
            flow.cell().unwrap();
            flow.page_break(true);
            flow.text("다").unwrap();
        }
        flow.close_table();
        let found = texts(flow);
        assert_eq!(found[..2], ["첫 문장이 이어진다.", "둘째 쪽"]);
        assert!(found[2].starts_with("셋째 쪽"), "{found:?}");
        assert_eq!(found.last().unwrap(), "나 다");
    }

    #[test]
    fn what_is_not_closed_is_closed() {
        let mut flow = Flow::new();
        flow.table().unwrap();
        flow.row();
        flow.cell().unwrap();
        flow.text("하나").unwrap();
        flow.cell().unwrap();
        flow.table().unwrap();
        flow.row();
        flow.cell().unwrap();
        flow.text("둘").unwrap();
        assert_eq!(texts(flow), ["하나 둘"]);
    }

    #[test]
    fn depth_and_length_have_limits() {
        let mut flow = Flow::new();
        let result = (0..100).try_for_each(|_| {
            flow.table()?;
            flow.row();
            flow.cell()
        });
        assert!(result.unwrap_err().message.contains("too deep"));
        let mut flow = Flow::new();
        let text = "가".repeat(1 << 20);
        let result = (0..100).try_for_each(|_| flow.text(&text));
        assert!(result.unwrap_err().message.contains("64 million characters"));
    }
}
