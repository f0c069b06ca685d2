//! What a pair teaches, by its form.

use super::{Example, Role};

/// The form of a pair, told from its turns, tools and calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// One question, one answer, no tools.
    Single,
    /// Several questions and answers, no tools.
    Conversation,
    /// One tool is called once.
    Call,
    /// Several calls, one turn after another.
    Calls,
    /// Several calls in one turn.
    Parallel,
    /// Tools are offered and the answer asks for what is missing.
    AskBack,
    /// Tools are offered and the answer does without them.
    NoCall,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Single,
        Self::Conversation,
        Self::Call,
        Self::Calls,
        Self::Parallel,
        Self::AskBack,
        Self::NoCall,
    ];

    /// The kind's name in filters and figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Conversation => "conversation",
            Self::Call => "call",
            Self::Calls => "calls",
            Self::Parallel => "parallel",
            Self::AskBack => "ask-back",
            Self::NoCall => "no-call",
        }
    }

    /// Tells the kind of an example.
    pub fn of(example: &Example) -> Self {
        let calls = example.calls().count();
        if example.messages.iter().any(|message| message.tool_calls.len() > 1) {
            return Self::Parallel;
        }
        match calls {
            0 if !example.tools.is_empty() => {
                let asks = example.answer().trim_end().ends_with(['?', '？']);
                if asks { Self::AskBack } else { Self::NoCall }
            }
            0 => {
                let asked = example.messages.iter().filter(|turn| turn.role == Role::User).count();
                if asked > 1 { Self::Conversation } else { Self::Single }
            }
            1 => Self::Call,
            _ => Self::Calls,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::{FunctionDefinition, Message, Tool, ToolCall};

    #[test]
    fn the_form_tells_the_kind() {
        let user = || Message::text(Role::User, "서울 날씨는?");
        let said = |text: &str| Message::text(Role::Assistant, text);
        let call = |id: &str| ToolCall::new(id, "get_weather", serde_json::Map::new());
        let tools = vec![Tool {
            kind: "function".to_owned(),
            function: FunctionDefinition {
                name: "get_weather".to_owned(),
                description: String::new(),
                parameters: serde_json::json!({"type": "object"}),
            },
        }];
        let cases = [
            (vec![user(), said("맑다")], false, Kind::Single),
            (vec![user(), said("맑다"), user(), said("춥다")], false, Kind::Conversation),
            (vec![user(), Message::calls(vec![call("1")])], true, Kind::Call),
            (
                vec![user(), Message::calls(vec![call("1")]), Message::calls(vec![call("2")])],
                true,
                Kind::Calls,
            ),
            (vec![user(), Message::calls(vec![call("1"), call("2")])], true, Kind::Parallel),
            (vec![user(), said("어느 날의 날씨인가요? ")], true, Kind::AskBack),
            (vec![user(), said("모른다.")], true, Kind::NoCall),
        ];
        for (messages, offers, kind) in cases {
            let tools = if offers { tools.clone() } else { Vec::new() };
            let example = Example { messages, tools, ..Example::default() };
            assert_eq!(Kind::of(&example), kind);
        }
    }
}
