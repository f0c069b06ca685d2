//! Replies and likelihoods remembered by model, adapter, prompt and settings: an interrupted
//! evaluation goes on where it was, a repeated one is read back.

use std::ops::ControlFlow;

use super::answerer::{Answerer, Decoding, Nats, Prompt, Reply};
use crate::digest;
use crate::failure::Result;
use crate::model::ToolFormat;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where answers are kept.
pub trait AnswerCache {
    /// The value of a key, if it is there.
    ///
    /// # Errors
    /// When the cache cannot be read.
    fn get(&self, key: &str) -> Result<Option<String>>;

    /// Keeps values.
    ///
    /// # Errors
    /// When they cannot be written.
    fn put(&mut self, entries: &[(String, String)]) -> Result<()>;
}

/// Part of every key; another number where what an answer means changes.
const VERSION: u32 = 1;

/// Prompts that are asked for in one call: what a call gives is kept when it ends, so that an
/// interruption costs no more than this.
const PART: usize = 96;

/// Asks for the likelihoods of the items at some places.
type AskNats<'a> = &'a mut dyn FnMut(&mut dyn Answerer, &[usize]) -> Result<Option<Vec<Nats>>>;

/// An answerer that asks another one only for what is not in the cache.
pub struct Cached<'a> {
    inner: &'a mut dyn Answerer,
    cache: &'a mut dyn AnswerCache,
    identity: [String; 2],
    hits: u64,
}

impl<'a> Cached<'a> {
    /// Wraps `inner`. `identity` says what the base and the tuned model are: hashes of weights,
    /// adapter, tokenizer and template, and how weights are stored.
    pub fn new(
        inner: &'a mut dyn Answerer,
        cache: &'a mut dyn AnswerCache,
        identity: [String; 2],
    ) -> Self {
        Self { inner, cache, identity, hits: 0 }
    }

    /// Answers that came from the cache.
    pub fn hits(&self) -> u64 {
        self.hits
    }

    fn key(&self, tuned: bool, what: &str, asked: &impl Serialize) -> String {
        let asked =
            serde_json::to_string(&(VERSION, &self.identity[usize::from(tuned)], what, asked));
        digest::sha256(asked.unwrap_or_default())
    }

    fn look<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>> {
        let found = self.cache.get(key)?.and_then(|text| serde_json::from_str(&text).ok());
        self.hits += u64::from(found.is_some());
        Ok(found)
    }

    fn keep<T: Serialize>(&mut self, found: Vec<(String, T)>) -> Result<()> {
        let entries: Vec<(String, String)> = (found.into_iter())
            .filter_map(|(key, value)| Some((key, serde_json::to_string(&value).ok()?)))
            .collect();
        self.cache.put(&entries)
    }

    /// Likelihoods by key, asking `ask` for those that are missing.
    fn nats(&mut self, keys: &[String], ask: AskNats<'_>) -> Result<Option<Vec<Nats>>> {
        let mut found: Vec<Option<Nats>> = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.look(key)?);
        }
        let missing: Vec<usize> = (0..keys.len()).filter(|i| found[*i].is_none()).collect();
        if !missing.is_empty() {
            let Some(fresh) = ask(self.inner, &missing)? else { return Ok(None) };
            let entries = missing.iter().zip(&fresh).map(|(i, nats)| (keys[*i].clone(), *nats));
            let entries: Vec<(String, Nats)> = entries.collect();
            self.keep(entries)?;
            for (index, nats) in missing.into_iter().zip(fresh) {
                found[index] = Some(nats);
            }
        }
        Ok(Some(found.into_iter().flatten().collect()))
    }
}

impl Answerer for Cached<'_> {
    fn answer(
        &mut self,
        prompts: &[Prompt<'_>],
        sides: &[bool],
        decoding: &Decoding,
        on_done: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<Reply>>> {
        let mut replies: Vec<Vec<Option<Reply>>> = vec![vec![None; prompts.len()]; sides.len()];
        let mut done = 0;
        let mut keys: Vec<Vec<String>> = Vec::with_capacity(sides.len());
        for (place, &side) in sides.iter().enumerate() {
            let asked = |prompt: &Prompt<'_>| {
                let prompt = (prompt.messages, prompt.tools, prompt.style);
                self.key(side, "reply", &(prompt, decoding))
            };
            keys.push(prompts.iter().map(asked).collect());
            for (index, key) in keys[place].clone().iter().enumerate() {
                if let Some(text) = self.look::<String>(key)? {
                    replies[place][index] = Some(Ok(text));
                    done += 1;
                }
            }
        }
        if done > 0 && on_done(done).is_break() {
            return Ok(gathered(replies));
        }
        // What is missing, by which sides miss it; prompts that offer the same tools together, since
        // their beginnings are read once.
        let mut missing: Vec<(Vec<usize>, usize)> = (0..prompts.len())
            .map(|index| {
                let lack = (0..sides.len()).filter(|side| replies[*side][index].is_none());
                (lack.collect(), index)
            })
            .filter(|(lack, _): &(Vec<usize>, usize)| !lack.is_empty())
            .collect();
        missing.sort_by_cached_key(|(lack, index)| {
            let tools = serde_json::to_string(prompts[*index].tools).unwrap_or_default();
            (lack.clone(), tools, *index)
        });
        for group in missing.chunk_by(|a, b| a.0 == b.0) {
            let Some((lack, _)) = group.first() else { continue };
            let asked: Vec<bool> = lack.iter().map(|side| sides[*side]).collect();
            for part in group.chunks(PART) {
                let indices: Vec<usize> = part.iter().map(|(_, index)| *index).collect();
                let asked_prompts: Vec<Prompt<'_>> = indices.iter().map(|i| prompts[*i]).collect();
                let mut stopped = false;
                let fresh = self.inner.answer(&asked_prompts, &asked, decoding, &mut |count| {
                    let flow = on_done(done + count);
                    stopped |= flow.is_break();
                    flow
                })?;
                if stopped {
                    return Ok(gathered(replies));
                }
                done += indices.len() * asked.len();
                let mut kept: Vec<(String, String)> = Vec::new();
                for (side, texts) in lack.iter().zip(fresh) {
                    for (index, reply) in indices.iter().zip(texts) {
                        if let Ok(text) = &reply {
                            kept.push((keys[*side][*index].clone(), text.clone()));
                        }
                        replies[*side][*index] = Some(reply);
                    }
                }
                self.keep(kept)?;
            }
        }
        Ok(gathered(replies))
    }

    fn tool_format(&self) -> ToolFormat {
        self.inner.tool_format()
    }

    fn continuation_nats(
        &mut self,
        items: &[(Prompt<'_>, &str)],
        tuned: bool,
    ) -> Result<Option<Vec<Nats>>> {
        let keys = items.iter().map(|(prompt, text)| {
            let prompt = (prompt.messages, prompt.tools, prompt.style);
            self.key(tuned, "continuation", &(prompt, text))
        });
        let keys: Vec<String> = keys.collect();
        self.nats(&keys, &mut |inner, missing| {
            let asked: Vec<(Prompt<'_>, &str)> = missing.iter().map(|i| items[*i]).collect();
            inner.continuation_nats(&asked, tuned)
        })
    }

    fn text_nats(&mut self, texts: &[&str], tuned: bool) -> Result<Option<Vec<Nats>>> {
        let keys: Vec<String> = texts.iter().map(|text| self.key(tuned, "text", text)).collect();
        self.nats(&keys, &mut |inner, missing| {
            let asked: Vec<&str> = missing.iter().map(|i| texts[*i]).collect();
            inner.text_nats(&asked, tuned)
        })
    }
}

/// Replies in their order; those that were not made before a stop are empty, and are not looked at.
fn gathered(replies: Vec<Vec<Option<Reply>>>) -> Vec<Vec<Reply>> {
    let whole = |side: Vec<Option<Reply>>| {
        side.into_iter().map(|reply| reply.unwrap_or_else(|| Ok(String::new()))).collect()
    };
    replies.into_iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::evaluate::suite::PromptStyle;
    use crate::pair::{Message, Role};

    #[derive(Default)]
    struct Memory(HashMap<String, String>);

    impl AnswerCache for Memory {
        fn get(&self, key: &str) -> Result<Option<String>> {
            Ok(self.0.get(key).cloned())
        }

        fn put(&mut self, entries: &[(String, String)]) -> Result<()> {
            self.0.extend(entries.iter().cloned());
            Ok(())
        }
    }

    /// Repeats the question and counts what it is asked.
    #[derive(Default)]
    struct Echo {
        replies: usize,
        nats: usize,
    }

    impl Answerer for Echo {
        fn answer(
            &mut self,
            prompts: &[Prompt<'_>],
            sides: &[bool],
            _: &Decoding,
            on_done: &mut dyn FnMut(usize) -> ControlFlow<()>,
        ) -> Result<Vec<Vec<Reply>>> {
            let mut done = 0;
            let mut all = Vec::new();
            for side in sides {
                let mut texts = Vec::new();
                for prompt in prompts {
                    let text = &prompt.messages[0].content;
                    texts.push(match text.as_str() {
                        "fails" => Err("status 500".to_owned()),
                        text => Ok(format!("{text} {side}")),
                    });
                    self.replies += 1;
                    done += 1;
                    if on_done(done).is_break() {
                        all.push(texts);
                        return Ok(all);
                    }
                }
                all.push(texts);
            }
            Ok(all)
        }

        fn continuation_nats(
            &mut self,
            items: &[(Prompt<'_>, &str)],
            _: bool,
        ) -> Result<Option<Vec<Nats>>> {
            self.nats += items.len();
            Ok(Some(items.iter().map(|(_, text)| (text.len() as f64, 1)).collect()))
        }

        fn text_nats(&mut self, _: &[&str], _: bool) -> Result<Option<Vec<Nats>>> {
            Ok(None)
        }
    }

    const GREEDY: Decoding = Decoding { max_new: 8, temperature: 0.0, seed: 0, bound: false };

    #[test]
    fn only_what_is_missing_is_asked_for_and_order_is_kept() {
        let turns: Vec<Vec<Message>> = (0..250)
            .map(|n| {
                vec![Message::text(
                    Role::User,
                    if n == 7 { "fails".into() } else { format!("q{n}") },
                )]
            })
            .collect();
        let prompts: Vec<Prompt<'_>> = turns
            .iter()
            .map(|messages| Prompt { messages, tools: &[], style: PromptStyle::Chat })
            .collect();
        let mut memory = Memory::default();
        let mut echo = Echo::default();
        let mut ask = |memory: &mut Memory, sides: &[bool], stop: usize, adapter: &str| {
            let identity = ["base".to_owned(), adapter.to_owned()];
            let mut cached = Cached::new(&mut echo, memory, identity);
            let mut last = 0;
            let replies = cached
                .answer(&prompts, sides, &GREEDY, &mut |done| {
                    assert!(done >= last, "progress went back");
                    last = done;
                    if done >= stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .unwrap();
            let hits = cached.hits();
            let asked = std::mem::take(&mut echo.replies);
            (replies, hits, asked)
        };
        // Stopped in the second part: the first is kept.
        let (_, hits, _) = ask(&mut memory, &[false, true], 250, "a");
        assert_eq!((hits, memory.0.len()), (0, 2 * PART - 2));
        let (replies, hits, asked) = ask(&mut memory, &[false, true], usize::MAX, "a");
        assert_eq!((hits as usize, asked), (2 * PART - 2, 500 - (2 * PART - 2)));
        for (side, replies) in [false, true].iter().zip(&replies) {
            for (n, reply) in replies.iter().enumerate() {
                match n {
                    7 => assert_eq!(reply, &Err("status 500".to_owned())),
                    _ => assert_eq!(reply, &Ok(format!("q{n} {side}"))),
                }
            }
        }
        // What failed is asked again, and of another adapter only the base is known.
        assert_eq!(ask(&mut memory, &[false, true], usize::MAX, "a").2, 2);
        let (_, hits, asked) = ask(&mut memory, &[false, true], usize::MAX, "b");
        assert_eq!((hits, asked), (249, 251));
    }

    #[test]
    fn bound_answers_are_remembered_apart() {
        let messages = [Message::text(Role::User, "q")];
        let prompt = Prompt { messages: &messages, tools: &[], style: PromptStyle::Chat };
        let mut memory = Memory::default();
        let mut echo = Echo::default();
        for (bound, asked) in [(false, 1), (true, 1), (true, 0), (false, 0)] {
            let identity = ["base".to_owned(), "tuned".to_owned()];
            let mut cached = Cached::new(&mut echo, &mut memory, identity);
            let go = &mut |_| ControlFlow::Continue(());
            cached.answer(&[prompt], &[false], &Decoding { bound, ..GREEDY }, go).unwrap();
            assert_eq!(std::mem::take(&mut echo.replies), asked, "{bound}");
        }
        // As remembered by versions that knew no grammar.
        let greedy = serde_json::to_value(GREEDY).unwrap();
        assert_eq!(greedy, serde_json::json!({"max_new": 8, "temperature": 0.0, "seed": 0}));
    }

    #[test]
    fn likelihoods_are_remembered_one_by_one() {
        let messages = [Message::text(Role::User, "q")];
        let prompt = Prompt { messages: &messages, tools: &[], style: PromptStyle::Chat };
        let mut memory = Memory::default();
        let mut echo = Echo::default();
        for (texts, expected) in [(vec!["a", "bb"], 2), (vec!["bb", "ccc", "a"], 1)] {
            let items: Vec<(Prompt<'_>, &str)> = texts.iter().map(|text| (prompt, *text)).collect();
            let identity = ["base".to_owned(), "tuned".to_owned()];
            let mut cached = Cached::new(&mut echo, &mut memory, identity);
            let nats = cached.continuation_nats(&items, false).unwrap().unwrap();
            assert_eq!(nats, texts.iter().map(|t| (t.len() as f64, 1)).collect::<Vec<_>>());
            assert_eq!(cached.text_nats(&["x"], false).unwrap(), None);
            assert_eq!(std::mem::take(&mut echo.nats), expected);
        }
    }
}
