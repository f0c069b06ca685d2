//! Markdown files: marks of emphasis and links are taken away, headings and lists keep theirs.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::super::passage::Page;
use super::flow::{Flow, Kind};
use super::html;
use crate::failure::Result;

/// Reads a Markdown file's pages (CommonMark with tables, footnotes, task lists and a YAML heading, which is
/// left out).
pub(in super::super) fn pages(text: &str) -> Result<Vec<Page>> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut flow = Flow::new();
    // Numbers of the open lists' next items, and what is being left out.
    let mut lists: Vec<Option<u64>> = Vec::new();
    let (mut over, mut fresh_item, mut page) = (0_usize, false, String::new());
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(Tag::MetadataBlock(_) | Tag::Strikethrough | Tag::Image { .. }) => {
                over += 1;
            }
            Event::End(TagEnd::MetadataBlock(_) | TagEnd::Strikethrough | TagEnd::Image) => {
                over = over.saturating_sub(1);
            }
            _ if over > 0 => {}
            Event::Start(tag) => match tag {
                Tag::Paragraph if !std::mem::take(&mut fresh_item) => {
                    flow.paragraph(Kind::Text, "");
                }
                Tag::Heading { level, .. } => flow.paragraph(Kind::Heading(depth(level)), ""),
                Tag::CodeBlock(_) => flow.paragraph(Kind::Verbatim, ""),
                Tag::List(next) => lists.push(next),
                Tag::Item => {
                    let label = match lists.last_mut() {
                        Some(Some(next)) => {
                            *next += 1;
                            format!("{}.", *next - 1)
                        }
                        _ => "-".to_owned(),
                    };
                    flow.paragraph(Kind::Item, &label);
                    fresh_item = true;
                }
                Tag::Table(_) => flow.table()?,
                Tag::TableHead | Tag::TableRow => flow.row(),
                Tag::TableCell => flow.cell()?,
                Tag::FootnoteDefinition(name) => {
                    flow.paragraph(Kind::Item, &format!("[^{name}]:"));
                    fresh_item = true;
                }
                _ => {}
            },
            Event::End(end) => match end {
                TagEnd::Paragraph
                | TagEnd::Heading(_)
                | TagEnd::CodeBlock
                | TagEnd::Item
                | TagEnd::FootnoteDefinition => flow.close_paragraph(),
                TagEnd::List(_) => drop(lists.pop()),
                TagEnd::TableCell => flow.close_cell(),
                TagEnd::Table => flow.close_table(),
                TagEnd::HtmlBlock => {
                    flow = html::read_into(flow, &std::mem::take(&mut page))?;
                }
                _ => {}
            },
            Event::Text(text)
            | Event::Code(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text) => {
                fresh_item = false;
                flow.text(&text)?;
            }
            Event::SoftBreak => flow.text(" ")?,
            Event::HardBreak => flow.text("\n")?,
            Event::Html(part) => page.push_str(&part),
            Event::InlineHtml(tag) => {
                if tag.to_lowercase().starts_with("<br") {
                    flow.text("\n")?;
                }
            }
            Event::FootnoteReference(name) => flow.text(&format!("[^{name}]"))?,
            Event::TaskListMarker(done) => flow.text(if done { "[x] " } else { "[ ] " })?,
            Event::Rule => flow.close_paragraph(),
        }
    }
    Ok(flow.finish())
}

fn depth(level: HeadingLevel) -> u8 {
    level as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_and_structure_stays() {
        let text = "---\ntitle: x\n---\n하중 기준\n=====\n\n고정하중은 **자중**이다,\n[링크](http://a)와 `코드`.\n\n\
            - 하나\n- 둘\n  1. 안\n\n| 용도 | 하중 |\n|---|---|\n| 사무실 | 2.5 |\n\n\
            ```\n# 제목 아님\n```\n\n글[^주].\n\n[^주]: 설명\n\n<div><p>블록</p></div>\n\n<!-- 숨김 -->\n";
        let pages = pages(text).unwrap();
        assert_eq!(
            pages[0].text,
            "# 하중 기준\n\n고정하중은 자중이다, 링크와 코드.\n\n- 하나\n- 둘\n1. 안\n\n용도 하중\n사무실 2.5\n\n# 제목 아님\n\n글[^주].\n\n[^주]: 설명\n\n블록"
        );
    }
}
