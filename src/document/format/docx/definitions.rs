//! Styles and numberings of a Word file, which its paragraphs refer to.

use std::collections::HashMap;

use super::super::archive::Archive;
use super::super::numbering::{Level, Numeral};
use super::super::xml::{Node, Step, walk};
use crate::failure::Result;

/// Styles based on one another, at most.
const CHAIN: usize = 16;

/// What paragraphs refer to.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    styles: HashMap<String, Style>,
    /// The style of paragraphs that name none.
    usual: Option<String>,
    abstracts: HashMap<String, Vec<Level>>,
    /// Which level of an abstract numbering belongs to a style.
    style_levels: HashMap<(String, String), usize>,
    numbers: HashMap<String, Number>,
}

/// A paragraph style, with what it takes from those it is based on.
#[derive(Debug, Clone, Default)]
pub(super) struct Style {
    /// Heading level, 1 outermost.
    pub heading: Option<u8>,
    /// Numbering it counts in.
    pub list: Option<String>,
    /// Level of that numbering, from 0.
    pub level: Option<u32>,
    pub breaks_before: bool,
    /// It is one of a table of contents.
    pub contents: bool,
    based_on: Option<String>,
}

#[derive(Debug, Default)]
struct Number {
    abstracted: String,
    /// It counts on its own, from the start.
    restarts: bool,
}

/// How a paragraph is numbered.
pub(super) struct Numbering<'a> {
    pub levels: &'a [Level],
    pub level: usize,
    /// Which counts it takes part in: numberings made of one definition count together.
    pub counts: String,
}

impl Definitions {
    pub(super) fn read(archive: &mut Archive<'_>, beside: &dyn Fn(&str) -> String) -> Result<Self> {
        let mut definitions = Self::default();
        definitions.read_styles(archive, &beside("styles.xml"))?;
        definitions.read_numberings(archive, &beside("numbering.xml"))?;
        Ok(definitions)
    }

    /// The style of that key, or the usual one.
    pub(super) fn style(&self, key: Option<&str>) -> Style {
        let mut found = Style::default();
        let mut next = key.or(self.usual.as_deref());
        for _ in 0..CHAIN {
            let Some(style) = next.and_then(|key| self.styles.get(key)) else { break };
            found.heading = found.heading.or(style.heading);
            found.list = found.list.or_else(|| style.list.clone());
            found.level = found.level.or(style.level);
            found.breaks_before |= style.breaks_before;
            found.contents |= style.contents;
            next = style.based_on.as_deref();
        }
        // Level 10 is what a style says that takes a heading's level back.
        found.heading = found.heading.filter(|level| *level <= 9);
        found
    }

    /// The numbering of that key; none where there is none, or it is key 0, which takes one away.
    pub(super) fn numbering(
        &self,
        key: Option<&str>,
        level: Option<u32>,
        style: Option<&str>,
    ) -> Option<Numbering<'_>> {
        let key = key?;
        let number = self.numbers.get(key)?;
        let levels = self.abstracts.get(&number.abstracted)?;
        let of_style = || {
            let key = (number.abstracted.clone(), style?.to_owned());
            self.style_levels.get(&key).copied()
        };
        let level = level.map(|level| level as usize).or_else(of_style).unwrap_or(0);
        if level >= levels.len() {
            return None;
        }
        let counts = if number.restarts {
            format!("{}/{key}", number.abstracted)
        } else {
            number.abstracted.clone()
        };
        Some(Numbering { levels, level, counts })
    }

    fn read_styles(&mut self, archive: &mut Archive<'_>, part: &str) -> Result<()> {
        let Some(xml) = archive.part(part)? else { return Ok(()) };
        let mut open: Option<(String, Style)> = None;
        walk(part, xml, &mut |node| {
            match node {
                Node::Open(element) if element.name == "style" => {
                    let paragraph = element.get("type").is_some_and(|kind| kind == "paragraph");
                    open = element.get("styleId").filter(|_| paragraph).map(|key| {
                        if element
                            .get("default")
                            .is_some_and(|value| value == "1" || value == "true")
                        {
                            self.usual = Some(key.clone());
                        }
                        (key, Style::default())
                    });
                }
                Node::Open(element) => {
                    let Some((_, style)) = &mut open else { return Ok(Step::On) };
                    match element.name {
                        "name" => {
                            let name = element.get("val").unwrap_or_default().to_lowercase();
                            style.contents =
                                name.starts_with("toc ") || name.starts_with("contents ");
                            if let Some(level) = name.strip_prefix("heading ") {
                                style.heading = style.heading.or(level.parse().ok());
                            } else if name == "title" {
                                style.heading = style.heading.or(Some(1));
                            }
                        }
                        "basedOn" => style.based_on = element.get("val"),
                        "outlineLvl" => {
                            style.heading =
                                element.number("val").map(|level| level.min(9) as u8 + 1);
                        }
                        "numId" => style.list = element.get("val"),
                        "ilvl" => style.level = element.number("val"),
                        "pageBreakBefore" => style.breaks_before = element.is_on(),
                        _ => {}
                    }
                }
                Node::Close("style") => {
                    if let Some((key, style)) = open.take() {
                        self.styles.insert(key, style);
                    }
                }
                _ => {}
            }
            Ok(Step::On)
        })
    }

    fn read_numberings(&mut self, archive: &mut Archive<'_>, part: &str) -> Result<()> {
        let Some(xml) = archive.part(part)? else { return Ok(()) };
        let mut abstracted = String::new();
        let mut number: Option<(String, Number)> = None;
        let mut level = 0_usize;
        walk(part, xml, &mut |node| {
            match node {
                Node::Open(element) => {
                    let value = element.get("val").unwrap_or_default();
                    match element.name {
                        "abstractNum" => {
                            abstracted = element.get("abstractNumId").unwrap_or_default();
                            self.abstracts.insert(abstracted.clone(), Vec::new());
                        }
                        "num" => {
                            number = element.get("numId").map(|key| (key, Number::default()));
                        }
                        "abstractNumId" => {
                            if let Some((_, number)) = &mut number {
                                number.abstracted = value;
                            }
                        }
                        "lvl" | "lvlOverride" => {
                            level = element.number("ilvl").unwrap_or(0).min(9) as usize;
                            if number.is_some() {
                                return Ok(Step::On);
                            }
                            let levels = self.abstracts.entry(abstracted.clone()).or_default();
                            let blank =
                                Level { numeral: Numeral::None, text: String::new(), start: 1 };
                            while levels.len() <= level {
                                levels.push(blank.clone());
                            }
                        }
                        "startOverride" => {
                            if let Some((_, number)) = &mut number {
                                number.restarts = true;
                            }
                        }
                        "pStyle" if number.is_none() => {
                            self.style_levels.insert((abstracted.clone(), value), level);
                        }
                        name => {
                            let levels = self.abstracts.get_mut(&abstracted);
                            let here = levels.and_then(|levels| levels.get_mut(level));
                            if let (Some(here), None) = (here, &number) {
                                match name {
                                    "start" => here.start = value.parse().unwrap_or(1),
                                    "numFmt" => here.numeral = numeral(&value),
                                    "lvlText" => here.text = value,
                                    _ => {}
                                }
                            }
                        }
                    }
                }
                Node::Close("num") => {
                    if let Some((key, number)) = number.take() {
                        self.numbers.insert(key, number);
                    }
                }
                _ => {}
            }
            Ok(Step::On)
        })
    }
}

/// ST_NumberFormat (ECMA-376 part 1, 17.18.59).
fn numeral(name: &str) -> Numeral {
    match name {
        "decimalZero" => Numeral::DecimalZero,
        "decimalEnclosedCircle" => Numeral::Circled,
        "lowerLetter" => Numeral::LowerLetter,
        "upperLetter" => Numeral::UpperLetter,
        "lowerRoman" => Numeral::LowerRoman,
        "upperRoman" => Numeral::UpperRoman,
        "ganada" => Numeral::Syllable,
        "chosung" => Numeral::Consonant,
        "koreanCounting" | "koreanDigital" | "koreanDigital2" | "koreanLegal" => Numeral::Korean,
        "bullet" => Numeral::Bullet,
        "none" => Numeral::None,
        _ => Numeral::Decimal,
    }
}
