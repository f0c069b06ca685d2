//! A line to type; for paths with completion from a folder's listing.

use std::path::{Path, PathBuf};

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Outcome;
use crate::app::effect::Effect;
use crate::app::look::Look;
use crate::app::message::FolderEntry;
use crate::app::strings::common;
use crate::app::theme;
use crate::app::widgets::overlay::{centred, open};
use crate::app::widgets::{Input, ListState};
use crate::pair::format::Format;
use crate::project::DocumentId;
use crate::text::{hangul, truncate};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asking {
    /// Path of a document to add.
    Document,
    /// Path of a document that needs a password.
    EncryptedDocument,
    /// Password of a document.
    Password(PathBuf),
    /// Path of a file of pairs to import.
    Import,
    /// Path of a file of general conversation to add as a pool.
    Pool,
    /// Path of a file to write, or of a folder where the name has no ending.
    Export(Format),
    /// Name of a model to fetch.
    Model,
    /// Tokens of the passages of a document, and how many they repeat.
    PassageLength(DocumentId),
    /// Name to keep the search line under.
    FilterName,
    /// What to look for in the items of a suite.
    Items,
    /// What a sweep varies, `mix=0,10 rank=8,16`.
    Sweep,
    /// System prompt of pairs.
    System,
    /// Tags of a pair, or of several.
    Tags {
        /// Of several: what is typed is added.
        many: bool,
    },
}

impl Asking {
    fn is_path(&self) -> bool {
        match self {
            Self::Document
            | Self::EncryptedDocument
            | Self::Import
            | Self::Pool
            | Self::Export(_) => true,
            Self::Password(_)
            | Self::Model
            | Self::PassageLength(_)
            | Self::Tags { .. }
            | Self::FilterName
            | Self::Items
            | Self::Sweep
            | Self::System => false,
        }
    }

    /// File name endings worth offering; empty for all.
    fn endings(&self) -> &'static [&'static str] {
        match self {
            Self::Document => &["pdf", "txt", "md", "markdown", "html", "htm", "docx", "hwpx"],
            Self::EncryptedDocument => &["pdf"],
            Self::Import | Self::Pool => &["jsonl", "json", "csv", "tsv", "parquet"],
            Self::Export(Format::Csv) => &["csv"],
            Self::Export(Format::Parquet) => &["parquet"],
            Self::Export(_) => &["jsonl", "json"],
            Self::Password(_)
            | Self::Model
            | Self::PassageLength(_)
            | Self::Tags { .. }
            | Self::FilterName
            | Self::Items
            | Self::Sweep
            | Self::System => &[],
        }
    }
}

/// A line being typed.
pub struct Prompt {
    asking: Asking,
    input: Input,
    /// Folder that was listed last, as typed, and what is in it.
    folder: String,
    entries: Vec<FolderEntry>,
    fitting: Vec<usize>,
    /// Selected suggestion; none while the user types.
    chosen: Option<usize>,
}

impl Prompt {
    /// Asks for `asking`, starting with `text`.
    pub fn new(asking: Asking, text: &str) -> Self {
        let input = match asking {
            Asking::Password(_) => Input::masked(),
            _ => Input::new(text),
        };
        Self {
            asking,
            input,
            folder: String::new(),
            entries: Vec::new(),
            fitting: Vec::new(),
            chosen: None,
        }
    }

    /// Asks where to write pairs, starting with a name that suits the format.
    pub fn exporting(format: Format) -> Self {
        // LLaMA-Factory needs more than the rows; a folder has it.
        let name = match format {
            Format::LlamaFactory | Format::LlamaFactoryOpenAi => "pairs-llama-factory".to_owned(),
            _ => format!("pairs.{}", format.extension()),
        };
        Self::new(Asking::Export(format), &name)
    }

    /// What the runtime must do before the first key: list the folder that a path starts in.
    pub fn opening(&mut self) -> Option<Effect> {
        self.list_if_moved()
    }

    /// Takes a folder's listing; one that is no longer wanted is dropped.
    pub fn listed(&mut self, folder: &Path, entries: Vec<FolderEntry>) {
        if self.asking.is_path() && folder == Path::new(&self.folder) {
            self.entries = entries;
            self.match_entries();
        }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Enter => return self.enter(),
            KeyCode::Up | KeyCode::BackTab => self.choose(-1),
            KeyCode::Down => self.choose(1),
            KeyCode::Tab => self.complete(),
            _ => {
                if !self.input.key(key) {
                    return Outcome::Stay;
                }
                self.chosen = None;
            }
        }
        self.typed()
    }

    pub(super) fn paste(&mut self, text: &str) -> Outcome {
        // A path dropped on a terminal often comes quoted.
        let text = text.trim().trim_matches(['\'', '"']);
        self.input.paste(text);
        self.chosen = None;
        self.typed()
    }

    fn typed(&mut self) -> Outcome {
        let listing = self.list_if_moved();
        self.match_entries();
        listing.map_or(Outcome::Stay, Outcome::Do)
    }

    fn enter(&mut self) -> Outcome {
        if let Some(entry) = self.chosen_entry() {
            let (path, is_folder) = (self.path_of(entry), entry.is_folder);
            self.chosen = None;
            self.input.set(&path);
            if is_folder {
                return self.typed();
            }
        }
        let text = self.input.text().trim();
        let may_be_empty =
            matches!(self.asking, Asking::Tags { .. } | Asking::Items | Asking::System);
        if (text.is_empty() && !may_be_empty) || (self.asking.is_path() && text.ends_with('/')) {
            return Outcome::Stay;
        }
        Outcome::Entered(self.asking.clone(), text.to_owned())
    }

    fn choose(&mut self, by: isize) {
        let len = self.fitting.len();
        self.chosen = match (self.chosen, len) {
            (_, 0) => None,
            (None, _) => Some(if by > 0 { 0 } else { len - 1 }),
            (Some(0), _) if by < 0 => None,
            (Some(at), _) => Some(at.saturating_add_signed(by).min(len - 1)),
        };
    }

    /// Types what all fitting entries share; the whole name when only one fits or one is chosen.
    fn complete(&mut self) {
        let entry = self.chosen_entry().or_else(|| match self.fitting[..] {
            [only] => self.entries.get(only),
            _ => None,
        });
        if let Some(entry) = entry {
            let path = self.path_of(entry);
            self.chosen = None;
            self.input.set(&path);
            return;
        }
        let names = || self.fitting.iter().filter_map(|&index| self.entries.get(index));
        let Some(first) = names().next() else { return };
        let shared = names().fold(first.name.as_str(), |shared, entry| {
            let same = |((_, a), b): &((usize, char), char)| a == b;
            let end = shared.char_indices().zip(entry.name.chars()).take_while(same).last();
            end.map_or("", |((at, letter), _)| &shared[..at + letter.len_utf8()])
        });
        let (folder, name) = split(self.input.text());
        if shared.len() > name.len() {
            let text = format!("{folder}{shared}");
            self.input.set(&text);
        }
    }

    fn chosen_entry(&self) -> Option<&FolderEntry> {
        self.entries.get(*self.fitting.get(self.chosen?)?)
    }

    fn path_of(&self, entry: &FolderEntry) -> String {
        let (folder, _) = split(self.input.text());
        format!("{folder}{}{}", entry.name, if entry.is_folder { "/" } else { "" })
    }

    fn list_if_moved(&mut self) -> Option<Effect> {
        if !self.asking.is_path() {
            return None;
        }
        let (folder, _) = split(self.input.text());
        let wanted = if folder.is_empty() { "." } else { folder };
        if wanted == self.folder {
            return None;
        }
        self.folder = wanted.to_owned();
        self.entries.clear();
        Some(Effect::ListFolder(PathBuf::from(wanted)))
    }

    fn match_entries(&mut self) {
        let (_, name) = split(self.input.text());
        let endings = self.asking.endings();
        let fits = |entry: &FolderEntry| {
            let hidden = entry.name.starts_with('.') && !name.starts_with('.');
            let ending = Path::new(&entry.name).extension().and_then(|e| e.to_str());
            let wanted = entry.is_folder
                || ending.is_some_and(|e| endings.iter().any(|want| want.eq_ignore_ascii_case(e)));
            !hidden && wanted && hangul::find(&entry.name, name) == Some(0)
        };
        self.fitting = (0..self.entries.len()).filter(|&at| fits(&self.entries[at])).collect();
        self.chosen = self.chosen.filter(|&at| at < self.fitting.len());
    }

    pub(super) fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let title = match &self.asking {
            Asking::Document => look.t(common::PROMPT_DOCUMENT).to_owned(),
            Asking::EncryptedDocument => look.t(common::PROMPT_DOCUMENT_ENCRYPTED).to_owned(),
            Asking::Password(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                look.fill(common::PROMPT_PASSWORD, &[&name])
            }
            Asking::Import => look.t(common::PROMPT_IMPORT).to_owned(),
            Asking::PassageLength(_) => look.t(common::PROMPT_PASSAGES).to_owned(),
            Asking::Pool => look.t(common::PROMPT_POOL).to_owned(),
            Asking::Export(_) => look.t(common::PROMPT_EXPORT).to_owned(),
            Asking::Model => look.t(common::PROMPT_MODEL).to_owned(),
            Asking::System => look.t(common::PROMPT_SYSTEM).to_owned(),
            Asking::FilterName => look.t(common::PROMPT_FILTER).to_owned(),
            Asking::Items => look.t(common::PROMPT_ITEMS).to_owned(),
            Asking::Sweep => look.t(common::PROMPT_SWEEP).to_owned(),
            Asking::Tags { many: false } => look.t(common::PROMPT_TAGS).to_owned(),
            Asking::Tags { many: true } => look.t(common::PROMPT_TAGS_MANY).to_owned(),
        };
        let height = if self.asking.is_path() { 14 } else { 5 };
        let inner = open(frame, centred(area, 76, height), &title, look);
        if inner.height < 2 {
            return;
        }
        self.input.draw(frame, Rect { height: 1, ..inner }, true);
        let keys =
            if self.asking.is_path() { common::PROMPT_PATH_KEYS } else { common::PROMPT_KEYS };
        let last = Rect { y: inner.bottom() - 1, height: 1, ..inner };
        frame.render_widget(Span::styled(look.t(keys), theme::DIM), last);
        let rows = Rect {
            y: inner.y + 2.min(inner.height),
            height: inner.height.saturating_sub(4),
            ..inner
        };
        let mut list = ListState::default();
        list.select(self.chosen.unwrap_or_default(), self.fitting.len());
        let focus = (0, self.chosen.is_some());
        list.draw(frame, rows, self.fitting.len(), focus, look, |at, room| {
            let entry = &self.entries[self.fitting[at]];
            let name = truncate(&entry.name, room.saturating_sub(1), look.symbols.ellipsis);
            let style = if self.chosen.is_some() { theme::PLAIN } else { theme::DIM };
            let end = if entry.is_folder { "/" } else { "" };
            Line::from(Span::styled(format!("{name}{end}"), style))
        });
    }
}

/// Splits typed text into the folder with its slash, and the name begun.
fn split(text: &str) -> (&str, &str) {
    text.split_at(text.rfind('/').map_or(0, |at| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(prompt: &mut Prompt, code: KeyCode) -> Outcome {
        prompt.key(KeyEvent::from(code))
    }

    fn listed(text: &str) -> Prompt {
        let mut prompt = Prompt::new(Asking::Document, text);
        let Some(Effect::ListFolder(folder)) = prompt.opening() else {
            panic!("a path prompt lists its folder")
        };
        let entry = |name: &str, is_folder| FolderEntry { name: name.to_owned(), is_folder };
        let entries = vec![
            entry("건축", true),
            entry("기준-2022.pdf", false),
            entry("기준-2023.pdf", false),
            entry("사진.png", false),
            entry(".숨김.pdf", false),
        ];
        prompt.listed(&folder, entries);
        prompt
    }

    #[test]
    fn completes_what_fitting_names_share_then_the_only_name() {
        let mut prompt = listed("/문서/ㄱㅈ");
        press(&mut prompt, KeyCode::Tab);
        assert_eq!(prompt.input.text(), "/문서/기준-202");
        press(&mut prompt, KeyCode::Char('3'));
        press(&mut prompt, KeyCode::Tab);
        assert_eq!(prompt.input.text(), "/문서/기준-2023.pdf");
        let Outcome::Entered(Asking::Document, path) = press(&mut prompt, KeyCode::Enter) else {
            panic!("Enter gives the path")
        };
        assert_eq!(path, "/문서/기준-2023.pdf");
    }

    #[test]
    fn offers_folders_and_files_of_the_right_kind_and_walks_into_folders() {
        let mut prompt = listed("/문서/");
        let names: Vec<_> =
            prompt.fitting.iter().map(|&at| prompt.entries[at].name.as_str()).collect();
        assert_eq!(names, ["건축", "기준-2022.pdf", "기준-2023.pdf"]);
        press(&mut prompt, KeyCode::Down);
        let outcome = press(&mut prompt, KeyCode::Enter);
        assert!(
            matches!(outcome, Outcome::Do(Effect::ListFolder(f)) if f == Path::new("/문서/건축/"))
        );
        assert_eq!(prompt.input.text(), "/문서/건축/");
    }

    #[test]
    fn a_dropped_path_loses_its_quotes() {
        let mut prompt = Prompt::new(Asking::Document, "");
        prompt.paste("'/문서/기준 1.pdf'\n");
        assert_eq!(prompt.input.text(), "/문서/기준 1.pdf");
    }
}
