//! Draws general conversation from the pool until its share of tokens is reached.

use std::collections::HashSet;

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::{MixRow, RowSource, Settings, Side, normalized_question};
use crate::pair::{Example, Language};

pub(super) struct Drawn {
    pub rows: Vec<MixRow>,
    /// Tokens that the training side lacks because the pool is too small.
    pub short_of: usize,
}

/// Draws general rows for the accepted `rows`: training first, then validation from what is left.
///
/// Languages take turns by tokens, so that each gives the same amount while its rows last.
pub(super) fn draw(
    rows: &[MixRow],
    pool: &[Example],
    settings: &Settings,
    count: &mut dyn FnMut(&Example) -> usize,
) -> Drawn {
    let tokens = |side| rows.iter().filter(|row| row.side == side).map(|row| row.tokens).sum();
    let mut queues = queues(rows, pool, settings);
    let mut drawn = Drawn { rows: Vec::new(), short_of: 0 };
    for side in [Side::Train, Side::Validation] {
        let target = general_tokens(tokens(side), settings.general_share);
        let mut taken = [0_usize; 2];
        while taken.iter().sum::<usize>() < target {
            let next = (0..queues.len())
                .filter(|&language| !queues[language].is_empty())
                .min_by_key(|&language| taken[language]);
            let Some(language) = next else { break };
            let Some(index) = queues[language].pop() else {
                break;
            };
            let example = &pool[index];
            let row = MixRow {
                tokens: count(example),
                example: example.clone(),
                source: RowSource::General(name(example, index)),
                side,
            };
            // A row without tokens would be drawn for ever without an effect on the share.
            if row.tokens > 0 {
                taken[language] += row.tokens;
                drawn.rows.push(row);
            }
        }
        if side == Side::Train {
            drawn.short_of = target.saturating_sub(taken.iter().sum());
        }
    }
    drawn
}

/// Tokens `g` such that `g / (g + domain) = share`, rounded.
fn general_tokens(domain: usize, share: f64) -> usize {
    (domain as f64 * share / (1.0 - share)).round() as usize
}

/// Pool indices in drawing order (last first), one queue a language. No question twice, and none
/// that the project asks as well, so that general rows cannot leak into what is held out.
fn queues(rows: &[MixRow], pool: &[Example], settings: &Settings) -> [Vec<usize>; 2] {
    let mut asked: HashSet<String> =
        rows.iter().map(|row| normalized_question(&row.example)).collect();
    let mut queues = [Vec::new(), Vec::new()];
    for (index, example) in pool.iter().enumerate() {
        let language = example.language();
        if settings.general_languages.contains(&language)
            && asked.insert(normalized_question(example))
        {
            queues[match language {
                Language::Korean => 0,
                Language::English => 1,
            }]
            .push(index);
        }
    }
    for (stream, queue) in (0..).zip(&mut queues) {
        let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
        random.set_stream(stream);
        queue.shuffle(&mut random);
    }
    queues
}

fn name(example: &Example, index: usize) -> String {
    example.meta.id.clone().unwrap_or_else(|| format!("general-{}", index + 1))
}
