//! A project in memory and a way to type keys and read the screen, for tests.

mod sample;

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Position;

use super::snapshot::Changes;
use super::{App, Effect, Message, Options, Snapshot};
use crate::pair::catalog::{Catalog, Digest, Listing};
use crate::pair::{Change, Edit, Example, Language};
use crate::project::{ExampleId, PassageId, StoredExample};
use crate::text::width;
pub(crate) use sample::sample;

/// A project with its examples.
#[derive(Default, Clone)]
pub(crate) struct Project {
    /// Everything else.
    pub rest: Snapshot,
    /// Examples, oldest first.
    pub examples: Vec<StoredExample>,
}

impl Deref for Project {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.rest
    }
}

impl DerefMut for Project {
    fn deref_mut(&mut self) -> &mut Snapshot {
        &mut self.rest
    }
}

impl Project {
    /// The project as the application reads it.
    pub fn read(&self) -> Box<Snapshot> {
        let mut catalog = Catalog::default();
        for stored in &self.examples {
            let passage = stored.passage.map(|passage| passage.0);
            catalog.put(&Digest::new(stored.id.0, passage, stored.state, &stored.example));
        }
        let example_count = catalog.len();
        Box::new(Snapshot { catalog, example_count, ..self.rest.clone() })
    }
}

/// Examples that can be edited, undone and redone.
#[derive(Default, Clone)]
pub(crate) struct World {
    /// The project.
    pub snapshot: Project,
    past: Vec<(String, Vec<StoredExample>)>,
    future: Vec<(String, Vec<StoredExample>)>,
    /// Settings as they were kept.
    pub kept: BTreeMap<String, String>,
}

impl World {
    /// Examples by key.
    pub fn examples(&self, ids: &[ExampleId]) -> Vec<StoredExample> {
        let stored = self.snapshot.examples.iter();
        stored.filter(|stored| ids.contains(&stored.id)).cloned().collect()
    }

    /// An example before its text was last edited.
    pub fn before(&self, id: ExampleId) -> Option<Example> {
        let now = self.examples(&[id]).pop()?.example;
        let past = self.past.iter().rev().flat_map(|(_, examples)| examples);
        let mut same = past.filter(|stored| stored.id == id).map(|stored| stored.example.clone());
        same.find(|example| *example != now)
    }

    /// Applies an edit.
    pub fn apply(&mut self, edit: &Edit) -> Changes {
        self.past.push((edit.summary.clone(), self.snapshot.examples.clone()));
        self.future.clear();
        Changes::Rows(edit.changes.iter().map(|change| self.change(change)).collect())
    }

    fn change(&mut self, change: &Change) -> (ExampleId, Option<StoredExample>) {
        let examples = &mut self.snapshot.examples;
        let id = match change {
            Change::Insert { passage, state, example, .. } => {
                let id = ExampleId(examples.iter().map(|e| e.id.0).max().unwrap_or(0) + 1);
                let (state, passage, example) = (*state, passage.map(PassageId), example.clone());
                examples.push(StoredExample { id, state, passage, example });
                id
            }
            Change::Delete { key } => {
                examples.retain(|stored| stored.id.0 != *key);
                ExampleId(*key)
            }
            Change::Replace { key, example } => {
                let stored = examples.iter_mut().find(|stored| stored.id.0 == *key).unwrap();
                stored.example = example.clone();
                stored.id
            }
            Change::SetTags { key, tags } => {
                let stored = examples.iter_mut().find(|stored| stored.id.0 == *key).unwrap();
                stored.example.meta.tags.clone_from(tags);
                stored.id
            }
            Change::SetSystem { key, text } => {
                let stored = examples.iter_mut().find(|stored| stored.id.0 == *key).unwrap();
                stored.example.set_system(text);
                stored.id
            }
            Change::SetTools { key, tools } => {
                let stored = examples.iter_mut().find(|stored| stored.id.0 == *key).unwrap();
                stored.example.tools.clone_from(tools);
                stored.id
            }
            Change::SetScore { key, score } => {
                let stored = examples.iter_mut().find(|stored| stored.id.0 == *key).unwrap();
                stored.example.meta.score = *score;
                stored.id
            }
            Change::SetState { key, state } => {
                let stored = examples.iter_mut().find(|stored| stored.id.0 == *key).unwrap();
                stored.state = *state;
                stored.id
            }
        };
        (id, self.snapshot.examples.iter().find(|stored| stored.id == id).cloned())
    }

    /// Undoes the last edit.
    pub fn undo(&mut self) -> Option<(String, Changes)> {
        let (summary, before) = self.past.pop()?;
        let now = std::mem::replace(&mut self.snapshot.examples, before);
        let changes = self.since(&now);
        self.future.push((summary.clone(), now));
        Some((summary, changes))
    }

    /// Redoes the last undone edit.
    pub fn redo(&mut self) -> Option<(String, Changes)> {
        let (summary, after) = self.future.pop()?;
        let now = std::mem::replace(&mut self.snapshot.examples, after);
        let changes = self.since(&now);
        self.past.push((summary.clone(), now));
        Some((summary, changes))
    }

    /// What differs from how it was `before`.
    fn since(&self, before: &[StoredExample]) -> Changes {
        let now = &self.snapshot.examples;
        let mut rows: Vec<_> = (now.iter().filter(|stored| !before.contains(stored)))
            .map(|stored| (stored.id, Some(stored.clone())))
            .collect();
        let gone = |stored: &&StoredExample| now.iter().all(|other| other.id != stored.id);
        rows.extend(before.iter().filter(gone).map(|stored| (stored.id, None)));
        rows.sort_by_key(|(id, _)| *id);
        Changes::Rows(rows)
    }
}

/// An application with a project in memory behind it.
pub(crate) struct Harness {
    pub app: App,
    pub world: World,
    /// Everything asked for since the start.
    pub effects: Vec<Effect>,
}

impl Harness {
    /// Starts with a project loaded.
    pub fn new(snapshot: Project, language: Language) -> Self {
        let options = Options { language, symbols: None, folder: "/project".into() };
        let world = World { snapshot, ..World::default() };
        let mut harness = Self { app: App::new(options), world, effects: Vec::new() };
        harness.send(Message::Loaded(harness.world.snapshot.read()));
        harness
    }

    /// Sends a message and carries out what it asks of the project.
    pub fn send(&mut self, message: Message) {
        let mut queue = self.app.update(message);
        while !queue.is_empty() {
            let effect = queue.remove(0);
            // Reading what is shown is nobody's request.
            if !matches!(effect, Effect::ReadExamples(_) | Effect::List(..)) {
                self.effects.push(effect.clone());
            }
            let answer = match effect {
                Effect::Apply(edit) => Some(Message::Changed(self.world.apply(&edit))),
                Effect::Dismiss(dismissals, _) => {
                    self.world.snapshot.rest.dismissals.extend(dismissals);
                    let all = self.world.snapshot.dismissals.clone();
                    Some(Message::Changed(Changes::Judged(all)))
                }
                Effect::Undo => Some(Message::Undone(self.world.undo())),
                Effect::Redo => Some(Message::Redone(self.world.redo())),
                Effect::Reload | Effect::Refresh(_) => {
                    Some(Message::Loaded(self.world.snapshot.read()))
                }
                Effect::ReadExamples(ids) => Some(Message::ExamplesRead(self.world.examples(&ids))),
                Effect::ReadBefore(id) => {
                    Some(Message::BeforeRead(id, self.world.before(id).map(Box::new)))
                }
                Effect::List(number, catalog, query) => {
                    Some(Message::Listed(number, Listing::of(&catalog, &query)))
                }
                Effect::SaveUnsent(key, text) => {
                    self.world.snapshot.unsent = vec![(key.to_owned(), text)];
                    None
                }
                Effect::SaveSetting(key, value) => {
                    self.world.kept.insert(key, value.to_string());
                    None
                }
                _ => None,
            };
            if let Some(message) = answer {
                queue.extend(self.app.update(message));
            }
        }
    }

    /// Types keys: words in `<>` are named keys, everything else is typed as it is, spaces too.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        for key in parse(keys) {
            self.send(Message::Key(key));
        }
        self
    }

    /// Lets time pass.
    pub fn tick(&mut self, seconds: u64) {
        self.send(Message::Tick(Duration::from_secs(seconds)));
    }

    /// The screen as a person sees it.
    pub fn screen(&mut self, columns: u16, rows: u16) -> String {
        self.draw(columns, rows).0
    }

    /// The screen and where the cursor is, if it shows.
    pub fn draw(&mut self, columns: u16, rows: u16) -> (String, Option<Position>) {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| self.app.view(frame)).unwrap();
        let backend = terminal.backend();
        let cursor = backend.cursor_visible().then(|| backend.cursor_position());
        (screen(backend.buffer()), cursor)
    }

    /// The edits asked for so far.
    pub fn edits(&self) -> Vec<&Edit> {
        let edit = |effect: &'_ Effect| matches!(effect, Effect::Apply(_));
        let edits = self.effects.iter().filter(|effect| edit(effect));
        edits
            .map(|effect| match effect {
                Effect::Apply(edit) => edit,
                _ => unreachable!(),
            })
            .collect()
    }
}

/// A buffer as text: the cells that a wide glyph covers are left out, so that columns line up as
/// they do on a terminal.
pub(crate) fn screen(buffer: &Buffer) -> String {
    let area = buffer.area();
    let mut out = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += width(symbol).max(1) as u16;
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn parse(keys: &str) -> Vec<KeyEvent> {
    let mut events = Vec::new();
    let mut rest = keys;
    while let Some(letter) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|inner| inner.split_once('>'));
        let (event, used) = match named {
            Some((name, _)) => (named_key(name), name.len() + 2),
            None => (KeyEvent::from(KeyCode::Char(letter)), letter.len_utf8()),
        };
        events.push(event);
        rest = &rest[used..];
    }
    events
}

fn named_key(name: &str) -> KeyEvent {
    let code = match name {
        "ret" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "back" => KeyCode::Backspace,
        "del" => KeyCode::Delete,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pgdn" => KeyCode::PageDown,
        "pgup" => KeyCode::PageUp,
        "lt" => KeyCode::Char('<'),
        "gt" => KeyCode::Char('>'),
        _ => {
            if let Some(letter) = name.strip_prefix("c-") {
                let letter = KeyCode::Char(letter.chars().next().unwrap());
                return KeyEvent::new(letter, KeyModifiers::CONTROL);
            }
            if let Some(letter) = name.strip_prefix("a-") {
                let letter = KeyCode::Char(letter.chars().next().unwrap());
                return KeyEvent::new(letter, KeyModifiers::ALT);
            }
            KeyCode::F(name.strip_prefix('f').and_then(|n| n.parse().ok()).unwrap())
        }
    };
    KeyEvent::from(code)
}
