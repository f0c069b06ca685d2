//! What a file would give before it is imported: how it is read, its first rows, what is wrong with it.

use std::path::{Path, PathBuf};

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::Outcome;
use crate::app::effect::Effect;
use crate::app::look::Look;
use crate::app::message::PairsPreview;
use crate::app::strings::{common, screen as texts};
use crate::app::theme;
use crate::app::widgets::overlay::{centred, open};
use crate::app::widgets::{Input, Rich, Scroll};
use crate::failure::Failure;
use crate::pair::Role;
use crate::text::{truncate, width};

/// What becomes of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// They become pairs of the project.
    Pairs,
    /// They become a pool of general conversation.
    Pool,
}

/// What was chosen about a file to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Importing {
    /// The file.
    pub path: PathBuf,
    /// Columns by their meaning, as typed: `question=Q,answer=A`.
    pub mapping: String,
    /// What becomes of the rows.
    pub purpose: Purpose,
    /// Whether rows are accepted that do not say otherwise.
    pub accept: bool,
}

/// A file that is about to be imported.
pub struct ImportForm {
    path: PathBuf,
    purpose: Purpose,
    accept: bool,
    mapping: Input,
    /// The mapping that the preview is of.
    previewed: String,
    /// None while the file is read.
    preview: Option<Result<Box<PairsPreview>, Failure>>,
    scroll: Scroll,
}

impl ImportForm {
    /// Starts with what is recognized by itself.
    pub fn new(path: PathBuf, purpose: Purpose) -> Self {
        Self {
            path,
            purpose,
            accept: false,
            mapping: Input::default(),
            previewed: String::new(),
            preview: None,
            scroll: Scroll::default(),
        }
    }

    /// What the runtime must do before the first key: read the beginning of the file.
    pub fn opening(&self) -> Effect {
        Effect::PreviewPairs(self.path.clone(), self.previewed.clone())
    }

    /// Takes what the beginning of the file holds; that of another mapping is dropped.
    pub fn previewed(
        &mut self,
        path: &Path,
        mapping: &str,
        preview: Result<Box<PairsPreview>, Failure>,
    ) {
        if path == self.path && mapping == self.previewed {
            self.preview = Some(preview);
            self.scroll.reset();
        }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Tab | KeyCode::BackTab => self.accept = !self.accept,
            KeyCode::Up => self.scroll.by(-1),
            KeyCode::Down => self.scroll.by(1),
            KeyCode::PageUp => self.scroll.by_page(-1),
            KeyCode::PageDown => self.scroll.by_page(1),
            KeyCode::Enter => return self.enter(),
            _ => {
                self.mapping.key(key);
            }
        }
        Outcome::Stay
    }

    pub(super) fn paste(&mut self, text: &str) {
        self.mapping.paste(text);
    }

    /// A mapping that was changed is shown first.
    fn enter(&mut self) -> Outcome {
        let mapping = self.mapping.text().trim().to_owned();
        if mapping != self.previewed {
            (self.previewed, self.preview) = (mapping, None);
            return Outcome::Do(self.opening());
        }
        match &self.preview {
            Some(Ok(_)) => Outcome::Import(Importing {
                path: self.path.clone(),
                mapping,
                purpose: self.purpose,
                accept: self.accept && self.purpose == Purpose::Pairs,
            }),
            Some(Err(_)) | None => Outcome::Stay,
        }
    }

    pub(super) fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let title = look.fill(
            match self.purpose {
                Purpose::Pairs => texts::IMPORT_TITLE,
                Purpose::Pool => texts::POOL_TITLE,
            },
            &[&name],
        );
        let size = centred(area, 100, area.height.saturating_sub(4).clamp(12, 30));
        let inner = open(frame, size, &title, look);
        if inner.height < 6 {
            return;
        }
        let line = |y: u16| Rect { y: inner.y + y, height: 1, ..inner };
        let label = look.t(texts::IMPORT_COLUMNS);
        let label_width = (width(label) + 2) as u16;
        frame.render_widget(Span::styled(label, theme::BOLD), line(0));
        let field = Rect {
            x: inner.x + label_width,
            width: inner.width.saturating_sub(label_width),
            ..line(0)
        };
        if self.mapping.text().is_empty() {
            let hint = truncate(
                look.t(texts::IMPORT_COLUMNS_HINT),
                usize::from(field.width),
                look.symbols.ellipsis,
            );
            frame.render_widget(Span::styled(hint, theme::DIM), field);
            frame.set_cursor_position((field.x, field.y));
        } else {
            self.mapping.draw(frame, field, true);
        }
        let body = Rect { y: inner.y + 2, height: inner.height.saturating_sub(5), ..inner };
        let text = self.text(look);
        let lines = text.lines(usize::from(body.width.saturating_sub(1)));
        self.scroll.draw(frame, body, &lines, look);
        let state = match (self.purpose, self.accept) {
            (Purpose::Pool, _) => texts::IMPORT_AS_POOL,
            (Purpose::Pairs, false) => texts::IMPORT_AS_DRAFTS,
            (Purpose::Pairs, true) => texts::IMPORT_ACCEPTED,
        };
        let foot = inner.height - 2;
        frame.render_widget(Span::styled(look.t(state), theme::BOLD), line(foot));
        let keys = if self.mapping.text().trim() != self.previewed {
            common::IMPORT_KEYS_CHANGED
        } else if self.purpose == Purpose::Pool {
            common::IMPORT_KEYS_POOL
        } else {
            common::IMPORT_KEYS
        };
        frame.render_widget(Span::styled(look.t(keys), theme::DIM), line(foot + 1));
    }

    fn text(&self, look: &Look) -> Rich {
        let mut text = Rich::default();
        let preview = match &self.preview {
            None => {
                text.push(look.t(texts::IMPORT_READING), theme::DIM);
                return text;
            }
            Some(Err(failure)) => {
                text.hang(2)
                    .push(&format!("{} {}", look.symbols.warn, failure.message), theme::WARN)
                    .line();
                for hint in &failure.hints {
                    text.hang(2).push(&format!("  {hint}"), theme::DIM).line();
                }
                return text;
            }
            Some(Ok(preview)) => preview,
        };
        text.push(&preview.read_as, theme::ACCENT).line();
        let examined = look.fill(texts::IMPORT_EXAMINED, &[&preview.examined]);
        text.push(&examined, theme::DIM);
        let problems = preview.problems.len();
        if problems > 0 {
            let words = look.fill(texts::IMPORT_PROBLEMS, &[&problems]);
            text.push(&format!(" {} ", look.symbols.dot), theme::DIM).push(&words, theme::WARN);
        }
        text.line();
        for (place, example) in &preview.rows {
            text.line().push(&format!("{} {place}", preview.place), theme::DIM).line();
            if !example.tools.is_empty() {
                let names: Vec<&str> =
                    example.tools.iter().map(|tool| tool.function.name.as_str()).collect();
                let words = format!("{} {}", look.t(texts::TOOLS), names.join(", "));
                text.hang(2).push(&words, theme::DIM).line();
            }
            for message in &example.messages {
                let (mark, style) = match message.role {
                    Role::System => ("S ", theme::DIM),
                    Role::User => ("Q ", theme::BOLD),
                    Role::Assistant => ("A ", theme::PLAIN),
                    Role::Tool => ("T ", theme::DIM),
                };
                let words =
                    message.text_or_calls().split_whitespace().collect::<Vec<_>>().join(" ");
                text.hang(2).push(mark, theme::ACCENT).push(&words, style).line();
            }
        }
        if problems > 0 {
            text.line();
        }
        for problem in &preview.problems {
            let words = format!(
                "{} {} {}: {}",
                look.symbols.warn, preview.place, problem.line, problem.reason
            );
            text.hang(2).push(&words, theme::WARN).line();
        }
        text
    }
}
