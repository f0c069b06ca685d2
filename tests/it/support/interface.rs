//! The interface without a terminal: the real application, runtime, store and jobs, its screens
//! drawn into memory.

use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_width::UnicodeWidthStr as _;

use hone::app::{self, App, Effect, Message};
use hone::cli::interface;
use hone::pair::Language;
use hone::tui::runtime::{Runtime, TerminalWork};

const PATIENCE: Duration = Duration::from_mins(1);

pub struct Interface {
    app: App,
    runtime: Runtime,
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    size: (u16, u16),
    started: Instant,
    /// Whether the application has asked to leave.
    pub left: bool,
}

impl Interface {
    /// Opens the interface on a project, as `hone -p FOLDER` does.
    pub fn open(folder: &Path, language: Language, size: (u16, u16)) -> Self {
        let options = interface::options(folder).unwrap();
        let app = App::new(app::Options { language, symbols: None, folder: folder.into() });
        let runtime = Runtime::new(folder.into(), options.backend, options.runner);
        let (sender, receiver) = unbounded();
        let started = Instant::now();
        let mut opened = Self { app, runtime, sender, receiver, size, started, left: false };
        let effects = opened.app.start();
        opened.carry_out(effects);
        opened
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let left = &mut self.left;
        let mut terminal = |work| {
            *left |= work == TerminalWork::Quit;
            Ok(None)
        };
        self.runtime.carry_out(&mut self.app, effects, &self.sender, &mut terminal).unwrap();
    }

    fn hear(&mut self, message: Message) {
        let effects = self.app.update(message);
        self.carry_out(effects);
    }

    /// Presses keys: words in `<>` are named keys, everything else is typed as it is.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(letter) = rest.chars().next() {
            let named = rest.strip_prefix('<').and_then(|inner| inner.split_once('>'));
            let (event, after) = match named {
                Some((name, after)) => (named_key(name), after),
                None => (KeyEvent::from(KeyCode::Char(letter)), &rest[letter.len_utf8()..]),
            };
            self.hear(Message::Key(event));
            rest = after;
        }
        self
    }

    /// The screen as a person sees it.
    pub fn screen(&self) -> String {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        terminal.draw(|frame| self.app.view(frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let mut out = String::new();
        for y in 0..self.size.1 {
            let mut x = 0;
            let mut line = String::new();
            while x < self.size.0 {
                let symbol = buffer[(x, y)].symbol();
                line.push_str(symbol);
                x += symbol.width().max(1) as u16;
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// Fails the test unless the screen shows every one of `parts` now.
    pub fn shows(&mut self, parts: &[&str]) -> &mut Self {
        let screen = self.screen();
        for part in parts {
            assert!(screen.contains(part), "`{part}` is not on the screen:\n{screen}");
        }
        self
    }

    /// Takes in what jobs tell, with the clock running, until the screen shows `text`.
    pub fn wait(&mut self, text: &str) -> &mut Self {
        self.wait_until(text, |screen| screen.contains(text))
    }

    /// The same until the screen no longer shows `text`.
    pub fn wait_gone(&mut self, text: &str) -> &mut Self {
        self.wait_until(text, |screen| !screen.contains(text))
    }

    fn wait_until(&mut self, what: &str, done: impl Fn(&str) -> bool) -> &mut Self {
        let started = Instant::now();
        loop {
            let screen = self.screen();
            if done(&screen) {
                return self;
            }
            assert!(started.elapsed() < PATIENCE, "waited for `{what}`; the screen was:\n{screen}");
            let told = self.receiver.recv_timeout(Duration::from_millis(50));
            self.hear(Message::Tick(self.started.elapsed()));
            for message in told.into_iter().chain(self.receiver.try_iter().collect::<Vec<_>>()) {
                self.hear(message);
            }
        }
    }
}

fn named_key(name: &str) -> KeyEvent {
    KeyEvent::from(match name {
        "ret" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "down" => KeyCode::Down,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        _ => {
            let letter = name.strip_prefix("c-").and_then(|rest| rest.chars().next()).unwrap();
            return KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
        }
    })
}
