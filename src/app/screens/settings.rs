//! Language, symbols, model, and the endpoint for drafting.

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::train::choose_model;
use super::{ScreenState, explain};
use crate::app::command::Command;
use crate::app::format;
use crate::app::look::Look;
use crate::app::overlays::{Asking, Overlay, Prompt};
use crate::app::reply::Reply;
use crate::app::snapshot::Settings;
use crate::app::strings::{self, Text, common, screen as texts};
use crate::app::symbols::SymbolSet;
use crate::app::widgets::columns::{columns, draw_column};
use crate::app::widgets::fields::{self, Field, Form};
use crate::pair::Language;

/// Most pairs a passage is asked for.
const DRAFT_COUNT_MAX: usize = 20;

/// State of the screen.
#[derive(Default)]
pub struct SettingsScreen {
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Language,
    Symbols,
    Model,
    EndpointUrl,
    EndpointModel,
    DraftCount,
}

const ITEMS: [Item; 6] = [
    Item::Language,
    Item::Symbols,
    Item::Model,
    Item::EndpointUrl,
    Item::EndpointModel,
    Item::DraftCount,
];

impl SettingsScreen {
    fn item(&self) -> Item {
        ITEMS[self.form.list.selected.min(ITEMS.len() - 1)]
    }

    fn open(&mut self, look: &Look, reply: &mut Reply) {
        let mut settings = look.settings.clone();
        match self.item() {
            Item::Language => {
                settings.language = Some(match look.language {
                    Language::Korean => Language::English,
                    Language::English => Language::Korean,
                });
            }
            Item::Symbols => settings.symbols = settings.symbols.other(),
            Item::Model if look.data.snapshot.models.is_empty() => return ask_for_model(reply),
            Item::Model => return choose_model(look, reply),
            Item::EndpointUrl => return self.form.begin(&settings.endpoint_url),
            Item::EndpointModel => return self.form.begin(&settings.endpoint_model),
            Item::DraftCount => return self.form.begin(&settings.draft_count.to_string()),
        }
        reply.settings = Some(Box::new(settings));
    }

    fn entered(&self, text: String, look: &Look, reply: &mut Reply) {
        let mut settings: Settings = look.settings.clone();
        match self.item() {
            Item::EndpointUrl => text.trim_end_matches('/').clone_into(&mut settings.endpoint_url),
            Item::EndpointModel => settings.endpoint_model = text,
            Item::DraftCount => match text.parse::<usize>() {
                Ok(count) => settings.draft_count = count.clamp(1, DRAFT_COUNT_MAX),
                Err(_) => return reply.warn(look.t(texts::NOT_A_NUMBER)),
            },
            Item::Language | Item::Symbols | Item::Model => {}
        }
        reply.settings = Some(Box::new(settings));
    }
}

fn ask_for_model(reply: &mut Reply) {
    reply.overlay = Some(Overlay::Prompt(Prompt::new(Asking::Model, "")));
}

impl ScreenState for SettingsScreen {
    fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let settings = look.settings;
        let language = match look.language {
            Language::Korean => look.t(common::KOREAN),
            Language::English => look.t(common::ENGLISH),
        };
        let by_locale = || look.t(texts::BY_LOCALE).to_owned();
        let symbols = match settings.symbols {
            SymbolSet::Unicode => look.t(texts::SYMBOLS_UNICODE),
            SymbolSet::Ascii => look.t(texts::SYMBOLS_ASCII),
        };
        let or_not_set = |text: &str| {
            if text.is_empty() { look.t(common::NOT_SET).to_owned() } else { text.to_owned() }
        };
        let size = look.model().and_then(|name| {
            let model = look.data.snapshot.models.iter().find(|model| model.name == name)?;
            Some(format::bytes(model.bytes))
        });
        let field =
            |label: Text, value: String, note: String| Field { label: look.t(label), value, note };
        let none = String::new;
        let note = if settings.language.is_none() { by_locale() } else { none() };
        let rows = [
            field(texts::LANGUAGE, language.to_owned(), note),
            field(texts::SYMBOLS, symbols.to_owned(), none()),
            field(
                texts::MODEL,
                or_not_set(look.model().unwrap_or_default()),
                size.unwrap_or_default(),
            ),
            field(texts::ENDPOINT_URL, or_not_set(&settings.endpoint_url), none()),
            field(texts::ENDPOINT_MODEL, or_not_set(&settings.endpoint_model), none()),
            field(texts::DRAFT_COUNT, settings.draft_count.to_string(), none()),
        ];
        let Some(column) = columns(area, &[1], 0).first().copied() else {
            return;
        };
        let title = look.t(strings::screen(crate::app::Screen::Settings));
        let inner = draw_column(frame, column, 0, title, "", look);
        fields::draw(frame, inner, &rows, &self.form, (0, true), look);
        let help = match self.item() {
            Item::Language => texts::HELP_LANGUAGE,
            Item::Symbols => texts::HELP_SYMBOLS,
            Item::Model => texts::HELP_MODEL,
            Item::EndpointUrl => texts::HELP_ENDPOINT_URL,
            Item::EndpointModel => texts::HELP_ENDPOINT_MODEL,
            Item::DraftCount => texts::HELP_DRAFT_COUNT,
        };
        explain(frame, inner, ITEMS.len(), look.t(help));
    }

    fn command(&mut self, command: Command, look: &Look, reply: &mut Reply) {
        match command {
            Command::SettingsPull => ask_for_model(reply),
            Command::ListOpen => self.open(look, reply),
            Command::ListUp => self.form.list.by(-1, ITEMS.len()),
            Command::ListDown => self.form.list.by(1, ITEMS.len()),
            Command::ListFirst => self.form.list.select(0, ITEMS.len()),
            Command::ListLast => self.form.list.select(ITEMS.len(), ITEMS.len()),
            _ => {}
        }
    }

    fn unavailable(&self, command: Command, _look: &Look) -> Option<Text> {
        (command == Command::FocusNext).then_some(common::ONE_COLUMN)
    }

    fn is_editing(&self) -> bool {
        self.form.input.is_some()
    }

    fn field_key(
        &mut self,
        key: KeyEvent,
        command: Option<Command>,
        look: &Look,
        reply: &mut Reply,
    ) {
        if let Some(text) = self.form.key(key, command == Some(Command::FieldSave)) {
            self.entered(text, look, reply);
        }
    }

    fn paste(&mut self, text: &str, _look: &Look, _reply: &mut Reply) {
        if let Some(input) = &mut self.form.input {
            input.paste(text);
        }
    }

    fn click(&mut self, _column: usize, row: Option<usize>, _look: &Look) {
        if let Some(row) = row {
            self.form.list.select(row, ITEMS.len());
        }
    }
}
