//! Replies and likelihoods remembered by model, adapter, prompt and settings: an interrupted
//! evaluation goes on where it was, a repeated one is read back.

use std::ops::ControlFlow;

use super::answerer::{Answerer, Nats, OnReply, Prompt, Question};
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
            keep(self.cache, entries)?;
            for (index, nats) in missing.into_iter().zip(fresh) {
                found[index] = Some(nats);
            }
        }
        Ok(Some(found.into_iter().flatten().collect()))
    }
}

impl Answerer for Cached<'_> {
    fn answer(&mut self, questions: &[Question<'_>], on_reply: &mut OnReply<'_>) -> Result<()> {
        let keys: Vec<String> = (questions.iter())
            .map(|Question { prompt, tuned, decoding }| {
                let prompt = (prompt.messages, prompt.tools, prompt.style);
                self.key(*tuned, "reply", &(prompt, decoding))
            })
            .collect();
        let mut missing = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let Some(text) = self.look::<String>(key)? else {
                missing.push(index);
                continue;
            };
            if on_reply(index, Ok(text)).is_break() {
                return Ok(());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let asked: Vec<Question<'_>> = missing.iter().map(|index| questions[*index]).collect();
        let (inner, cache) = (&mut *self.inner, &mut *self.cache);
        // Kept one by one: an interruption costs only those that are on their way.
        let mut failed = None;
        inner.answer(&asked, &mut |at, reply| {
            let index = missing[at];
            if let Ok(text) = &reply
                && let Err(failure) = keep(cache, vec![(keys[index].clone(), text)])
            {
                failed = Some(failure);
                return ControlFlow::Break(());
            }
            on_reply(index, reply)
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn check(&self, prompts: &[Prompt<'_>]) -> Result<()> {
        self.inner.check(prompts)
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

/// Puts values into a cache as JSON.
fn keep<T: Serialize>(cache: &mut dyn AnswerCache, found: Vec<(String, T)>) -> Result<()> {
    let entries: Vec<(String, String)> = (found.into_iter())
        .filter_map(|(key, value)| Some((key, serde_json::to_string(&value).ok()?)))
        .collect();
    cache.put(&entries)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::evaluate::answerer::Decoding;
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
        fn answer(&mut self, questions: &[Question<'_>], on_reply: &mut OnReply<'_>) -> Result<()> {
            // The last first: any order will do.
            for (index, question) in questions.iter().enumerate().rev() {
                self.replies += 1;
                let reply = match question.prompt.messages[0].content.as_str() {
                    "fails" => Err("status 500".to_owned()),
                    text => Ok(format!("{text} {}", question.tuned)),
                };
                if on_reply(index, reply).is_break() {
                    break;
                }
            }
            Ok(())
        }

        fn continuation_nats(
            &mut self,
            items: &[(Prompt<'_>, &str)],
            _: bool,
        ) -> Result<Option<Vec<Nats>>> {
            self.nats += items.len();
            Ok(Some(items.iter().map(|(_, text)| (text.len() as f64, 1)).collect()))
        }
    }

    fn question(messages: &[Message], tuned: bool, decoding: Decoding) -> Question<'_> {
        let prompt = Prompt { messages, tools: &[], style: PromptStyle::Chat };
        Question { prompt, tuned, decoding }
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
        let questions: Vec<Question<'_>> = (turns.iter())
            .flat_map(|turn| [false, true].map(|tuned| question(turn, tuned, GREEDY)))
            .collect();
        let mut memory = Memory::default();
        let mut echo = Echo::default();
        let mut ask = |memory: &mut Memory, stop: usize, adapter: &str| {
            let identity = ["base".to_owned(), adapter.to_owned()];
            let mut cached = Cached::new(&mut echo, memory, identity);
            let mut replies = vec![None; questions.len()];
            let mut heard = 0;
            let hear = &mut |index: usize, reply| {
                assert!(replies[index].is_none(), "heard twice");
                replies[index] = Some(reply);
                heard += 1;
                if heard == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            cached.answer(&questions, hear).unwrap();
            let hits = cached.hits();
            let asked = std::mem::take(&mut echo.replies);
            (replies, hits, asked)
        };
        // Stopped in the middle: each reply that was there is kept, and what is known does not come again.
        let (_, hits, asked) = ask(&mut memory, 250, "a");
        assert_eq!((hits, asked, memory.0.len()), (0, 250, 250));
        let (_, hits, asked) = ask(&mut memory, 300, "a");
        assert_eq!((hits, asked, memory.0.len()), (250, 50, 300));
        let (replies, hits, asked) = ask(&mut memory, usize::MAX, "a");
        assert_eq!((hits, asked), (300, 200));
        for (index, reply) in replies.into_iter().enumerate() {
            match index / 2 {
                7 => assert_eq!(reply, Some(Err("status 500".to_owned()))),
                n => assert_eq!(reply, Some(Ok(format!("q{n} {}", index % 2 == 1)))),
            }
        }
        // What failed is asked again, and of another adapter only the base is known.
        assert_eq!(ask(&mut memory, usize::MAX, "a").2, 2);
        let (_, hits, asked) = ask(&mut memory, usize::MAX, "b");
        assert_eq!((hits, asked), (249, 251));
    }

    #[test]
    fn a_cache_that_cannot_be_written_ends_the_asking() {
        struct Full;
        impl AnswerCache for Full {
            fn get(&self, _: &str) -> Result<Option<String>> {
                Ok(None)
            }
            fn put(&mut self, _: &[(String, String)]) -> Result<()> {
                Err(crate::failure::Failure::user("disk full"))
            }
        }
        let messages = [Message::text(Role::User, "q")];
        let mut echo = Echo::default();
        let identity = ["base".to_owned(), "tuned".to_owned()];
        let questions = [question(&messages, false, GREEDY); 5];
        let failure = Cached::new(&mut echo, &mut Full, identity)
            .answer(&questions, &mut |_, _| ControlFlow::Continue(()));
        assert_eq!((failure.unwrap_err().message.as_str(), echo.replies), ("disk full", 1));
    }

    #[test]
    fn bound_answers_are_remembered_apart() {
        let messages = [Message::text(Role::User, "q")];
        let mut memory = Memory::default();
        let mut echo = Echo::default();
        for (bound, asked) in [(false, 1), (true, 1), (true, 0), (false, 0)] {
            let identity = ["base".to_owned(), "tuned".to_owned()];
            let mut cached = Cached::new(&mut echo, &mut memory, identity);
            let asks = [question(&messages, false, Decoding { bound, ..GREEDY })];
            cached.answer(&asks, &mut |_, _| ControlFlow::Continue(())).unwrap();
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
