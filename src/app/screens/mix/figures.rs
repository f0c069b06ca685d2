//! What the training set is made of, as lines.

use std::time::Duration;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::look::Look;
use crate::app::strings::{Text, common, screen as texts};
use crate::app::widgets::bars::{bar, heights};
use crate::app::{format, theme};
use crate::mix::{MixReport, RowKind, Side, Source};
use crate::pair::Language;
use crate::text::fit;
use crate::text::width::right;
use crate::train::RunRecord;

/// What a general share comes to.
#[derive(Debug, PartialEq)]
struct Outlook {
    rows: usize,
    tokens: usize,
    /// Time of all epochs on this machine; none before a run on it.
    time: Option<Duration>,
}

/// What `share` would come to, by the rows and tokens of the last mix and the speed of the last run.
fn outlook(report: &MixReport, share: f64, runs: &[RunRecord]) -> Outlook {
    let general = [RowKind::GeneralKorean, RowKind::GeneralEnglish]
        .map(|kind| report.of_kind(Side::Train, kind));
    let (rows, tokens) = (
        general.iter().map(|part| part.rows).sum::<usize>(),
        general.iter().map(|part| part.tokens).sum::<usize>(),
    );
    let own_rows = report.rows(Side::Train) - rows;
    let own_tokens = report.tokens(Side::Train) - tokens;
    let wanted = own_tokens as f64 * share / (1.0 - share).max(0.05);
    // Without general rows in the last mix their length is that of the others.
    let (of_rows, of_tokens) = if rows > 0 { (rows, tokens) } else { (own_rows, own_tokens) };
    let length = of_tokens as f64 / of_rows.max(1) as f64;
    let last = runs.iter().rev().find_map(|run| Some((run, run.tokens_per_second()?)));
    let tokens = own_tokens + wanted.round() as usize;
    let time =
        last.map(|(run, speed)| Duration::from_secs_f64(tokens as f64 * run.recipe.epochs / speed));
    Outlook { rows: own_rows + (wanted / length.max(1.0)).round() as usize, tokens, time }
}

pub(super) fn outlook_lines(report: &MixReport, look: &Look) -> Vec<Line<'static>> {
    let share = look.settings.mix.general_share;
    let Outlook { rows, tokens, time } = outlook(report, share, &look.data.snapshot.runs);
    let percent = format::whole_percent(share);
    let (rows, tokens) = (format::count(rows as u64), format::short(tokens as u64));
    let words = look.fill(texts::OUTLOOK, &[&percent, &rows, &tokens]);
    let time = match time {
        Some(time) => {
            let time = format::duration(time, look.language);
            look.fill(texts::OUTLOOK_TIME, &[&time])
        }
        None => look.t(texts::OUTLOOK_NO_TIME).to_owned(),
    };
    let mut lines = vec![Line::styled(words, theme::BOLD), Line::styled(time, theme::PLAIN)];
    if (report.general_share_asked - share).abs() > 1e-9 || report.seed != look.settings.mix.seed {
        let words = format!("{} {}", look.symbols.warn, look.t(texts::MIX_STALE));
        lines.push(Line::styled(words, theme::WARN));
    }
    lines
}

/// Figures as lines: kinds, split, lengths.
pub(super) fn figures(report: &MixReport, cells: usize, look: &Look) -> Vec<Line<'static>> {
    let dim = |text: String| Span::styled(text, theme::DIM);
    let head = |cells: Vec<(String, usize)>| {
        let spans: Vec<_> =
            cells.into_iter().map(|(text, width)| dim(right(&text, width))).collect();
        Line::from(spans)
    };
    let say = |text| look.t(text).to_owned();
    let label_width = 20.min(cells * 2 / 5);
    let mut lines = vec![head(vec![
        (fit(look.t(texts::KIND), label_width, ""), label_width),
        (say(texts::ROWS), 8),
        (say(texts::TOKENS), 9),
        (say(texts::SHARE), 8),
    ])];
    let total = report.tokens(Side::Train).max(1) as f64;
    let bar_width = cells.saturating_sub(label_width + 8 + 9 + 8 + 2);
    let row = |name: &str, rows: usize, tokens: usize| {
        let share = tokens as f64 / total;
        let (full, _) = bar(share, bar_width, look.symbols);
        Line::from(vec![
            Span::raw(fit(name, label_width, look.symbols.ellipsis)),
            Span::raw(right(&format::count(rows as u64), 8)),
            Span::raw(right(&format::short(tokens as u64), 9)),
            Span::styled(right(&format::whole_percent(share), 8), theme::BOLD),
            Span::styled(format!("  {full}"), theme::ACCENT),
        ])
    };
    let mut parts = RowKind::ALL.map(|kind| report.of_kind(Side::Train, kind)).to_vec();
    parts.retain(|part| part.rows > 0);
    lines
        .extend(parts.iter().map(|part| row(look.t(kind_name(part.kind)), part.rows, part.tokens)));
    if report.general_short_of > 0 {
        let short = format::short(report.general_short_of as u64);
        let words = look.fill(texts::POOL_SHORT, &[&short]);
        lines.push(Line::styled(format!("{} {words}", look.symbols.warn), theme::WARN));
    }
    lines.push(Line::default());
    lines.push(head(vec![
        (fit(look.t(texts::SPLIT), label_width, ""), label_width),
        (say(texts::ROWS), 8),
        (say(texts::TOKENS), 9),
        (say(texts::PAGES_HEAD), 8),
    ]));
    for side in Side::ALL {
        let name = match side {
            Side::Train => texts::SIDE_TRAIN,
            Side::Validation => texts::SIDE_VALIDATION,
            Side::Test => texts::SIDE_TEST,
        };
        lines.push(Line::from(vec![
            Span::raw(fit(look.t(name), label_width, look.symbols.ellipsis)),
            Span::raw(right(&format::count(report.rows(side) as u64), 8)),
            Span::raw(right(&format::short(report.tokens(side) as u64), 9)),
            Span::raw(right(&report.pages.get(side).to_string(), 8)),
        ]));
    }
    let (leak, style): (String, Style) = match report.leaks {
        0 => (format!("{} {}", look.symbols.yes, look.t(texts::NO_LEAKS)), theme::BETTER),
        n => (format!("{} {}", look.symbols.warn, look.fill(texts::LEAKS, &[&n])), theme::WORSE),
    };
    lines.push(Line::styled(leak, style));
    if report.moved > 0 {
        lines.push(Line::styled(look.fill(texts::MOVED, &[&report.moved]), theme::DIM));
    }
    if !report.lengths.is_empty() {
        lines.push(Line::default());
        let rows: Vec<_> = report.lengths.iter().map(|bucket| bucket.rows as u32).collect();
        let longest = format::count(report.longest as u64);
        let columns = heights(&rows, look.symbols);
        let label = fit(look.t(texts::LENGTHS), label_width, look.symbols.ellipsis);
        let words = look.fill(texts::LONGEST, &[&longest]);
        let gap = " ".repeat(2);
        lines.push(Line::from(vec![
            Span::raw(label),
            Span::styled(columns, theme::ACCENT),
            Span::styled(format!("{gap}{words}"), theme::DIM),
        ]));
    }
    if !report.languages.is_empty() {
        lines.push(Line::default());
        lines.push(Line::styled(look.t(texts::BY_LANGUAGE), theme::DIM));
    }
    for part in &report.languages {
        let name = match part.language {
            Language::Korean => common::KOREAN,
            Language::English => common::ENGLISH,
        };
        lines.push(row(look.t(name), part.rows, part.tokens));
    }
    if !report.sources.is_empty() {
        lines.push(Line::default());
        lines.push(Line::styled(look.t(texts::BY_SOURCE), theme::DIM));
    }
    for part in &report.sources {
        lines.push(row(&source_name(&part.source, look), part.rows, part.tokens));
    }
    lines
}

fn kind_name(kind: RowKind) -> Text {
    match kind {
        RowKind::Domain => texts::KIND_DOMAIN,
        RowKind::Tools => texts::KIND_TOOLS,
        RowKind::GeneralKorean => texts::KIND_GENERAL_KO,
        RowKind::GeneralEnglish => texts::KIND_GENERAL_EN,
    }
}

fn source_name(source: &Source, look: &Look) -> String {
    match source {
        Source::Document(name) => name.clone(),
        Source::NoDocument => look.t(texts::NO_SOURCE).to_owned(),
        Source::Pool(name) => look.fill(texts::GENERAL_SOURCE, &[name]),
        Source::Shipped => look.fill(texts::GENERAL_SOURCE, &[&look.t(texts::SHIPPED_POOL)]),
        Source::Others(count) => look.fill(texts::OTHER_SOURCES, &[count]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::sample;

    #[test]
    fn a_larger_share_takes_more_tokens_and_time() {
        let snapshot = sample();
        let report = snapshot.mix.as_ref().unwrap();
        let mut runs = snapshot.runs.clone();
        let now = outlook(report, report.general_share, &runs);
        assert!((now.tokens as f64 / report.tokens(Side::Train) as f64 - 1.0).abs() < 0.02);
        assert_eq!(now.time, None, "no run has noted its tokens");
        let run = runs.last_mut().unwrap();
        (run.tokens, run.seconds) = (100_000, 1000.0);
        run.step = run.steps;
        let own = outlook(report, 0.0, &runs);
        let half = outlook(report, 0.5, &runs);
        assert_eq!(half.tokens, own.tokens * 2);
        assert!(half.rows > own.rows);
        let (half, own) = (half.time.unwrap(), own.time.unwrap());
        assert!((half.as_secs_f64() / own.as_secs_f64() - 2.0).abs() < 1e-6);
    }
}
