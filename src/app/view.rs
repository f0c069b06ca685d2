//! What is around every screen: the path of the data on top, the keys at the bottom, between them
//! a notice and the strip of the running job.

use std::collections::HashSet;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::activity::Activity;
use super::command::{Command, in_field, on_screen};
use super::keymap::Key;
use super::look::{Look, Target};
use super::strings::{self, common};
use super::{App, SCREENS, SIZE_MIN, Screen, format, theme};
use crate::job::JobSpec;
use crate::text::{truncate, width};
use crate::train::RunOutcome;

/// Widest screen that is used; beyond it lines grow too long to read.
const WIDTH_MAX: u16 = 200;

impl App {
    /// Draws everything.
    pub fn view(&self, frame: &mut Frame) {
        self.drawn.clear();
        let look = self.look();
        let whole = frame.area();
        if whole.width < SIZE_MIN.0 || whole.height < SIZE_MIN.1 {
            let (columns, rows) = SIZE_MIN;
            let text =
                look.fill(common::TOO_SMALL, &[&columns, &rows, &whole.width, &whole.height]);
            frame.render_widget(Span::raw(text), Rect { height: whole.height.min(1), ..whole });
            return;
        }
        let area = Rect { width: whole.width.min(WIDTH_MAX), ..whole };
        let job = self.jobs.current();
        let strip = u16::from(job.is_some());
        let row = |y: u16| Rect { y, height: 1, ..area };
        self.draw_path(frame, row(0), &look);
        frame.render_widget(rule(&look, area.width), row(1));
        let body = Rect { y: 2, height: area.height - 4 - strip, ..area };
        if self.loaded {
            self.screens.get(self.screen).view(frame, body, &look);
        }
        if let Some(job) = job {
            draw_strip(frame, row(body.bottom()), job, &look);
        }
        self.draw_notice(frame, row(area.height - 2), &look);
        self.draw_keys(frame, row(area.height - 1), &look);
        for overlay in &self.overlays {
            overlay.view(frame, area, &look);
        }
    }

    fn draw_path(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let room = usize::from(area.width).saturating_sub(2);
        let project = self.data.snapshot.project.as_str();
        let project = if project.is_empty() { String::new() } else { format!("{project}   ") };
        // That nothing can be changed is said in every width.
        let mark = if self.data.snapshot.read_only {
            format!("[{}] ", look.t(common::READ_ONLY_MARK))
        } else {
            String::new()
        };
        let head =
            [format!(" hone  {project}{mark}"), format!(" hone  {mark}"), format!(" {mark}")];
        let figures: Vec<_> =
            SCREENS[1..7].iter().map(|&screen| stage_figure(screen, look)).collect();
        let beside = match self.screen {
            Screen::Jobs | Screen::Settings => Some(self.screen),
            _ => None,
        };
        let layouts = [(0, true), (1, true), (0, false), (1, false), (2, false)];
        let segments = |with_figures: bool| -> Vec<(Screen, String)> {
            let stages = SCREENS[1..7].iter().zip(&figures).map(|(&screen, figure)| {
                let name = look.t(strings::screen(screen));
                let shown = with_figures || screen == self.screen;
                let figure = if shown { figure.as_str() } else { warning_only(figure, look) };
                (
                    screen,
                    if figure.is_empty() { name.to_owned() } else { format!("{name} {figure}") },
                )
            });
            stages.chain(beside.map(|on| (on, look.t(strings::screen(on)).to_owned()))).collect()
        };
        let total = |head: &str, segments: &[(Screen, String)]| {
            let names: usize = segments.iter().map(|(_, text)| width(text) + 3).sum();
            width(head) + names.saturating_sub(3)
        };
        let fitting = layouts.into_iter().find_map(|(at, with_figures)| {
            let segments = segments(with_figures);
            (total(&head[at], &segments) <= room).then(|| (head[at].clone(), segments))
        });
        let (head, segments) = fitting.unwrap_or_else(|| {
            let mut segments = segments(false);
            segments.retain(|(screen, _)| *screen == self.screen);
            (head[1].clone(), segments)
        });
        let home = if self.screen == Screen::Home { theme::TITLE } else { theme::DIM };
        let mut x = area.x;
        let mut put = |text: &str, style: Style, target: Option<Screen>| {
            let cells = width(text) as u16;
            let place = Rect { x, width: cells.min(area.right().saturating_sub(x)), ..area };
            frame.render_widget(Span::styled(text.to_owned(), style), place);
            if let Some(screen) = target {
                look.drawn.put(place, Target::Stage(screen));
            }
            x = x.saturating_add(cells).min(area.right());
        };
        put(&head, home, Some(Screen::Home));
        for (index, (screen, text)) in segments.iter().enumerate() {
            if index > 0 {
                put(&format!(" {} ", look.symbols.arrow), theme::DIM, None);
            }
            let style = if *screen == self.screen { theme::TITLE } else { theme::PLAIN };
            put(text, style, Some(*screen));
        }
    }

    /// The lower rule, with the notice laid into it.
    fn draw_notice(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let Some(notice) = &self.notice else {
            frame.render_widget(rule(look, area.width), area);
            return;
        };
        let (mark, style) = if notice.warning {
            (look.symbols.warn, theme::WARN)
        } else {
            (look.symbols.yes, theme::BOLD)
        };
        let room = usize::from(area.width).saturating_sub(8);
        let line = notice.text.replace('\n', " ");
        let text = truncate(&line, room, look.symbols.ellipsis).into_owned();
        let rest = usize::from(area.width).saturating_sub(width(&text) + 6);
        frame.render_widget(
            Line::from(vec![
                Span::styled(look.symbols.rule.repeat(2), theme::DIM),
                Span::styled(format!(" {mark} {text} "), style),
                Span::styled(look.symbols.rule.repeat(rest), theme::DIM),
            ]),
            area,
        );
    }

    fn draw_keys(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let editing = self.screens.get(self.screen).is_editing();
        let shown = |command: Command| self.unavailable(command).is_none();
        let infos: Vec<_> = if editing {
            in_field().filter(|info| info.on_bar && shown(info.command)).collect()
        } else {
            let on_bar = on_screen(self.screen).filter(|info| info.on_bar && shown(info.command));
            on_bar.collect()
        };
        let more = if editing { common::MORE_KEYS_IN_FIELD } else { common::MORE_KEYS };
        let more = format!(" {}", look.t(more));
        let mut room = usize::from(area.width).saturating_sub(width(&more) + 2);
        let mut spans = vec![Span::raw(" ")];
        let mut taken: HashSet<Key> = HashSet::new();
        for info in infos {
            let free_key = info.keys.iter().find(|key| !taken.contains(*key));
            let (Some(key), true) = (free_key, info.command != Command::Help) else {
                continue;
            };
            if taken.contains(&info.keys[0]) {
                continue;
            }
            let (key_text, label) = (key.to_string(), info.command.label(look.language));
            let cells = width(&key_text) + width(label) + 3;
            if cells > room {
                break;
            }
            room -= cells;
            taken.extend(info.keys);
            spans.push(Span::styled(key_text, theme::KEY));
            spans.push(Span::raw(format!(" {label}  ")));
        }
        spans.push(Span::styled(more, theme::DIM));
        frame.render_widget(Line::from(spans), area);
    }
}

fn rule(look: &Look, cells: u16) -> Span<'static> {
    Span::styled(look.symbols.rule.repeat(usize::from(cells)), theme::DIM)
}

/// Of a figure, only the mark that says the stage waits for a person.
fn warning_only(figure: &str, look: &Look) -> &'static str {
    let mark = look.symbols.warn;
    if figure.ends_with(mark) { mark } else { "" }
}

/// The one figure of a stage in the top line.
fn stage_figure(screen: Screen, look: &Look) -> String {
    let (data, marks) = (look.data, look.symbols);
    let summary = &data.summary;
    match screen {
        Screen::Sources => {
            let warn = if summary.needs_ocr > 0 { marks.warn } else { "" };
            match data.snapshot.documents.len() {
                0 => String::new(),
                documents => format!("{documents}{warn}"),
            }
        }
        Screen::Curate => {
            let accepted = format::count(summary.accepted as u64);
            match (summary.accepted, summary.drafts) {
                (0, 0) => String::new(),
                (_, 0) => format!("{accepted}{}", marks.yes),
                (_, drafts) => {
                    format!(
                        "{accepted}{} {}{}",
                        marks.yes,
                        format::count(drafts as u64),
                        marks.warn
                    )
                }
            }
        }
        Screen::Mix => match &data.snapshot.mix {
            Some(mix) if mix.leaks > 0 => {
                format!("{}{}", format::whole_percent(look.settings.mix.general_share), marks.warn)
            }
            Some(_) => format::whole_percent(look.settings.mix.general_share),
            None => String::new(),
        },
        Screen::Train => {
            if look.jobs.training().is_some_and(Activity::is_running) {
                return marks.running.to_owned();
            }
            data.snapshot.runs.last().map_or_else(String::new, |run| {
                let mark = match run.outcome {
                    Some(RunOutcome::Finished) => marks.yes,
                    Some(RunOutcome::Stopped) | None => marks.dot,
                    Some(RunOutcome::Failed { .. }) => marks.warn,
                };
                format!("{}{mark}", run.number)
            })
        }
        Screen::Evaluate => {
            let headline =
                data.snapshot.evaluations.last().and_then(super::screens::evaluate::headline);
            headline.map_or_else(String::new, |(_, difference)| {
                if difference.is_told() {
                    format!("{:+.0}", difference.delta * 100.0)
                } else {
                    marks.same.to_owned()
                }
            })
        }
        Screen::Home | Screen::Try | Screen::Jobs | Screen::Settings => String::new(),
    }
}

/// One line about the running job.
fn draw_strip(frame: &mut Frame, area: Rect, job: &Activity, look: &Look) {
    let (fraction, left) = job.outlook(look.now);
    let mut parts: Vec<String> = Vec::new();
    if job.stopping {
        parts.push(look.t(common::STOPPING).to_owned());
    } else if let Some((run, last)) = job.trained() {
        let steps = run.steps;
        let total = if steps > 0 { format!("/{}", format::count(steps)) } else { String::new() };
        let unit = strings::unit("steps", look.language);
        parts.push(format!("{}{total} {unit}", format::count(last.step)));
        parts.push(format!("{} tok/s", format::count(last.tokens_per_second as u64)));
    } else if let Some(progress) = &job.progress {
        let stage = strings::stage(&progress.stage, look.language);
        let number = if job.stages > 1 { format!("{} ", job.stages) } else { String::new() };
        let amount = |value| match progress.unit {
            "bytes" => format::bytes(value),
            _ => format::count(value),
        };
        let unit = match progress.unit {
            "bytes" => "",
            unit => strings::unit(unit, look.language),
        };
        let done = match progress.total {
            Some(total) => format!("{}/{}", amount(progress.done), amount(total)),
            None => amount(progress.done),
        };
        parts.push(format!("{number}{stage} {done} {unit}").trim_end().to_owned());
        let rate = progress.rate(look.now.saturating_sub(job.stage_started));
        if rate >= 1.0 {
            parts.push(format!("{}/s", amount(rate as u64)));
        }
    }
    if let Some(fraction) = fraction {
        parts.push(format::whole_percent(fraction));
    }
    if let Some(left) = left {
        let left = format::duration(left, look.language);
        parts.push(look.fill(common::LEFT, &[&left]));
    }
    let stop = format!("x {} ", Command::StopJob.label(look.language));
    let name = look.t(strings::job(&job.spec)).to_owned();
    let name = match &job.spec {
        JobSpec::AddDocument { path, .. } => {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            format!("{name} {}", crate::text::nfc(&file))
        }
        JobSpec::PullModel { name: model } => format!("{name} {model}"),
        JobSpec::Sweep(_) => match &job.sweep {
            Some(live) if live.place > 0 => {
                format!("{name} {}/{} {}", live.place, live.runs, live.setting)
            }
            _ => name,
        },
        _ => name,
    };
    let room = usize::from(area.width).saturating_sub(width(&stop) + 4);
    let name = truncate(&name, room, look.symbols.ellipsis).into_owned();
    let mut text = String::new();
    for part in parts {
        if width(&name) + width(&text) + width(&part) + 3 > room {
            break;
        }
        text = format!("{text}  {part}");
    }
    let gap = room.saturating_sub(width(&name) + width(&text));
    frame.render_widget(
        Line::from(vec![
            Span::styled(format!(" {} ", look.symbols.running), theme::ACCENT),
            Span::styled(name, theme::BOLD),
            Span::raw(text),
            Span::raw(" ".repeat(gap)),
            Span::styled(stop, theme::KEY),
        ]),
        area,
    );
}
