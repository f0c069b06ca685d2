//! HWPX files (OWPML, KS X 6101): headings by outline level, automatic numbers, tables, notes, captions and
//! text boxes, pages as the writing program last laid them out. Running headers, memos, hidden comments and
//! tracked deletions are left out.

mod definitions;

use std::collections::HashMap;

use self::definitions::{Definitions, Heading};
use super::super::passage::Page;
use super::archive::Archive;
use super::flow::{Flow, Kind};
use super::numbering::{Counts, label};
use super::xml::{Element, Node, Step, walk};
use crate::failure::{Failure, Result};

/// Elements whose text is no part of the document's: running headers and footers, comments, fields'
/// settings and memos, descriptions that the program makes of pictures, the reading aid of ruby text.
const UNSEEN: [&str; 9] = [
    "header",
    "footer",
    "hiddenComment",
    "fieldBegin",
    "parameters",
    "shapeComment",
    "indexmark",
    "subText",
    "memogroup",
];

/// Reads an HWPX file's pages.
pub(super) fn pages(archive: &mut Archive<'_>) -> Result<Vec<Page>> {
    let locked = archive
        .peek("META-INF/manifest.xml")
        .is_some_and(|manifest| manifest.contains("encryption-data"));
    if locked {
        return Err(Failure::user("the file is locked with a password")
            .hint("Open it in Hancom Office, take the password away, and save it again."));
    }
    let definitions = Definitions::read(archive, "Contents/header.xml")?;
    let sections = sections(archive);
    let mut body = Body {
        flow: Flow::new(),
        definitions: &definitions,
        counts: HashMap::new(),
        outline: None,
        paragraphs: Vec::new(),
        deleted: false,
        columns: 1,
        line: None,
        notes: Vec::new(),
        note: 0,
    };
    let mut read = 0;
    for (index, name) in sections.iter().enumerate() {
        let Some(part) = archive.part(name)? else { continue };
        if index > 0 {
            // A section begins a page.
            body.flow.close_paragraph();
            body.flow.page_break(true);
            (body.line, body.columns) = (None, 1);
        }
        walk(name, part, &mut |node| body.take(&node))?;
        read += 1;
    }
    if read == 0 {
        return Err(Failure::user("it is an HWPX file without its text (Contents/section0.xml)")
            .hint("Open it in Hancom Office and save it again."));
    }
    Ok(body.flow.finish())
}

/// The parts with the text, in the order of the package's spine.
fn sections(archive: &mut Archive<'_>) -> Vec<String> {
    const PACKAGE: &str = "Contents/content.hpf";
    let mut files: HashMap<String, String> = HashMap::new();
    let mut spine = Vec::new();
    if let Ok(Some(part)) = archive.part(PACKAGE) {
        // Where it cannot be read, the usual names are tried.
        drop(walk(PACKAGE, part, &mut |node| {
            if let Node::Open(element) = node {
                match element.name {
                    "item" => {
                        if let (Some(id), Some(file)) = (element.get("id"), element.get("href")) {
                            files.insert(id, file);
                        }
                    }
                    "itemref" => spine.extend(element.get("idref")),
                    _ => {}
                }
            }
            Ok(Step::On)
        }));
    }
    let is_section = |file: &str| file.rsplit('/').next().unwrap_or(file).starts_with("section");
    let listed: Vec<String> = spine
        .iter()
        .filter_map(|id| files.get(id))
        .filter(|file| is_section(file))
        .map(|file| {
            let file = file.trim_start_matches('/');
            if archive.has(file) { file.to_owned() } else { format!("Contents/{file}") }
        })
        .collect();
    if !listed.is_empty() {
        return listed;
    }
    (0..4096)
        .map(|number| format!("Contents/section{number}.xml"))
        .take_while(|name| archive.has(name))
        .collect()
}

/// The text being read.
struct Body<'a> {
    flow: Flow,
    definitions: &'a Definitions,
    counts: HashMap<String, Counts>,
    /// Numbering of the section's headings.
    outline: Option<String>,
    paragraphs: Vec<Paragraph>,
    /// Inside a tracked deletion.
    deleted: bool,
    columns: u32,
    /// Height of the last line on its page.
    line: Option<i64>,
    /// For each open note, the number of paragraphs open when it began.
    notes: Vec<usize>,
    note: usize,
}

#[derive(Default)]
struct Paragraph {
    begun: bool,
    properties: String,
    style: String,
    breaks: bool,
    /// Where it begins in the flow.
    place: usize,
    /// Lines of it whose heights were read.
    lines: usize,
    unseen: bool,
}

impl Body<'_> {
    fn take(&mut self, node: &Node<'_>) -> Result<Step> {
        match node {
            Node::Open(element) => self.open(element),
            Node::Text("t" | "script" | "mainText", text) => self.say(text).map(|()| Step::On),
            Node::Text(..) => Ok(Step::On),
            Node::Close(name) => self.close(name).map(|()| Step::On),
        }
    }

    fn open(&mut self, element: &Element<'_>) -> Result<Step> {
        if UNSEEN.contains(&element.name) {
            return Ok(Step::Over);
        }
        match element.name {
            "p" => {
                let text = |name| element.get(name).unwrap_or_default();
                self.paragraphs.push(Paragraph {
                    properties: text("paraPrIDRef"),
                    style: text("styleIDRef"),
                    breaks: text("pageBreak") == "1",
                    ..Paragraph::default()
                });
            }
            "secPr" => {
                self.outline = element.get("outlineShapeIDRef");
                return Ok(Step::Over);
            }
            "colPr" => self.columns = element.number("colCount").unwrap_or(1),
            "deleteBegin" => self.deleted = true,
            "deleteEnd" => self.deleted = false,
            "tab" => self.say("\t")?,
            "lineBreak" => self.say("\n")?,
            "nbSpace" | "fwSpace" => self.say(" ")?,
            "hyphen" => self.say("-")?,
            // The number of a caption; that of a note is its mark.
            "autoNum" if self.notes.is_empty() => {
                self.say(&element.get("num").unwrap_or_default())?;
                return Ok(Step::Over);
            }
            "compose" => self.say(&element.get("composeText").unwrap_or_default())?,
            "footNote" | "endNote" => {
                self.begin();
                self.notes.push(self.paragraphs.len());
                self.flow.note()?;
            }
            "tbl" => {
                self.begin();
                self.flow.table()?;
            }
            "tr" => self.flow.row(),
            "tc" => self.flow.cell()?,
            // Beside a table it is a row of one cell, which is a paragraph.
            "caption" => {
                self.begin();
                self.flow.row();
                self.flow.cell()?;
            }
            "drawText" => {
                self.begin();
                self.flow.aside()?;
            }
            "lineseg" => self.line(element),
            _ => {}
        }
        Ok(Step::On)
    }

    fn close(&mut self, name: &str) -> Result<()> {
        match name {
            "p" => {
                self.begin();
                self.flow.close_paragraph();
                self.paragraphs.pop();
            }
            "footNote" | "endNote" => {
                self.notes.pop();
                self.note += 1;
                self.flow.close_note(&self.note.to_string())?;
            }
            "tc" | "caption" => self.flow.close_cell(),
            "tbl" => self.flow.close_table(),
            "drawText" => self.flow.close_aside(),
            _ => {}
        }
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<()> {
        if self.deleted || self.paragraphs.is_empty() {
            return Ok(());
        }
        self.begin();
        match self.paragraphs.last() {
            Some(paragraph) if paragraph.unseen => Ok(()),
            _ => self.flow.text(text),
        }
    }

    /// Begins the paragraph in the flow; late, because the section's own settings stand in its first one.
    fn begin(&mut self) {
        let at_page = self.paragraphs.len() == 1;
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        if std::mem::replace(&mut paragraph.begun, true) {
            return;
        }
        let look = self.definitions.look(&paragraph.properties, &paragraph.style);
        paragraph.unseen = look.contents;
        if at_page {
            if paragraph.breaks || look.breaks_before {
                self.flow.close_paragraph();
                self.flow.page_break(false);
            }
            paragraph.place = self.flow.place();
        }
        let (kind, list, level) = match look.heading {
            Heading::None => (Kind::Text, None, 0),
            Heading::Bullet => {
                self.flow.paragraph(Kind::Item, "-");
                return;
            }
            Heading::Number(list, level) => (Kind::Item, Some(list), level),
            Heading::Outline(level) => {
                (Kind::Heading(level.min(8) as u8 + 1), self.outline.clone(), level)
            }
        };
        let levels = list.as_deref().and_then(|list| self.definitions.levels(list));
        let label = match (list, levels) {
            (Some(list), Some(levels)) => {
                let counts = self.counts.entry(list).or_default();
                counts.next(levels, level);
                label(levels, counts, level, '^')
            }
            _ => String::new(),
        };
        self.flow.paragraph(kind, &label);
    }

    /// Takes note of a line's height on its page. One that stands higher than the line before begins a
    /// page, unless there are columns.
    fn line(&mut self, element: &Element<'_>) {
        let [paragraph] = self.paragraphs.as_mut_slice() else { return };
        let Some(height) = element.get("vertpos").and_then(|height| height.parse::<i64>().ok())
        else {
            return;
        };
        let first = paragraph.lines == 0;
        paragraph.lines += 1;
        let higher = self.line.is_some_and(|before| height < before);
        self.line = Some(height);
        if !higher || self.columns > 1 {
            return;
        }
        let place = paragraph.place;
        self.begin();
        if first {
            self.flow.break_at(place);
        } else {
            self.flow.page_break(true);
        }
    }
}

#[cfg(test)]
mod tests;
