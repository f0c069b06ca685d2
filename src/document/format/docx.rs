//! Word files (Office Open XML, ECMA-376 part 1): headings by outline level, automatic numbers, tables,
//! notes, page breaks. Tracked deletions, hidden text and tables of contents are left out.

mod definitions;

use std::collections::HashMap;

use self::definitions::{Definitions, Numbering};
use super::super::passage::Page;
use super::archive::Archive;
use super::flow::{Flow, Kind};
use super::numbering::{Counts, label};
use super::xml::{Element, Node, Step, walk};
use crate::failure::{Failure, Result};

/// Elements that say nothing a reader of the finished document sees: deletions, what properties were
/// before a change, field codes, a second form of a drawing, the reading aid of ruby text.
const UNSEEN: [&str; 15] = [
    "del",
    "moveFrom",
    "delText",
    "instrText",
    "delInstrText",
    "pPrChange",
    "rPrChange",
    "sectPrChange",
    "tblPrChange",
    "trPrChange",
    "tcPrChange",
    "Fallback",
    "rt",
    "tblGrid",
    "numberingChange",
];

/// Reads a Word file's pages.
pub(super) fn pages(archive: &mut Archive<'_>) -> Result<Vec<Page>> {
    let main = main_part(archive);
    let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let beside =
        |name: &str| if folder.is_empty() { name.into() } else { format!("{folder}/{name}") };
    let definitions = Definitions::read(archive, &beside)?;
    let mut notes = HashMap::new();
    for (part, element) in [("footnotes.xml", "footnote"), ("endnotes.xml", "endnote")] {
        read_notes(archive, &beside(part), element, &mut notes)?;
    }
    let Some(part) = archive.part(&main)? else {
        return Err(Failure::user(format!("it is a Word file without its text ({main})"))
            .hint("Open it in Word and save it again."));
    };
    let mut body = Body {
        flow: Flow::new(),
        definitions: &definitions,
        notes: &notes,
        counts: HashMap::new(),
        paragraphs: Vec::new(),
        runs: Vec::new(),
        note: 0,
    };
    walk(&main, part, &mut |node| body.take(&node))?;
    Ok(body.flow.finish())
}

/// The part with the text, which the package's relationships name.
fn main_part(archive: &mut Archive<'_>) -> String {
    const USUAL: &str = "word/document.xml";
    let mut found = None;
    if let Ok(Some(part)) = archive.part("_rels/.rels") {
        // Where they cannot be read, the usual name is tried.
        drop(walk("_rels/.rels", part, &mut |node| {
            if let Node::Open(element) = node
                && element.name == "Relationship"
                && element.get("Type").is_some_and(|kind| kind.ends_with("/officeDocument"))
            {
                found = element.get("Target");
            }
            Ok(Step::On)
        }));
    }
    let found = found.map(|name| name.trim_start_matches('/').to_owned());
    found.filter(|name| archive.has(name)).unwrap_or_else(|| USUAL.to_owned())
}

/// The text of each note, under its kind and number.
fn read_notes(
    archive: &mut Archive<'_>,
    part: &str,
    element: &'static str,
    notes: &mut HashMap<(&'static str, String), String>,
) -> Result<()> {
    let Some(xml) = archive.part(part)? else { return Ok(()) };
    let mut open: Option<String> = None;
    walk(part, xml, &mut |node| {
        match node {
            Node::Open(start) if UNSEEN.contains(&start.name) => return Ok(Step::Over),
            Node::Open(start) if start.name == element => {
                // Separators between text and notes are notes of a type of their own.
                let is_note = start.get("type").is_none_or(|kind| kind == "normal");
                open = start.get("id").filter(|_| is_note);
            }
            Node::Text("t", text) => {
                if let Some(id) = &open {
                    notes.entry((element, id.clone())).or_default().push_str(text);
                }
            }
            Node::Close("p" | "tab" | "br") => {
                if let Some(id) = &open {
                    notes.entry((element, id.clone())).or_default().push(' ');
                }
            }
            _ => {}
        }
        Ok(Step::On)
    })
}

/// The text being read.
struct Body<'a> {
    flow: Flow,
    definitions: &'a Definitions,
    notes: &'a HashMap<(&'static str, String), String>,
    counts: HashMap<String, Counts>,
    /// Open paragraphs; more than one where a text box hangs on one.
    paragraphs: Vec<Properties>,
    /// For each open run, whether it is hidden.
    runs: Vec<bool>,
    note: usize,
}

/// What a paragraph says of itself.
#[derive(Default)]
struct Properties {
    begun: bool,
    style: Option<String>,
    outline: Option<u32>,
    list: Option<String>,
    level: Option<u32>,
    breaks_before: bool,
    /// A section ends with it; the next one begins on a new page.
    ends_section: Option<bool>,
    /// It is a line of a table of contents.
    unseen: bool,
}

impl Body<'_> {
    fn take(&mut self, node: &Node<'_>) -> Result<Step> {
        match node {
            Node::Open(element) => self.open(element),
            Node::Text("t", text) => self.say(text).map(|()| Step::On),
            Node::Text(..) => Ok(Step::On),
            Node::Close(name) => {
                self.close(name);
                Ok(Step::On)
            }
        }
    }

    fn open(&mut self, element: &Element<'_>) -> Result<Step> {
        if UNSEEN.contains(&element.name) {
            return Ok(Step::Over);
        }
        let value = || element.get("val");
        match element.name {
            "p" => self.paragraphs.push(Properties::default()),
            "r" => self.runs.push(false),
            "vanish" => {
                if let Some(hidden) = self.runs.last_mut() {
                    *hidden = element.is_on();
                }
            }
            "pStyle" => self.set(|paragraph| paragraph.style = value()),
            "outlineLvl" => self.set(|paragraph| paragraph.outline = element.number("val")),
            "numId" => self.set(|paragraph| paragraph.list = value()),
            "ilvl" => self.set(|paragraph| paragraph.level = element.number("val")),
            "pageBreakBefore" => self.set(|paragraph| paragraph.breaks_before = element.is_on()),
            "sectPr" => self.set(|paragraph| paragraph.ends_section = Some(true)),
            "type" => {
                let paged = value().is_none_or(|kind| kind != "continuous" && kind != "nextColumn");
                self.set(|paragraph| {
                    paragraph.ends_section = paragraph.ends_section.map(|_| paged);
                });
            }
            "tab" if !self.runs.is_empty() => self.say("\t")?,
            "cr" => self.say("\n")?,
            "noBreakHyphen" => self.say("-")?,
            "br" => match element.get("type").as_deref() {
                Some("page") => self.page_break(false),
                Some("column") => self.say(" ")?,
                _ => self.say("\n")?,
            },
            "lastRenderedPageBreak" => self.page_break(true),
            "footnoteReference" => self.refer("footnote", element)?,
            "endnoteReference" => self.refer("endnote", element)?,
            "tbl" => self.flow.table()?,
            "tr" => self.flow.row(),
            "tc" => self.flow.cell()?,
            "txbxContent" => self.flow.aside()?,
            _ => {}
        }
        Ok(Step::On)
    }

    fn close(&mut self, name: &str) {
        match name {
            "p" => {
                self.begin();
                self.flow.close_paragraph();
                let properties = self.paragraphs.pop().unwrap_or_default();
                if properties.ends_section == Some(true) {
                    self.flow.page_break(false);
                }
            }
            "r" => drop(self.runs.pop()),
            "tc" => self.flow.close_cell(),
            "tbl" => self.flow.close_table(),
            "txbxContent" => self.flow.close_aside(),
            _ => {}
        }
    }

    fn set(&mut self, change: impl FnOnce(&mut Properties)) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            change(paragraph);
        }
    }

    fn say(&mut self, text: &str) -> Result<()> {
        if self.runs.last().copied().unwrap_or(false) {
            return Ok(());
        }
        self.begin();
        match self.paragraphs.last() {
            Some(paragraph) if paragraph.unseen => Ok(()),
            _ => self.flow.text(text),
        }
    }

    fn page_break(&mut self, rendered: bool) {
        self.begin();
        self.flow.page_break(rendered);
    }

    /// Begins the paragraph in the flow, now that its properties are known.
    fn begin(&mut self) {
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        if std::mem::replace(&mut paragraph.begun, true) {
            return;
        }
        let style = self.definitions.style(paragraph.style.as_deref());
        paragraph.unseen = style.contents;
        let heading = match paragraph.outline {
            Some(level @ 0..=8) => Some(level as u8 + 1),
            Some(_) => None,
            None => style.heading,
        };
        let numbering = self.definitions.numbering(
            paragraph.list.as_deref().or(style.list.as_deref()),
            paragraph.level.or(style.level),
            paragraph.style.as_deref(),
        );
        let kind = match (heading, &numbering) {
            (Some(level), _) => Kind::Heading(level),
            (None, Some(_)) => Kind::Item,
            (None, None) => Kind::Text,
        };
        let label = numbering.map_or_else(String::new, |Numbering { levels, level, counts }| {
            let counts = self.counts.entry(counts).or_default();
            counts.next(levels, level);
            label(levels, counts, level, '%')
        });
        if paragraph.breaks_before || style.breaks_before {
            self.flow.close_paragraph();
            self.flow.page_break(false);
        }
        self.flow.paragraph(kind, &label);
    }

    fn refer(&mut self, kind: &'static str, element: &Element<'_>) -> Result<()> {
        let Some(id) = element.get("id") else { return Ok(()) };
        let Some(text) = self.notes.get(&(kind, id)) else { return Ok(()) };
        self.begin();
        self.note += 1;
        self.flow.note()?;
        self.flow.text(text)?;
        self.flow.close_note(&self.note.to_string())
    }
}

#[cfg(test)]
mod tests;
