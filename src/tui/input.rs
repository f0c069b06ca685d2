//! The thread that reads keys, and a way to hold it while another program has the terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use ratatui::crossterm::event::{self, Event};

use crate::app::Message;
use crate::failure::{Context as _, Result};

/// How long one wait for a key lasts; also how soon a pause takes hold.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long a pause waits for the thread; more than one wait for a key.
const PAUSE_PATIENCE: Duration = Duration::from_millis(500);
const READING: u8 = 0;
const PAUSE_WANTED: u8 = 1;
const PAUSED: u8 = 2;

/// The input thread. It ends with the process or when nobody listens any more.
pub struct Input {
    state: Arc<AtomicU8>,
}

impl Input {
    /// Starts reading keys, pastes, the mouse and resizes into `sender`.
    pub fn start(sender: Sender<Message>) -> Result<Self> {
        let state = Arc::new(AtomicU8::new(READING));
        let shared = Arc::clone(&state);
        thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || read(&shared, &sender))
            .because("failed to start the input thread")?;
        Ok(Self { state })
    }

    /// Stops reading and returns once the thread no longer touches the terminal.
    pub fn pause(&self) {
        self.state.store(PAUSE_WANTED, Ordering::SeqCst);
        // A thread that waits for room in a full queue does not read keys either, and pauses as
        // soon as it has found some: there is no need to wait for it.
        let patience = Instant::now() + PAUSE_PATIENCE;
        while self.state.load(Ordering::SeqCst) == PAUSE_WANTED && Instant::now() < patience {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Goes on reading.
    pub fn resume(&self) {
        self.state.store(READING, Ordering::SeqCst);
    }
}

fn read(state: &AtomicU8, sender: &Sender<Message>) {
    loop {
        if state.load(Ordering::SeqCst) != READING {
            // Stays paused until told otherwise, whoever asked in the meantime.
            state.store(PAUSED, Ordering::SeqCst);
            while state.load(Ordering::SeqCst) == PAUSED {
                thread::sleep(Duration::from_millis(10));
            }
            continue;
        }
        let message = match event::poll(POLL_INTERVAL) {
            Ok(false) => continue,
            Ok(true) => match event::read() {
                Ok(Event::Key(key)) => Message::Key(key),
                Ok(Event::Paste(text)) => Message::Paste(text),
                Ok(Event::Mouse(mouse)) => Message::Mouse(mouse),
                Ok(Event::Resize(columns, rows)) => Message::Resize(columns, rows),
                Ok(Event::FocusGained | Event::FocusLost) => continue,
                Err(_) => Message::Terminated,
            },
            // The terminal is gone.
            Err(_) => Message::Terminated,
        };
        let gone = matches!(message, Message::Terminated);
        if sender.send(message).is_err() || gone {
            // A pause asked for now must not wait for ever.
            state.store(PAUSED, Ordering::SeqCst);
            return;
        }
    }
}
