//! Offers tools differently in each epoch, so that a model learns to read the offer instead of
//! remembering which request came with which list. Rows of one step share an offer: side by side they
//! show what it is for and what it is not for, and what they begin with is computed once.

use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::arrange::in_steps;
use super::rows::{Epoch, Rows, encode_one};
use crate::model::Codec;
use crate::pair::{Example, Tool};

/// Rows that are shown one offer.
struct Group {
    offer: Vec<Tool>,
    members: Vec<usize>,
}

/// The rows of one epoch in the order of its steps of `batch_rows` rows, where rows about tools
/// have their offer drawn anew. `kept` are the examples behind `rows`. A varied row that cannot be
/// used leaves the original.
pub fn epoch(
    rows: &Rows,
    kept: &[&Example],
    codec: &Codec,
    (length_max, batch_rows): (usize, usize),
    (seed, epoch): (u64, u64),
) -> Epoch {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // The order of rows takes the low streams.
    random.set_stream((1 << 32) + epoch);
    // As many rows of a step as can be: of an offer, which is most of a row, less is computed, and calls
    // learned are as many as where each step has its share of the other rows (docs/benchmarks.md).
    let groups = groups(kept, batch_rows, &mut random);
    let mut varied = rows.rows.clone();
    for group in &groups {
        for index in &group.members {
            let example = Example { tools: group.offer.clone(), ..kept[*index].clone() };
            if let Ok(row) = encode_one(&example, codec, length_max) {
                varied[*index] = row;
            }
        }
    }
    let members = groups.into_iter().map(|group| group.members).collect();
    let mut alone: Vec<usize> =
        (0..kept.len()).filter(|index| !kept[*index].is_about_tools()).collect();
    alone.shuffle(&mut random);
    let order = in_steps(members, alone, batch_rows, &mut random);
    Epoch::in_order(order.into_iter().map(|index| std::mem::take(&mut varied[index])).collect())
}

/// Puts all rows about tools into groups of `size`, as far as they go together. A row without a call
/// keeps its offer, as which tools are missing may be the point, and rows that call one of them join
/// it; then each row that is left opens a group with an offer drawn anew.
fn groups(kept: &[&Example], size: usize, random: &mut ChaCha8Rng) -> Vec<Group> {
    let pool = pool(kept);
    let about_tools = || (0..kept.len()).filter(|index| kept[*index].is_about_tools());
    let (mut calling, mut silent): (Vec<usize>, Vec<usize>) =
        about_tools().partition(|index| kept[*index].calls().next().is_some());
    calling.shuffle(random);
    silent.shuffle(random);
    let mut groups = Vec::new();
    for index in silent {
        groups.push(open(index, kept[index].tools.clone(), &mut calling, kept, size, random));
    }
    while let Some(index) = calling.pop() {
        let offer = offer_anew(kept[index], &pool, random);
        groups.push(open(index, offer, &mut calling, kept, size, random));
    }
    groups
}

/// A group of `first` and of rows from `waiting` that call nothing but what is offered.
fn open(
    first: usize,
    mut offer: Vec<Tool>,
    waiting: &mut Vec<usize>,
    kept: &[&Example],
    size: usize,
    random: &mut ChaCha8Rng,
) -> Group {
    let mut members = vec![first];
    waiting.retain(|index| {
        let joins = members.len() < size && suits(kept[*index], &offer);
        if joins {
            members.push(*index);
        }
        !joins
    });
    offer.shuffle(random);
    Group { offer, members }
}

/// Whether everything that the example calls is offered just as it knows it.
fn suits(example: &Example, offer: &[Tool]) -> bool {
    example.calls().all(|call| {
        let own = example.tools.iter().find(|tool| tool.function.name == call.function.name);
        own.is_some_and(|own| offer.contains(own))
    })
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

/// Other tools in place of about half of those that the example does not call, and at times one more.
fn offer_anew(example: &Example, pool: &[Tool], random: &mut ChaCha8Rng) -> Vec<Tool> {
    let mut offer = example.tools.clone();
    let called: Vec<&str> = example.calls().map(|call| call.function.name.as_str()).collect();
    let others = |offered: &[Tool]| -> Vec<Tool> {
        let used =
            |tool: &Tool| offered.iter().any(|other| other.function.name == tool.function.name);
        pool.iter().filter(|tool| !used(tool)).cloned().collect()
    };
    for place in 0..offer.len() {
        let name = offer[place].function.name.as_str();
        if called.contains(&name) || random.random_bool(0.5) {
            continue;
        }
        if let Some(other) = others(&offer).choose(random) {
            offer[place] = other.clone();
        }
    }
    if random.random_bool(0.3)
        && let Some(other) = others(&offer).choose(random)
    {
        offer.push(other.clone());
    }
    offer
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::{Map, json};

    use super::*;
    use crate::model::{ChatTemplate, Tokenizer};
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

    fn names(offer: &[Tool]) -> Vec<String> {
        offer.iter().map(|tool| tool.function.name.clone()).collect()
    }

    fn random() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(1)
    }

    #[test]
    fn called_tools_stay_and_others_change() {
        let (row, more) = (example(&["a", "b", "c"], &["b"]), example(&["d", "e", "f", "g"], &[]));
        let pool = pool(&[&row, &more]);
        assert_eq!(pool.len(), 7);
        let mut random = random();
        let mut seen = HashSet::new();
        for _ in 0..200 {
            let mut offered = names(&offer_anew(&row, &pool, &mut random));
            assert!(offered.contains(&"b".to_owned()) && (3..=4).contains(&offered.len()));
            seen.insert(offered.clone());
            offered.sort();
            let count = offered.len();
            offered.dedup();
            assert_eq!(offered.len(), count, "a tool is offered once");
        }
        assert!(seen.len() > 20);
    }

    /// Ten rows that call each of four tools, five without a call, two that are not about tools.
    fn set() -> Vec<Example> {
        let four = ["a", "b", "c", "d"];
        let mut set = Vec::new();
        for number in 0..40 {
            let called = four[number % 4];
            let beside = four[(number + 1 + number / 4 % 3) % 4];
            set.push(example(&[called, beside], &[called]));
        }
        set.extend((0..5).map(|_| example(&["a", "c"], &[])));
        set.extend((0..2).map(|_| example(&[], &[])));
        set
    }

    #[test]
    fn a_group_is_offered_what_its_rows_call_and_a_row_without_a_call_keeps_its_offer() {
        let set = set();
        let kept: Vec<&Example> = set.iter().collect();
        let groups = groups(&kept, 4, &mut random());
        let mut met = Vec::new();
        for group in &groups {
            assert!(group.members.len() <= 4);
            for index in &group.members {
                assert!(suits(kept[*index], &group.offer));
                if kept[*index].calls().next().is_none() {
                    let mut offered = names(&group.offer);
                    offered.sort();
                    assert_eq!(offered, ["a", "c"]);
                }
                met.push(*index);
            }
        }
        met.sort_unstable();
        assert_eq!(met, (0..45).collect::<Vec<_>>(), "each row about tools once");
        let full = groups.iter().filter(|group| group.members.len() == 4).count();
        assert!(full >= 8, "{full} of {} groups are full", groups.len());
    }

    #[test]
    fn rows_of_an_offer_stand_in_one_step_and_begin_alike() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = crate::model::toy::tokenizer_file(folder.path());
        let tokenizer = Tokenizer::from_file(&tokenizer).unwrap();
        let template = "{% for tool in tools %}[{{ tool.function.name }}]{% endfor %}\
                        {% for message in messages %}{% if message.role == 'assistant' %}\
                        {% generation %}ok{% endgeneration %}{% else %}{{ message.content }}\
                        {% endif %}{% endfor %}";
        let codec = Codec::new(tokenizer, ChatTemplate::new(template, None, "", "").unwrap());
        let set = set();
        let rows = super::super::rows::encode(set.iter(), &codec, 400).unwrap();
        let kept: Vec<&Example> = set.iter().collect();
        assert_eq!(rows.rows.len(), kept.len(), "{:?}", rows.left_out);
        let made = |number| epoch(&rows, &kept, &codec, (400, 8), (1, number));
        let (first, second) = (made(0), made(1));
        assert_eq!(first.rows.len(), 47);
        assert_ne!(first.rows, second.rows);
        assert_eq!(first.rows, made(0).rows);
        let alike = |step: &[crate::engine::Row]| {
            let starts: HashSet<&[u32]> = step.iter().map(|row| &row.ids[..]).collect();
            step.len() - starts.len()
        };
        // All of these rows ask the same: rows with one offer are the same row.
        let shared: usize = first.rows.chunks(8).map(alike).sum();
        assert!(shared >= 25, "{shared}");
    }
}
