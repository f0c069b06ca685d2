//! What the training set is made of: shares, split, leaks, lengths.

mod figures;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{ScreenState, empty};
use crate::app::command::Command;
use crate::app::format;
use crate::app::look::Look;
use crate::app::overlays::{Asking, Choice, Choosing, Overlay, Prompt};
use crate::app::reply::Reply;
use crate::app::snapshot::Settings;
use crate::app::strings::{Text, screen as texts};
use crate::app::widgets::bars::bar;
use crate::app::widgets::columns::{columns, draw_column, inside};
use crate::app::widgets::fields::{self, Field, Form};
use crate::app::widgets::{Column, Scroll};
use crate::job::JobSpec;
use crate::pair::Language;
use crate::project::MixSettings;
use crate::text::width::right;

const FIELDS: usize = 0;
const WEIGHTS: [u16; 2] = [40, 64];
/// One step of a share.
const STEP: f64 = 0.01;
/// One step of the general share.
const GENERAL_STEP: f64 = 0.05;
/// General share that measurements advise.
const ADVISED: std::ops::RangeInclusive<f64> = 0.0999..=0.2001;

/// State of the screen.
#[derive(Default)]
pub struct Mix {
    focus: usize,
    form: Form,
    scroll: Scroll,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    General,
    Languages,
    Validation,
    Test,
    Seed,
}

const ITEMS: [Item; 5] = [Item::General, Item::Languages, Item::Validation, Item::Test, Item::Seed];

impl Mix {
    fn item(&self) -> Item {
        ITEMS[self.form.list.selected.min(ITEMS.len() - 1)]
    }

    fn change(&self, by: f64, look: &Look, reply: &mut Reply) {
        let mut mix = look.settings.mix.clone();
        let stepped = |share: f64, step: f64| (share / step).round().mul_add(step, by * step);
        match self.item() {
            Item::General => mix.general_share = stepped(mix.general_share, GENERAL_STEP),
            Item::Languages => mix.general_languages = next_languages(&mix.general_languages),
            Item::Validation => mix.validation_share = stepped(mix.validation_share, STEP),
            Item::Test => mix.test_share = stepped(mix.test_share, STEP),
            Item::Seed => mix.seed = mix.seed.saturating_add_signed(by as i64),
        }
        keep(&mix, look, reply);
    }

    fn open(&mut self, look: &Look, reply: &mut Reply) {
        let mix = &look.settings.mix;
        let percent = |share: f64| format!("{:.0}", share * 100.0);
        match self.item() {
            Item::Languages => self.change(1.0, look, reply),
            Item::General => self.form.begin(&percent(mix.general_share)),
            Item::Validation => self.form.begin(&percent(mix.validation_share)),
            Item::Test => self.form.begin(&percent(mix.test_share)),
            Item::Seed => self.form.begin(&mix.seed.to_string()),
        }
    }

    fn entered(&self, text: &str, look: &Look, reply: &mut Reply) {
        let mut mix = look.settings.mix.clone();
        let number = text.trim_end_matches('%').trim().parse::<f64>().ok();
        let Some(number) = number.filter(|number| number.is_finite() && *number >= 0.0) else {
            reply.warn(look.t(texts::NOT_A_NUMBER));
            return;
        };
        match self.item() {
            Item::General => mix.general_share = number / 100.0,
            Item::Validation => mix.validation_share = number / 100.0,
            Item::Test => mix.test_share = number / 100.0,
            Item::Seed => mix.seed = number as u64,
            Item::Languages => {}
        }
        keep(&mix, look, reply);
    }

    fn draw_fields(&self, frame: &mut Frame, column: Column, look: &Look) {
        let title = look.t(texts::MIX_SETTINGS);
        let inner = draw_column(frame, column, self.focus, title, "", look);
        let mix = &look.settings.mix;
        let cells = usize::from(inner.width).saturating_sub(27).min(10);
        let (full, rest) = bar(mix.general_share / 0.9, cells, look.symbols);
        let advice = if ADVISED.contains(&mix.general_share) {
            String::new()
        } else {
            look.t(texts::ADVISED_SHARE).to_owned()
        };
        let languages = mix.general_languages.iter().map(|language| language.code());
        let languages = languages.collect::<Vec<_>>().join(", ");
        let percent = format::whole_percent;
        let field =
            |label: Text, value: String, note: String| Field { label: look.t(label), value, note };
        let plain = String::new;
        let rows = [
            field(
                texts::GENERAL_SHARE,
                format!("{} {full}{rest}", right(&percent(mix.general_share), 4)),
                advice,
            ),
            field(texts::GENERAL_LANGUAGES, languages, plain()),
            field(texts::VALIDATION_SHARE, right(&percent(mix.validation_share), 4), plain()),
            field(texts::TEST_SHARE, right(&percent(mix.test_share), 4), plain()),
            field(texts::SEED, mix.seed.to_string(), plain()),
        ];
        let focus = (FIELDS, self.focus == FIELDS);
        fields::draw(frame, inner, &rows, &self.form, focus, look);
        let help = match self.item() {
            Item::General => texts::HELP_GENERAL,
            Item::Languages => texts::HELP_LANGUAGES,
            Item::Validation => texts::HELP_VALIDATION,
            Item::Test => texts::HELP_TEST,
            Item::Seed => texts::HELP_SEED,
        };
        let pools = look.data.snapshot.pools.join(", ");
        let mut words = look.t(help).to_owned();
        if self.item() == Item::General || self.item() == Item::Languages {
            let pools = if pools.is_empty() {
                look.t(texts::NO_POOLS).to_owned()
            } else {
                format!("{}: {pools}", look.t(texts::POOLS))
            };
            words = format!("{words}\n\n{pools}");
        }
        super::explain(frame, inner, ITEMS.len(), &words);
    }

    fn draw_figures(&self, frame: &mut Frame, column: Column, look: &Look) {
        let title = look.t(texts::TRAINING_SET);
        let inner = draw_column(frame, column, self.focus, title, "", look);
        let Some(report) = &look.data.snapshot.mix else {
            empty(frame, inner, texts::NO_MIX, &[Command::MixRun], look);
            return;
        };
        let inner = inside(inner);
        // What the slider comes to stays in sight, however small the screen.
        let mut lines = figures::outlook_lines(report, look);
        lines.push(Line::default());
        lines.extend(figures::figures(report, usize::from(inner.width.saturating_sub(1)), look));
        self.scroll.draw(frame, inner, &lines, look);
    }
}

fn keep(mix: &MixSettings, look: &Look, reply: &mut Reply) {
    let mix = mix.clamped();
    reply.settings = Some(Box::new(Settings { mix, ..look.settings.clone() }));
}

fn next_languages(languages: &[Language]) -> Vec<Language> {
    match languages {
        [Language::Korean] => vec![Language::English],
        [Language::English] => vec![Language::Korean, Language::English],
        _ => vec![Language::Korean],
    }
}

impl ScreenState for Mix {
    fn view(&self, frame: &mut Frame, area: Rect, look: &Look) {
        for column in columns(area, &WEIGHTS, self.focus) {
            match column.index {
                FIELDS => self.draw_fields(frame, column, look),
                _ => self.draw_figures(frame, column, look),
            }
        }
    }

    fn command(&mut self, command: Command, look: &Look, reply: &mut Reply) {
        let on_fields = self.focus == FIELDS;
        match command {
            Command::MixRun => reply.start = Some(JobSpec::Mix),
            Command::MixMore => self.change(1.0, look, reply),
            Command::MixLess => self.change(-1.0, look, reply),
            Command::MixAddPool => {
                reply.overlay = Some(Overlay::Prompt(Prompt::new(Asking::Pool, "")));
            }
            Command::MixDropPool => {
                let pools = look.data.snapshot.pools.iter();
                let options = pools.map(|name| (name.clone(), String::new())).collect();
                let choice = Choice::new(Choosing::Pool, options, None);
                reply.overlay = Some(Overlay::Choice(choice));
            }
            Command::ListOpen if on_fields => self.open(look, reply),
            Command::ListUp if on_fields => self.form.list.by(-1, ITEMS.len()),
            Command::ListDown if on_fields => self.form.list.by(1, ITEMS.len()),
            Command::ListUp => self.scroll.by(-1),
            Command::ListDown => self.scroll.by(1),
            Command::ListPageUp => self.scroll.by_page(-1),
            Command::ListPageDown => self.scroll.by_page(1),
            Command::FocusNext | Command::FocusPrevious => self.focus = 1 - self.focus,
            Command::Back => self.focus = FIELDS,
            _ => {}
        }
    }

    fn unavailable(&self, command: Command, look: &Look) -> Option<Text> {
        match command {
            Command::MixDropPool => look.data.snapshot.pools.is_empty().then_some(texts::NO_POOLS),
            Command::MixRun => (look.data.summary.accepted == 0).then_some(texts::NO_ACCEPTED),
            _ => None,
        }
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
            self.entered(&text, look, reply);
        }
    }

    fn paste(&mut self, text: &str, _look: &Look, _reply: &mut Reply) {
        if let Some(input) = &mut self.form.input {
            input.paste(text);
        }
    }

    fn click(&mut self, column: usize, row: Option<usize>, _look: &Look) {
        self.focus = column;
        if let (FIELDS, Some(row)) = (column, row) {
            self.form.list.select(row, ITEMS.len());
        }
    }
}
