//! Wait for a message, take the burst, carry out what follows, draw once.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::input::Input;
use super::runtime::{Runtime, TerminalWork};
use super::terminal::Screen;
use super::{clipboard, editor};
use crate::app::{App, Effect, Message};
use crate::failure::{Context as _, Result};

/// Least time between two frames while only jobs have news: at most 30 a second.
const FRAME_INTERVAL: Duration = Duration::from_millis(33);
/// Least time between two frames while keys come: what is typed shows at once, and a burst of keys
/// (a held one, a paste) is drawn as one.
const KEY_INTERVAL: Duration = Duration::from_millis(8);
/// Least time between two frames while the user types and only jobs have news: nothing should move
/// under an input method.
const CALM_INTERVAL: Duration = Duration::from_secs(1);
/// Time between ticks while time matters.
const TICK_INTERVAL: Duration = Duration::from_millis(250);
/// Most messages taken in before a frame is drawn.
const BURST_MAX: usize = 1_024;
/// Messages that may wait; a job that is faster waits for the interface.
const QUEUE_MAX: usize = 4_096;

/// Runs until the application asks to quit. The terminal is given back on every way out.
pub fn run(app: App, runtime: Runtime, mouse: bool) -> Result<()> {
    let (sender, receiver) = bounded(QUEUE_MAX);
    let screen = Screen::enter(mouse)?;
    let input = Input::start(sender.clone())?;
    listen_for_signals(sender.clone())?;
    let mut looping = Looping {
        app,
        runtime,
        screen,
        input,
        sender,
        started: Instant::now(),
        last_tick: Instant::now(),
        gone: false,
        quit: false,
    };
    looping.go(&receiver)
}

struct Looping {
    app: App,
    runtime: Runtime,
    screen: Screen,
    input: Input,
    sender: Sender<Message>,
    started: Instant,
    last_tick: Instant,
    /// The terminal no longer answers: nothing is drawn, what runs is stopped.
    gone: bool,
    quit: bool,
}

impl Looping {
    fn go(&mut self, receiver: &Receiver<Message>) -> Result<()> {
        let effects = self.app.start();
        self.carry_out(effects)?;
        self.draw()?;
        let mut drawn = Instant::now();
        let mut due: Option<Duration> = None;
        while !self.quit {
            let wait = self.wait(due.map(|interval| drawn + interval));
            let first = match wait {
                None => receiver.recv().ok(),
                Some(wait) => match receiver.recv_timeout(wait) {
                    Ok(message) => Some(message),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                },
            };
            if let Some(first) = first {
                let burst = std::iter::once(first).chain(receiver.try_iter()).take(BURST_MAX);
                let burst: Vec<_> = burst.collect();
                // Jobs are timed by the clock as it was when their news came.
                if burst.iter().any(|message| matches!(message, Message::Job(..))) {
                    self.tick()?;
                }
                for message in burst {
                    let interval = match message {
                        Message::Job(..) if self.app.is_editing() => CALM_INTERVAL,
                        Message::Job(..) => FRAME_INTERVAL,
                        _ => KEY_INTERVAL,
                    };
                    due = Some(due.map_or(interval, |due: Duration| due.min(interval)));
                    self.hear(message)?;
                }
            }
            if self.app.wants_ticks() && self.last_tick.elapsed() >= TICK_INTERVAL {
                self.tick()?;
                let interval = if self.app.is_editing() { CALM_INTERVAL } else { FRAME_INTERVAL };
                due = Some(due.map_or(interval, |due| due.min(interval)));
            }
            if due.is_some_and(|interval| drawn.elapsed() >= interval) {
                self.draw()?;
                (drawn, due) = (Instant::now(), None);
            }
        }
        Ok(())
    }

    /// Draws a frame. A terminal that is gone ends the program as a signal would: jobs stop at a
    /// safe point first.
    fn draw(&mut self) -> Result<()> {
        if self.gone || self.screen.draw(&self.app).is_ok() {
            return Ok(());
        }
        self.gone = true;
        self.hear(Message::Terminated)
    }

    /// How long to wait for a message: until the next frame or tick is due, or for ever.
    fn wait(&self, frame: Option<Instant>) -> Option<Duration> {
        let tick = self.app.wants_ticks().then(|| self.last_tick + TICK_INTERVAL);
        let next = frame.into_iter().chain(tick).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn tick(&mut self) -> Result<()> {
        self.last_tick = Instant::now();
        self.hear(Message::Tick(self.started.elapsed()))
    }

    fn hear(&mut self, message: Message) -> Result<()> {
        let effects = self.app.update(message);
        self.carry_out(effects)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<()> {
        let Self { app, runtime, screen, input, sender, quit, .. } = self;
        runtime.carry_out(app, effects, sender, &mut |work| match work {
            TerminalWork::Quit => {
                *quit = true;
                Ok(None)
            }
            TerminalWork::Copy(text) => {
                clipboard::copy(screen.out(), &text)
                    .because("failed to reach the terminal's clipboard")?;
                Ok(None)
            }
            TerminalWork::Edit(text) => {
                input.pause();
                let edited = screen.lend(|| editor::edit(&text));
                input.resume();
                Ok(Some(match edited? {
                    Ok(text) => Message::EditedOutside(text),
                    Err(failure) => Message::Failed(failure),
                }))
            }
        })
    }
}

/// SIGTERM and SIGHUP ask for the same as quitting, without a question.
#[cfg(unix)]
fn listen_for_signals(sender: Sender<Message>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGTERM, SIGHUP]).because("failed to listen for signals")?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for _ in &mut signals {
                if sender.send(Message::Terminated).is_err() {
                    return;
                }
            }
        })
        .because("failed to listen for signals")?;
    Ok(())
}

#[cfg(not(unix))]
fn listen_for_signals(_sender: Sender<Message>) -> Result<()> {
    Ok(())
}
