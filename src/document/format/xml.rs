//! Walking through XML without building a tree, so that neither length nor depth costs memory. Entities
//! that a document declares itself are left alone, hence never expand.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use super::flow::too_deep;
use crate::failure::{Failure, Result};

/// How deep elements may lie in one another.
const DEPTH: usize = 512;

/// What is met on the way.
pub(super) enum Node<'a> {
    /// An element begins.
    Open(&'a Element<'a>),
    /// Text inside the element of this local name.
    Text(&'a str, &'a str),
    /// The element of this local name ends.
    Close(&'a str),
}

/// Whether to look into an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Go on with what is next.
    On,
    /// Leave out what is inside the element that just began, and its end.
    Over,
}

/// The start of an element.
pub(super) struct Element<'a> {
    /// Its name without the namespace prefix.
    pub name: &'a str,
    start: &'a BytesStart<'a>,
}

impl Element<'_> {
    /// The value of the attribute of this local name.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.start
            .attributes()
            .with_checks(false)
            .filter_map(std::result::Result::ok)
            .find(|attribute| attribute.key.local_name().as_ref() == name)
            .map(|attribute| {
                quick_xml::escape::unescape(&attribute.value)
                    .map_or_else(|_| attribute.value.to_string(), Cow::into_owned)
            })
    }

    /// The value of an attribute that is a number.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.get(name)?.parse().ok()
    }

    /// Tells whether a switch is on: `<w:vanish/>`, `<w:vanish w:val="1"/>`.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self.get("val").as_deref(), Some("0" | "false" | "off"))
    }
}

/// Walks through XML; `part` names it in messages.
pub(super) fn walk(
    part: &str,
    xml: impl BufRead,
    on: &mut dyn FnMut(Node<'_>) -> Result<Step>,
) -> Result<()> {
    let mut reader = Reader::from_reader(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut buffer = Vec::new();
    let mut open: Vec<String> = Vec::new();
    // Elements that are left out, counted from the outermost one.
    let mut over = 0_usize;
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(|error| {
            Failure::user(format!("{part}: {error}")).hint(
                "The file is damaged or was not written by an office program; open it in one and save it again.",
            )
        })?;
        let inside = open.last().map_or("", String::as_str);
        match event {
            Event::Start(start) => {
                if open.len() + over >= DEPTH {
                    return Err(too_deep().context(part));
                }
                if over > 0 {
                    over += 1;
                    continue;
                }
                let name = start.local_name();
                let name = name.as_ref();
                match on(Node::Open(&Element { name, start: &start }))? {
                    Step::On => open.push(name.to_owned()),
                    Step::Over => over = 1,
                }
            }
            Event::End(_) if over > 0 => over -= 1,
            Event::End(_) => {
                if let Some(name) = open.pop() {
                    on(Node::Close(&name))?;
                }
            }
            _ if over > 0 => {}
            Event::Text(text) => {
                on(Node::Text(inside, &text.xml10_content()))?;
            }
            Event::CData(text) => {
                on(Node::Text(inside, &text.xml10_content()))?;
            }
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().ok().flatten().map(String::from);
                let name = reference.xml10_content();
                let text = character.as_deref().or_else(|| resolve_predefined_entity(&name));
                if let Some(text) = text {
                    on(Node::Text(inside, text))?;
                }
            }
            Event::Eof if !open.is_empty() => {
                return Err(Failure::user(format!("{part}: it ends before its time"))
                    .hint("Download or copy the file again; it was probably cut off on the way."));
            }
            Event::Eof => return Ok(()),
            Event::Empty(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(xml: &str) -> Result<String> {
        let mut trace = String::new();
        walk("part", xml.as_bytes(), &mut |node| {
            match node {
                Node::Open(element) if element.name == "skip" => return Ok(Step::Over),
                Node::Open(element) => {
                    trace.push('<');
                    trace.push_str(element.name);
                    trace.push_str(&element.get("val").unwrap_or_default());
                }
                Node::Text(inside, text) => {
                    trace.push_str(inside);
                    trace.push(':');
                    trace.push_str(text);
                }
                Node::Close(_) => trace.push('>'),
            }
            Ok(Step::On)
        })?;
        Ok(trace)
    }

    #[test]
    fn namespaces_entities_and_skipping() {
        let xml = r#"<w:p xmlns:w="x"><w:t w:val="a&amp;b">하중 &lt; &#44032;</w:t><skip><w:t>no</w:t></skip><e/></w:p>"#;
        assert_eq!(trace(xml).unwrap(), "<p<ta&bt:하중 t:<t: t:가><e>>");
    }

    #[test]
    fn entities_do_not_expand() {
        let xml = r#"<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>x&c;y</a>"#;
        assert_eq!(trace(xml).unwrap(), "<aa:xa:y>");
    }

    #[test]
    fn broken_files_are_refused() {
        for (xml, part) in [
            ("<a><b></a>".to_owned(), "part:"),
            ("<a><b>".to_owned(), "ends before"),
            ("<a>".repeat(600), "too deep"),
            (format!("<skip>{}", "<a>".repeat(600)), "too deep"),
        ] {
            let failure = trace(&xml).unwrap_err();
            assert!(failure.message.contains(part), "{failure}");
            assert!(!failure.hints.is_empty());
        }
    }
}
