//! Plain output: data to standard output, progress and errors to standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::job::JobEvent;
use crate::job::sweep::SweepEvent;
use crate::progress::{Cancel, Progress};
use crate::train::TrainEvent;

/// Shortest time between two progress lines on a terminal.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);
/// Shortest time between two progress lines in a log.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Standard output that ends the program quietly when its reader has gone.
pub struct Output(io::Stdout);

impl Output {
    /// Standard output.
    pub fn stdout() -> Self {
        Self(io::stdout())
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self.0.write(buffer) {
            // A reader such as `head` has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(buffer.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}

/// Width of standard output's terminal; 100 where there is none.
pub fn columns() -> usize {
    if !io::stdout().is_terminal() {
        return 100;
    }
    ratatui::crossterm::terminal::size().map_or(100, |(columns, _)| usize::from(columns))
}

/// Prints an error with its hints.
pub fn failure(failure: &Failure) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "error: {}", failure.message);
    for hint in &failure.hints {
        let _ = writeln!(err, "hint: {hint}");
    }
}

/// Prints a line that is neither data nor an error.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// A flag that ctrl-C (and a polite kill) sets. A second ctrl-C ends the program at once.
pub fn cancel_on_signal() -> Cancel {
    let cancel = Cancel::default();
    let flag = cancel.flag();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // Order matters: the first handler acts only if the flag was set by an earlier signal.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone());
        let _ = signal_hook::flag::register(signal, flag.clone());
    }
    cancel
}

/// A progress callback that draws on standard error and stops on ctrl-C.
pub fn progress() -> impl FnMut(Progress) -> ControlFlow<()> {
    let cancel = cancel_on_signal();
    let mut lines = JobLines::new();
    move |progress| {
        lines.progress(&progress);
        cancel.flow()
    }
}

/// Shows a job's events as lines.
pub struct JobLines {
    terminal: bool,
    stage: String,
    stage_started: Instant,
    last_drawn: Option<Instant>,
    open_line: bool,
    finished: bool,
}

impl JobLines {
    /// Lines on standard error, redrawn in place when it is a terminal.
    pub fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            stage: String::new(),
            stage_started: Instant::now(),
            last_drawn: None,
            open_line: false,
            finished: false,
        }
    }

    /// Shows one event.
    pub fn tell(&mut self, event: &JobEvent) {
        match event {
            JobEvent::Progress(progress) => self.progress(progress),
            JobEvent::Note(note) => self.line(note),
            JobEvent::Train(event) => self.train(event),
            JobEvent::Sweep(event) => self.sweep(event),
            JobEvent::ChatText { .. }
            | JobEvent::DataChanged
            | JobEvent::Checked(_)
            | JobEvent::Ended(_) => {}
        }
    }

    /// Ends the line being redrawn.
    pub fn end(&mut self) {
        if self.open_line {
            let _ = writeln!(io::stderr());
            self.open_line = false;
        }
    }

    fn line(&mut self, text: &str) {
        self.end();
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Shows how far a stage is, with its rate and time left.
    pub fn progress(&mut self, progress: &Progress) {
        if progress.stage != self.stage {
            self.end();
            self.stage.clone_from(&progress.stage);
            self.stage_started = Instant::now();
            self.last_drawn = None;
            self.finished = false;
        }
        if self.finished {
            return;
        }
        let finished = progress.total == Some(progress.done);
        if !finished && !self.is_due() {
            return;
        }
        let elapsed = self.stage_started.elapsed();
        let mut text = format!("{:<10}", progress.stage);
        match progress.total {
            Some(total) => {
                let _ = write!(
                    text,
                    " {:>3.0} %  {} of {}",
                    progress.fraction().unwrap_or(0.0) * 100.0,
                    amount(progress.done, progress.unit),
                    amount(total, progress.unit)
                );
            }
            None => {
                let _ = write!(text, " {}", amount(progress.done, progress.unit));
            }
        }
        if elapsed > Duration::from_secs(1) {
            let _ = write!(text, "  {}/s", amount(progress.rate(elapsed) as u64, progress.unit));
        }
        if finished {
            let _ = write!(text, "  in {}", clock(elapsed.as_secs_f64()));
        } else if let Some(left) = progress.time_left(elapsed) {
            let _ = write!(text, "  {} left", clock(left.as_secs_f64()));
        }
        self.draw(&text);
        if finished {
            self.finished = true;
            self.end();
        }
    }

    fn train(&mut self, event: &TrainEvent) {
        match event {
            TrainEvent::Planned {
                steps,
                first_step,
                rows,
                tokens,
                label_tokens,
                trainable,
                memory_bytes,
                kept_layers,
                partly_kept_layers,
                hosted_inputs,
                hosted_bytes,
                layers,
                micro_tokens,
            } => {
                self.line(&format!(
                    "train      {rows} rows, {tokens} tokens an epoch ({label_tokens} trained), \
                     {trainable} trainable parameters, steps {} to {steps}",
                    first_step + 1
                ));
                let mib = |bytes: &u64| bytes.div_ceil(1 << 20);
                let again = layers - kept_layers - partly_kept_layers;
                let hosted =
                    format!("with inputs in {} MiB of this machine's memory", mib(hosted_bytes));
                let mut saved = String::new();
                for (count, what) in [
                    (again, "computed twice to save memory"),
                    (*partly_kept_layers, "computed twice in part"),
                    (*hosted_inputs, &hosted),
                ] {
                    if count > 0 {
                        let _ = write!(saved, ", {count} of {layers} layers {what}");
                    }
                }
                self.line(&format!(
                    "train      {} MiB of memory at most, {micro_tokens} tokens at once{saved}",
                    mib(memory_bytes)
                ));
            }
            TrainEvent::Step {
                step,
                epoch,
                loss,
                learning_rate,
                tokens_per_second,
                seconds_left,
                ..
            } => {
                if self.is_due() {
                    self.draw(&format!(
                        "train      step {step}  epoch {epoch:.2}  loss {loss:.3}  lr {learning_rate:.1e}  \
                         {tokens_per_second:.0} tok/s  {} left",
                        clock(*seconds_left)
                    ));
                }
            }
            TrainEvent::Validation { step, loss, best } => {
                self.line(&format!(
                    "train      step {step}  validation loss {loss:.3} (best {best:.3})"
                ));
            }
            TrainEvent::Sample { step, prompt, answer } => {
                self.line(&format!("train      step {step}  asked: {prompt}"));
                self.line(&format!("           answers: {}", answer.replace('\n', " ")));
            }
            TrainEvent::Warning { message } => self.line(&format!("warning: {message}")),
            TrainEvent::Checkpoint { .. } | TrainEvent::Ended { .. } => self.end(),
        }
    }

    fn sweep(&mut self, event: &SweepEvent) {
        let left = |seconds: &Option<f64>| {
            seconds.map_or_else(String::new, |seconds| format!(", about {} left", clock(seconds)))
        };
        match event {
            SweepEvent::Sweep { sweep, runs, left: open, seconds_left } => {
                self.line(&format!(
                    "sweep {sweep}    {runs} runs, {open} to do{}",
                    left(seconds_left)
                ));
            }
            SweepEvent::Short(shortage) => self.line(&format!("warning: {shortage}")),
            SweepEvent::Run { place, runs, run, setting, seconds_left } => {
                self.line(&format!(
                    "\nrun {place} of {runs} (run {run} of the project): {setting}{}",
                    left(seconds_left)
                ));
            }
            SweepEvent::Measured { run, target, n, forgetting } => {
                let forgetting = forgetting.map_or_else(String::new, |delta| {
                    format!(", forgetting {:+.1} points on the mean", 100.0 * delta)
                });
                self.line(&format!(
                    "run {run}: target {:.1} % (n={n}){forgetting}",
                    100.0 * target
                ));
            }
            SweepEvent::RunFailed { run, reason } => {
                let run = run.map_or_else(|| "a run".to_owned(), |run| format!("run {run}"));
                self.line(&format!("{run} failed: {reason}; the sweep goes on"));
            }
            SweepEvent::Chart { .. } => self.end(),
        }
    }

    fn is_due(&self) -> bool {
        let interval = if self.terminal { REDRAW_INTERVAL } else { LOG_INTERVAL };
        self.last_drawn.is_none_or(|last| last.elapsed() >= interval)
    }

    fn draw(&mut self, text: &str) {
        let mut err = io::stderr().lock();
        if self.terminal {
            let _ = write!(err, "\r{text}\x1b[K");
            self.open_line = true;
        } else {
            let _ = writeln!(err, "{text}");
        }
        let _ = err.flush();
        self.last_drawn = Some(Instant::now());
    }
}

/// A number with its unit; bytes in MB.
fn amount(value: u64, unit: &str) -> String {
    if unit == "bytes" {
        format!("{:.1} MB", value as f64 / 1e6)
    } else {
        format!("{value} {unit}")
    }
}

/// Seconds as `1 h 02 min`, `3 min 04 s` or `5 s`.
pub fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn times_read_as_people_write_them() {
        for (seconds, text) in
            [(0.2, "0 s"), (59.6, "1 min 00 s"), (184.0, "3 min 04 s"), (3720.0, "1 h 02 min")]
        {
            assert_eq!(clock(seconds), text);
        }
    }
}
