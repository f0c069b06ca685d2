//! `hone` turns documents into training pairs, fine-tunes a small model on them, and scores the
//! tuned model beside its base.
//!
//! The folders are named for what the user's data is at that point. A folder imports only from
//! those above it in this list (`tests/tidy.rs` checks this); [`digest`], [`failure`], [`progress`] and
//! [`whole_file`] are
//! below everything.

pub mod digest;
pub mod failure;
pub mod progress;
pub mod whole_file;

pub mod text;

pub mod document;

pub mod pair;

pub mod mix;

pub mod model;

pub mod engine;

pub mod train;

pub mod draft;

pub mod evaluate;

pub mod report;

pub mod project;

pub mod job;

pub mod app;

pub mod tui;

pub mod cli;
