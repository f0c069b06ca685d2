//! From messages to effects.

use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind,
};

use super::command::{Command, Risk, Scope};
use super::keymap::{Key, decode, lookup, lookup_in_field};
use super::look::Target;
use super::overlays::{CommandList, Confirm, Overlay, Question, Reading};
use super::reply::{Notice, Place, Reply};
use super::screens::curate::Curate;
use super::screens::sources::Sources;
use super::snapshot::Settings;
use super::strings::{self, Text, common};
use super::widgets::Rich;
use super::{App, Effect, Message, SCREENS, Screen, theme};
use crate::job::sweep::SweepEvent;
use crate::job::{JobEvent, JobId, JobOutcome, JobSpec, Told};
use crate::pair::Language;

/// Rows that one notch of the wheel moves.
const WHEEL_ROWS: usize = 2;

impl App {
    /// Takes in what happened and answers what to do.
    pub fn update(&mut self, message: Message) -> Vec<Effect> {
        let mut effects = self.take_in(message);
        effects.extend(self.wanted());
        effects
    }

    fn take_in(&mut self, message: Message) -> Vec<Effect> {
        match message {
            Message::Key(key) => self.key(key),
            Message::Paste(text) => self.paste(&text),
            Message::Mouse(event) => self.mouse(event),
            Message::Resize(columns, rows) => {
                self.size = (columns, rows);
                Vec::new()
            }
            Message::Tick(now) => self.tick(now),
            Message::Loaded(snapshot) => self.take_snapshot(*snapshot),
            Message::Refreshed(snapshot, added) => {
                self.take_snapshot(*snapshot);
                self.added(added)
            }
            Message::CatalogRead(catalog) => self.catalog_read(catalog),
            Message::ExamplesRead(examples) => {
                self.data.keep_whole(examples);
                let mut reply = Reply::default();
                self.screens.curate.examples_read(&look!(self), &mut reply);
                self.carry_out(reply)
            }
            Message::BeforeRead(id, before) => {
                let mut reply = Reply::default();
                let before = before.as_deref();
                Curate::before_read(id, before, &look!(self), &mut reply);
                self.carry_out(reply)
            }
            Message::Listed(number, listing) => {
                self.screens.curate.listed(number, listing, &look!(self));
                Vec::new()
            }
            Message::ChangesRead(changes) => {
                let mut reply = Reply::default();
                Sources::changes_read(changes.as_deref(), &look!(self), &mut reply);
                self.carry_out(reply)
            }
            Message::Changed(changes) => self.changed(changes, false),
            Message::Undone(done) => self.told(done, common::UNDONE, common::NOTHING_TO_UNDO),
            Message::Redone(done) => self.told(done, common::REDONE, common::NOTHING_TO_REDO),
            Message::Job(id, event) => self.job(id, event),
            Message::ModelsListed(models) => {
                self.data.snapshot.models = models;
                Vec::new()
            }
            Message::FolderListed { folder, entries } => {
                if let Some(Overlay::Prompt(prompt)) = self.overlays.last_mut() {
                    prompt.listed(&folder, entries);
                }
                Vec::new()
            }
            Message::PairsPreviewed(path, mapping, preview) => {
                if let Some(Overlay::Import(form)) = self.overlays.last_mut() {
                    form.previewed(&path, &mapping, preview);
                }
                Vec::new()
            }
            Message::EditedOutside(text) => {
                let mut reply = Reply::default();
                self.screens.curate.edited_outside(&text, &look!(self), &mut reply);
                self.carry_out(reply)
            }
            Message::Rendered(parts) => {
                let mut text = Rich::default();
                for part in &parts {
                    let style = if part.trained { theme::QUOTE } else { theme::DIM };
                    text.push(&part.text, style);
                }
                let mark = common::RENDERED_TRAINED.of(self.language());
                let all: usize = parts.iter().map(|part| part.tokens).sum();
                let trained: usize =
                    parts.iter().filter(|part| part.trained).map(|part| part.tokens).sum();
                let title = common::RENDERED_TITLE.fill(self.language(), &[&mark, &all, &trained]);
                self.overlays.push(Overlay::Reading(Reading::new(title, text)));
                Vec::new()
            }
            Message::RunRead(number, events) => {
                self.screens.train.run_read(number, &events);
                Vec::new()
            }
            Message::Failed(failure) => {
                let parts = std::iter::once(failure.message).chain(failure.hints);
                let text = parts.collect::<Vec<_>>().join(" · ");
                self.notice = Some(Notice::warning(text));
                Vec::new()
            }
            Message::Terminated => self.leave(),
        }
    }

    /// Why a command cannot be carried out now; none when it can.
    pub(super) fn unavailable(&self, command: Command) -> Option<Text> {
        let look = self.look();
        if self.data.snapshot.read_only
            && (command.info().risk != Risk::Safe
                || matches!(command, Command::Undo | Command::Redo))
        {
            return Some(common::READ_ONLY);
        }
        match command {
            Command::StopJob => self.jobs.current().is_none().then_some(common::NO_JOB),
            Command::Copy => self.copied().is_none().then_some(common::NOTHING_TO_COPY),
            _ => match command.info().scope {
                Scope::On(screen) => self.screens.get(screen).unavailable(command, &look),
                Scope::Everywhere => self.screens.get(self.screen).unavailable(command, &look),
                Scope::Field => self.unavailable_in_field(command),
            },
        }
    }

    /// Only a pair has two fields, something saved to compare with, an outside editor, and a
    /// passage beside it.
    fn unavailable_in_field(&self, command: Command) -> Option<Text> {
        match command {
            Command::FieldNext
            | Command::FieldPrevious
            | Command::FieldAddTurn
            | Command::FieldSystem
            | Command::FieldSplit
            | Command::FieldCall
            | Command::FieldDiff
            | Command::FieldEditor
            | Command::FieldPassageDown
            | Command::FieldPassageUp => {
                let of_pair = self.screen == Screen::Curate && self.screens.curate.is_writing();
                (!of_pair).then_some(common::NOT_HERE)
            }
            _ => None,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        let pressed = Key::from(key);
        if let Some(overlay) = self.overlays.last_mut() {
            if decode(pressed).first() == Some(&Key::Ctrl('c')) {
                self.overlays.pop();
                return Vec::new();
            }
            let outcome = overlay.key(key, &look!(self, false));
            return self.answered(outcome);
        }
        if self.screens.get(self.screen).is_editing() {
            match decode(pressed).first() {
                Some(Key::Ctrl('q')) => return self.run(Command::Quit),
                Some(Key::F(1)) => return self.run(Command::Help),
                _ => {}
            }
            let command = lookup_in_field(pressed);
            let mut reply = Reply::default();
            let look = look!(self);
            self.screens.get_mut(self.screen).field_key(key, command, &look, &mut reply);
            return self.carry_out(reply);
        }
        let commands: Vec<_> =
            decode(pressed).into_iter().filter_map(|key| lookup(self.screen, key)).collect();
        commands.into_iter().flat_map(|command| self.run(command)).collect()
    }

    /// Runs a command, on its own screen if it belongs to one.
    pub(super) fn run(&mut self, command: Command) -> Vec<Effect> {
        if let Scope::On(screen) = command.info().scope {
            self.screen = screen;
        }
        if let Some(reason) = self.unavailable(command) {
            let reason = reason.of(self.language());
            let text = common::UNAVAILABLE.fill(self.language(), &[&reason]);
            self.notice = Some(Notice::warning(text));
            return Vec::new();
        }
        match command {
            Command::Undo => vec![Effect::Undo],
            Command::Redo => vec![Effect::Redo],
            Command::Reload => {
                self.notice = Some(Notice::info(common::RELOADED.of(self.language())));
                vec![Effect::Reload, Effect::ListModels]
            }
            Command::Help => {
                let editing = self.screens.get(self.screen).is_editing();
                let list = CommandList::help(self.screen, editing, |c| self.unavailable(c));
                self.overlays.push(Overlay::Commands(list));
                Vec::new()
            }
            Command::Palette => {
                let list = CommandList::palette(self.screen, |c| self.unavailable(c));
                self.overlays.push(Overlay::Commands(list));
                Vec::new()
            }
            Command::Quit => self.ask_to_leave(),
            Command::StopJob => self.stop_current(),
            Command::Copy => match self.copied() {
                Some(text) => {
                    self.notice = Some(Notice::info(common::COPIED.of(self.language())));
                    vec![Effect::Copy(text)]
                }
                None => Vec::new(),
            },
            Command::SwitchLanguage => {
                let mut settings = self.settings.clone();
                settings.language = Some(match self.language() {
                    Language::Korean => Language::English,
                    Language::English => Language::Korean,
                });
                let effects = self.change_settings(settings);
                self.notice = Some(Notice::info(common::LANGUAGE_NOW.of(self.language())));
                effects
            }
            Command::SwitchSymbols => {
                let symbols = self.symbol_set().other();
                self.options.symbols = self.options.symbols.map(|_| symbols);
                self.change_settings(Settings { symbols, ..self.settings.clone() })
            }
            Command::GoHome => self.go(Screen::Home),
            Command::GoSources => self.go(Screen::Sources),
            Command::GoCurate => self.go(Screen::Curate),
            Command::GoMix => self.go(Screen::Mix),
            Command::GoTrain => self.go(Screen::Train),
            Command::GoEvaluate => self.go(Screen::Evaluate),
            Command::GoTry => self.go(Screen::Try),
            Command::GoJobs => self.go(Screen::Jobs),
            Command::GoSettings => self.go(Screen::Settings),
            Command::GoPrevious => self.go(SCREENS[(self.screen as usize).saturating_sub(1)]),
            Command::GoNext => self.go(SCREENS[(self.screen as usize + 1).min(SCREENS.len() - 1)]),
            _ => {
                let mut reply = Reply::default();
                let look = look!(self);
                self.screens.get_mut(self.screen).command(command, &look, &mut reply);
                self.carry_out(reply)
            }
        }
    }

    fn go(&mut self, screen: Screen) -> Vec<Effect> {
        self.screen = screen;
        self.data_changed();
        let mut reply = Reply::default();
        let look = look!(self);
        self.screens.get_mut(screen).visited(&look, &mut reply);
        self.carry_out(reply)
    }

    fn paste(&mut self, text: &str) -> Vec<Effect> {
        if let Some(overlay) = self.overlays.last_mut() {
            let outcome = overlay.paste(text);
            return self.answered(outcome);
        }
        let mut reply = Reply::default();
        let look = look!(self);
        let screen = self.screens.get_mut(self.screen);
        if screen.is_editing() {
            screen.paste(text, &look, &mut reply);
        }
        self.carry_out(reply)
    }

    fn mouse(&mut self, event: MouseEvent) -> Vec<Effect> {
        let arrow = match event.kind {
            MouseEventKind::ScrollUp => Some((KeyCode::Up, Command::ListUp)),
            MouseEventKind::ScrollDown => Some((KeyCode::Down, Command::ListDown)),
            MouseEventKind::Down(MouseButton::Left) => None,
            _ => return Vec::new(),
        };
        if !self.overlays.is_empty() {
            return arrow.map_or_else(Vec::new, |(code, _)| self.key(KeyEvent::from(code)));
        }
        if self.screens.get(self.screen).is_editing() {
            return Vec::new();
        }
        let target = self.drawn.at(event.column, event.row);
        let look = look!(self);
        let screen = self.screens.get_mut(self.screen);
        match (target, arrow) {
            (Some(Target::Stage(stage)), None) => return self.go(stage),
            (Some(Target::Row(column, row)), None) => screen.click(column, Some(row), &look),
            (Some(Target::Column(column) | Target::Row(column, _)), _) => {
                screen.click(column, None, &look);
            }
            (Some(Target::Stage(_)) | None, _) => {}
        }
        let Some((_, command)) = arrow else {
            return Vec::new();
        };
        (0..WHEEL_ROWS).flat_map(|_| self.run(command)).collect()
    }

    fn tick(&mut self, now: std::time::Duration) -> Vec<Effect> {
        self.now = now;
        if let Some(notice) = &mut self.notice {
            notice.ticks_left = notice.ticks_left.saturating_sub(1);
            if notice.ticks_left == 0 {
                self.notice = None;
            }
        }
        let mut reply = Reply::default();
        let look = look!(self);
        for screen in SCREENS {
            self.screens.get_mut(screen).tick(&look, &mut reply);
        }
        self.carry_out(reply)
    }

    fn job(&mut self, id: JobId, event: JobEvent) -> Vec<Effect> {
        if !self.jobs.hear(id, event.clone(), self.now, self.language()) {
            return Vec::new();
        }
        let mut effects = Vec::new();
        match event {
            JobEvent::DataChanged
            | JobEvent::Sweep(SweepEvent::Sweep { .. } | SweepEvent::Run { .. }) => {
                effects.push(Effect::Refresh(self.data.catalog.last_key()));
            }
            JobEvent::ChatText { tuned, text } => self.screens.try_.hear(id, tuned, &text),
            JobEvent::Ended(outcome) => {
                self.screens.try_.ended(id);
                effects.extend(self.job_ended(id, &outcome));
            }
            JobEvent::Checked(report) => {
                self.data.checked(&report);
                effects.extend(self.data_changed());
                let mut reply = Reply::default();
                let free = self.screen == Screen::Curate && self.overlays.is_empty();
                self.screens.curate.checked(free, &look!(self), &mut reply);
                effects.extend(self.carry_out(reply));
            }
            JobEvent::Sweep(SweepEvent::Short(shortage)) => {
                self.notice = Some(Notice::warning(strings::short(&shortage, self.language())));
            }
            JobEvent::Progress(_) | JobEvent::Note(_) | JobEvent::Train(_) | JobEvent::Sweep(_) => {
            }
        }
        effects
    }

    fn job_ended(&mut self, id: JobId, outcome: &JobOutcome) -> Vec<Effect> {
        let mut effects = Vec::new();
        let spec = self.jobs.get(id).map(|job| job.spec.clone());
        match &spec {
            Some(JobSpec::Chat { .. } | JobSpec::Check { .. }) | None => {}
            Some(JobSpec::PullModel { .. }) => effects.push(Effect::ListModels),
            Some(_) => effects.push(Effect::Reload),
        }
        let name = spec.map_or("", |spec| strings::job(&spec).of(self.language()));
        let said = |line: &str| {
            if line.is_empty() { name.to_owned() } else { format!("{name}: {line}") }
        };
        self.notice = match outcome {
            JobOutcome::Finished(Told::Nothing) => self.notice.take(),
            JobOutcome::Finished(told) | JobOutcome::Stopped(told) => {
                Some(Notice::info(said(&strings::told(told, self.language()))))
            }
            JobOutcome::Failed { message, hints } => {
                let hint = hints.first().map(|hint| format!(" · {hint}")).unwrap_or_default();
                Some(Notice::warning(said(&format!("{message}{hint}"))))
            }
        };
        if self.quitting && self.jobs.current().is_none() {
            effects.push(Effect::Quit);
        }
        effects
    }

    fn stop_current(&mut self) -> Vec<Effect> {
        let Some(job) = self.jobs.current() else {
            return Vec::new();
        };
        let (id, name) = (job.id, strings::job(&job.spec).of(self.language()));
        self.notice = Some(Notice::info(common::JOB_STOPPING.fill(self.language(), &[&name])));
        self.jobs.stop(id);
        vec![Effect::Cancel(id)]
    }

    fn ask_to_leave(&mut self) -> Vec<Effect> {
        let Some(job) = self.jobs.current() else {
            return self.leave();
        };
        if self.quitting {
            self.notice = Some(Notice::info(common::QUITTING.of(self.language())));
            return Vec::new();
        }
        let name = strings::job(&job.spec).of(self.language());
        let words = common::QUIT_QUESTION.fill(self.language(), &[&name]);
        self.overlays.push(Overlay::Confirm(Confirm::new(Question::Quit, words)));
        Vec::new()
    }

    /// Keeps what was typed, stops what runs and leaves once nothing runs any more.
    pub(super) fn leave(&mut self) -> Vec<Effect> {
        let mut reply = Reply::default();
        self.screens.curate.keep_typing(&mut reply);
        let mut effects = self.carry_out(reply);
        let running: Vec<_> = self.jobs.running().map(|job| job.id).collect();
        self.quitting = true;
        if running.is_empty() {
            effects.push(Effect::Quit);
            return effects;
        }
        self.notice = Some(Notice::info(common::QUITTING.of(self.language())));
        for id in running {
            self.jobs.stop(id);
            effects.push(Effect::Cancel(id));
        }
        effects
    }

    fn copied(&self) -> Option<String> {
        self.screens.get(self.screen).copied(&self.look()).filter(|text| !text.is_empty())
    }

    pub(super) fn carry_out(&mut self, mut reply: Reply) -> Vec<Effect> {
        if self.data.snapshot.read_only {
            self.keep_to_reading(&mut reply);
        }
        let mut effects = reply.effects;
        if let Some(notice) = reply.notice {
            self.notice = Some(notice);
        }
        if let Some(settings) = reply.settings {
            effects.extend(self.change_settings(*settings));
        }
        if let Some(mut overlay) = reply.overlay {
            match &mut overlay {
                Overlay::Prompt(prompt) => effects.extend(prompt.opening()),
                Overlay::Import(form) => effects.push(form.opening()),
                _ => {}
            }
            self.overlays.push(overlay);
        }
        match reply.go {
            Some(Place::Screen(screen)) => effects.extend(self.go(screen)),
            Some(Place::Passage(passage)) => {
                self.screen = Screen::Curate;
                self.screens.curate.show_passage(passage, &look!(self));
            }
            None => {}
        }
        if let Some(spec) = reply.start {
            effects.extend(self.start_job(spec));
        }
        effects
    }

    fn start_job(&mut self, spec: JobSpec) -> Vec<Effect> {
        let language = self.language();
        if super::activity::is_heavy(&spec)
            && let Some(job) = self.jobs.heavy()
        {
            let name = strings::job(&job.spec).of(language);
            self.notice = Some(Notice::warning(common::JOB_BUSY.fill(language, &[&name])));
            return Vec::new();
        }
        let id = self.jobs.start(spec.clone(), self.now);
        let is_chat = matches!(spec, JobSpec::Chat { .. });
        if is_chat {
            self.screens.try_.started(id);
        } else {
            let name = strings::job(&spec).of(language);
            self.notice = Some(Notice::info(common::JOB_STARTED.fill(language, &[&name])));
        }
        vec![Effect::Spawn(id, spec)]
    }

    /// Takes over settings and keeps each that changed.
    fn change_settings(&mut self, settings: Settings) -> Vec<Effect> {
        let old = serde_json::to_value(&self.settings).unwrap_or_default();
        let new = serde_json::to_value(&settings).unwrap_or_default();
        self.settings = settings;
        self.data.snapshot.settings = self.settings.clone();
        if self.data.snapshot.read_only {
            return Vec::new();
        }
        let fields = new.as_object().into_iter().flatten();
        fields
            .filter(|(key, value)| old.get(key.as_str()) != Some(value))
            .map(|(key, value)| Effect::SaveSetting(key.clone(), value.clone()))
            .collect()
    }
}
