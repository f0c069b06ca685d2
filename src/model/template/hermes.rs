//! Tools, calls and results written the way Hermes and Qwen2.5 models read and write them
//! (<https://github.com/NousResearch/Hermes-Function-Calling>), for models whose own template
//! knows nothing of tools.

use serde_json::Value;

use super::environment::one_line;
use crate::pair::{FunctionCall, Message, Role, Tool};

/// What opens a call.
pub const CALL_OPEN: &str = "<tool_call>";
/// What closes a call.
pub const CALL_CLOSE: &str = "</tool_call>";

/// A call as a model in this form writes it.
pub fn call_text(call: &FunctionCall) -> String {
    let name = Value::from(call.name.as_str());
    let arguments = one_line(&Value::Object(call.arguments.clone()));
    format!("{CALL_OPEN}\n{{\"name\": {name}, \"arguments\": {arguments}}}\n{CALL_CLOSE}")
}

/// What the system turn says about the tools. Short, since every token is read anew for every
/// conversation.
pub fn tools_text(tools: &[Tool]) -> String {
    let lines: Vec<String> = tools.iter().map(tool_line).collect();
    format!(
        "Tools:\n<tools>\n{}\n</tools>\nTo call a tool, reply only with:\n{CALL_OPEN}\n\
         {{\"name\": <name>, \"arguments\": <object>}}\n{CALL_CLOSE}",
        lines.join("\n")
    )
}

/// A conversation without tools, calls or results that says the same: tools go to the end of the
/// system turn, calls become the assistant's text, results become the user's.
pub fn plain_turns(messages: &[Message], tools: &[Tool]) -> Vec<Message> {
    let mut turns: Vec<Message> = Vec::with_capacity(messages.len() + 1);
    if !tools.is_empty()
        && messages
            .first()
            .is_none_or(|first| first.role != Role::System)
    {
        turns.push(Message::text(Role::System, tools_text(tools)));
    }
    let mut follows_result = false;
    for (position, message) in messages.iter().enumerate() {
        let content = message.content.as_str();
        match message.role {
            Role::System if position == 0 && !tools.is_empty() => {
                let parts = [content, &tools_text(tools)];
                let said = parts.into_iter().filter(|part| !part.is_empty());
                let said: Vec<&str> = said.collect();
                turns.push(Message::text(Role::System, said.join("\n\n")));
            }
            Role::System | Role::User => turns.push(Message::text(message.role, content)),
            Role::Assistant => {
                let mut parts: Vec<String> = Vec::new();
                if !content.is_empty() || message.tool_calls.is_empty() {
                    parts.push(content.to_owned());
                }
                parts.extend(
                    message
                        .tool_calls
                        .iter()
                        .map(|call| call_text(&call.function)),
                );
                turns.push(Message::text(Role::Assistant, parts.join("\n")));
            }
            Role::Tool => {
                let result = format!("<tool_response>\n{content}\n</tool_response>");
                match turns.last_mut().filter(|_| follows_result) {
                    Some(turn) => {
                        turn.content.push('\n');
                        turn.content.push_str(&result);
                    }
                    None => turns.push(Message::text(Role::User, result)),
                }
            }
        }
        follows_result = message.role == Role::Tool;
    }
    turns
}

/// The definition of a tool on one line; what is empty is left out.
fn tool_line(tool: &Tool) -> String {
    let function = &tool.function;
    let mut entries = serde_json::Map::new();
    entries.insert("name".to_owned(), function.name.as_str().into());
    if !function.description.is_empty() {
        entries.insert(
            "description".to_owned(),
            function.description.as_str().into(),
        );
    }
    if !function.parameters.is_null() {
        entries.insert("parameters".to_owned(), function.parameters.clone());
    }
    one_line(&Value::Object(entries))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pair::{FunctionDefinition, ToolCall};

    fn tool() -> Tool {
        Tool {
            kind: "function".to_owned(),
            function: FunctionDefinition {
                name: "live_load".to_owned(),
                description: String::new(),
                parameters: json!({"type": "object", "properties": {"use": {"type": "string"}}}),
            },
        }
    }

    fn call(id: &str, place: &str) -> ToolCall {
        let arguments = json!({"use": place});
        ToolCall::new(id, "live_load", arguments.as_object().unwrap().clone())
    }

    #[test]
    fn a_conversation_with_tools_becomes_plain_turns() {
        let messages = [
            Message::text(Role::System, "짧게 답한다."),
            Message::text(Role::User, "사무실과 병실의 활하중은?"),
            Message::calls(vec![call("call_1", "사무실"), call("call_2", "병실")]),
            Message::text(Role::Tool, "2.5"),
            Message::text(Role::Tool, "2.0"),
            Message::text(Role::Assistant, "2.5와 2.0입니다."),
        ];
        let turns = plain_turns(&messages, &[tool()]);
        let roles: Vec<Role> = turns.iter().map(|turn| turn.role).collect();
        assert_eq!(
            roles,
            [
                Role::System,
                Role::User,
                Role::Assistant,
                Role::User,
                Role::Assistant
            ]
        );
        assert!(
            turns[0]
                .content
                .starts_with("짧게 답한다.\n\nTools:\n<tools>\n{\"name\": \"live_load\"")
        );
        assert_eq!(
            turns[2].content,
            "<tool_call>\n{\"name\": \"live_load\", \"arguments\": {\"use\": \"사무실\"}}\n</tool_call>\n\
             <tool_call>\n{\"name\": \"live_load\", \"arguments\": {\"use\": \"병실\"}}\n</tool_call>"
        );
        assert_eq!(
            turns[3].content,
            "<tool_response>\n2.5\n</tool_response>\n<tool_response>\n2.0\n</tool_response>"
        );
        assert!(turns.iter().all(|turn| turn.tool_calls.is_empty()));
    }

    #[test]
    fn without_a_system_turn_one_is_added_only_for_tools() {
        let messages = [Message::text(Role::User, "안녕")];
        assert_eq!(plain_turns(&messages, &[]), messages);
        let turns = plain_turns(&messages, &[tool()]);
        assert_eq!(turns.len(), 2);
        assert_eq!(turns[0].role, Role::System);
        assert!(!turns[0].content.contains("description"));
    }

    #[test]
    fn text_beside_a_call_comes_first() {
        let message = Message {
            content: "찾아보겠습니다.".to_owned(),
            ..Message::calls(vec![call("call_1", "사무실")])
        };
        let turns = plain_turns(&[message], &[]);
        assert!(
            turns[0]
                .content
                .starts_with("찾아보겠습니다.\n<tool_call>\n")
        );
    }
}
