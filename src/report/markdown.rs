//! `report.md`: what the tuned model gained and lost, with the items that show it.

use std::fmt::Write as _;

use super::leading::Flip;
use super::words::Words;
use super::{figures, further, leading};
use crate::evaluate::{Evaluation, Form, ItemResult, Metric, MetricResult, SuiteKind, SuiteResult};
use crate::pair::example::Language;

/// Items listed in full of each group (improved, regressed) of a suite.
const ITEMS_MAX: usize = 20;

/// Characters of a question or answer that are shown.
const TEXT_MAX: usize = 600;

/// The evaluation as Markdown. `notes` are lines about machine, model and run, shown at the top.
pub fn markdown(evaluation: &Evaluation, language: Language, notes: &[String]) -> String {
    let mut report = Report { words: Words::of(language), language, text: String::new() };
    report.head(evaluation, notes);
    let (guards, tasks): (Vec<&SuiteResult>, Vec<&SuiteResult>) =
        evaluation.suites.iter().partition(|suite| suite.forgetting);
    for suite in &tasks {
        report.task(suite);
    }
    if !guards.is_empty() {
        report.forgetting(&guards);
    }
    report.further(evaluation);
    for suite in tasks.iter().chain(&guards) {
        report.items(suite);
    }
    report.definitions(evaluation);
    report.text
}

struct Report<'a> {
    words: &'a Words,
    language: Language,
    text: String,
}

impl Report<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn row(&mut self, cells: &[String]) {
        // A bar would end the cell.
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    fn table_head(&mut self, cells: &[&str]) {
        self.row(&cells.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>());
        let rule: Vec<&str> =
            (0..cells.len()).map(|column| if column == 0 { "---" } else { "---:" }).collect();
        self.line(&format!("| {} |", rule.join(" | ")));
    }

    fn title(&self, suite: &SuiteResult) -> String {
        match self.language {
            Language::Korean => suite.title.ko.clone(),
            Language::English => suite.title.en.clone(),
        }
    }

    fn head(&mut self, evaluation: &Evaluation, notes: &[String]) {
        let words = self.words;
        let run = match evaluation.run {
            Some(run) => format!("{} {run}", words.run),
            None => words.base_only.to_owned(),
        };
        self.line(&format!("# {}: {}, {run}\n", words.report, evaluation.model));
        self.line(&format!("- {}: {}", words.model, evaluation.model));
        self.line(&format!("- {}: {}", words.made, figures::time(evaluation.created)));
        self.line(&format!("- {}: {:.0} {}", words.took, evaluation.seconds, words.seconds));
        for note in notes {
            self.line(&format!("- {note}"));
        }
        for left_out in &evaluation.not_run {
            let line = figures::not_run(left_out, self.language, words);
            self.line(&format!("- {line}"));
        }
    }

    fn task(&mut self, suite: &SuiteResult) {
        let words = self.words;
        let title = self.title(suite);
        self.line(&format!("\n## {title}\n"));
        let totals: Vec<&MetricResult> =
            (suite.metrics.iter()).filter(|metric| metric.subset.is_none()).collect();
        if totals.iter().any(|metric| metric.form == Form::Strict) {
            self.side_by_side(&totals);
        } else {
            self.table_head(&[words.metric, words.base, words.tuned, words.difference]);
            for result in &totals {
                let mut cells = vec![words.metric(result.metric).to_owned()];
                cells.extend(self.cells(result));
                self.row(&cells);
            }
        }
        self.loss(suite);
        self.error_classes(suite);
        let subsets: Vec<&MetricResult> =
            (suite.metrics.iter()).filter(|metric| metric.subset.is_some()).collect();
        if !subsets.is_empty() {
            self.line(&format!("\n### {}: {title}\n", words.by_subset));
            let form = format!("{}/{}", words.strict, words.lenient);
            let head =
                [words.subset, words.metric, &form, words.base, words.tuned, words.difference];
            self.table_head(&head);
            for result in subsets {
                let mut cells = vec![
                    words.subset(result.subset.as_deref().unwrap_or_default()).to_owned(),
                    words.metric(result.metric).to_owned(),
                    words.form(result.form).to_owned(),
                ];
                cells.extend(self.cells(result));
                self.row(&cells);
            }
        }
    }

    /// Strict and lenient figures of each metric in one row.
    fn side_by_side(&mut self, totals: &[&MetricResult]) {
        let words = self.words;
        let columns: Vec<String> = [words.strict, words.lenient]
            .iter()
            .flat_map(|form| {
                [words.base, words.tuned, words.difference]
                    .map(|column| format!("{form}: {column}"))
            })
            .collect();
        let mut head = vec![words.metric];
        head.extend(columns.iter().map(String::as_str));
        self.table_head(&head);
        let mut shown: Vec<Metric> = Vec::new();
        for result in totals {
            if shown.contains(&result.metric) {
                continue;
            }
            shown.push(result.metric);
            let mut cells = vec![words.metric(result.metric).to_owned()];
            for form in [Form::Strict, Form::Lenient] {
                let of_form =
                    totals.iter().find(|other| other.metric == result.metric && other.form == form);
                match of_form {
                    Some(result) => cells.extend(self.cells(result)),
                    None => cells.extend([String::new(), String::new(), String::new()]),
                }
            }
            self.row(&cells);
        }
    }

    /// Base, tuned and difference of a metric.
    fn cells(&self, result: &MetricResult) -> [String; 3] {
        let cell = |proportion: crate::evaluate::Proportion, interval| {
            format!(
                "{}/{} {} {}",
                proportion.successes,
                proportion.n,
                figures::share(proportion),
                figures::interval(interval)
            )
        };
        let tuned = result.tuned.zip(result.tuned_interval);
        let difference = result.difference.as_ref();
        [
            cell(result.base, result.base_interval),
            tuned.map_or_else(String::new, |(tuned, interval)| cell(tuned, interval)),
            difference.map_or_else(String::new, |difference| {
                figures::difference(difference, result.base.n, self.words)
            }),
        ]
    }

    fn loss(&mut self, suite: &SuiteResult) {
        if let Some(cells) = self.loss_cells(suite) {
            let words = self.words;
            self.table_head(&[words.metric, words.base, words.tuned, words.difference]);
            self.row(&cells);
        }
    }

    fn loss_cells(&self, suite: &SuiteResult) -> Option<[String; 4]> {
        let words = self.words;
        let loss = suite.text_loss.as_ref()?;
        let nats = |value: f64| format!("{value:.4} {}", words.nats);
        Some([
            format!("{} ({} {})", words.cross_entropy, loss.tokens, words.tokens),
            nats(loss.base),
            loss.tuned.map_or_else(String::new, nats),
            figures::loss_difference(loss, true, words).unwrap_or_default(),
        ])
    }

    /// Classes of error, and what was repaired to read calls leniently.
    fn error_classes(&mut self, suite: &SuiteResult) {
        let words = self.words;
        let classes = leading::error_classes(suite);
        let classes = classes
            .iter()
            .map(|(class, base, tuned)| (words.error_class(class).to_owned(), *base, *tuned));
        self.counts(words.errors, classes.collect(), suite);
        let repairs = leading::repairs(suite).into_iter();
        let repairs =
            repairs.map(|(kind, base, tuned)| (words.repair(kind).to_owned(), base, tuned));
        self.counts(words.repaired, repairs.collect(), suite);
    }

    fn counts(&mut self, title: &str, counts: Vec<(String, u32, u32)>, suite: &SuiteResult) {
        if counts.is_empty() {
            return;
        }
        let words = self.words;
        self.line("");
        self.table_head(&[title, words.base, words.tuned]);
        let with_tuned = suite.items.iter().any(|item| item.tuned.is_some());
        for (name, base, tuned) in counts {
            let tuned = if with_tuned { tuned.to_string() } else { String::new() };
            self.row(&[name, base.to_string(), tuned]);
        }
    }

    fn forgetting(&mut self, suites: &[&SuiteResult]) {
        let words = self.words;
        self.line(&format!("\n## {}\n", words.forgotten));
        self.table_head(&[words.suite, words.base, words.tuned, words.difference]);
        for suite in suites {
            let title = self.title(suite);
            let several = suite.metrics.iter().filter(|m| m.subset.is_none()).count() > 1;
            for result in &suite.metrics {
                let mut name = title.clone();
                if several {
                    let form = words.form(result.form);
                    let _ = write!(name, ", {}, {form}", words.metric(result.metric));
                }
                if let Some(subset) = &result.subset {
                    let _ = write!(name, ": {}", words.subset(subset));
                }
                let mut cells = vec![name];
                cells.extend(self.cells(result));
                self.row(&cells);
            }
            if let Some(cells) = self.loss_cells(suite) {
                self.row(&cells);
            }
        }
    }

    /// Columns beside base and tuned.
    fn further(&mut self, evaluation: &Evaluation) {
        let Some(table) = further::further(evaluation, self.language) else { return };
        self.line(&format!("\n## {}\n\n{}\n", table.title, table.note));
        let columns = table.columns.iter().map(String::as_str);
        let head: Vec<&str> = [self.words.metric].into_iter().chain(columns).collect();
        self.table_head(&head);
        for (suite, metric, cells) in table.rows {
            self.row(&[vec![format!("{suite}: {metric}")], cells].concat());
        }
    }

    fn items(&mut self, suite: &SuiteResult) {
        let words = self.words;
        let group = |flip: Flip| -> Vec<&ItemResult> {
            suite.items.iter().filter(|item| Flip::of(item) == flip).collect()
        };
        let (improved, regressed) = (group(Flip::Improved), group(Flip::Regressed));
        let counts = [
            (words.improved, improved.len()),
            (words.regressed, regressed.len()),
            (words.both_right, group(Flip::BothRight).len()),
            (words.both_wrong, group(Flip::BothWrong).len()),
        ];
        if counts.iter().all(|(_, count)| *count == 0) {
            return;
        }
        let title = self.title(suite);
        self.line(&format!("\n## {}: {title}\n", words.items));
        let counts: Vec<String> =
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        self.line(&counts.join(" · "));
        for (name, items) in [(words.regressed, regressed), (words.improved, improved)] {
            if items.is_empty() {
                continue;
            }
            self.line(&format!("\n### {name} ({}): {title}", items.len()));
            for item in items.iter().take(ITEMS_MAX) {
                self.item(item);
            }
            if let Some(more) = items.len().checked_sub(ITEMS_MAX).filter(|more| *more > 0) {
                self.line(&format!("\n{}", words.and_more.replace("{}", &more.to_string())));
            }
        }
    }

    fn item(&mut self, item: &ItemResult) {
        let words = self.words;
        let head = format!("**{}** {}", item.id, item.tags.join(", "));
        self.line(&format!("\n{}\n", head.trim_end()));
        self.block(&item.question);
        self.line(&format!("\n{}:\n", words.expected));
        self.block(words.expected_text(&item.expected));
        let answers = [(words.base, Some(&item.base)), (words.tuned, item.tuned.as_ref())];
        for (name, answer) in answers {
            let Some(answer) = answer else {
                continue;
            };
            let verdict = match answer.is_right() {
                Some(true) => words.right,
                _ => words.wrong,
            };
            let reason = answer.reason.as_ref().map(|reason| {
                let detail = words.reason_detail(reason);
                let detail = shorten(&detail).replace('\n', " ");
                let class = words.error_class(reason.class());
                match detail.as_str() {
                    "" => format!(" ({class})"),
                    detail => format!(" ({class}: {detail})"),
                }
            });
            self.line(&format!("\n{name}, {verdict}{}:\n", reason.unwrap_or_default()));
            let text = answer.text.trim();
            self.block(if text.is_empty() { words.empty } else { text });
        }
    }

    /// A code block whose fence is longer than any in the text.
    fn block(&mut self, text: &str) {
        let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        let text = shorten(text);
        self.line(&format!("{fence}text\n{text}\n{fence}"));
    }

    fn definitions(&mut self, evaluation: &Evaluation) {
        let words = self.words;
        self.line(&format!("\n## {}\n", words.definitions));
        let results = || evaluation.suites.iter().flat_map(|suite| &suite.metrics);
        for metric in Metric::ALL {
            if results().any(|result| result.metric == metric) {
                let (name, meaning) = (words.metric(metric), words.definition(metric));
                self.line(&format!("- {name}: {meaning}"));
            }
        }
        if results().any(|result| result.form == Form::Strict) {
            self.line(&format!("- {}", words.strict_definition));
            self.line(&format!("- {}", words.lenient_definition));
        }
        for kind in [
            SuiteKind::Domain,
            SuiteKind::Answers,
            SuiteKind::Classification,
            SuiteKind::Generation,
            SuiteKind::Programs,
            SuiteKind::Choice,
            SuiteKind::Text,
        ] {
            if let Some(definition) = words.kind_definition(kind)
                && evaluation.suites.iter().any(|suite| suite.kind == kind)
            {
                self.line(&format!("- {definition}"));
            }
        }
        self.line(&format!("- {}", words.statistics(evaluation)));
    }
}

/// The first [`TEXT_MAX`] characters, with a mark if there are more.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests;
