//! `report.html`: one page that needs nothing but itself.
//!
//! The page holds both languages and is switched by radio buttons that stand before it, so that it
//! is read without a script; a script of a few lines only searches the items and takes language and
//! theme from the address (`?ko&dark`). A content security policy forbids every request and every
//! script or style but the two that are named by their hash. What comes from outside (answers, names,
//! titles) is escaped in [`escape`].

mod back;
mod charts;
mod curve;
pub(in crate::report) mod escape;
mod front;
mod items;
mod marks;
mod tables;
mod verdict;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use self::escape::{css_string, escape, hash_source};
use super::words::Words;
use super::words::page::PageWords;
use crate::evaluate::{ColumnKind, Evaluation, SuiteResult};
use crate::pair::example::Language;

/// The look of the page; the names of error classes come after it.
const STYLE: &str = include_str!("style.css");
/// Search, and language and theme from the address.
const SCRIPT: &str = include_str!("script.js");

/// The evaluation as one HTML page. `language` is shown where the reader's browser does not prefer the
/// other; `notes` are lines about machine, model and run.
pub fn html(evaluation: &Evaluation, language: Language, notes: &[String]) -> String {
    let style = format!("{STYLE}{}", generated_style());
    let first = View::new(evaluation, language);
    let title = format!("{}: {}", first.words.report, first.subject());
    let mut page = head(&title, &style, language);
    switches(&mut page, language);
    let views = [Language::Korean, Language::English].map(|each| View::new(evaluation, each));
    for view in &views {
        open_part(&mut page, view);
        front::write(&mut page, view, notes);
        tables::write_main(&mut page, view);
        charts::write(&mut page, view);
        tables::write_details(&mut page, view);
        page.push_str("</div>\n");
    }
    items::write(&mut page, evaluation);
    for view in &views {
        open_part(&mut page, view);
        back::write(&mut page, view);
        page.push_str("</div>\n");
    }
    close(&mut page);
    page
}

/// Everything before the page's own parts, but for the switches.
fn head(title: &str, style: &str, language: Language) -> String {
    let mut page = String::with_capacity(256 * 1024);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{}'; \
         script-src '{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n<style>{style}</style>\n</head>\n<body>\n",
        language.code(),
        hash_source(style),
        hash_source(SCRIPT),
        escape(title),
    );
    page
}

fn close(page: &mut String) {
    let _ = write!(page, "</main></div>\n<script>{SCRIPT}</script>\n</body>\n</html>\n");
}

/// Another page of the same look: `part` writes it in each language, `style` comes after the usual.
pub(in crate::report) fn shell(
    title: &str,
    style: &str,
    language: Language,
    part: impl Fn(&mut String, Language),
) -> String {
    let style = format!("{STYLE}{style}");
    let mut page = head(title, &style, language);
    switches(&mut page, language);
    for each in [Language::Korean, Language::English] {
        let code = each.code();
        let _ = writeln!(page, "<div class=\"{code}\" lang=\"{code}\">");
        part(&mut page, each);
        page.push_str("</div>\n");
    }
    close(&mut page);
    page
}

/// The evaluation and the language it is told in.
struct View<'a> {
    evaluation: &'a Evaluation,
    language: Language,
    words: &'static Words,
    page: &'static PageWords,
}

impl<'a> View<'a> {
    fn new(evaluation: &'a Evaluation, language: Language) -> Self {
        Self { evaluation, language, words: Words::of(language), page: PageWords::of(language) }
    }

    fn title(&self, suite: &'a SuiteResult) -> &'a str {
        title(suite, self.language)
    }

    /// Model and run.
    fn subject(&self) -> String {
        let run = match self.evaluation.run {
            Some(run) => format!("{} {run}", self.words.run),
            None => self.words.base_only.to_owned(),
        };
        format!("{}, {run}", self.evaluation.model)
    }
}

fn title(suite: &SuiteResult, language: Language) -> &str {
    match language {
        Language::Korean => &suite.title.ko,
        Language::English => &suite.title.en,
    }
}

/// Radio buttons before the page, so that the page can be styled by which is chosen.
fn switches(page: &mut String, language: Language) {
    let checked = |yes: bool| if yes { " checked" } else { "" };
    for each in [Language::Korean, Language::English] {
        let code = each.code();
        let chosen = checked(each == language);
        let label = if each == Language::Korean { "한국어" } else { "English" };
        let _ = write!(
            page,
            "<input type=\"radio\" class=\"switch\" name=\"language\" id=\"{code}\" aria-label=\"{label}\"{chosen}>"
        );
    }
    for name in ["auto", "light", "dark"] {
        let chosen = checked(name == "auto");
        let _ = write!(
            page,
            "<input type=\"radio\" class=\"switch\" name=\"theme\" id=\"{name}\" aria-label=\"{name}\"{chosen}>"
        );
    }
    let bar = |theme: &[&str; 4], code: &str| {
        let [name, auto, light, dark] = theme;
        format!(
            "<span class=\"{code}\" lang=\"{code}\"><span class=\"what\">{name}</span><label for=\"auto\">{auto}</label>\
             <label for=\"light\">{light}</label><label for=\"dark\">{dark}</label></span>"
        )
    };
    let themes = |language| {
        let words = PageWords::of(language);
        [words.theme, words.theme_auto, words.theme_light, words.theme_dark]
    };
    let _ = write!(
        page,
        "\n<div class=\"page\">\n<nav><span><label for=\"ko\" lang=\"ko\">한국어</label>\
         <label for=\"en\" lang=\"en\">English</label></span>{}{}</nav>\n\
         <svg width=\"0\" height=\"0\" aria-hidden=\"true\" class=\"patterns\"><defs>\
         <pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <rect width=\"6\" height=\"6\" class=\"hatch-ground\"/><rect width=\"2.5\" height=\"6\" class=\"hatch-line\"/>\
         </pattern></defs></svg>\n<main>\n",
        bar(&themes(Language::Korean), "ko"),
        bar(&themes(Language::English), "en"),
    );
}

fn open_part(page: &mut String, view: &View<'_>) {
    let code = view.language.code();
    let _ = writeln!(page, "<div class=\"{code}\" lang=\"{code}\">");
}

/// A heading with an optional remark below it.
fn heading(page: &mut String, text: &str, note: &str) {
    let _ = write!(page, "<h2>{}</h2>", escape(text));
    if !note.is_empty() {
        let _ = write!(page, "<p class=\"note\">{}</p>", escape(note));
    }
}

/// The class that says what a further column is.
fn column_label(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Endpoint => "oe",
        ColumnKind::BaseBound => "ob",
        ColumnKind::TunedBound => "ot",
    }
}

/// Labels of items and names of error classes in both languages. They stand in the style, once,
/// rather than in every item.
fn generated_style() -> String {
    let mut style = String::new();
    for (id, language) in [("ko", Language::Korean), ("en", Language::English)] {
        let (words, page) = (Words::of(language), PageWords::of(language));
        let mut placed = |class: &str, place: &str, text: &str| {
            let text = css_string(text);
            let _ = write!(style, "#{id}:checked~.page .{class}::{place}{{content:{text}}}");
        };
        // The verdict stands after the label.
        placed("ly", "after", words.right);
        placed("ln", "after", words.wrong);
        let mut label = |class: &str, text: &str| placed(class, "before", text);
        label("lq", page.question);
        label("le", words.expected);
        label("lb", words.base);
        label("lt", words.tuned);
        label("la", page.both_alike);
        label("lm", page.more_characters);
        label("ls", page.right_share);
        label("lo", page.source);
        label("lz", words.empty);
        label("lc", words.no_call);
        label("li", words.any_call);
        for kind in [ColumnKind::Endpoint, ColumnKind::BaseBound, ColumnKind::TunedBound] {
            label(column_label(kind), page.column_kind(kind));
        }
        for (index, (_, name)) in words.error_class_names().iter().enumerate() {
            label(&format!("x{index}"), name);
        }
    }
    style
}
