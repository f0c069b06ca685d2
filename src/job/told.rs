//! What a job that came to its end tells.

use std::fmt;
use std::path::PathBuf;

use crate::project::{ImportKind, Imported};

/// What a job did, as figures; in English by [`fmt::Display`], in other languages by the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Nothing worth telling.
    Nothing,
    /// It was stopped before anything came of it.
    NotDone,
    /// A document was added.
    Document {
        /// File name.
        name: String,
        /// Number of pages.
        pages: usize,
        /// Number of passages.
        passages: usize,
        /// What it changed.
        imported: Box<Imported>,
    },
    /// Pairs were imported.
    Pairs {
        /// Pairs added.
        added: usize,
        /// Rows that were there already.
        repeated: usize,
        /// Problems with rows.
        faults: usize,
        /// Tenths of a second it took.
        tenths: u64,
    },
    /// A pool of general conversation was added.
    Pool {
        /// Its name.
        name: String,
        /// Conversations in it.
        rows: usize,
        /// Problems with rows.
        faults: usize,
    },
    /// Accepted pairs were written to a file or folder.
    Exported {
        /// Pairs written.
        written: usize,
        /// Pairs that the form cannot hold.
        left_out: usize,
        /// Where.
        path: PathBuf,
    },
    /// A model proposed pairs.
    Drafted {
        /// Drafts to review.
        kept: usize,
        /// Proposals that were refused.
        refused: usize,
    },
    /// Drafting was stopped; these drafts are kept.
    DraftsKept(usize),
    /// The training set was put together, with so many rows.
    Mixed(usize),
    /// A base model measured pairs.
    Measured {
        /// Pairs measured.
        done: usize,
        /// Pairs that were to be measured.
        total: usize,
        /// The model.
        model: String,
    },
    /// A run was trained to its end.
    Trained {
        /// Its number.
        run: u32,
        /// Its steps.
        steps: u64,
    },
    /// A run was stopped; it can go on.
    TrainingStopped {
        /// Its number.
        run: u32,
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
    },
    /// A sweep came to its end.
    Swept {
        /// Runs measured, of those asked for.
        measured: usize,
        /// Runs asked for.
        runs: usize,
        /// The chart.
        chart: PathBuf,
    },
    /// A sweep was stopped; it can go on.
    SweepStopped {
        /// Its number.
        sweep: u32,
        /// Runs left.
        left: usize,
        /// Runs asked for.
        runs: usize,
    },
    /// A report was written.
    Report(PathBuf),
    /// A model was fetched.
    Model {
        /// Its name.
        name: String,
        /// Where it lies.
        path: PathBuf,
    },
    /// Fetching was stopped; the next try goes on from there.
    FetchKept,
    /// An answer was cut short.
    AnswerCut,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |count: usize| if count == 1 { "" } else { "s" };
        match self {
            Self::Nothing => Ok(()),
            Self::NotDone => f.write_str("stopped; nothing was changed"),
            Self::Document { name, pages, passages, imported } => {
                let changes = &imported.changes;
                match imported.kind {
                    ImportKind::Same => write!(f, "{name}: was there already, nothing changed"),
                    ImportKind::New => write!(f, "{name}: {pages} pages, {passages} passages"),
                    ImportKind::Replaced => {
                        write!(
                            f,
                            "{name}: {pages} pages, {passages} passages: {} unchanged, {} changed, {} new, {} gone; {} pair{} kept",
                            changes.unchanged,
                            changes.changed.len(),
                            changes.new.len(),
                            changes.gone.len(),
                            changes.pairs_kept,
                            s(changes.pairs_kept),
                        )?;
                        match changes.pairs_lost {
                            0 => Ok(()),
                            lost => write!(f, ", {lost} lost their quote"),
                        }
                    }
                }
            }
            Self::Pairs { added, repeated, faults, tenths } => write!(
                f,
                "{added} pair{} imported in {}.{} s, {repeated} {} there already, {faults} problem{}",
                s(*added),
                tenths / 10,
                tenths % 10,
                if *repeated == 1 { "was" } else { "were" },
                s(*faults)
            ),
            Self::Pool { name, rows, faults } => {
                write!(f, "{name}: {rows} conversation{}, {faults} problem{}", s(*rows), s(*faults))
            }
            Self::Exported { written, left_out, path } => {
                write!(f, "{written} accepted pair{} written to {}", s(*written), path.display())?;
                if *left_out > 0 { write!(f, ", {left_out} left out") } else { Ok(()) }
            }
            Self::Drafted { kept, refused } => {
                write!(f, "{kept} draft{} to review; {refused} proposals were refused", s(*kept))
            }
            Self::DraftsKept(kept) => write!(f, "{kept} draft{} kept", s(*kept)),
            Self::Mixed(rows) => write!(f, "{rows} row{}", s(*rows)),
            Self::Measured { total: 0, .. } => f.write_str("every pair is measured"),
            Self::Measured { done, total, model } => {
                write!(f, "measured {done} of {total} pairs with {model}")
            }
            Self::Trained { run, steps } => write!(f, "run {run}: {steps} steps"),
            Self::TrainingStopped { run, step, steps } => write!(
                f,
                "run {run} stopped at step {step} of {steps}; `hone train --resume {run}` goes on"
            ),
            Self::Swept { measured, runs, chart } => {
                write!(f, "{measured} of {runs} runs measured; chart: {}", chart.display())
            }
            Self::SweepStopped { sweep, left, runs } => write!(
                f,
                "sweep {sweep} stopped with {left} of {runs} runs left; the same command goes on"
            ),
            Self::Report(path) => write!(f, "report: {}", path.display()),
            Self::Model { name, path } => write!(f, "{name}: {}", path.display()),
            Self::FetchKept => {
                f.write_str("what was fetched is kept; the next try goes on from there")
            }
            Self::AnswerCut => f.write_str("the answer was cut short"),
        }
    }
}
