//! Paragraph shapes, styles and numberings of an HWPX file, which its paragraphs refer to.

use std::collections::HashMap;

use super::super::archive::Archive;
use super::super::numbering::{Level, Numeral};
use super::super::xml::{Element, Node, Step, walk};
use crate::failure::Result;

/// What paragraphs refer to.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    shapes: HashMap<String, Look>,
    styles: HashMap<String, Look>,
    numberings: HashMap<String, Vec<Level>>,
}

/// What a paragraph's shape says.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    pub heading: Heading,
    pub breaks_before: bool,
    /// It is a line of a table of contents.
    pub contents: bool,
}

/// Whether a paragraph is a heading or an item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Heading {
    #[default]
    None,
    Bullet,
    /// Numbering and level, from 0.
    Number(String, usize),
    /// Level, from 0; the section says which numbering.
    Outline(usize),
}

impl Definitions {
    pub(super) fn read(archive: &mut Archive<'_>, part: &str) -> Result<Self> {
        let mut definitions = Self::default();
        let Some(xml) = archive.part(part)? else { return Ok(definitions) };
        let (mut shape, mut numbering, mut level) = (None::<String>, None::<String>, None);
        walk(part, xml, &mut |node| {
            match node {
                Node::Open(element) => match element.name {
                    "paraPr" => shape = element.get("id"),
                    "heading" => {
                        if let Some(shape) = &shape {
                            let look = definitions.shapes.entry(shape.clone()).or_default();
                            look.heading = heading(element);
                        }
                    }
                    "breakSetting" => {
                        if let Some(shape) = &shape {
                            let look = definitions.shapes.entry(shape.clone()).or_default();
                            look.breaks_before =
                                element.get("pageBreakBefore").is_some_and(|value| value == "1");
                        }
                    }
                    "style" => definitions.style(element),
                    "numbering" => numbering = element.get("id"),
                    "paraHead" => {
                        level = element.number("level").and_then(|level| level.checked_sub(1));
                        if let (Some(list), Some(at @ 0..=15)) = (&numbering, level) {
                            let levels = definitions.numberings.entry(list.clone()).or_default();
                            let blank =
                                Level { numeral: Numeral::None, text: String::new(), start: 1 };
                            while levels.len() <= at as usize {
                                levels.push(blank.clone());
                            }
                            if let Some(here) = levels.get_mut(at as usize) {
                                here.start = element.number("start").unwrap_or(1);
                                here.numeral =
                                    numeral(&element.get("numFormat").unwrap_or_default());
                            }
                        }
                    }
                    _ => {}
                },
                Node::Text("paraHead", text) => {
                    let levels =
                        numbering.as_ref().and_then(|list| definitions.numberings.get_mut(list));
                    let here =
                        levels.zip(level).and_then(|(levels, at)| levels.get_mut(at as usize));
                    if let Some(here) = here {
                        here.text.push_str(text);
                    }
                }
                Node::Close("paraPr") => shape = None,
                Node::Close("numbering") => numbering = None,
                _ => {}
            }
            Ok(Step::On)
        })?;
        Ok(definitions)
    }

    /// What a paragraph of this shape and style looks like. The shape has the last word, but programs
    /// that write HWPX without Hancom's often name the style of a heading only.
    pub(super) fn look(&self, shape: &str, style: &str) -> Look {
        let mut look = self.shapes.get(shape).cloned().unwrap_or_default();
        if let Some(style) = self.styles.get(style) {
            look.contents = style.contents;
            if look.heading == Heading::None {
                look.heading = style.heading.clone();
            }
        }
        look
    }

    /// The levels of a numbering.
    pub(super) fn levels(&self, key: &str) -> Option<&[Level]> {
        self.numberings.get(key).map(Vec::as_slice)
    }

    fn style(&mut self, element: &Element<'_>) {
        let Some(key) = element.get("id") else { return };
        let name = element.get("engName").unwrap_or_default().to_lowercase();
        let level = name.strip_prefix("outline ").and_then(|level| level.parse::<usize>().ok());
        let heading =
            level.and_then(|level| level.checked_sub(1)).map_or(Heading::None, Heading::Outline);
        let contents = name.starts_with("toc ");
        self.styles.insert(key, Look { heading, breaks_before: false, contents });
    }
}

fn heading(element: &Element<'_>) -> Heading {
    let level = element.number("level").unwrap_or(0) as usize;
    match element.get("type").as_deref() {
        Some("OUTLINE") => Heading::Outline(level),
        Some("NUMBER") => Heading::Number(element.get("idRef").unwrap_or_default(), level),
        Some("BULLET") => Heading::Bullet,
        _ => Heading::None,
    }
}

/// NumberType1 and NumberType2 of OWPML.
fn numeral(name: &str) -> Numeral {
    match name {
        "CIRCLED_DIGIT" => Numeral::Circled,
        "ROMAN_CAPITAL" => Numeral::UpperRoman,
        "ROMAN_SMALL" => Numeral::LowerRoman,
        "LATIN_CAPITAL" => Numeral::UpperLetter,
        "LATIN_SMALL" => Numeral::LowerLetter,
        "HANGUL_SYLLABLE" => Numeral::Syllable,
        "CIRCLED_HANGUL_SYLLABLE" => Numeral::CircledSyllable,
        "HANGUL_JAMO" => Numeral::Consonant,
        "HANGUL_PHONETIC" => Numeral::Korean,
        _ => Numeral::Decimal,
    }
}
