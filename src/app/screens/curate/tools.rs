//! Tools: which ones a pair offers, the project's own, and calls filled in by form.

use serde_json::{Map, Value};

use super::{Curate, Outside};
use crate::app::Effect;
use crate::app::look::Look;
use crate::app::overlays::{CallForm, Choice, Choosing, Overlay, ToolList};
use crate::app::reply::Reply;
use crate::app::strings::screen as texts;
use crate::pair::{Change, Message, Role, Tool, ToolCall};

impl Curate {
    /// Offers the project's tools for the marked pairs or the current one.
    pub(super) fn choose_tools(&self, look: &Look, reply: &mut Reply) {
        let of_pair = self.current(look).map_or(&[][..], |stored| &stored.example.tools);
        let list = ToolList::new(&look.settings.tools, of_pair);
        reply.overlay = Some(Overlay::Tools(list));
    }

    /// Takes the tools that were chosen. New ones become the project's as well.
    pub fn set_tools(&mut self, tools: &[Tool], look: &Look, reply: &mut Reply) {
        let known = &look.settings.tools;
        let new: Vec<Tool> = tools.iter().filter(|tool| !known.contains(tool)).cloned().collect();
        if !new.is_empty() {
            let mut settings = look.settings.clone();
            for tool in new {
                settings.tools.retain(|old| old.function.name != tool.function.name);
                settings.tools.push(tool);
            }
            reply.settings = Some(Box::new(settings));
        }
        let changes: Vec<_> = (self.targets(look).into_iter())
            .map(|key| Change::SetTools { key, tools: tools.to_vec() })
            .collect();
        if !changes.is_empty() {
            Self::apply(texts::DONE_TOOLS, changes, look, reply);
        }
    }

    /// Opens the project's tools in the outside editor.
    pub fn edit_tools(&mut self, tools: &[Tool], reply: &mut Reply) {
        self.outside = Outside::Tools;
        let text = serde_json::to_string_pretty(tools).unwrap_or_default();
        reply.effect(Effect::EditOutside(text));
    }

    /// Takes the project's tools as the outside editor saved them.
    pub(super) fn tools_edited(text: &str, look: &Look, reply: &mut Reply) {
        match serde_json::from_str::<Vec<Tool>>(text) {
            Ok(tools) => {
                let broken = tools.iter().find(|tool| {
                    tool.function.name.trim().is_empty()
                        || jsonschema::validator_for(&tool.function.parameters).is_err()
                });
                if let Some(tool) = broken {
                    reply.warn(look.fill(texts::BAD_TOOL, &[&tool.function.name]));
                    return;
                }
                reply.tell(look.fill(texts::TOOLS_KEPT, &[&tools.len()]));
                let mut settings = look.settings.clone();
                settings.tools = tools;
                reply.settings = Some(Box::new(settings));
            }
            Err(error) => reply.warn(look.fill(texts::BAD_TOOLS, &[&error])),
        }
    }

    /// Sets the system prompt of the marked pairs or the current one; an empty one takes it away.
    pub fn set_system(&mut self, text: &str, look: &Look, reply: &mut Reply) {
        let text = text.trim();
        let changes: Vec<_> = (self.targets(look).into_iter())
            .map(|key| Change::SetSystem { key, text: text.to_owned() })
            .collect();
        if !changes.is_empty() {
            Self::apply(texts::DONE_SYSTEM, changes, look, reply);
        }
    }

    /// Opens the form of the call under the cursor, or asks which tool to call.
    pub(super) fn fill_call(&self, look: &Look, reply: &mut Reply) {
        let Some(editing) = &self.editing else { return };
        let tools = self.offered(look);
        let on_answer =
            editing.turns.get(editing.field).filter(|turn| turn.role() == Role::Assistant);
        let Some(turn) = on_answer else {
            reply.tell(look.t(texts::CALL_WHERE));
            return;
        };
        let (before, _) = turn.editor.at_cursor();
        let text = turn.editor.text();
        let call = text.lines().nth(before.matches('\n').count()).and_then(read_call);
        // Calls are counted, since words and blank lines give way to them.
        let line = before.lines().filter(|line| is_call(line)).count();
        let inside = before.lines().last().is_some_and(is_call) && !before.ends_with('\n');
        let line = line - usize::from(inside);
        let of_call = |name: &str| tools.iter().find(|tool| tool.function.name == name);
        if let Some((name, arguments)) = &call
            && let Some(tool) = of_call(name)
        {
            let form = CallForm::new(tool.clone(), arguments, Some(line));
            reply.overlay = Some(Overlay::Call(form));
            return;
        }
        match tools {
            [] => reply.tell(look.t(texts::NO_TOOLS_OFFERED)),
            [tool] => {
                reply.overlay = Some(Overlay::Call(CallForm::new(tool.clone(), &Map::new(), None)));
            }
            tools => {
                let options = tools
                    .iter()
                    .map(|tool| (tool.function.name.clone(), tool.function.description.clone()));
                let choice = Choice::new(Choosing::Tool, options.collect(), None);
                reply.overlay = Some(Overlay::Choice(choice));
            }
        }
    }

    /// A tool to call was chosen.
    pub fn call_tool(&self, name: &str, look: &Look, reply: &mut Reply) {
        let tool = self.offered(look).iter().find(|tool| tool.function.name == name);
        if let Some(tool) = tool {
            reply.overlay = Some(Overlay::Call(CallForm::new(tool.clone(), &Map::new(), None)));
        }
    }

    /// Takes a call that was filled in: in the place of the `line`th call of the answer, or after those
    /// there are. Words in the answer give way to a first call.
    pub fn take_call(&mut self, line: Option<usize>, call: &ToolCall) {
        let Some(editing) = &mut self.editing else { return };
        let Some(turn) = editing.turns.get_mut(editing.field) else { return };
        let new = Message::calls(vec![call.clone()]).text_or_calls();
        let text = turn.editor.text();
        let mut lines: Vec<&str> = text.lines().filter(|line| is_call(line)).collect();
        match line.and_then(|line| lines.get_mut(line)) {
            Some(old) => *old = &new,
            None => lines.push(&new),
        }
        turn.editor = crate::app::widgets::Editor::new(&lines.join("\n"));
        self.typed = true;
    }

    /// The tools that the pair being typed offers.
    fn offered<'a>(&self, look: &Look<'a>) -> &'a [Tool] {
        let target = self.editing.as_ref().and_then(super::editing::Editing::target);
        match target.and_then(|id| look.data.example(id)) {
            Some(stored) if !stored.example.tools.is_empty() => &stored.example.tools,
            _ => &[],
        }
    }
}

/// Whether a line of an answer is a call.
fn is_call(line: &str) -> bool {
    line.trim_start().starts_with('{')
}

/// Name and arguments of a call on a line of its own.
fn read_call(line: &str) -> Option<(String, Map<String, Value>)> {
    let value: Value = serde_json::from_str(line.trim()).ok()?;
    let name = value.get("name")?.as_str()?.to_owned();
    let arguments = value.get("arguments").and_then(Value::as_object).cloned();
    Some((name, arguments.unwrap_or_default()))
}
