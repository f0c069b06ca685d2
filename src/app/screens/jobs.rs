//! What runs in the background, and what it said.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{ScreenState, empty};
use crate::app::activity::Activity;
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::reply::Reply;
use crate::app::strings::{self, Text, screen as texts};
use crate::app::widgets::columns::{columns, draw_column, inside};
use crate::app::widgets::{ListState, Rich, Scroll};
use crate::app::{format, theme};
use crate::job::JobOutcome;
use crate::text::{fit, width};

const LIST: usize = 0;
const WEIGHTS: [u16; 2] = [42, 62];

/// State of the screen.
#[derive(Default)]
pub struct Jobs {
    focus: usize,
    list: ListState,
    scroll: Scroll,
}

impl Jobs {
    fn selected<'a>(&self, look: &Look<'a>) -> Option<&'a Activity> {
        look.jobs.newest_first().nth(self.list.selected)
    }
}

impl ScreenState for Jobs {
    fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let jobs: Vec<_> = look.jobs.newest_first().collect();
        if jobs.is_empty() {
            let commands = [Command::GoSources, Command::GoTrain, Command::GoEvaluate];
            empty(frame, area, texts::NO_JOBS, &commands, look);
            return;
        }
        for column in columns(area, &WEIGHTS, self.focus) {
            if column.index == LIST {
                let title = look.t(strings::screen(crate::app::Screen::Jobs));
                let count = jobs.len().to_string();
                let inner = draw_column(frame, column, self.focus, title, &count, look);
                let focus = (LIST, self.focus == LIST);
                self.list
                    .draw(frame, inner, jobs.len(), focus, look, |index, room| {
                        row(jobs[index], room, look)
                    });
            } else {
                let title = look.t(texts::LOG);
                let inner = inside(draw_column(frame, column, self.focus, title, "", look));
                let mut text = Rich::default();
                let log = self
                    .selected(look)
                    .map_or(&[][..], |job| job.log.as_slice());
                for line in log {
                    text.hang(2).push(line, theme::PLAIN).line();
                }
                if log.is_empty() {
                    text.push(look.t(texts::NO_LOG), theme::DIM);
                }
                let lines = text.lines(usize::from(inner.width.saturating_sub(1)));
                self.scroll.draw(frame, inner, &lines, look);
            }
        }
    }

    fn command(&mut self, command: Command, look: &Look, _reply: &mut Reply) {
        let len = look.jobs.newest_first().len();
        let on_list = self.focus == LIST;
        match command {
            Command::ListUp | Command::ListDown => {
                let rows = if command == Command::ListUp { -1 } else { 1 };
                if on_list {
                    self.list.by(rows, len);
                    self.scroll.reset();
                } else {
                    self.scroll.by(rows);
                }
            }
            Command::ListPageUp => self.scroll.by_page(-1),
            Command::ListPageDown => self.scroll.by_page(1),
            Command::ListFirst if on_list => self.list.select(0, len),
            Command::ListLast if on_list => self.list.select(len, len),
            Command::ListFirst => self.scroll.reset(),
            Command::ListLast => self.scroll.end(),
            Command::FocusNext | Command::FocusPrevious => self.focus = 1 - self.focus,
            Command::ListOpen => self.focus = 1,
            Command::Back => self.focus = LIST,
            _ => {}
        }
    }

    fn unavailable(&self, command: Command, look: &Look) -> Option<Text> {
        let empty = look.jobs.newest_first().len() == 0;
        let needs_job = matches!(command, Command::ListOpen | Command::FocusNext);
        (needs_job && empty).then_some(texts::NO_JOBS)
    }

    fn copied(&self, look: &Look) -> Option<String> {
        self.selected(look).map(|job| job.log.join("\n"))
    }

    fn click(&mut self, column: usize, row: Option<usize>, look: &Look) {
        self.focus = column;
        if let (LIST, Some(row)) = (column, row) {
            self.list.select(row, look.jobs.newest_first().len());
        }
    }
}

fn row(job: &Activity, room: usize, look: &Look) -> Line<'static> {
    let symbols = look.symbols;
    let (mark, style) = match &job.outcome {
        None => (symbols.running, theme::ACCENT),
        Some(JobOutcome::Finished(_)) => (symbols.yes, theme::BETTER),
        Some(JobOutcome::Stopped(_)) => (symbols.dot, theme::DIM),
        Some(JobOutcome::Failed { .. }) => (symbols.no, theme::WORSE),
    };
    let elapsed = job.ended.unwrap_or(look.now).saturating_sub(job.started);
    let mut detail = format::duration(elapsed, look.language);
    if let (Some(fraction), _) = job.outlook(look.now)
        && job.is_running()
    {
        detail = format!("{}  {detail}", format::whole_percent(fraction));
    }
    let name = look.t(strings::job(&job.spec));
    let name_room = room.saturating_sub(width(&detail) + 3);
    Line::from(vec![
        Span::styled(format!("{mark} "), style),
        Span::raw(fit(name, name_room, symbols.ellipsis)),
        Span::styled(format!(" {detail}"), theme::DIM),
    ])
}
