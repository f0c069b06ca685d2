//! The program in a real pseudo-terminal, its screen read back by a terminal emulator.

use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

const PATIENCE: Duration = Duration::from_mins(1);
/// A screen that has not changed for this long is taken as drawn.
const STILL: Duration = Duration::from_millis(150);

pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn std::io::Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    state: Arc<Mutex<(vt100::Parser, Instant)>>,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn some(value: u16) -> NonZeroU16 {
    NonZeroU16::new(value).unwrap()
}

impl Terminal {
    /// Starts `command` in a terminal of the given size.
    pub fn start(command: &Command, columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        builder.env("TERM", "xterm-256color");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => builder.env(name, value),
                None => builder.env_remove(name),
            }
        }
        if let Some(folder) = command.get_current_dir() {
            builder.cwd(folder);
        }
        let child = pair.slave.spawn_command(builder).unwrap();
        drop(pair.slave);
        let parser = vt100::Parser::new(some(rows), some(columns), 0);
        let state = Arc::new(Mutex::new((parser, Instant::now())));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 {
                    break;
                }
                let mut state = shared.lock().unwrap();
                state.0.process(&buffer[..count]);
                state.1 = Instant::now();
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { master: pair.master, writer, child, state }
    }

    /// Types text as a keyboard or an input method sends it.
    pub fn keys(&mut self, text: &str) -> &mut Self {
        self.writer.write_all(text.as_bytes()).unwrap();
        self.writer.flush().unwrap();
        self
    }

    /// Gives the terminal another size.
    pub fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        self.master.resize(size(columns, rows)).unwrap();
        self.state.lock().unwrap().0.screen_mut().set_size(some(rows), some(columns));
        self
    }

    /// Waits for a still screen that holds `text`, and gives it.
    pub fn wait(&mut self, text: &str) -> String {
        self.wait_until(text, |screen| screen.contains(text))
    }

    /// Presses Escape and lets it act: what follows at once would be read as an Alt key.
    pub fn escape(&mut self) -> &mut Self {
        self.keys("\x1b");
        thread::sleep(3 * STILL);
        self
    }

    fn wait_until(&mut self, what: &str, done: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let (screen, last) = {
                let state = self.state.lock().unwrap();
                (state.0.screen().contents(), state.1)
            };
            if done(&screen) && last.elapsed() >= STILL {
                return screen;
            }
            assert!(started.elapsed() < PATIENCE, "waited for `{what}`; the screen was:\n{screen}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Row and column of the cursor, and whether it is hidden.
    pub fn cursor(&self) -> (u16, u16, bool) {
        let state = self.state.lock().unwrap();
        let (row, column) = state.0.screen().cursor_position();
        (row, column, state.0.screen().hide_cursor())
    }

    /// Kills the program as a power cut would, and gives the last screen it had written.
    pub fn kill_and_read(&mut self) -> String {
        self.kill();
        // What was on its way to the terminal still arrives.
        thread::sleep(Duration::from_millis(50));
        self.state.lock().unwrap().0.screen().contents()
    }

    /// Kills the program as a power cut would.
    pub fn kill(&mut self) {
        // The library's own `kill` asks politely first.
        let id = self.child.process_id().and_then(|id| rustix::process::Pid::from_raw(id as i32));
        rustix::process::kill_process(id.unwrap(), rustix::process::Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the program to end by itself; tells whether it ended well.
    pub fn ends(&mut self) -> bool {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(started.elapsed() < PATIENCE, "the program does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
