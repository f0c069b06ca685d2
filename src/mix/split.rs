//! Which side each accepted row is on.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use super::{Settings, Side};
use crate::pair::{Example, Role, duplicates};

/// Sides of the accepted rows, in their order.
pub(super) struct Split {
    pub sides: Vec<Side>,
    /// Rows that would be held out, were their question not also elsewhere.
    pub moved: usize,
}

/// Rows that must be on one side: those of a page, or one row without a page.
struct Group {
    rows: Vec<usize>,
    /// Position in the draw, from seed and name alone, so that new pages do not reshuffle old ones.
    rank: [u8; 32],
    /// Pages, tools rows and other rows without a page each give their share.
    stratum: u8,
    /// Whether a question of the group stands in another group too.
    shared: bool,
}

/// Splits the accepted rows by page.
pub(super) fn split(accepted: &[(i64, Example)], settings: &Settings) -> Split {
    let groups = groups(accepted, settings.seed);
    let mut split = Split { sides: vec![Side::Train; accepted.len()], moved: 0 };
    for stratum in 0..=2 {
        let mut ranked: Vec<&Group> = groups.iter().filter(|g| g.stratum == stratum).collect();
        ranked.sort_by_key(|group| (group.rank, group.rows.first().copied()));
        let held_out = held_out(ranked.len(), settings);
        let wanted = held_out.test + held_out.validation;
        let first = ranked.iter().take(wanted).filter(|group| group.shared);
        split.moved += first.map(|group| group.rows.len()).sum::<usize>();
        let free: Vec<&&Group> = ranked.iter().filter(|g| !g.shared).take(wanted).collect();
        // Where too few are free, both sides give up in proportion. Ranges of the ranking rather
        // than turns, so that a new page moves one old page at each border and no more.
        let test = (free.len() * held_out.test).checked_div(wanted).unwrap_or(0);
        for (place, group) in free.into_iter().enumerate() {
            for &row in &group.rows {
                split.sides[row] = if place < test { Side::Test } else { Side::Validation };
            }
        }
    }
    split
}

struct HeldOut {
    validation: usize,
    test: usize,
}

/// Groups of `count` to hold out. A share above 0 gets at least one where three or more groups
/// exist, and training always keeps at least one.
fn held_out(count: usize, settings: &Settings) -> HeldOut {
    let of = |share: f64| {
        let exact = (share * count as f64).round() as usize;
        if share > 0.0 && count >= 3 { exact.max(1) } else { exact }
    };
    let most = count.saturating_sub(1);
    let validation = of(settings.validation_share).min(most);
    HeldOut { validation, test: of(settings.test_share).min(most - validation) }
}

fn groups(accepted: &[(i64, Example)], seed: u64) -> Vec<Group> {
    let mut by_name: HashMap<String, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of_question: HashMap<String, usize> = HashMap::new();
    for (row, (_, example)) in accepted.iter().enumerate() {
        let page = page(example);
        let stratum = match (&page, example.is_about_tools()) {
            (Some(_), _) => 0,
            (None, true) => 1,
            (None, false) => 2,
        };
        let name = page.unwrap_or_else(|| {
            format!(
                "row\u{1}{}\u{1}{row_key}",
                example.messages.len(),
                row_key = duplicates::key(example)
            )
        });
        let at = *by_name.entry(name).or_insert_with_key(|name| {
            groups.push(Group { rows: Vec::new(), rank: rank(seed, name), stratum, shared: false });
            groups.len() - 1
        });
        groups[at].rows.push(row);
        let question = normalized_question(example);
        let first = *group_of_question.entry(question).or_insert(at);
        if first != at {
            groups[first].shared = true;
            groups[at].shared = true;
        }
    }
    groups
}

fn page(example: &Example) -> Option<String> {
    let (document, page) = (example.meta.document.as_ref()?, example.meta.page?);
    Some(format!("page\u{1}{}\u{1}{page}", duplicates::folded(document)))
}

fn rank(seed: u64, name: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    hash.finalize().into()
}

/// What is asked, with case, spacing and punctuation folded: two rows with the same are a leak when
/// one is trained on and the other held out.
pub fn normalized_question(example: &Example) -> String {
    let asked = example.messages.iter().filter(|message| message.role == Role::User);
    asked
        .flat_map(|message| message.content.nfkc())
        .filter(|c| c.is_alphanumeric() || is_mark_of_value(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Signs that tell two questions apart: "1.5" is not "15", "-3" is not "3".
fn is_mark_of_value(c: char) -> bool {
    matches!(c, '.' | '-' | '+' | '/' | '*' | '%' | '<' | '>' | '=' | '°')
}
