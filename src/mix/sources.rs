//! Where the rows of a mix are from, and in which languages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MixRow, RowSource, Side};
use crate::pair::Language;

/// Sources that are told one by one; the rest are counted together.
const TOLD_MAX: usize = 40;

/// Where rows are from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Pairs about a document, by its file name.
    Document(String),
    /// Pairs about no document.
    NoDocument,
    /// General conversation of a pool, by its name.
    Pool(String),
    /// General conversation that comes with the program.
    Shipped,
    /// So many smaller sources.
    Others(usize),
}

impl Source {
    fn of(row: &MixRow) -> Self {
        let document = row.example.meta.document.clone().filter(|name| !name.is_empty());
        match (&row.source, document) {
            (RowSource::Project(_), Some(name)) => Self::Document(name),
            (RowSource::Project(_), None) => Self::NoDocument,
            (RowSource::General(_), Some(name)) => Self::Pool(name),
            (RowSource::General(_), None) => Self::Shipped,
        }
    }
}

/// Training rows of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePart {
    /// The source.
    pub source: Source,
    /// Rows.
    pub rows: usize,
    /// Tokens.
    pub tokens: usize,
}

/// Training rows in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanguagePart {
    /// The language.
    pub language: Language,
    /// Rows.
    pub rows: usize,
    /// Tokens.
    pub tokens: usize,
}

/// Training rows by source, the most tokens first.
pub(super) fn sources(rows: &[MixRow]) -> Vec<SourcePart> {
    let mut counted: BTreeMap<Source, (usize, usize)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.side == Side::Train) {
        let part = counted.entry(Source::of(row)).or_default();
        part.0 += 1;
        part.1 += row.tokens;
    }
    let mut parts: Vec<SourcePart> = counted
        .into_iter()
        .map(|(source, (rows, tokens))| SourcePart { source, rows, tokens })
        .collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.tokens));
    if parts.len() > TOLD_MAX {
        let rest = parts.split_off(TOLD_MAX - 1);
        parts.push(SourcePart {
            source: Source::Others(rest.len()),
            rows: rest.iter().map(|part| part.rows).sum(),
            tokens: rest.iter().map(|part| part.tokens).sum(),
        });
    }
    parts
}

/// Training rows by language, Korean first.
pub(super) fn languages(rows: &[MixRow]) -> Vec<LanguagePart> {
    let part = |language| {
        let of =
            rows.iter().filter(|row| row.side == Side::Train && row.example.language() == language);
        let (rows, tokens) = of.fold((0, 0), |sum, row| (sum.0 + 1, sum.1 + row.tokens));
        LanguagePart { language, rows, tokens }
    };
    let mut parts = vec![part(Language::Korean), part(Language::English)];
    parts.retain(|part| part.rows > 0);
    parts
}
