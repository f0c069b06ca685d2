//! The automaton: stacks of what is still to come, and what a byte makes of them.

use std::collections::HashMap;

use super::scalar::{Number, Step, Text};
use super::schema::{Grammar, Node, NodeId, Object, PROPERTIES_MAX, WordId};
use crate::model::template::hermes::CALL_OPEN;

/// Something that is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Frame {
    /// The rest of a fixed text, from this byte on.
    Word(WordId, u32),
    /// The rest of a string.
    Text(Text),
    /// The rest of a number, an integer or not.
    Number(Number, bool),
    /// A value.
    Value(NodeId),
    /// A space or none.
    Gap,
    /// A member of an object, of which those with bits set were given; the end too if it is the first.
    Member(NodeId, u128, bool),
    /// What follows a member.
    AfterMember(NodeId, u128),
    /// The name of a member that the schema does not know: where in it, known names that begin alike, and
    /// how many bytes they share with it.
    Name(NodeId, Text, u16, u16, u16),
    /// The items of an array from its opening bracket on.
    Items(NodeId),
    /// What follows so many items.
    AfterItem(NodeId, u32),
    /// Free text, behind so many bytes of the mark that opens a call.
    Free(u8),
    /// A call, from behind that mark on.
    Call,
    /// What follows a call.
    AfterCall,
}

/// Number of a stack; 0 has nothing left to come.
pub(super) type StackId = u32;

/// The empty stack: the reply may end.
pub(super) const DONE: StackId = 0;

/// Stacks that were met, each with the one below.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    frames: Vec<(Frame, StackId)>,
    known: HashMap<(Frame, StackId), StackId>,
}

impl Stacks {
    fn push(&mut self, below: StackId, frame: Frame) -> StackId {
        let next = self.frames.len() as StackId + 1;
        let id = *self.known.entry((frame, below)).or_insert(next);
        if id == next {
            self.frames.push((frame, below));
        }
        id
    }

    /// The first frame of `all` on top.
    fn push_all(&mut self, below: StackId, all: &[Frame]) -> StackId {
        all.iter().rev().fold(below, |below, frame| self.push(below, *frame))
    }

    /// The stacks with which a reply begins.
    pub(super) fn start(&mut self, grammar: &Grammar, out: &mut Vec<StackId>) {
        if grammar.required {
            let all = [Frame::Word(grammar.first_call, 0), Frame::Call];
            let stack = self.push_all(DONE, &all);
            self.open(grammar, stack, out);
        } else {
            self.put(grammar, DONE, &[Frame::Free(0)], out);
        }
    }

    /// The stacks that a byte makes of one; none where it may not stand there.
    pub(super) fn step(
        &mut self,
        grammar: &Grammar,
        stack: StackId,
        byte: u8,
        out: &mut Vec<StackId>,
    ) {
        let Some(&(frame, below)) =
            stack.checked_sub(1).and_then(|at| self.frames.get(at as usize))
        else {
            return;
        };
        match frame {
            Frame::Word(word, at) => {
                let text = &grammar.words[word as usize];
                if text.get(at as usize) == Some(&byte) {
                    self.put(grammar, below, &[Frame::Word(word, at + 1)], out);
                }
            }
            Frame::Text(text) => match text.step(byte) {
                Step::Dead => {}
                Step::On(next) => self.put(grammar, below, &[Frame::Text(next)], out),
                Step::Closed => self.open(grammar, below, out),
            },
            Frame::Number(number, integer) => {
                if let Some(next) = number.step(byte, integer) {
                    self.put(grammar, below, &[Frame::Number(next, integer)], out);
                }
            }
            Frame::Name(node, text, low, high, shared) => {
                self.name(grammar, below, (node, text), (low, high, shared), byte, out);
            }
            Frame::Free(matched) => self.free(grammar, below, matched, byte, out),
            _ => {}
        }
    }

    fn put(&mut self, grammar: &Grammar, below: StackId, all: &[Frame], out: &mut Vec<StackId>) {
        let stack = self.push_all(below, all);
        self.open(grammar, stack, out);
    }

    /// Replaces what stands on top until a byte is to come.
    fn open(&mut self, grammar: &Grammar, stack: StackId, out: &mut Vec<StackId>) {
        let Some(&(frame, below)) =
            stack.checked_sub(1).and_then(|at| self.frames.get(at as usize))
        else {
            return out.push(DONE);
        };
        let [brace, unbrace, bracket, unbracket] =
            grammar.brackets.map(|word| Frame::Word(word, 0));
        let comma = [Frame::Word(grammar.comma, 0), Frame::Gap];
        match frame {
            Frame::Word(word, at) if at as usize >= grammar.words[word as usize].len() => {
                self.open(grammar, below, out);
            }
            Frame::Word(..) | Frame::Text(_) | Frame::Name(..) => out.push(stack),
            Frame::Number(number, _) => {
                out.push(stack);
                if number.is_whole() {
                    self.open(grammar, below, out);
                }
            }
            Frame::Free(_) => {
                out.push(stack);
                self.open(grammar, below, out);
            }
            Frame::Gap => {
                self.open(grammar, below, out);
                self.put(grammar, below, &[Frame::Word(grammar.space, 0)], out);
            }
            Frame::Value(node) => match &grammar.nodes[node as usize] {
                Node::Text => self.put(grammar, below, &[Frame::Text(Text::Open)], out),
                Node::Number { integer } => {
                    self.put(grammar, below, &[Frame::Number(Number::Start, *integer)], out);
                }
                Node::Words(words) => {
                    for word in words {
                        self.put(grammar, below, &[Frame::Word(*word, 0)], out);
                    }
                }
                Node::Either(nodes) => {
                    for node in nodes {
                        self.put(grammar, below, &[Frame::Value(*node)], out);
                    }
                }
                Node::Array { .. } => {
                    self.put(grammar, below, &[bracket, Frame::Items(node)], out);
                }
                Node::Object(_) => {
                    self.put(grammar, below, &[brace, Frame::Member(node, 0, true)], out);
                }
            },
            Frame::Member(node, given, first) => {
                let Node::Object(object) = &grammar.nodes[node as usize] else { return };
                if first && object.required & !given == 0 {
                    self.put(grammar, below, &[unbrace], out);
                }
                for (at, (key, value)) in object.properties.iter().enumerate() {
                    if given >> at & 1 == 0 {
                        let after = Frame::AfterMember(node, given | 1 << at);
                        let all = [Frame::Word(*key, 0), Frame::Gap, Frame::Value(*value), after];
                        self.put(grammar, below, &all, out);
                    }
                }
                if object.others.is_some() {
                    let all = [
                        Frame::Name(node, Text::Open, 0, object.names.len() as u16, 0),
                        Frame::AfterMember(node, given),
                    ];
                    self.put(grammar, below, &all, out);
                }
            }
            Frame::AfterMember(node, given) => {
                let Node::Object(object) = &grammar.nodes[node as usize] else { return };
                if object.required & !given == 0 {
                    self.put(grammar, below, &[unbrace], out);
                }
                if object.others.is_some() || given != all_bits(object) {
                    let all = [comma[0], comma[1], Frame::Member(node, given, false)];
                    self.put(grammar, below, &all, out);
                }
            }
            Frame::Items(node) => {
                let Node::Array { items, least, most } = &grammar.nodes[node as usize] else {
                    return;
                };
                if *least == 0 {
                    self.put(grammar, below, &[unbracket], out);
                }
                if *most != Some(0) {
                    let all = [Frame::Value(*items), Frame::AfterItem(node, 1)];
                    self.put(grammar, below, &all, out);
                }
            }
            Frame::AfterItem(node, count) => {
                let Node::Array { items, least, most } = &grammar.nodes[node as usize] else {
                    return;
                };
                if count >= *least {
                    self.put(grammar, below, &[unbracket], out);
                }
                if most.is_none_or(|most| count < most) {
                    // Counted no further than it matters, so that states repeat.
                    let next = (count + 1).min(most.unwrap_or((*least).max(1)));
                    let after = Frame::AfterItem(node, next);
                    self.put(
                        grammar,
                        below,
                        &[comma[0], comma[1], Frame::Value(*items), after],
                        out,
                    );
                }
            }
            Frame::Call => {
                for (begins, arguments) in &grammar.tools {
                    let all = [
                        Frame::Word(*begins, 0),
                        Frame::Value(*arguments),
                        Frame::Word(grammar.call_end, 0),
                        Frame::AfterCall,
                    ];
                    self.put(grammar, below, &all, out);
                }
            }
            Frame::AfterCall => {
                self.open(grammar, below, out);
                self.put(grammar, below, &[Frame::Word(grammar.next_call, 0), Frame::Call], out);
            }
        }
    }

    /// A byte of a name that is none of those the schema knows.
    fn name(
        &mut self,
        grammar: &Grammar,
        below: StackId,
        (node, text): (NodeId, Text),
        (low, high, shared): (u16, u16, u16),
        byte: u8,
        out: &mut Vec<StackId>,
    ) {
        let Node::Object(object) = &grammar.nodes[node as usize] else { return };
        let names = &object.names[usize::from(low)..usize::from(high)];
        let mut go_on = |stacks: &mut Self, next, range: (u16, u16), shared| {
            // Where no known name begins alike, all names are one.
            let (low, high, shared) =
                if range.0 == range.1 { (0, 0, 0) } else { (range.0, range.1, shared) };
            stacks.put(grammar, below, &[Frame::Name(node, next, low, high, shared)], out);
        };
        match text.step(byte) {
            // An escape could write a known name in another way.
            Step::Dead | Step::On(Text::Escape) => {}
            Step::On(next) if text == Text::Open => go_on(self, next, (low, high), 0),
            Step::On(next) => {
                let at = usize::from(shared);
                let before = names.partition_point(|name| name.get(at).is_none_or(|b| *b < byte));
                let through = names.partition_point(|name| name.get(at).is_none_or(|b| *b <= byte));
                go_on(self, next, (low + before as u16, low + through as u16), shared + 1);
            }
            Step::Closed => {
                let is_known = names.iter().any(|name| name.len() == usize::from(shared));
                if let Some(value) = object.others.filter(|_| !is_known) {
                    let all = [Frame::Word(grammar.colon, 0), Frame::Gap, Frame::Value(value)];
                    self.put(grammar, below, &all, out);
                }
            }
        }
    }

    /// A byte of free text.
    fn free(
        &mut self,
        grammar: &Grammar,
        below: StackId,
        matched: u8,
        byte: u8,
        out: &mut Vec<StackId>,
    ) {
        let mark = CALL_OPEN.as_bytes();
        // The mark begins with the only `<` in it.
        let matched = match mark.get(usize::from(matched)) {
            Some(next) if *next == byte => matched + 1,
            _ => u8::from(byte == mark[0]),
        };
        let is_call = usize::from(matched) == mark.len() && !grammar.tools.is_empty();
        let frame = if is_call { Frame::Call } else { Frame::Free(matched % mark.len() as u8) };
        self.put(grammar, below, &[frame], out);
    }
}

/// The bits of all properties.
fn all_bits(object: &Object) -> u128 {
    match object.properties.len() {
        PROPERTIES_MAX.. => u128::MAX,
        count => (1 << count) - 1,
    }
}
