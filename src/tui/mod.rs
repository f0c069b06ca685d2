//! The terminal around [`crate::app`]: screen, input, event loop, and what carries out effects.
//!
//! The only folder beside `cli` that touches the terminal. Knows no domain logic.

pub mod backend;
mod clipboard;
mod editor;
mod event_loop;
mod folder;
mod input;
mod lister;
pub mod runtime;
mod terminal;

use std::io::{IsTerminal as _, stdin, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use backend::{Backend, CatalogReader};

use crate::app::symbols::SymbolSet;
use crate::app::{self, App, strings};
use crate::failure::{Failure, Result};
use crate::job::{JobEvent, JobOutcome, JobSpec};
use crate::pair::Language;
use crate::progress::Cancel;

/// Does a job: what is asked for, the project's folder, the flag that asks for a stop, and where
/// events go. Runs on a thread of its own.
pub type Runner =
    Arc<dyn Fn(JobSpec, &Path, &Cancel, &mut dyn FnMut(JobEvent)) -> JobOutcome + Send + Sync>;

/// What the interface is started with.
pub struct Options {
    /// The project's data.
    pub backend: Box<dyn Backend>,
    /// What does jobs.
    pub runner: Runner,
    /// Language when the project has no setting; none follows the locale.
    pub language: Option<Language>,
    /// Symbols whatever the project's setting; none follows the setting.
    pub symbols: Option<SymbolSet>,
    /// Whether the mouse is listened to. Without it the terminal's own selection works as usual.
    pub mouse: bool,
}

/// Runs the interface on a project until the user leaves it.
///
/// # Errors
/// Fails when standard input or output is no terminal, or the terminal stops answering.
pub fn run(project_folder: PathBuf, options: Options) -> Result<()> {
    if !stdout().is_terminal() || !stdin().is_terminal() {
        return Err(Failure::user("the interface needs a terminal")
            .hint("Run `hone` in a terminal, or use a subcommand; `hone --help` lists them."));
    }
    let app = App::new(app::Options {
        language: options.language.unwrap_or_else(locale_language),
        symbols: options.symbols,
        folder: project_folder.clone(),
    });
    let runtime = runtime::Runtime::new(project_folder, options.backend, options.runner);
    event_loop::run(app, runtime, options.mouse)
}

/// The language that the environment asks for.
pub fn locale_language() -> Language {
    let values = ["LC_ALL", "LC_MESSAGES", "LANG"].map(|name| std::env::var(name).ok());
    strings::language_of_locale(values.each_ref().map(Option::as_deref))
}
