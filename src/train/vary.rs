//! Offers tools differently in each epoch, so that a model learns to read the offer instead of
//! remembering which request came with which list.

use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::rows::{Rows, encode_one};
use crate::engine::Row;
use crate::model::Codec;
use crate::pair::{Example, Tool};

/// The rows of one epoch: those of `rows`, where rows about tools have their offer drawn anew.
/// `kept` are the examples behind the rows. A varied row that cannot be used leaves the original.
pub fn epoch(
    rows: &Rows,
    kept: &[&Example],
    codec: &Codec,
    length_max: usize,
    (seed, epoch): (u64, u64),
) -> Vec<Row> {
    let pool = pool(kept);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // The order of rows takes the low streams.
    random.set_stream((1 << 32) + epoch);
    rows.rows
        .iter()
        .zip(kept)
        .map(|(row, example)| {
            if !example.is_about_tools() {
                return row.clone();
            }
            let varied = offer_anew(example, &pool, &mut random);
            encode_one(&varied, codec, length_max).unwrap_or_else(|_| row.clone())
        })
        .collect()
}

/// All tools that are offered anywhere, by name.
fn pool(examples: &[&Example]) -> Vec<Tool> {
    let mut pool: Vec<Tool> = Vec::new();
    for tool in examples.iter().flat_map(|example| &example.tools) {
        if !pool.iter().any(|known| known.function.name == tool.function.name) {
            pool.push(tool.clone());
        }
    }
    pool
}

/// Another order, and where tools are called, other tools in place of about half of those that are
/// not, and at times one more. Without a call the offer stays: which tools are missing is the point.
fn offer_anew(example: &Example, pool: &[Tool], random: &mut ChaCha8Rng) -> Example {
    let mut varied = example.clone();
    let called: Vec<&str> = example.calls().map(|call| call.function.name.as_str()).collect();
    if !called.is_empty() {
        let others = |offered: &[Tool]| -> Vec<Tool> {
            let used =
                |tool: &Tool| offered.iter().any(|other| other.function.name == tool.function.name);
            pool.iter().filter(|tool| !used(tool)).cloned().collect()
        };
        for place in 0..varied.tools.len() {
            let name = varied.tools[place].function.name.as_str();
            if called.contains(&name) || random.random_bool(0.5) {
                continue;
            }
            if let Some(other) = others(&varied.tools).choose(random) {
                varied.tools[place] = other.clone();
            }
        }
        if random.random_bool(0.3)
            && let Some(other) = others(&varied.tools).choose(random)
        {
            varied.tools.push(other.clone());
        }
    }
    varied.tools.shuffle(random);
    varied
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::pair::{FunctionDefinition, Message, Role, ToolCall};

    fn tool(name: &str) -> Tool {
        let function = FunctionDefinition {
            name: name.to_owned(),
            description: String::new(),
            parameters: json!({"type": "object", "properties": {}}),
        };
        Tool { kind: "function".to_owned(), function }
    }

    fn example(tools: &[&str], called: &[&str]) -> Example {
        let calls = called.iter().map(|name| ToolCall::new("call_1", *name, Map::new())).collect();
        Example {
            messages: vec![Message::text(Role::User, "do it"), Message::calls(calls)],
            tools: tools.iter().map(|name| tool(name)).collect(),
            ..Example::default()
        }
    }

    fn names(example: &Example) -> Vec<String> {
        example.tools.iter().map(|tool| tool.function.name.clone()).collect()
    }

    #[test]
    fn called_tools_stay_and_others_change() {
        let (row, more) = (example(&["a", "b", "c"], &["b"]), example(&["d", "e", "f", "g"], &[]));
        let pool = pool(&[&row, &more]);
        assert_eq!(pool.len(), 7);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let varied = offer_anew(&row, &pool, &mut random);
            let mut offered = names(&varied);
            assert!(offered.contains(&"b".to_owned()) && (3..=4).contains(&offered.len()));
            assert_eq!(varied.messages, row.messages);
            seen.insert(offered.clone());
            offered.sort();
            offered.dedup();
            assert_eq!(offered.len(), varied.tools.len(), "a tool is offered once");
        }
        assert!(seen.len() > 50);
    }

    #[test]
    fn without_a_call_only_the_order_changes() {
        let row = example(&["a", "b", "c"], &[]);
        let other = example(&["d"], &["d"]);
        let pool = pool(&[&row, &other]);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..20 {
            let mut offered = names(&offer_anew(&row, &pool, &mut random));
            offered.sort();
            assert_eq!(offered, ["a", "b", "c"]);
        }
    }
}
