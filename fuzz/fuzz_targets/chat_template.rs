//! Chat templates come with a model and are programs: they must end, and in bounded memory.

#![no_main]

use std::sync::LazyLock;

use hone_fuzz::model::ChatTemplate;
use hone_fuzz::pair::{Message, Role, Tool, ToolCall};
use libfuzzer_sys::fuzz_target;

static CONVERSATION: LazyLock<(Vec<Message>, Vec<Tool>)> = LazyLock::new(|| {
    let tool = serde_json::json!({"type": "function", "function": {"name": "look_up",
        "description": "Looks up.", "parameters": {"type": "object",
        "properties": {"query": {"type": "string"}}, "required": ["query"]}}});
    let arguments = serde_json::json!({"query": "값 \"1\" <b>"});
    let arguments = arguments.as_object().expect("an object").clone();
    let messages = vec![
        Message::text(Role::System, "Be kind."),
        Message::text(Role::User, "What is it?"),
        Message::calls(vec![ToolCall::new("call_1", "look_up", arguments)]),
        Message::text(Role::Tool, "12"),
        Message::text(Role::Assistant, "It is 12."),
    ];
    (messages, vec![serde_json::from_value(tool).expect("a tool")])
});

fuzz_target!(|data: &[u8]| {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let (messages, tools) = &*CONVERSATION;
    let Ok(template) = ChatTemplate::new(source, None, "<s>", "</s>") else { return };
    let _ = template.render(messages, tools, false);
    let _ = template.render(&messages[..2], &[], true);
});
