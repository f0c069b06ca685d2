//! Taking the terminal over and giving it back, also when the program panics.

use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::Once;
use std::thread;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};

use crate::app::App;
use crate::failure::{Context as _, Result};

/// The terminal while the interface has it. Dropping it gives the terminal back.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    mouse: bool,
}

impl Screen {
    /// Takes the terminal over.
    pub fn enter(mouse: bool) -> Result<Self> {
        hook_panics();
        take(mouse).because("failed to set up the terminal")?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()));
        let terminal = terminal
            .because("failed to set up the terminal")
            .inspect_err(|_| give())?;
        Ok(Self { terminal, mouse })
    }

    /// Draws one frame. The terminal shows it at once, so that nothing flickers and an input
    /// method's preview stays where the cursor is.
    pub fn draw(&mut self, app: &App) -> Result<()> {
        let mut drawing = || -> io::Result<()> {
            execute!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
            self.terminal.draw(|frame| app.view(frame))?;
            execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
        };
        drawing().because("failed to draw on the terminal")
    }

    /// Gives the terminal to another program while `work` runs, then takes it back.
    pub fn lend<T>(&mut self, work: impl FnOnce() -> T) -> Result<T> {
        give();
        let result = work();
        take(self.mouse).because("failed to set up the terminal again")?;
        self.terminal
            .clear()
            .because("failed to clear the terminal")?;
        Ok(result)
    }

    /// The way to the terminal for control sequences.
    pub fn out(&mut self) -> &mut impl io::Write {
        self.terminal.backend_mut()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The cursor was hidden outside text fields. Nothing can be done if this fails.
        let _ = self.terminal.show_cursor();
        give();
    }
}

fn take(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
    if mouse {
        execute!(stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// Gives the terminal back. Errors are of no use here: the terminal may be gone.
fn give() {
    let _ = execute!(
        stdout(),
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        ratatui::crossterm::cursor::Show
    );
    let _ = disable_raw_mode();
}

/// A panic of the interface gives the terminal back before its message is printed. A panic of a job
/// is caught and told as its outcome; its message must not be printed over the screen.
fn hook_panics() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let interface = thread::current().id();
        let printing = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == interface {
                give();
                printing(info);
            } else {
                tracing::error!("{info}");
            }
        }));
    });
}
