//! What became of a document's passages in its new version.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use similar::{Algorithm, ChangeTag, TextDiff, capture_diff_slices};

use super::passage::Passage;

/// Passages with at least this much in common are one that was changed: Dice's coefficient of their words.
const ALIKE: f64 = 0.5;
/// Pairs of passages that are looked at for likeness, at most; beyond, only those that stand at the same
/// place between unchanged ones are.
const COMPARED: usize = 400_000;

/// What became of a passage; numbers count passages of the old or new version from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It has the same text, whatever its page and line ends.
    Unchanged {
        /// In the old version.
        old: usize,
        /// In the new version.
        new: usize,
    },
    /// Its text was changed.
    Changed {
        /// In the old version.
        old: usize,
        /// In the new version.
        new: usize,
    },
    /// It was not there before.
    New {
        /// In the new version.
        new: usize,
    },
    /// It is no longer there.
    Gone {
        /// In the old version.
        old: usize,
    },
}

/// A stretch of a changed text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffPart {
    /// Whether it stayed.
    pub kind: DiffKind,
    /// The text, words with the blanks between them.
    pub text: String,
}

/// What became of a stretch of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiffKind {
    /// It is in both versions.
    Same,
    /// It is only in the old one.
    Removed,
    /// It is only in the new one.
    Added,
}

/// Compares a document's old passages with its new ones. Every passage has exactly one fate; those of the
/// new version come in their order, and what is gone stands where it was.
pub fn compare(old: &[Passage], new: &[Passage]) -> Vec<Fate> {
    let keys = |passages: &[Passage]| -> Vec<String> {
        passages.iter().map(|passage| without_blanks(&passage.text)).collect()
    };
    let (old_keys, new_keys) = (keys(old), keys(new));
    let mut to_new: Vec<Option<(usize, bool)>> = vec![None; old.len()];
    let mut from_old: Vec<Option<usize>> = vec![None; new.len()];
    let mut gaps = Vec::new();
    for op in capture_diff_slices(Algorithm::Patience, &old_keys, &new_keys) {
        let (old_range, new_range) = (op.old_range(), op.new_range());
        if matches!(op.tag(), similar::DiffTag::Equal) {
            for (old, new) in old_range.zip(new_range) {
                pair(&mut to_new, &mut from_old, old, new, false);
            }
        } else {
            gaps.push((old_range, new_range));
        }
    }
    // Passages that moved.
    let mut loose: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, key) in
        old_keys.iter().enumerate().rev().filter(|(at, _)| to_new[..].get(*at) == Some(&None))
    {
        loose.entry(key).or_default().push(at);
    }
    for (at, key) in new_keys.iter().enumerate() {
        if from_old.get(at) == Some(&None)
            && let Some(moved) = loose.get_mut(key.as_str()).and_then(Vec::pop)
        {
            pair(&mut to_new, &mut from_old, moved, at, false);
        }
    }
    // Passages that were changed: the most alike first.
    let left_old: Vec<usize> = (0..old.len()).filter(|at| to_new.get(*at) == Some(&None)).collect();
    let left_new: Vec<usize> =
        (0..new.len()).filter(|at| from_old.get(*at) == Some(&None)).collect();
    let everywhere = left_old.len().saturating_mul(left_new.len()) <= COMPARED;
    let near = |old: usize, new: usize| {
        everywhere || gaps.iter().any(|(olds, news)| olds.contains(&old) && news.contains(&new))
    };
    let old_words: Vec<_> = left_old.iter().filter_map(|at| old.get(*at)).map(words).collect();
    let mut alike = Vec::new();
    for new_at in &left_new {
        let Some(passage) = new.get(*new_at) else { continue };
        let here = words(passage);
        for (old_at, there) in left_old.iter().zip(&old_words) {
            if near(*old_at, *new_at) {
                let likeness = dice(there, &here);
                if likeness >= ALIKE {
                    alike.push((likeness, *old_at, *new_at));
                }
            }
        }
    }
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    for (_, old, new) in alike {
        if to_new.get(old) == Some(&None) && from_old.get(new) == Some(&None) {
            pair(&mut to_new, &mut from_old, old, new, true);
        }
    }
    fates(&to_new, &from_old)
}

/// Notes that an old passage became a new one.
fn pair(
    to_new: &mut [Option<(usize, bool)>],
    from_old: &mut [Option<usize>],
    old: usize,
    new: usize,
    changed: bool,
) {
    if let (Some(to), Some(from)) = (to_new.get_mut(old), from_old.get_mut(new)) {
        *to = Some((new, changed));
        *from = Some(old);
    }
}

/// The fates in the new version's order, what is gone after what stood before it.
fn fates(to_new: &[Option<(usize, bool)>], from_old: &[Option<usize>]) -> Vec<Fate> {
    let mut fates = Vec::with_capacity(to_new.len().max(from_old.len()));
    let gone_from = |mut at: usize, fates: &mut Vec<Fate>| {
        while to_new.get(at) == Some(&None) {
            fates.push(Fate::Gone { old: at });
            at += 1;
        }
    };
    gone_from(0, &mut fates);
    for (new, old) in from_old.iter().enumerate() {
        match old {
            None => fates.push(Fate::New { new }),
            Some(old) => {
                let changed =
                    to_new.get(*old).copied().flatten().is_some_and(|(_, changed)| changed);
                let old = *old;
                fates.push(if changed {
                    Fate::Changed { old, new }
                } else {
                    Fate::Unchanged { old, new }
                });
                gone_from(old + 1, &mut fates);
            }
        }
    }
    fates
}

/// How two texts differ, word by word.
pub fn word_diff(old: &str, new: &str) -> Vec<DiffPart> {
    let diff = TextDiff::from_words(old, new);
    let mut parts: Vec<DiffPart> = Vec::new();
    for change in diff.iter_all_changes() {
        let kind = match change.tag() {
            ChangeTag::Equal => DiffKind::Same,
            ChangeTag::Delete => DiffKind::Removed,
            ChangeTag::Insert => DiffKind::Added,
        };
        match parts.last_mut() {
            Some(last) if last.kind == kind => last.text.push_str(change.value()),
            _ => parts.push(DiffPart { kind, text: change.value().to_owned() }),
        }
    }
    parts
}

fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// How often each word is there.
fn words(passage: &Passage) -> HashMap<&str, usize> {
    let mut words = HashMap::new();
    for word in passage.text.split_whitespace() {
        *words.entry(word).or_insert(0) += 1;
    }
    words
}

/// Dice's coefficient of two bags of words: twice what they share over what they have.
fn dice(one: &HashMap<&str, usize>, other: &HashMap<&str, usize>) -> f64 {
    let (fewer, more) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let shared: usize =
        fewer.iter().map(|(word, count)| (*count).min(more.get(word).copied().unwrap_or(0))).sum();
    let all = one.values().sum::<usize>() + other.values().sum::<usize>();
    if all == 0 { 0.0 } else { 2.0 * shared as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Span;
    use proptest::prelude::*;

    fn passages(texts: &[&str]) -> Vec<Passage> {
        let passage = |text: &&str| Passage {
            page: 1,
            span: Span { start: 0, end: text.chars().count() },
            context: Vec::new(),
            text: (*text).to_owned(),
        };
        texts.iter().map(passage).collect()
    }

    #[test]
    fn every_passage_has_its_fate() {
        let old = passages(&[
            "제1조 이 기준은 건축물에 적용한다.",
            "사무실의 활하중은 2.5 kN/m² 이상으로 한다.",
            "삭제될 조항",
            "옮겨질 문단이다.",
            "부칙 이 기준은 2020년부터 시행한다.",
        ]);
        let new = passages(&[
            "옮겨질 문단이다.",
            "제1조 이 기준은\n건축물에 적용한다.",
            "사무실의 활하중은 3.0 kN/m² 이상으로 한다.",
            "새로 들어온 조항은 이렇다.",
            "부칙 이 기준은 2026년부터 시행한다.",
        ]);
        let fates = compare(&old, &new);
        assert_eq!(
            fates,
            [
                Fate::Unchanged { old: 3, new: 0 },
                Fate::Unchanged { old: 0, new: 1 },
                Fate::Changed { old: 1, new: 2 },
                Fate::Gone { old: 2 },
                Fate::New { new: 3 },
                Fate::Changed { old: 4, new: 4 },
            ]
        );
    }

    #[test]
    fn words_that_changed_are_shown() {
        let part = |kind, text: &str| DiffPart { kind, text: text.to_owned() };
        assert_eq!(
            word_diff("활하중은 2.5 kN/m² 이상", "활하중은 3.0 kN/m² 이상"),
            [
                part(DiffKind::Same, "활하중은 "),
                part(DiffKind::Removed, "2.5"),
                part(DiffKind::Added, "3.0"),
                part(DiffKind::Same, " kN/m² 이상"),
            ]
        );
        assert!(word_diff("", "").is_empty());
    }

    proptest! {
        #[test]
        fn each_is_named_once(
            old in prop::collection::vec(prop::sample::select(vec!["가 나", "가 다", "라", "마 바 사", "가 나 다"]), 0..12),
            new in prop::collection::vec(prop::sample::select(vec!["가 나", "가 다", "라", "마 바 아", "가  나"]), 0..12),
        ) {
            let (old, new) = (passages(&old), passages(&new));
            let (mut olds, mut news) = (Vec::new(), Vec::new());
            for fate in compare(&old, &new) {
                match fate {
                    Fate::Unchanged { old, new } | Fate::Changed { old, new } => {
                        olds.push(old);
                        news.push(new);
                    }
                    Fate::New { new } => news.push(new),
                    Fate::Gone { old } => olds.push(old),
                }
            }
            prop_assert!(news.is_sorted());
            olds.sort_unstable();
            prop_assert_eq!(olds, (0..old.len()).collect::<Vec<_>>());
            prop_assert_eq!(news, (0..new.len()).collect::<Vec<_>>());
        }

        #[test]
        fn a_diff_holds_both_texts(old in "[가-다 .\n]{0,20}", new in "[가-다 .\n]{0,20}") {
            let parts = word_diff(&old, &new);
            let side = |left_out: DiffKind| -> String {
                parts.iter().filter(|part| part.kind != left_out).map(|part| part.text.as_str()).collect()
            };
            prop_assert_eq!(side(DiffKind::Added), old);
            prop_assert_eq!(side(DiffKind::Removed), new);
        }
    }
}
