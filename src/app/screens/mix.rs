//! What the training set is made of: shares, split, leaks, lengths.

use std::time::Duration;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{ScreenState, empty};
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::reply::Reply;
use crate::app::snapshot::Settings;
use crate::app::strings::{Text, screen as texts};
use crate::app::widgets::bars::{bar, heights};
use crate::app::widgets::columns::{columns, draw_column, inside};
use crate::app::widgets::fields::{self, Field, Form};
use crate::app::widgets::{Column, Scroll};
use crate::app::{format, theme};
use crate::job::JobSpec;
use crate::mix::{MixReport, RowKind, Side};
use crate::pair::Language;
use crate::project::MixSettings;
use crate::text::fit;
use crate::text::width::right;
use crate::train::RunRecord;

const FIELDS: usize = 0;
const WEIGHTS: [u16; 2] = [40, 64];
/// One step of a share.
const STEP: f64 = 0.01;
/// One step of the general share.
const GENERAL_STEP: f64 = 0.05;
/// General share that measurements advise.
const ADVISED: std::ops::RangeInclusive<f64> = 0.0999..=0.2001;

/// State of the screen.
#[derive(Default)]
pub struct Mix {
    focus: usize,
    form: Form,
    scroll: Scroll,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    General,
    Languages,
    Validation,
    Test,
    Seed,
}

const ITEMS: [Item; 5] = [Item::General, Item::Languages, Item::Validation, Item::Test, Item::Seed];

impl Mix {
    fn item(&self) -> Item {
        ITEMS[self.form.list.selected.min(ITEMS.len() - 1)]
    }

    fn change(&self, by: f64, look: &Look, reply: &mut Reply) {
        let mut mix = look.settings.mix.clone();
        let stepped = |share: f64, step: f64| (share / step).round().mul_add(step, by * step);
        match self.item() {
            Item::General => mix.general_share = stepped(mix.general_share, GENERAL_STEP),
            Item::Languages => mix.general_languages = next_languages(&mix.general_languages),
            Item::Validation => mix.validation_share = stepped(mix.validation_share, STEP),
            Item::Test => mix.test_share = stepped(mix.test_share, STEP),
            Item::Seed => mix.seed = mix.seed.saturating_add_signed(by as i64),
        }
        keep(&mix, look, reply);
    }

    fn open(&mut self, look: &Look, reply: &mut Reply) {
        let mix = &look.settings.mix;
        let percent = |share: f64| format!("{:.0}", share * 100.0);
        match self.item() {
            Item::Languages => self.change(1.0, look, reply),
            Item::General => self.form.begin(&percent(mix.general_share)),
            Item::Validation => self.form.begin(&percent(mix.validation_share)),
            Item::Test => self.form.begin(&percent(mix.test_share)),
            Item::Seed => self.form.begin(&mix.seed.to_string()),
        }
    }

    fn entered(&self, text: &str, look: &Look, reply: &mut Reply) {
        let mut mix = look.settings.mix.clone();
        let number = text.trim_end_matches('%').trim().parse::<f64>().ok();
        let Some(number) = number.filter(|number| number.is_finite() && *number >= 0.0) else {
            reply.warn(look.t(texts::NOT_A_NUMBER));
            return;
        };
        match self.item() {
            Item::General => mix.general_share = number / 100.0,
            Item::Validation => mix.validation_share = number / 100.0,
            Item::Test => mix.test_share = number / 100.0,
            Item::Seed => mix.seed = number as u64,
            Item::Languages => {}
        }
        keep(&mix, look, reply);
    }

    fn draw_fields(&self, frame: &mut Frame, column: Column, look: &Look) {
        let title = look.t(texts::MIX_SETTINGS);
        let inner = draw_column(frame, column, self.focus, title, "", look);
        let mix = &look.settings.mix;
        let cells = usize::from(inner.width).saturating_sub(27).min(10);
        let (full, rest) = bar(mix.general_share / 0.9, cells, look.symbols);
        let advice = if ADVISED.contains(&mix.general_share) {
            String::new()
        } else {
            look.t(texts::ADVISED_SHARE).to_owned()
        };
        let languages = mix.general_languages.iter().map(|language| language.code());
        let languages = languages.collect::<Vec<_>>().join(", ");
        let percent = format::whole_percent;
        let field =
            |label: Text, value: String, note: String| Field { label: look.t(label), value, note };
        let plain = String::new;
        let rows = [
            field(
                texts::GENERAL_SHARE,
                format!("{} {full}{rest}", right(&percent(mix.general_share), 4)),
                advice,
            ),
            field(texts::GENERAL_LANGUAGES, languages, plain()),
            field(texts::VALIDATION_SHARE, right(&percent(mix.validation_share), 4), plain()),
            field(texts::TEST_SHARE, right(&percent(mix.test_share), 4), plain()),
            field(texts::SEED, mix.seed.to_string(), plain()),
        ];
        let focus = (FIELDS, self.focus == FIELDS);
        fields::draw(frame, inner, &rows, &self.form, focus, look);
        let help = match self.item() {
            Item::General => texts::HELP_GENERAL,
            Item::Languages => texts::HELP_LANGUAGES,
            Item::Validation => texts::HELP_VALIDATION,
            Item::Test => texts::HELP_TEST,
            Item::Seed => texts::HELP_SEED,
        };
        super::explain(frame, inner, ITEMS.len(), look.t(help));
    }

    fn draw_figures(&self, frame: &mut Frame, column: Column, look: &Look) {
        let title = look.t(texts::TRAINING_SET);
        let inner = draw_column(frame, column, self.focus, title, "", look);
        let Some(report) = &look.data.snapshot.mix else {
            empty(frame, inner, texts::NO_MIX, &[Command::MixRun], look);
            return;
        };
        let inner = inside(inner);
        let mut lines = figures(report, usize::from(inner.width.saturating_sub(1)), look);
        lines.push(Line::default());
        lines.extend(outlook_lines(report, look));
        self.scroll.draw(frame, inner, &lines, look);
    }
}

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

fn outlook_lines(report: &MixReport, look: &Look) -> Vec<Line<'static>> {
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

fn keep(mix: &MixSettings, look: &Look, reply: &mut Reply) {
    let mix = mix.clamped();
    reply.settings = Some(Box::new(Settings { mix, ..look.settings.clone() }));
}

fn next_languages(languages: &[Language]) -> Vec<Language> {
    match languages {
        [Language::Korean] => vec![Language::English],
        [Language::English] => vec![Language::Korean, Language::English],
        _ => vec![Language::Korean],
    }
}

/// Figures as lines: kinds, split, lengths.
fn figures(report: &MixReport, cells: usize, look: &Look) -> Vec<Line<'static>> {
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
    let mut parts = RowKind::ALL.map(|kind| report.of_kind(Side::Train, kind)).to_vec();
    parts.retain(|part| part.rows > 0);
    for part in parts {
        let share = part.tokens as f64 / total;
        let (full, _) = bar(share, bar_width, look.symbols);
        lines.push(Line::from(vec![
            Span::raw(fit(look.t(kind_name(part.kind)), label_width, look.symbols.ellipsis)),
            Span::raw(right(&format::count(part.rows as u64), 8)),
            Span::raw(right(&format::short(part.tokens as u64), 9)),
            Span::styled(right(&format::whole_percent(share), 8), theme::BOLD),
            Span::styled(format!("  {full}"), theme::ACCENT),
        ]));
    }
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

impl ScreenState for Mix {
    fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        for column in columns(area, &WEIGHTS, self.focus) {
            match column.index {
                FIELDS => self.draw_fields(frame, column, look),
                _ => self.draw_figures(frame, column, look),
            }
        }
    }

    fn command(&mut self, command: Command, look: &Look, reply: &mut Reply) {
        let on_fields = self.focus == FIELDS;
        match command {
            Command::MixRun => reply.start = Some(JobSpec::Mix),
            Command::MixMore => self.change(1.0, look, reply),
            Command::MixLess => self.change(-1.0, look, reply),
            Command::ListOpen if on_fields => self.open(look, reply),
            Command::ListUp if on_fields => self.form.list.by(-1, ITEMS.len()),
            Command::ListDown if on_fields => self.form.list.by(1, ITEMS.len()),
            Command::ListUp => self.scroll.by(-1),
            Command::ListDown => self.scroll.by(1),
            Command::ListPageUp => self.scroll.by_page(-1),
            Command::ListPageDown => self.scroll.by_page(1),
            Command::FocusNext | Command::FocusPrevious => self.focus = 1 - self.focus,
            Command::Back => self.focus = FIELDS,
            _ => {}
        }
    }

    fn unavailable(&self, command: Command, look: &Look) -> Option<Text> {
        match command {
            Command::MixRun => (look.data.summary.accepted == 0).then_some(texts::NO_ACCEPTED),
            _ => None,
        }
    }

    fn is_editing(&self) -> bool {
        self.form.input.is_some()
    }

    fn field_key(
        &mut self,
        key: KeyEvent,
        command: Option<Command>,
        look: &Look,
        reply: &mut Reply,
    ) {
        if let Some(text) = self.form.key(key, command == Some(Command::FieldSave)) {
            self.entered(&text, look, reply);
        }
    }

    fn paste(&mut self, text: &str, _look: &Look, _reply: &mut Reply) {
        if let Some(input) = &mut self.form.input {
            input.paste(text);
        }
    }

    fn click(&mut self, column: usize, row: Option<usize>, _look: &Look) {
        self.focus = column;
        if let (FIELDS, Some(row)) = (column, row) {
            self.form.list.select(row, ITEMS.len());
        }
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
