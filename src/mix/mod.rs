//! The training set: accepted examples split by page, and general conversation mixed in by tokens.
//!
//! Knows no files and no models: the general pool and the token counter are handed in.

mod general;
mod report;
mod settings;
mod sources;
mod split;

use serde::{Deserialize, Serialize};

pub use report::{LengthBucket, MixReport, Part, SideCounts};
pub use settings::Settings;
pub use sources::{LanguagePart, Source, SourcePart};
pub use split::normalized_question;

use crate::pair::{Example, Language};

/// Where a row is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Trained on.
    Train,
    /// Its loss is watched during training.
    Validation,
    /// Never seen in training; scored afterwards.
    Test,
}

impl Side {
    /// All sides.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The side's name, as in `train.jsonl`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// What a row teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// Questions about the project's documents.
    Domain,
    /// When and how to call tools; rows that offer tools and rightly call none count too.
    Tools,
    /// General conversation in Korean.
    GeneralKorean,
    /// General conversation in English.
    GeneralEnglish,
}

impl RowKind {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::Domain, Self::Tools, Self::GeneralKorean, Self::GeneralEnglish];

    /// The kind's name, as the report writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Tools => "tools",
            Self::GeneralKorean => "general-korean",
            Self::GeneralEnglish => "general-english",
        }
    }
}

/// Where a row is from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowSource {
    /// An accepted example, by its key in the project.
    Project(i64),
    /// A row of the general pool, by its `meta.id`, or `general-N` (from 1) where it has none.
    General(String),
}

/// One row of the training set.
#[derive(Debug, Clone, PartialEq)]
pub struct MixRow {
    /// The conversation.
    pub example: Example,
    /// Where it is from.
    pub source: RowSource,
    /// Its length as the model will see it.
    pub tokens: usize,
    /// Where it is used.
    pub side: Side,
}

impl MixRow {
    /// What the row teaches.
    pub fn kind(&self) -> RowKind {
        match (&self.source, self.example.language()) {
            (RowSource::General(_), Language::Korean) => RowKind::GeneralKorean,
            (RowSource::General(_), Language::English) => RowKind::GeneralEnglish,
            (RowSource::Project(_), _) if self.example.is_about_tools() => RowKind::Tools,
            (RowSource::Project(_), _) => RowKind::Domain,
        }
    }
}

/// The training set and its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// Accepted examples in the order given, then general rows in the order drawn.
    pub rows: Vec<MixRow>,
    /// Figures.
    pub report: MixReport,
}

impl Mix {
    /// The rows of one side.
    pub fn side(&self, side: Side) -> impl Iterator<Item = &MixRow> {
        self.rows.iter().filter(move |row| row.side == side)
    }
}

/// Puts the training set together. The same input and seed give the same result.
///
/// * All rows of one page (`meta.document` and `meta.page`) are on one side; rows without a page
///   are split one by one.
/// * A question that stands in two places keeps all of them in training, so that no held-out row
///   has been seen.
/// * General rows are drawn until they are `general_share` of the training side's tokens, to
///   within one row, and in proportion for validation; none for testing.
///
/// `count` gives a row's tokens as the model will see it.
pub fn mix(
    accepted: &[(i64, Example)],
    pool: &[Example],
    settings: &Settings,
    count: &mut dyn FnMut(&Example) -> usize,
) -> Mix {
    let settings = settings.clamped();
    let split = split::split(accepted, &settings);
    let mut rows: Vec<MixRow> = accepted
        .iter()
        .zip(split.sides)
        .map(|((id, example), side)| MixRow {
            tokens: count(example),
            example: example.clone(),
            source: RowSource::Project(*id),
            side,
        })
        .collect();
    let drawn = general::draw(&rows, pool, &settings, count);
    rows.extend(drawn.rows);
    let report = MixReport::of(&rows, &settings, split.moved, drawn.short_of);
    Mix { rows, report }
}

#[cfg(test)]
mod tests;
