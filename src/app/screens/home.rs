//! Where the project stands, and what to do next.

use std::borrow::Cow;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::ScreenState;
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::reply::{Place, Reply};
use crate::app::strings::{self, Text, common, screen as texts};
use crate::app::widgets::ListState;
use crate::app::widgets::columns::split_top;
use crate::app::{SCREENS, Screen, format, theme};
use crate::mix::Side;
use crate::text::{fit, truncate, width};
use crate::train::RunOutcome;

const NAME_CELLS: usize = 11;
/// Narrowest remark that is drawn.
const DETAIL_CELLS_MIN: usize = 14;

/// State of the screen.
#[derive(Default)]
pub struct Home {
    list: ListState,
    /// Whether the user chose a row; else Enter does what is next.
    chose: bool,
}

/// A stage in words.
struct Stage {
    screen: Screen,
    words: String,
    detail: String,
    /// `None` when nothing was done here yet, or it is being done.
    good: Option<bool>,
}

impl Home {
    fn target(&self, look: &Look) -> Screen {
        if self.chose { SCREENS[1 + self.list.selected.min(5)] } else { next(look).1 }
    }
}

impl ScreenState for Home {
    fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let (head, rest) = split_top(area, 3);
        let (words, _) = next(look);
        let key = "[Enter]";
        let room = usize::from(head.width).saturating_sub(width(key) + 4);
        let title = look.t(texts::NEXT);
        let words = truncate(&words, room.saturating_sub(width(title) + 1), look.symbols.ellipsis);
        let gap = room.saturating_sub(width(title) + 1 + width(&words));
        let (_, line) = split_top(head, 1);
        frame.render_widget(
            Line::from(vec![
                Span::styled(format!("  {title} "), theme::ACCENT),
                Span::styled(words.into_owned(), theme::BOLD),
                Span::raw(" ".repeat(gap)),
                Span::styled(if self.chose { "" } else { key }, theme::KEY),
            ]),
            Rect { height: 1.min(line.height), ..line },
        );
        let stages = stages(look);
        let roomy = usize::from(rest.height) >= stages.len() * 2;
        // Words with nothing beside them need no column.
        let beside = stages.iter().filter(|stage| !stage.detail.is_empty());
        let widest = beside.map(|stage| width(&stage.words)).max().unwrap_or_default();
        for (index, stage) in stages.iter().enumerate() {
            let y = rest.y + (index * (1 + usize::from(roomy))) as u16;
            if y >= rest.bottom() {
                break;
            }
            let row = Rect { x: rest.x + 1, y, width: rest.width.saturating_sub(2), height: 1 };
            look.drawn.put(row, crate::app::look::Target::Row(0, index));
            let selected = self.chose && index == self.list.selected;
            draw_stage(frame, row, stage, widest, selected, look);
        }
    }

    fn command(&mut self, command: Command, look: &Look, reply: &mut Reply) {
        let rows = SCREENS[1..7].len();
        let first = !self.chose;
        match command {
            Command::ListDown | Command::ListUp if first => self.chose = true,
            Command::ListDown => self.list.by(1, rows),
            Command::ListUp => self.list.by(-1, rows),
            Command::ListFirst => self.list.select(0, rows),
            Command::ListLast => self.list.select(rows, rows),
            Command::Back => self.chose = false,
            Command::ListOpen => reply.go = Some(Place::Screen(self.target(look))),
            _ => {}
        }
    }

    fn unavailable(&self, command: Command, _look: &Look) -> Option<Text> {
        (command == Command::FocusNext).then_some(common::ONE_COLUMN)
    }

    fn click(&mut self, _column: usize, row: Option<usize>, _look: &Look) {
        if let Some(row) = row {
            self.chose = true;
            self.list.select(row, SCREENS[1..7].len());
        }
    }
}

/// What to do next, in words, and where.
fn next(look: &Look) -> (String, Screen) {
    let (snapshot, summary) = (&look.data.snapshot, &look.data.summary);
    let say = |text| look.t(text).to_owned();
    if snapshot.documents.is_empty() && snapshot.example_count == 0 {
        return (say(texts::NEXT_ADD), Screen::Sources);
    }
    if summary.drafts > 0 {
        let drafts = format::count(summary.drafts as u64);
        return (look.fill(texts::NEXT_REVIEW, &[&drafts]), Screen::Curate);
    }
    if summary.accepted == 0 {
        return (say(texts::NEXT_WRITE), Screen::Curate);
    }
    if snapshot.mix.is_none() {
        return (say(texts::NEXT_MIX), Screen::Mix);
    }
    let Some(run) = snapshot.runs.last() else {
        return (say(texts::NEXT_TRAIN), Screen::Train);
    };
    if let Some(number) = look.running_run() {
        return (look.fill(texts::NEXT_WATCH, &[&number]), Screen::Train);
    }
    if run.outcome != Some(RunOutcome::Finished) {
        let number = run.number;
        return (look.fill(texts::NEXT_RESUME, &[&number]), Screen::Train);
    }
    if snapshot.evaluations.last().and_then(|evaluation| evaluation.run) != Some(run.number) {
        return (look.fill(texts::NEXT_EVALUATE, &[&run.number]), Screen::Evaluate);
    }
    (say(texts::NEXT_TRY), Screen::Try)
}

fn stages(look: &Look) -> Vec<Stage> {
    let (snapshot, summary) = (&look.data.snapshot, &look.data.summary);
    let n = |value: usize| format::count(value as u64);
    let say = |text| look.t(text).to_owned();
    let none =
        |screen, words| Stage { screen, words: say(words), detail: String::new(), good: None };
    let sources = if snapshot.documents.is_empty() {
        none(Screen::Sources, texts::HOME_NO_DOCUMENTS)
    } else {
        let (documents, passages) = (n(snapshot.documents.len()), n(snapshot.passages.len()));
        let pages = format::count(u64::from(summary.pages));
        let ocr = summary.needs_ocr;
        Stage {
            screen: Screen::Sources,
            words: look.fill(texts::HOME_SOURCES, &[&documents, &pages, &passages]),
            detail: if ocr > 0 { look.fill(texts::HOME_OCR, &[&ocr]) } else { String::new() },
            good: Some(ocr == 0),
        }
    };
    let curate = if snapshot.example_count == 0 {
        none(Screen::Curate, texts::HOME_NO_PAIRS)
    } else {
        let counts = [n(summary.accepted), n(summary.drafts), n(summary.rejected)];
        let covers = summary.coverage_percent().map(|p| look.fill(texts::HOME_COVERS, &[&p]));
        Stage {
            screen: Screen::Curate,
            words: look.fill(texts::HOME_CURATE, &[&counts[0], &counts[1], &counts[2]]),
            detail: covers.unwrap_or_default(),
            good: Some(summary.drafts == 0),
        }
    };
    let mix = snapshot.mix.as_ref().map_or_else(
        || none(Screen::Mix, texts::HOME_NO_MIX),
        |mix| {
            let rows = n(mix.rows(Side::Train));
            let tokens = format::short(mix.tokens(Side::Train) as u64);
            let share = format::whole_percent(mix.general_share);
            let leaks = match mix.leaks {
                0 => say(texts::NO_LEAKS),
                leaks => look.fill(texts::LEAKS, &[&leaks]),
            };
            Stage {
                screen: Screen::Mix,
                words: look.fill(texts::HOME_MIX, &[&rows, &tokens, &share]),
                detail: leaks,
                good: Some(mix.leaks == 0),
            }
        },
    );
    let train = snapshot.runs.last().map_or_else(
        || none(Screen::Train, texts::HOME_NO_RUNS),
        |run| {
            let values: [&dyn std::fmt::Display; 4] =
                [&run.number, &run.model, &run.recipe.rank, &run.recipe.epochs];
            let loss = run.validation_loss.map(|loss| format!("{loss:.2}"));
            let loss = loss.map(|loss| look.fill(texts::VALIDATION_LOSS, &[&loss]));
            let time = std::time::Duration::try_from_secs_f64(run.seconds).unwrap_or_default();
            let time = format::duration(time, look.language);
            Stage {
                screen: Screen::Train,
                words: look.fill(texts::HOME_TRAIN, &values),
                detail: loss.map_or(time.clone(), |loss| format!("{time}, {loss}")),
                good: match look.running_run() {
                    Some(_) => None,
                    None => Some(run.outcome == Some(RunOutcome::Finished)),
                },
            }
        },
    );
    let evaluate = snapshot.evaluations.last().map_or_else(
        || none(Screen::Evaluate, texts::HOME_NO_EVALUATION),
        |evaluation| {
            let words = match evaluation.run {
                Some(run) => look.fill(texts::RUN_AGAINST_BASE, &[&run]),
                None => say(texts::BASE_ALONE),
            };
            let (detail, good) = super::evaluate::verdict(evaluation, look);
            Stage { screen: Screen::Evaluate, words, detail, good: Some(good) }
        },
    );
    let try_ = none(Screen::Try, texts::HOME_TRY);
    vec![sources, curate, mix, train, evaluate, try_]
}

fn draw_stage(
    frame: &mut Frame,
    row: Rect,
    stage: &Stage,
    widest: usize,
    selected: bool,
    look: &Look,
) {
    let ellipsis = look.symbols.ellipsis;
    let room = usize::from(row.width).saturating_sub(3 + NAME_CELLS);
    let words_cells = if stage.detail.is_empty() { room } else { widest.min(room) };
    // A remark that would be cut to nothing is left out.
    let detail_cells = room.saturating_sub(words_cells + 2);
    let detail = if detail_cells < DETAIL_CELLS_MIN { "" } else { stage.detail.as_str() };
    let (mark, style) = match stage.good {
        Some(true) => (look.symbols.yes, theme::BETTER),
        Some(false) => (look.symbols.warn, theme::WARN),
        None => (" ", theme::DIM),
    };
    let bar = if selected { look.symbols.bar } else { " " };
    let name = look.t(strings::screen(stage.screen));
    let words = if stage.good.is_none() { theme::DIM } else { theme::PLAIN };
    let name_style = if selected { theme::TITLE } else { theme::BOLD };
    frame.render_widget(
        Line::from(vec![
            Span::styled(bar, theme::ACCENT),
            Span::styled(format!("{mark} "), style),
            Span::styled(fit(name, NAME_CELLS, ellipsis), name_style),
            Span::styled(fit(&stage.words, words_cells, ellipsis), words),
            Span::styled(format!("  {}", shortened(detail, detail_cells, ellipsis)), theme::DIM),
        ]),
        row,
    );
}

/// As many whole clauses as there is room for: a figure cut in half misleads.
fn shortened<'a>(detail: &'a str, cells: usize, ellipsis: &str) -> Cow<'a, str> {
    let mut clauses = detail;
    while width(clauses) > cells {
        match clauses.rsplit_once(", ") {
            Some((before, _)) => clauses = before,
            None => return truncate(detail, cells, ellipsis),
        }
    }
    Cow::Borrowed(clauses)
}
