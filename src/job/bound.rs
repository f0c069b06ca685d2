//! Answers whose tool calls are bound to the grammar of the tools that are offered.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::engine::Bound;
use crate::failure::{Failure, Result};
use crate::model::grammar::{Grammar, Masks, State, Vocabulary};
use crate::model::{ChatTemplate, ToolFormat};
use crate::pair::Tool;

/// Offers of tools whose masks are kept.
const OFFERS_MAX: usize = 16;

/// Binds answers; those that are offered the same tools share what is known of their grammar.
pub struct CallBounds {
    vocabulary: Arc<Vocabulary>,
    offers: RefCell<HashMap<String, Rc<RefCell<Masks>>>>,
}

impl CallBounds {
    /// Binds answers in the tokens of a vocabulary.
    pub fn new(vocabulary: Arc<Vocabulary>) -> Self {
        Self { vocabulary, offers: RefCell::default() }
    }

    /// Binds one answer: free text, or calls of these tools in Hermes' form. Whether anything is called is the
    /// model's choice.
    pub fn bound<'a>(&'a self, tools: &'a [Tool]) -> Box<dyn Bound + 'a> {
        Box::new(CallBound { bounds: self, tools, at: At::Start, mask: Rc::from([]) })
    }

    /// The masks of an offer of tools.
    fn masks(&self, tools: &[Tool]) -> Rc<RefCell<Masks>> {
        let key = serde_json::to_string(tools).unwrap_or_default();
        let mut offers = self.offers.borrow_mut();
        if offers.get(&key).is_some_and(|masks| masks.borrow().is_full()) {
            offers.remove(&key);
        }
        if offers.len() >= OFFERS_MAX && !offers.contains_key(&key) {
            offers.clear();
        }
        let masks = offers.entry(key).or_insert_with(|| {
            let grammar = Grammar::of_tools(tools, false);
            Rc::new(RefCell::new(Masks::new(grammar, Arc::clone(&self.vocabulary))))
        });
        Rc::clone(masks)
    }
}

/// Refuses a template whose calls are not in the form that a grammar is made for.
///
/// # Errors
/// Says in which form the model writes calls.
pub fn check_template(name: &str, template: &ChatTemplate) -> Result<()> {
    match template.tool_format() {
        ToolFormat::Hermes => Ok(()),
        own @ ToolFormat::Own(_) => Err(Failure::user(format!(
            "{name} writes calls as {own}; they can be bound to a grammar only in the form {}",
            ToolFormat::Hermes
        ))
        .hint("Leave out --bound.")),
    }
}

/// One answer.
struct CallBound<'a> {
    bounds: &'a CallBounds,
    tools: &'a [Tool],
    at: At,
    mask: Rc<[u64]>,
}

/// How far an answer is.
enum At {
    /// Not begun; masks are made when it begins, for many wait while few are made.
    Start,
    /// In a state of these masks.
    In(Rc<RefCell<Masks>>, State),
    /// A token came that was not allowed.
    Lost,
}

impl CallBound<'_> {
    fn begin(&mut self) {
        if matches!(self.at, At::Start) {
            let masks = self.bounds.masks(self.tools);
            let state = masks.borrow_mut().start();
            self.at = At::In(masks, state);
        }
    }
}

impl Bound for CallBound<'_> {
    fn allowed(&mut self) -> &[u64] {
        self.begin();
        self.mask = match &self.at {
            At::In(masks, state) => masks.borrow_mut().allowed(*state),
            At::Start | At::Lost => Rc::from([]),
        };
        &self.mask
    }

    fn take(&mut self, id: u32) {
        self.begin();
        let next = match &mut self.at {
            At::In(masks, state) => {
                let next = masks.borrow_mut().take(*state, id);
                next.map(|next| *state = next)
            }
            At::Start | At::Lost => None,
        };
        if next.is_none() {
            self.at = At::Lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(name: &str) -> Tool {
        let city = json!({"type": "object", "properties": {"city": {"enum": ["서울"]}}, "required": ["city"]});
        let function = json!({"name": name, "parameters": city});
        serde_json::from_value(json!({"type": "function", "function": function})).unwrap()
    }

    #[test]
    fn answers_are_bound_each_for_itself_by_the_tools_they_are_offered() {
        let mut bytes: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
        bytes.push(Vec::new());
        let bounds = CallBounds::new(Arc::new(Vocabulary::from_bytes(bytes, vec![256]).unwrap()));
        let allows = |bound: &mut Box<dyn Bound + '_>, id: u32| {
            bound.allowed().get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
        };
        let offers = [[tool("날씨")], [tool("weather")]];
        let mut all = offers.each_ref().map(|tools| bounds.bound(tools));
        let text = "<tool_call>\n{\"name\": \"";
        for bound in &mut all {
            for byte in text.bytes() {
                assert!(allows(bound, byte.into()));
                bound.take(byte.into());
            }
            assert!(!allows(bound, 256));
        }
        assert!(
            allows(&mut all[0], "날".as_bytes()[0].into()) && !allows(&mut all[0], b'w'.into())
        );
        assert!(allows(&mut all[1], b'w'.into()));
        let mut fresh = bounds.bound(&offers[0]);
        assert!(allows(&mut fresh, 256) && allows(&mut fresh, b'w'.into()));
        // What was not allowed leaves nothing.
        all[0].take(b'w'.into());
        assert!(all[0].allowed().is_empty());
    }

    #[test]
    fn a_form_of_the_template_s_own_is_refused() {
        let llama = include_str!("../../tests/fixtures/chat_templates/llama3.2.jinja");
        let failure = check_template("llama", &ChatTemplate::new(llama, None, "", "").unwrap());
        assert!(failure.unwrap_err().message.contains("\"parameters\""));
        let none = ChatTemplate::new("{{ messages[0].content }}", None, "", "").unwrap();
        check_template("none", &none).unwrap();
    }
}
