//! Tables: the figures, further columns, arguments, subsets, kinds of error, items left out.

use std::fmt::Write as _;

use super::escape::{escape, signed};
use super::verdict::{Verdict, enough, grouped};
use super::{View, heading};
use crate::evaluate::{
    ArgumentCounts, Difference, Form, MetricResult, Proportion, SuiteResult, TextLoss, statistics,
};
use crate::report::figures;
use crate::report::leading::{error_classes, main_metrics, repairs, tasks_and_guards};

/// The figures of all suites and, apart from them, those of further columns.
pub(super) fn write_main(page: &mut String, view: &View<'_>) {
    if view.evaluation.suites.is_empty() {
        return;
    }
    page.push_str("<section>");
    heading(page, view.page.figures, view.page.figures_note);
    let (tasks, guards) = tasks_and_guards(view.evaluation);
    open_figures(page, view, &[]);
    for suite in tasks {
        group(page, view.title(suite), figure_columns(view));
        for result in main_metrics(suite) {
            metric_row(page, view, &[view.words.metric(result.metric).to_owned()], result);
        }
        if let Some(loss) = &suite.text_loss {
            loss_row(page, view, view.words.cross_entropy, loss);
        }
    }
    if !guards.is_empty() {
        group(page, view.words.forgotten, figure_columns(view));
    }
    for suite in guards {
        let metrics = main_metrics(suite);
        for result in &metrics {
            let mut name = view.title(suite).to_owned();
            if metrics.len() > 1 {
                let _ = write!(name, ", {}", view.words.metric(result.metric));
            }
            metric_row(page, view, &[name], result);
        }
        if let Some(loss) = &suite.text_loss {
            loss_row(page, view, view.title(suite), loss);
        }
    }
    page.push_str("</tbody></table></section>\n");
    further_columns(page, view);
}

/// What is behind the figures, after the charts.
pub(super) fn write_details(page: &mut String, view: &View<'_>) {
    arguments(page, view);
    subsets(page, view);
    errors(page, view);
    excluded(page, view);
    for left_out in &view.evaluation.not_run {
        let line = figures::not_run(left_out, view.language, view.words);
        let _ = write!(page, "<p class=\"note\">{}</p>", escape(&line));
    }
}

fn is_paired(view: &View<'_>) -> bool {
    view.evaluation.run.is_some()
}

fn figure_columns(view: &View<'_>) -> usize {
    if is_paired(view) { 6 } else { 2 }
}

/// Opens the table of figures with as many name columns as `names` and one for the metric.
fn open_figures(page: &mut String, view: &View<'_>, names: &[&str]) {
    let (words, own) = (view.words, view.page);
    let shape = if is_paired(view) { "figures paired" } else { "figures" };
    let _ = write!(page, "<table class=\"{shape}\"><thead><tr>");
    for name in names.iter().chain([&words.metric]) {
        let _ = write!(page, "<th scope=\"col\">{name}</th>");
    }
    let _ = write!(page, "<th scope=\"col\" class=\"n\">{}</th>", words.base);
    if is_paired(view) {
        for name in [words.tuned, words.difference, own.p] {
            let _ = write!(page, "<th scope=\"col\" class=\"n\">{name}</th>");
        }
        let _ = write!(page, "<th scope=\"col\" class=\"verdict\">{}</th>", own.verdict);
    }
    page.push_str("</tr></thead><tbody>");
}

fn group(page: &mut String, title: &str, columns: usize) {
    let _ = write!(
        page,
        "</tbody><tbody><tr class=\"group\"><th colspan=\"{columns}\" scope=\"rowgroup\">{}</th></tr>",
        escape(title)
    );
}

fn metric_row(page: &mut String, view: &View<'_>, names: &[String], result: &MetricResult) {
    page.push_str("<tr>");
    for name in names {
        let _ = write!(page, "<th scope=\"row\">{}</th>", escape(name));
    }
    proportion(page, view.words.base, result.base, result.base_interval);
    if is_paired(view) {
        match result.tuned.zip(result.tuned_interval) {
            Some((tuned, interval)) => proportion(page, view.words.tuned, tuned, interval),
            None => page.push_str("<td></td>"),
        }
        match &result.difference {
            Some(difference) => difference_cells(page, view, difference, result.base.n),
            None => page.push_str("<td></td><td></td><td></td>"),
        }
    }
    page.push_str("</tr>");
}

fn proportion(page: &mut String, label: &str, share: Proportion, interval: (f64, f64)) {
    let _ = write!(
        page,
        "<td class=\"n\" data-label=\"{label}\"><span class=\"v\">{}</span><small>{}/{} {}</small></td>",
        figures::share(share),
        share.successes,
        share.n,
        figures::interval(interval).replace('-', "–")
    );
}

fn range((low, high): (f64, f64)) -> String {
    signed(&format!("[{}, {}]", figures::points(low), figures::points(high)))
}

fn difference_cells(page: &mut String, view: &View<'_>, difference: &Difference, n: u32) {
    let (words, own) = (view.words, view.page);
    let sources = difference.clustered.map_or_else(String::new, |clustered| {
        let said = own.sources.replace("{}", &clustered.sources.to_string());
        format!("<small>{said}<br>{}</small>", range(clustered.interval))
    });
    let holm = difference
        .holm
        .map_or_else(String::new, |holm| format!("<small>{} {}</small>", own.holm, p_value(holm)));
    let verdict = Verdict::of(difference);
    let more = enough(difference, n, words)
        .map_or_else(String::new, |more| format!("<small>{}</small>", escape(&more)));
    let _ = write!(
        page,
        "<td class=\"n\" data-label=\"{}\"><span class=\"v {}\">{}</span><small>{}</small>{sources}</td>\
         <td class=\"n p\" data-label=\"{}\"><span class=\"v\">{}</span>{holm}</td>\
         <td class=\"verdict\" data-label=\"{}\">{}{more}</td>",
        words.difference,
        verdict.class(),
        signed(&figures::points(difference.delta)),
        range(difference.interval),
        own.p,
        p_value(difference.p),
        own.verdict,
        verdict.html(words),
    );
}

/// A p value without its letter: the column has it.
fn p_value(p: f64) -> String {
    escape(figures::p_value(p).trim_start_matches('p').trim_start_matches('='))
}

fn loss_row(page: &mut String, view: &View<'_>, name: &str, loss: &TextLoss) {
    let words = view.words;
    let _ = write!(
        page,
        "<tr><th scope=\"row\">{}<small>{}, {}, {} {}</small></th>",
        escape(name),
        words.nats,
        view.page.less_is_better,
        grouped(loss.tokens),
        words.tokens
    );
    let mut nats = |label: &str, value: f64| {
        let _ = write!(
            page,
            "<td class=\"n\" data-label=\"{label}\"><span class=\"v\">{value:.3}</span></td>"
        );
    };
    nats(words.base, loss.base);
    if let Some(tuned) = loss.tuned {
        nats(words.tuned, tuned);
    }
    if let Some((relative, verdict)) = loss.relative().zip(Verdict::of_loss(loss)) {
        let interval = loss.interval.map_or_else(String::new, |(low, high)| {
            format!("<small>{}</small>", range((low / loss.base, high / loss.base)))
        });
        let _ = write!(
            page,
            "<td class=\"n\" data-label=\"{}\"><span class=\"v {}\">{} %</span>{interval}</td>\
             <td class=\"p\"></td><td class=\"verdict\" data-label=\"{}\">{}</td>",
            words.difference,
            verdict.class(),
            signed(&figures::points(relative)),
            view.page.verdict,
            verdict.html(words)
        );
    } else if is_paired(view) {
        page.push_str("<td></td><td></td><td></td>");
    }
    page.push_str("</tr>");
}

fn further_columns(page: &mut String, view: &View<'_>) {
    let columns = &view.evaluation.others;
    if columns.is_empty() {
        return;
    }
    page.push_str("<section class=\"apart\">");
    heading(page, view.page.others, view.page.others_note);
    let _ = write!(
        page,
        "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">{}</th>",
        view.words.metric
    );
    for column in columns {
        let _ = write!(
            page,
            "<th scope=\"col\" class=\"n\">{}<small>{}</small></th>",
            escape(&column.name),
            view.page.column_kind(column.kind)
        );
    }
    page.push_str("</tr></thead><tbody>");
    let (tasks, guards) = tasks_and_guards(view.evaluation);
    let counted = |suite: &&SuiteResult| {
        main_metrics(suite).iter().any(|result| result.others.iter().any(|other| other.n > 0))
    };
    for suite in tasks.into_iter().filter(counted) {
        group(page, view.title(suite), columns.len() + 1);
        for result in main_metrics(suite) {
            further_row(page, view.words.metric(result.metric), result, columns.len());
        }
    }
    let guards: Vec<&SuiteResult> = guards.into_iter().filter(counted).collect();
    if !guards.is_empty() {
        group(page, view.words.forgotten, columns.len() + 1);
    }
    for suite in guards {
        for result in main_metrics(suite) {
            further_row(page, view.title(suite), result, columns.len());
        }
    }
    page.push_str("</tbody></table></div></section>\n");
}

fn further_row(page: &mut String, name: &str, result: &MetricResult, columns: usize) {
    let _ = write!(page, "<tr><th scope=\"row\">{}</th>", escape(name));
    for at in 0..columns {
        match result.others.get(at).filter(|share| share.n > 0) {
            Some(share) => {
                let interval = statistics::wilson(share.successes, share.n);
                proportion(page, "", *share, interval);
            }
            None => page.push_str("<td></td>"),
        }
    }
    page.push_str("</tr>");
}

fn arguments(page: &mut String, view: &View<'_>) {
    let (words, own) = (view.words, view.page);
    let suites: Vec<&SuiteResult> =
        view.evaluation.suites.iter().filter(|suite| suite.arguments.is_some()).collect();
    if suites.is_empty() {
        return;
    }
    page.push_str("<section>");
    heading(page, own.arguments, own.arguments_note);
    let _ = write!(
        page,
        "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">{}</th>",
        own.column
    );
    for name in [
        own.precision,
        own.recall,
        "F1",
        own.given,
        own.missing,
        own.extra,
        own.wrong_type,
        own.wrong_value,
        own.wrong_name,
    ] {
        let _ = write!(page, "<th scope=\"col\" class=\"n\">{name}</th>");
    }
    page.push_str("</tr></thead><tbody>");
    for suite in suites {
        let Some(scores) = &suite.arguments else { continue };
        group(page, view.title(suite), 10);
        counts(page, words.base, &scores.base);
        if let Some(tuned) = &scores.tuned {
            counts(page, words.tuned, tuned);
        }
        for (column, scores) in view.evaluation.others.iter().zip(&scores.others) {
            let name = format!("{}, {}", column.name, view.page.column_kind(column.kind));
            counts(page, &name, scores);
        }
    }
    page.push_str("</tbody></table></div></section>\n");
}

fn counts(page: &mut String, name: &str, counts: &ArgumentCounts) {
    let share = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), figures::percent);
    let cells = [
        share(counts.precision()),
        share(counts.recall()),
        share(counts.f1()),
        format!("{}/{}/{}", counts.right, counts.given, counts.expected),
        counts.missing.to_string(),
        counts.extra.to_string(),
        counts.wrong_type.to_string(),
        counts.wrong_value.to_string(),
        counts.wrong_name.to_string(),
    ];
    let _ = write!(page, "<tr><th scope=\"row\">{}</th>", escape(name));
    for cell in cells {
        let _ = write!(page, "<td class=\"n\">{cell}</td>");
    }
    page.push_str("</tr>");
}

/// Subsets, and the lenient reading of what the main table has strictly.
fn subsets(page: &mut String, view: &View<'_>) {
    let (words, own) = (view.words, view.page);
    let is_main = |suite: &SuiteResult, result: &MetricResult| {
        main_metrics(suite).iter().any(|main| std::ptr::eq(*main, result))
    };
    let has_more = |suite: &&SuiteResult| {
        suite.metrics.iter().any(|result| result.subset.is_some() || !is_main(suite, result))
    };
    let suites: Vec<&SuiteResult> = view.evaluation.suites.iter().filter(has_more).collect();
    if suites.is_empty() {
        return;
    }
    let _ = write!(
        page,
        "<section><details class=\"fold\"><summary><h2>{}</h2></summary>",
        own.subsets
    );
    open_figures(page, view, &[]);
    for suite in suites {
        let mut current = None;
        for result in suite.metrics.iter().filter(|result| !is_main(suite, result)) {
            let subset = result.subset.as_deref();
            if current != Some(subset) {
                current = Some(subset);
                let name = subset.map_or(own.lenient_too, |subset| words.subset(subset));
                let title = format!("{}: {name}", view.title(suite));
                group(page, &title, figure_columns(view));
            }
            let strict_too = suite.metrics.iter().any(|other| {
                other.metric == result.metric
                    && other.subset == result.subset
                    && other.form != result.form
            });
            let name = words.metric(result.metric);
            let name = match result.form {
                form if subset.is_some() && strict_too => {
                    format!("{name}, {}", words.form(form))
                }
                Form::Strict | Form::Lenient => name.to_owned(),
            };
            metric_row(page, view, &[name], result);
        }
    }
    page.push_str("</tbody></table></details></section>\n");
}

/// Classes of error, and what was repaired to read calls leniently.
fn errors(page: &mut String, view: &View<'_>) {
    let words = view.words;
    let classes = |suite: &SuiteResult| -> Counts {
        let classes = error_classes(suite).into_iter();
        let named = |class: String| words.error_class(&class).to_owned();
        classes.map(|(class, base, tuned)| (named(class), base, tuned)).collect()
    };
    kinds_table(page, view, words.errors, &classes);
    let kinds = |suite: &SuiteResult| -> Counts {
        let kinds = repairs(suite).into_iter();
        kinds.map(|(kind, base, tuned)| (words.repair(kind).to_owned(), base, tuned)).collect()
    };
    kinds_table(page, view, words.repaired, &kinds);
}

/// Names with the counts of base and tuned.
type Counts = Vec<(String, u32, u32)>;

fn kinds_table(
    page: &mut String,
    view: &View<'_>,
    title: &str,
    of: &dyn Fn(&SuiteResult) -> Counts,
) {
    let words = view.words;
    let suites: Vec<_> = (view.evaluation.suites.iter())
        .map(|suite| (suite, of(suite)))
        .filter(|(_, counts)| !counts.is_empty())
        .collect();
    if suites.is_empty() {
        return;
    }
    page.push_str("<section>");
    heading(page, title, "");
    page.push_str("<div class=\"pair\">");
    for (suite, classes) in suites {
        let most = classes.iter().map(|(_, base, tuned)| *base.max(tuned)).max().unwrap_or(1);
        let _ = write!(
            page,
            "<table><caption>{}</caption><thead><tr><th scope=\"col\"></th>\
             <th scope=\"col\" class=\"n\">{}</th>",
            escape(view.title(suite)),
            words.base
        );
        if is_paired(view) {
            let _ = write!(page, "<th scope=\"col\" class=\"n\">{}</th>", words.tuned);
        }
        page.push_str("<th class=\"bar\"></th></tr></thead><tbody>");
        for (class, base, tuned) in &classes {
            let _ = write!(
                page,
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{base}</td>",
                escape(class)
            );
            let width = |count: u32| 100.0 * f64::from(count) / f64::from(most.max(1));
            let mut bars = format!(
                "<rect class=\"base\" y=\"1\" height=\"6\" width=\"{:.1}%\"/>",
                width(*base)
            );
            if is_paired(view) {
                let _ = write!(page, "<td class=\"n\">{tuned}</td>");
                let _ = write!(
                    bars,
                    "<rect class=\"tuned\" y=\"8\" height=\"6\" width=\"{:.1}%\"/>",
                    width(*tuned)
                );
            }
            let _ = write!(
                page,
                "<td class=\"bar\"><svg width=\"100%\" height=\"15\" aria-hidden=\"true\">{bars}</svg></td></tr>"
            );
        }
        page.push_str("</tbody></table>");
    }
    page.push_str("</div></section>\n");
}

fn excluded(page: &mut String, view: &View<'_>) {
    let own = view.page;
    let count: usize = view.evaluation.suites.iter().map(|suite| suite.excluded.len()).sum();
    if count == 0 {
        return;
    }
    let _ = write!(
        page,
        "<section><details class=\"fold\"><summary><h2>{} <span class=\"count\">{count}</span></h2></summary>\
         <p class=\"note\">{}</p><table class=\"list\"><thead><tr><th scope=\"col\">{}</th><th scope=\"col\">{}</th>\
         <th scope=\"col\">{}</th><th scope=\"col\"></th></tr></thead><tbody>",
        own.excluded, own.excluded_note, own.case, own.question, own.like
    );
    for suite in view.evaluation.suites.iter().filter(|suite| !suite.excluded.is_empty()) {
        group(page, view.title(suite), 4);
        for seen in &suite.excluded {
            let how = if seen.exact { own.same_case } else { own.near_case };
            let _ = write!(
                page,
                "<tr><td class=\"id\">{}</td><td>{}</td><td>{}</td><td>{how}</td></tr>",
                escape(&seen.id),
                escape(&short(&seen.question)),
                escape(&short(&seen.like))
            );
        }
    }
    page.push_str("</tbody></table></details></section>\n");
}

/// The first characters of a text from outside, enough to know it by.
fn short(text: &str) -> String {
    const MOST: usize = 240;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
