//! Chat with base and tuned side by side.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::{ScreenState, empty};
use crate::app::command::Command;
use crate::app::look::Look;
use crate::app::overlays::{Choice, Choosing, Overlay};
use crate::app::reply::Reply;
use crate::app::strings::{Text, common, screen as texts};
use crate::app::widgets::columns::{Column, draw_column, inside, split_bottom};
use crate::app::widgets::{Input, Rich, Scroll};
use crate::app::{format, theme};
use crate::job::{JobId, JobSpec};
use crate::pair::{Example, Message, Role};
use crate::train::RunOutcome;

const BASE: usize = 0;
const TUNED: usize = 1;

/// State of the screen.
#[derive(Default)]
pub struct Try {
    focus: usize,
    turns: Vec<Turn>,
    input: Input,
    writing: bool,
    /// Run chosen by the user; else the latest finished one.
    chosen: Option<u32>,
    /// The job that answers the last turn.
    job: Option<JobId>,
    scrolls: [Scroll; 2],
}

/// A question and what each model answered.
#[derive(Default)]
struct Turn {
    question: String,
    answers: [String; 2],
}

impl Try {
    /// Chooses the run that answers beside the base.
    pub fn choose_run(&mut self, number: Option<u32>) {
        self.chosen = number;
    }

    /// The job that answers has this identifier.
    pub fn started(&mut self, id: JobId) {
        self.job = Some(id);
    }

    /// Takes a piece of an answer.
    pub fn hear(&mut self, id: JobId, tuned: bool, text: &str) {
        if self.job == Some(id)
            && let Some(turn) = self.turns.last_mut()
        {
            turn.answers[usize::from(tuned)].push_str(text);
            self.scrolls.iter().for_each(Scroll::end);
        }
    }

    /// The job that answered has ended.
    pub fn ended(&mut self, id: JobId) {
        if self.job == Some(id) {
            self.job = None;
        }
    }

    fn run(&self, look: &Look) -> Option<u32> {
        let finished = |run: &&crate::train::RunRecord| {
            matches!(run.outcome, Some(RunOutcome::Finished | RunOutcome::Stopped))
        };
        let latest = || look.data.snapshot.runs.iter().rev().find(finished);
        self.chosen.or_else(|| latest().map(|run| run.number))
    }

    fn send(&mut self, look: &Look, reply: &mut Reply) {
        let question = self.input.text().trim().to_owned();
        let Some(model) = look.model() else {
            return reply.warn(look.t(common::NO_MODEL));
        };
        if question.is_empty() {
            return;
        }
        if look.jobs.heavy().is_some() {
            // Starting it would be refused; what was typed stays.
            return reply.warn(look.t(texts::WAIT_FOR_JOB));
        }
        let run = self.run(look);
        let mut conversation = Example::default();
        for turn in &self.turns {
            let [base, tuned] = &turn.answers;
            let answer = if run.is_some() && !tuned.is_empty() { tuned } else { base };
            conversation.messages.push(Message::text(Role::User, turn.question.as_str()));
            conversation.messages.push(Message::text(Role::Assistant, answer.as_str()));
        }
        conversation.messages.push(Message::text(Role::User, question.as_str()));
        self.turns.push(Turn { question, ..Turn::default() });
        self.input.set("");
        self.scrolls.iter().for_each(Scroll::end);
        reply.start = Some(JobSpec::Chat { model: model.to_owned(), run, conversation });
    }

    fn draw_side(&self, frame: &mut Frame, column: Column, title: &str, note: &str, look: &Look) {
        let side = column.index;
        let inner = inside(draw_column(frame, column, self.focus, title, note, look));
        if self.turns.is_empty() {
            if side == BASE {
                empty(frame, inner, texts::TRY_EMPTY, &[Command::TryWrite], look);
            } else if self.run(look).is_none() {
                empty(frame, inner, texts::EVALUATE_NO_RUN, &[Command::GoTrain], look);
            }
            return;
        }
        let mut text = Rich::default();
        for (index, turn) in self.turns.iter().enumerate() {
            if index > 0 {
                text.line().line();
            }
            for (row, line) in turn.question.lines().enumerate() {
                let mark = if row == 0 { "Q " } else { "  " };
                text.hang(2).push(mark, theme::ACCENT).push(line, theme::BOLD).line();
            }
            let answer = &turn.answers[side];
            let waiting = answer.is_empty();
            let last = index + 1 == self.turns.len();
            if waiting && last && self.job.is_some() {
                text.push(look.t(texts::WAITING), theme::DIM);
            } else if waiting {
                text.push(look.t(texts::NO_ANSWER), theme::DIM);
            } else {
                text.push(answer, theme::PLAIN);
            }
        }
        let lines = text.lines(usize::from(inner.width.saturating_sub(1)));
        self.scrolls[side].draw(frame, inner, &lines, look);
    }
}

impl ScreenState for Try {
    fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let (body, foot) = split_bottom(area, 2);
        let run = self.run(look);
        let tuned_title = match run {
            Some(number) => look.fill(texts::TUNED_RUN, &[&number]),
            None => look.t(texts::NO_TUNED).to_owned(),
        };
        let model = look.model().unwrap_or(look.t(common::NOT_SET));
        let base_title = look.t(texts::BASE);
        // Comparing is the point: both sides stay, however narrow the terminal is.
        let half = body.width / 2;
        let left = Column { index: BASE, area: Rect { width: half.saturating_sub(1), ..body } };
        let right = Rect { x: body.x + half, width: body.width - half, ..body };
        self.draw_side(frame, left, base_title, model, look);
        self.draw_side(frame, Column { index: TUNED, area: right }, &tuned_title, "", look);
        if foot.height < 2 {
            return;
        }
        let line = Rect { y: foot.y + 1, height: 1, ..foot };
        frame.render_widget(Span::styled(" > ", theme::ACCENT), line);
        let field = Rect { x: line.x + 3, width: line.width.saturating_sub(4), ..line };
        if self.input.text().is_empty() && !self.writing {
            frame.render_widget(Span::styled(look.t(texts::TRY_HINT), theme::DIM), field);
        }
        self.input.draw(frame, field, self.writing && look.on_top);
    }

    fn command(&mut self, command: Command, look: &Look, reply: &mut Reply) {
        match command {
            Command::TryWrite => self.writing = true,
            Command::TryClear => self.turns.clear(),
            Command::TryRun => {
                let runs = look.data.snapshot.runs.iter().rev();
                let options = runs
                    .map(|run| {
                        (
                            run.number.to_string(),
                            format!("{}  {}", run.model, format::date(run.started)),
                        )
                    })
                    .collect();
                let current = self.run(look).map(|number| number.to_string());
                let choice = Choice::new(Choosing::Run, options, current.as_deref());
                reply.overlay = Some(Overlay::Choice(choice));
            }
            Command::ListUp => self.scrolls[self.focus].by(-1),
            Command::ListDown => self.scrolls[self.focus].by(1),
            Command::ListPageUp => self.scrolls[self.focus].by_page(-1),
            Command::ListPageDown => self.scrolls[self.focus].by_page(1),
            Command::ListFirst => self.scrolls[self.focus].reset(),
            Command::ListLast => self.scrolls[self.focus].end(),
            Command::FocusNext | Command::FocusPrevious => self.focus = 1 - self.focus,
            _ => {}
        }
    }

    fn unavailable(&self, command: Command, look: &Look) -> Option<Text> {
        match command {
            Command::TryWrite => look.model().is_none().then_some(common::NO_MODEL),
            Command::TryClear if self.job.is_some() => Some(texts::WAIT_FOR_JOB),
            Command::TryClear => self.turns.is_empty().then_some(texts::TRY_EMPTY),
            Command::ListOpen => Some(common::NO_MODEL),
            Command::TryRun => look.data.snapshot.runs.is_empty().then_some(texts::NO_RUNS),
            _ => None,
        }
    }

    fn is_editing(&self) -> bool {
        self.writing
    }

    fn field_key(
        &mut self,
        key: KeyEvent,
        command: Option<Command>,
        look: &Look,
        reply: &mut Reply,
    ) {
        match (key.code, command) {
            (KeyCode::Enter, _) | (_, Some(Command::FieldSave)) => self.send(look, reply),
            (KeyCode::Esc, _) | (_, Some(Command::FieldLeave)) => self.writing = false,
            (KeyCode::Up, _) => self.scrolls.iter().for_each(|scroll| scroll.by(-1)),
            (KeyCode::Down, _) => self.scrolls.iter().for_each(|scroll| scroll.by(1)),
            (KeyCode::PageUp, _) => self.scrolls.iter().for_each(|scroll| scroll.by_page(-1)),
            (KeyCode::PageDown, _) => self.scrolls.iter().for_each(|scroll| scroll.by_page(1)),
            _ => drop(self.input.key(key)),
        }
    }

    fn paste(&mut self, text: &str, _look: &Look, _reply: &mut Reply) {
        self.input.paste(text);
    }

    fn copied(&self, _look: &Look) -> Option<String> {
        self.turns.last().map(|turn| turn.answers[self.focus].clone())
    }

    fn click(&mut self, column: usize, _row: Option<usize>, _look: &Look) {
        self.focus = column;
    }
}
