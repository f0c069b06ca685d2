//! What follows from an answer that an overlay gave.

use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::command::{Command, Scope};
use super::overlays::{
    Asking, Choosing, ImportForm, Importing, Outcome, Overlay, Prompt, Purpose, Question,
};
use super::reply::{Place, Reply};
use super::screens::curate::Curate;
use super::screens::sources::Sources;
use super::snapshot::Settings;
use super::{App, Effect};
use crate::job::{AddOptions, JobSpec};

impl App {
    pub(super) fn answered(&mut self, outcome: Outcome) -> Vec<Effect> {
        match outcome {
            Outcome::Stay => return Vec::new(),
            Outcome::Do(effect) => return vec![effect],
            Outcome::Close => {
                self.overlays.pop();
                return Vec::new();
            }
            Outcome::Run(_)
            | Outcome::Confirmed(_)
            | Outcome::Entered(..)
            | Outcome::Chosen(..)
            | Outcome::DropFilter(_)
            | Outcome::Passage(_)
            | Outcome::Tools(_)
            | Outcome::EditTools(_)
            | Outcome::Import(_)
            | Outcome::Call(..) => {
                self.overlays.pop();
            }
        }
        let mut reply = Reply::default();
        match outcome {
            Outcome::Run(command) => return self.run_chosen(command),
            Outcome::Confirmed(Question::Quit) => return self.leave(),
            Outcome::Confirmed(Question::Sweep) => self.screens.train.start_sweep(&mut reply),
            Outcome::Confirmed(Question::RemoveDocument(id)) => {
                reply.effect(Effect::RemoveDocument(id));
            }
            Outcome::Entered(Asking::Tags { .. }, text) => {
                self.screens.curate.set_tags(&text, &look!(self), &mut reply);
            }
            Outcome::Entered(Asking::System, text) => {
                self.screens.curate.set_system(&text, &look!(self), &mut reply);
            }
            Outcome::Entered(Asking::FilterName, text) => {
                self.screens.curate.keep_filter(&text, &look!(self), &mut reply);
            }
            Outcome::Entered(Asking::Items, text) => {
                self.screens.evaluate.search_for(&text, &look!(self));
            }
            Outcome::Entered(Asking::Sweep, text) => {
                self.screens.train.sweep_typed(&text, &look!(self), &mut reply);
            }
            Outcome::Entered(Asking::PassageLength(document), text) => {
                Sources::split_again(document, &text, &look!(self), &mut reply);
            }
            Outcome::Entered(asking, text) => entered(asking, text, &mut reply),
            Outcome::Chosen(Choosing::Model, name) => {
                let settings = Settings { model: Some(name), ..self.settings.clone() };
                reply.settings = Some(Box::new(settings));
            }
            Outcome::Chosen(Choosing::Run, number) => {
                self.screens.try_.choose_run(number.parse().ok());
            }
            Outcome::Chosen(Choosing::Filter, name) => {
                self.screens.curate.take_filter(&name, &look!(self));
            }
            Outcome::DropFilter(name) => {
                Curate::drop_filter(&name, &look!(self), &mut reply);
            }
            Outcome::Chosen(Choosing::Order, order) => {
                self.screens.curate.take_order(&order, &look!(self));
            }
            Outcome::Chosen(Choosing::Check, name) => {
                self.screens.curate.take_check(&name, &look!(self), &mut reply);
            }
            Outcome::Chosen(Choosing::Tool, name) => {
                self.screens.curate.call_tool(&name, &look!(self), &mut reply);
            }
            Outcome::Tools(tools) => {
                self.screens.curate.set_tools(&tools, &look!(self), &mut reply);
            }
            Outcome::EditTools(tools) => self.screens.curate.edit_tools(&tools, &mut reply),
            Outcome::Call(line, call) => self.screens.curate.take_call(line, &call),
            Outcome::Import(importing) => import(importing, &mut reply),
            Outcome::Chosen(Choosing::Format, name) => {
                let format = name.parse().unwrap_or_default();
                reply.overlay = Some(Overlay::Prompt(Prompt::exporting(format)));
            }
            Outcome::Chosen(Choosing::Pool, name) => reply.effect(Effect::RemovePool(name)),
            Outcome::Passage(passage) => reply.go = Some(Place::Passage(passage)),
            Outcome::Stay | Outcome::Do(_) | Outcome::Close => {}
        }
        self.carry_out(reply)
    }

    /// Runs a command chosen from a list; one of a text field goes to the field.
    fn run_chosen(&mut self, command: Command) -> Vec<Effect> {
        if command.info().scope != Scope::Field {
            return self.run(command);
        }
        let mut reply = Reply::default();
        let look = look!(self);
        let no_key = KeyEvent::from(KeyCode::Null);
        self.screens.get_mut(self.screen).field_key(no_key, Some(command), &look, &mut reply);
        self.carry_out(reply)
    }
}

/// What follows from a file that was looked at.
fn import(importing: Importing, reply: &mut Reply) {
    let Importing { path, mapping, purpose, accept } = importing;
    reply.start = Some(match purpose {
        Purpose::Pairs => JobSpec::ImportPairs { path, mapping, accept },
        Purpose::Pool => JobSpec::AddPool { path, mapping },
    });
}

/// What follows from a typed line.
fn entered(asking: Asking, text: String, reply: &mut Reply) {
    let path = text.clone().into();
    match asking {
        Asking::Document => {
            reply.start =
                Some(JobSpec::AddDocument { path, password: None, options: AddOptions::default() });
        }
        Asking::EncryptedDocument => {
            reply.overlay = Some(Overlay::Prompt(Prompt::new(Asking::Password(path), "")));
        }
        Asking::Password(path) => {
            reply.start = Some(JobSpec::AddDocument {
                path,
                password: Some(text),
                options: AddOptions::default(),
            });
        }
        Asking::Import => {
            reply.overlay = Some(Overlay::Import(ImportForm::new(path, Purpose::Pairs)));
        }
        Asking::Pool => {
            reply.overlay = Some(Overlay::Import(ImportForm::new(path, Purpose::Pool)));
        }
        Asking::Export(format) => reply.start = Some(JobSpec::ExportPairs { path, format }),
        // Answered where the screen is at hand.
        Asking::Tags { .. }
        | Asking::FilterName
        | Asking::Items
        | Asking::Sweep
        | Asking::System
        | Asking::PassageLength(_) => {}
        Asking::Model => reply.start = Some(JobSpec::PullModel { name: text }),
    }
}
