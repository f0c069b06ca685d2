//! The figures of a mix, for the screen, `--json` and the report.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::sources::{self, LanguagePart, SourcePart};
use super::{MixRow, RowKind, Settings, Side, normalized_question};

/// What a mix is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixReport {
    /// Rows and tokens by side and kind; empty combinations are left out.
    pub parts: Vec<Part>,
    /// Training rows by where they are from, the most tokens first.
    #[serde(default)]
    pub sources: Vec<SourcePart>,
    /// Training rows by language.
    #[serde(default)]
    pub languages: Vec<LanguagePart>,
    /// Pages of documents on each side.
    pub pages: SideCounts,
    /// Questions that stand on two sides. Counted on the result; 0 unless there is a defect.
    pub leaks: usize,
    /// Rows kept in training because their question also stands elsewhere.
    pub moved: usize,
    /// Rows of the training side by length, shortest first.
    pub lengths: Vec<LengthBucket>,
    /// Longest training row, in tokens.
    pub longest: usize,
    /// Share of general conversation asked for, 0 to 0.9.
    pub general_share_asked: f64,
    /// Share of general conversation in the training side's tokens.
    pub general_share: f64,
    /// Tokens of general conversation that the pool could not give; 0 when the share is reached.
    pub general_short_of: usize,
    /// Seed of selection and order.
    pub seed: u64,
}

/// Rows and tokens of one kind on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Where.
    pub side: Side,
    /// What.
    pub kind: RowKind,
    /// Rows.
    pub rows: usize,
    /// Tokens.
    pub tokens: usize,
}

/// A number for each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SideCounts {
    /// Training.
    pub train: usize,
    /// Validation.
    pub validation: usize,
    /// Test.
    pub test: usize,
}

impl SideCounts {
    /// The number of one side.
    pub fn get(&self, side: Side) -> usize {
        match side {
            Side::Train => self.train,
            Side::Validation => self.validation,
            Side::Test => self.test,
        }
    }

    fn get_mut(&mut self, side: Side) -> &mut usize {
        match side {
            Side::Train => &mut self.train,
            Side::Validation => &mut self.validation,
            Side::Test => &mut self.test,
        }
    }
}

/// Rows of a range of lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LengthBucket {
    /// Longest length counted here, in tokens; a power of two. The range starts above the half.
    pub up_to: usize,
    /// Rows.
    pub rows: usize,
}

impl MixReport {
    pub(super) fn of(rows: &[MixRow], settings: &Settings, moved: usize, short_of: usize) -> Self {
        let mut parts: BTreeMap<(Side, RowKind), (usize, usize)> = BTreeMap::new();
        let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
        let mut longest = 0;
        let mut page_sides: HashSet<(&str, u32, Side)> = HashSet::new();
        let mut question_sides: HashMap<String, HashSet<Side>> = HashMap::new();
        for row in rows {
            let part = parts.entry((row.side, row.kind())).or_default();
            part.0 += 1;
            part.1 += row.tokens;
            if row.side == Side::Train {
                *lengths.entry(row.tokens.max(1).next_power_of_two()).or_default() += 1;
                longest = longest.max(row.tokens);
            }
            if let (Some(document), Some(page)) =
                (&row.example.meta.document, row.example.meta.page)
            {
                page_sides.insert((document, page, row.side));
            }
            let question = normalized_question(&row.example);
            question_sides.entry(question).or_default().insert(row.side);
        }
        let mut pages = SideCounts::default();
        for (_, _, side) in page_sides {
            *pages.get_mut(side) += 1;
        }
        let mut report = Self {
            parts: parts
                .into_iter()
                .map(|((side, kind), (rows, tokens))| Part { side, kind, rows, tokens })
                .collect(),
            sources: sources::sources(rows),
            languages: sources::languages(rows),
            pages,
            leaks: question_sides.values().filter(|sides| sides.len() > 1).count(),
            moved,
            lengths: lengths
                .into_iter()
                .map(|(up_to, rows)| LengthBucket { up_to, rows })
                .collect(),
            longest,
            general_share_asked: settings.general_share,
            general_share: 0.0,
            general_short_of: short_of,
            seed: settings.seed,
        };
        let all = report.tokens(Side::Train);
        let general = report.of_kind(Side::Train, RowKind::GeneralKorean).tokens
            + report.of_kind(Side::Train, RowKind::GeneralEnglish).tokens;
        if all > 0 {
            report.general_share = general as f64 / all as f64;
        }
        report
    }

    /// Rows of one side.
    pub fn rows(&self, side: Side) -> usize {
        self.parts.iter().filter(|part| part.side == side).map(|part| part.rows).sum()
    }

    /// Tokens of one side.
    pub fn tokens(&self, side: Side) -> usize {
        self.parts.iter().filter(|part| part.side == side).map(|part| part.tokens).sum()
    }

    /// Rows and tokens of one kind on one side; zeros when there are none.
    pub fn of_kind(&self, side: Side, kind: RowKind) -> Part {
        let found = self.parts.iter().find(|part| part.side == side && part.kind == kind);
        found.copied().unwrap_or(Part { side, kind, rows: 0, tokens: 0 })
    }
}
