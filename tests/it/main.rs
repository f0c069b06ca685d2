//! Tests of the whole program, in one binary so that its libraries are linked once.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod bound;
mod chat_templates;
mod command_line;
mod curation;
mod datasets;
mod documents;
mod drafting;
mod evaluating;
mod formats;
mod full_disk;
mod hub;
mod importing;
mod killed;
mod measuring;
mod peft;
mod programs;
mod support;
mod sweeping;
mod terminal;
mod training;
mod walk;
