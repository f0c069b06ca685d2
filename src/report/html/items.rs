//! Every item, folded, by suite and by how it changed. Items are written once for both languages:
//! their labels come from the style, and their markup is as short as HTML permits, since there are
//! thousands of it: end tags of `dt` and `dd` and quotes that are not needed are left out.

use std::fmt::Write as _;

use super::escape::escape_between_tags as escape;
use super::{column_label, heading, marks, title};
use crate::evaluate::{ANY_CALL, Answer, Evaluation, ItemResult, NO_CALL, Reason, SuiteResult};
use crate::pair::example::Language;
use crate::report::leading::{Flip, tasks_and_guards};
use crate::report::words::Words;
use crate::report::words::page::PageWords;

/// Bytes that all items may take together: a page of 1,500 items stays below 3 MB.
const BYTES: usize = 2_650_000;
/// Bytes of an item's tags, and of those around each of its answers.
const FRAME: usize = 185;
const ANSWER: usize = 50;
/// Characters of a text that are shown, the most that fit.
const LIMITS: [usize; 10] = [4_000, 2_000, 1_200, 800, 500, 350, 250, 150, 100, 60];
/// Items that changed may show so many times as much.
const CHANGED: usize = 3;
/// Characters of question and expected answer that are always shown.
const ALWAYS: usize = 120;
/// Characters of the question that stand in the line of a folded item.
const LINE: usize = 64;

/// What the items of a kind may show.
#[derive(Clone, Copy)]
struct Limits {
    changed: usize,
    other: usize,
}

impl Limits {
    /// The most that fits, or the least there is.
    fn of(evaluation: &Evaluation) -> Self {
        let limits = LIMITS.map(|other| Self { changed: (CHANGED * other).min(4_000), other });
        let fits = |limits: &&Self| {
            let items = evaluation.suites.iter().flat_map(|suite| &suite.items);
            items.map(|item| bytes(item, limits.at(Flip::of(item)))).sum::<usize>() <= BYTES
        };
        let [.., least] = limits;
        limits.iter().find(fits).copied().unwrap_or(least)
    }

    fn at(self, flip: Flip) -> usize {
        match flip {
            Flip::Regressed | Flip::Improved => self.changed,
            _ => self.other,
        }
    }
}

/// About how many bytes an item takes.
fn bytes(item: &ItemResult, limit: usize) -> usize {
    let shown = |text: &str, limit: usize| {
        let (text, _) = marks::cut(text, limit);
        text.len() + 3 * text.bytes().filter(|byte| b"<>&".contains(byte)).count()
    };
    let answer = |answer: &Answer| {
        let text = shown(&answer.text, limit);
        // Marks of what differs.
        let marked = if answer.is_right() == Some(false) { text * 3 / 2 } else { text };
        marked
            + ANSWER
            + answer.reason.as_ref().map_or(0, |reason| 100 + reason.to_string().len().min(400))
    };
    let tuned = item.tuned.as_ref().filter(|tuned| tuned.text != item.base.text);
    let answers = [Some(&item.base), tuned].into_iter().flatten().chain(&item.others);
    let beside = limit.max(ALWAYS);
    FRAME
        + item.id.len()
        + item.tags.iter().map(|tag| tag.len() + 1).sum::<usize>()
        + shown(&item.question, LINE)
        + shown(&item.question, beside)
        + shown(&item.expected, beside)
        + answers.map(answer).sum::<usize>()
}

pub(super) fn write(page: &mut String, evaluation: &Evaluation) {
    let limits = Limits::of(evaluation);
    let count: usize = evaluation.suites.iter().map(|suite| suite.items.len()).sum();
    if count == 0 {
        return;
    }
    page.push_str("<section class=\"items\" id=\"items\">");
    for language in [Language::Korean, Language::English] {
        let (words, own) = (Words::of(language), PageWords::of(language));
        let code = language.code();
        let _ = write!(page, "<div class=\"{code}\" lang=\"{code}\">");
        heading(page, words.items, own.items_note);
        let _ = write!(
            page,
            "<p class=\"search\" hidden><label>{} <input type=\"search\" autocomplete=\"off\"></label> \
             <output></output> <span>{}</span></p></div>",
            own.search, own.found
        );
    }
    let (tasks, guards) = tasks_and_guards(evaluation);
    for (at, suite) in tasks.into_iter().chain(guards).enumerate() {
        if !suite.items.is_empty() {
            write_suite(page, evaluation, suite, at, limits);
        }
    }
    page.push_str("</section>\n");
}

/// A text in both languages; the style shows one.
fn both(korean: &str, english: &str) -> String {
    format!(
        "<span class=\"ko\" lang=\"ko\">{}</span><span class=\"en\" lang=\"en\">{}</span>",
        escape(korean),
        escape(english)
    )
}

fn write_suite(
    page: &mut String,
    evaluation: &Evaluation,
    suite: &SuiteResult,
    suite_at: usize,
    limits: Limits,
) {
    let heading = both(title(suite, Language::Korean), title(suite, Language::English));
    let _ = write!(page, "<h3>{heading}</h3>");
    for flip in Flip::ALL {
        let items: Vec<(usize, &ItemResult)> =
            (suite.items.iter().enumerate()).filter(|(_, item)| Flip::of(item) == flip).collect();
        if items.is_empty() {
            continue;
        }
        let name = |language| name(flip, language);
        let _ = writeln!(
            page,
            "<details class=\"group\"><summary>{} <span class=\"count\">{}</span></summary>",
            both(name(Language::Korean), name(Language::English)),
            items.len()
        );
        for (at, item) in items {
            let id = format!("item-{suite_at}-{at}");
            write_item(page, evaluation, item, &id, limits.at(flip));
        }
        page.push_str("</details>\n");
    }
}

fn name(flip: Flip, language: Language) -> &'static str {
    let (words, own) = (Words::of(language), PageWords::of(language));
    match flip {
        Flip::Regressed => words.regressed,
        Flip::Improved => words.improved,
        Flip::BothWrong => words.both_wrong,
        Flip::BothRight => words.both_right,
        Flip::Wrong => own.wrong_items,
        Flip::Right => own.right_items,
        Flip::Undecided => own.texts,
    }
}

fn write_item(
    page: &mut String,
    evaluation: &Evaluation,
    item: &ItemResult,
    id: &str,
    limit: usize,
) {
    let one_line = item.question.split_whitespace().collect::<Vec<_>>().join(" ");
    let (line, _) = marks::cut(&one_line, LINE);
    let _ = write!(
        page,
        "<details id={id}><summary><code>{}</code> {}",
        escape(marks::cut(&item.id, 80).0),
        escape(line)
    );
    if !item.tags.is_empty() {
        let _ = write!(page, " <small>{}</small>", escape(marks::cut(&item.tags.join(" "), 80).0));
    }
    page.push_str("</summary><dl>");
    if item.question.trim() != line {
        block(page, "<dt class=lq>", &item.question, limit.max(ALWAYS), escape);
    }
    if !item.expected.is_empty() {
        let wrong: Vec<&str> = [Some(&item.base), item.tuned.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|answer| answer.argument.as_deref())
            .collect();
        if let Some(class) = call_label(&item.expected) {
            let _ = write!(page, "<dt class=le><dd class=\"empty {class}\">");
        } else {
            let mark = |text: &str| marks::expected(text, &wrong);
            block(page, "<dt class=le>", &item.expected, limit.max(ALWAYS), mark);
        }
    }
    match &item.tuned {
        Some(tuned) if tuned.text == item.base.text => {
            if !tuned.text.is_empty() {
                answer(page, "la", "", item, tuned, limit);
            }
        }
        tuned => {
            answer(page, "lb", "", item, &item.base, limit);
            if let Some(tuned) = tuned {
                answer(page, "lt", "", item, tuned, limit);
            }
        }
    }
    let others = evaluation.others.iter().zip(&item.others);
    // What was not asked of a column says nothing.
    for (column, other) in others.filter(|(_, other)| **other != Answer::default()) {
        let name = format!(
            "<span>{} <small class={}></small></span>",
            escape(marks::cut(&column.name, 60).0),
            column_label(column.kind)
        );
        answer(page, "", &name, item, other, limit);
    }
    page.push_str("</dl>");
    if let Some(source) = &item.source {
        let source = escape(marks::cut(source, 120).0);
        let _ = write!(page, "<p class=lo> {source}</p>");
    }
    page.push_str("</details>\n");
}

/// The class that says in both languages that no call, or any, is expected.
fn call_label(expected: &str) -> Option<&'static str> {
    match expected {
        NO_CALL => Some("lc"),
        ANY_CALL => Some("li"),
        _ => None,
    }
}

fn block(page: &mut String, head: &str, text: &str, limit: usize, shown: impl Fn(&str) -> String) {
    let (text, was_cut) = marks::cut(text.trim(), limit);
    let more = if was_cut { "<span class=lm></span>" } else { "" };
    let _ = write!(page, "{head}<dd>{}{more}", shown(text));
}

/// An answer under the label of a class, or a name of its own.
fn answer(
    page: &mut String,
    label: &str,
    name: &str,
    item: &ItemResult,
    answer: &Answer,
    limit: usize,
) {
    let verdict = match answer.is_right() {
        Some(true) => "ly",
        Some(false) => "ln",
        None => "",
    };
    let mut head = match (label, verdict) {
        ("", "") => format!("<dt>{name}"),
        (class, "") | ("", class) => format!("<dt class={class}>{name}"),
        (label, verdict) => format!("<dt class=\"{label} {verdict}\">{name}"),
    };
    if let Some(reason) = &answer.reason {
        head.push_str(&said(reason));
    }
    if let Some(share) = answer.right_share {
        let _ = write!(head, "<small class=ls> {:.0} %</small>", 100.0 * share);
    }
    let text = answer.text.trim();
    if text.is_empty() {
        if item.expected.is_empty() && answer.is_right().is_none() {
            return;
        }
        let _ = write!(page, "{head}<dd class=\"empty lz\">");
        return;
    }
    let was_cut = marks::cut(text, limit).1;
    // What is expected of free replies are rules or nothing, not words.
    let expected = if call_label(&item.expected).is_some() { "" } else { &item.expected };
    let expected = marks::cut(expected, 2 * limit).0;
    let mark = |text: &str| marks::marked(expected, text, was_cut, answer.argument.as_deref());
    block(page, &head, text, limit, mark);
}

/// Why an answer is wrong, in no language of its own: the class by its name, and the details that are
/// no sentence of this program's.
fn said(reason: &Reason) -> String {
    let known = Words::of(Language::English).error_class_names();
    let class = match known.iter().position(|(name, _)| *name == reason.class()) {
        Some(at) => format!("<small class=x{at}>"),
        None => format!("<small>{}", escape(marks::cut(reason.class(), 80).0)),
    };
    let part = |text: &str| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (text, was_cut) = marks::cut(&text, 160);
        format!("{}{}", escape(text), if was_cut { " …" } else { "" })
    };
    let beside = |found: &str, expected: &str| {
        format!("{} (<span class=le></span>: {})", part(found), part(expected))
    };
    let detail = match reason {
        // The class says it all.
        Reason::Form
        | Reason::NoCall
        | Reason::UnwantedCall
        | Reason::BrokenCall
        | Reason::NoLabel => String::new(),
        Reason::Count { found, expected } | Reason::Name { found, expected } => {
            beside(found, expected)
        }
        Reason::Value { argument, found, expected } => {
            beside(&format!("{argument} = {found}"), expected)
        }
        Reason::LittleInCommon(f1) => format!("F1 {}", part(f1)),
        other => {
            let text = other.to_string();
            part(text.split_once(": ").map_or("", |(_, detail)| detail))
        }
    };
    if detail.is_empty() {
        format!("{class}</small>")
    } else {
        format!("{class}: {detail}</small>")
    }
}
