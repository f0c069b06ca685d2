//! One conversation out of several pairs, and several pairs out of one conversation.

use super::{Example, Message, Role};

/// Parts a conversation into one pair for each question: the question's turn and everything up to
/// the next question. Each keeps the system turn, the tools and the source; a pair that stands alone
/// comes back as it is.
pub fn split(example: &Example) -> Vec<Example> {
    let (system, turns): (Vec<_>, Vec<_>) =
        example.messages.iter().cloned().partition(|message| message.role == Role::System);
    let mut parts: Vec<Vec<Message>> = Vec::new();
    for message in turns {
        match parts.last_mut() {
            Some(part) if message.role != Role::User => part.push(message),
            _ => parts.push(vec![message]),
        }
    }
    if parts.len() < 2 {
        return vec![example.clone()];
    }
    parts
        .into_iter()
        .map(|turns| {
            let messages = system.iter().cloned().chain(turns).collect();
            Example { messages, ..example.clone() }
        })
        .collect()
}

/// Puts pairs together into one conversation, in their order: one system turn (the first there is),
/// all tools offered in any of them, the source of the first. Calls are numbered anew so that no
/// number occurs twice.
pub fn merge(examples: &[&Example]) -> Example {
    let Some(first) = examples.first() else { return Example::default() };
    let mut merged = Example { messages: Vec::new(), ..(*first).clone() };
    let mut call = 0;
    for (index, example) in examples.iter().enumerate() {
        let mut renamed = std::collections::HashMap::new();
        for message in &example.messages {
            let has_system = merged.messages.first().is_some_and(|turn| turn.role == Role::System);
            if message.role == Role::System && has_system {
                continue;
            }
            let mut message = message.clone();
            for made in &mut message.tool_calls {
                call += 1;
                let id = format!("call_{call}");
                renamed.insert(std::mem::replace(&mut made.id, id.clone()), id);
            }
            if let Some(id) = &mut message.tool_call_id
                && let Some(new) = renamed.get(id)
            {
                id.clone_from(new);
            }
            if message.role == Role::System {
                merged.messages.insert(0, message);
            } else {
                merged.messages.push(message);
            }
        }
        if index > 0 {
            for tool in &example.tools {
                let known = |known: &super::Tool| known.function.name == tool.function.name;
                if !merged.tools.iter().any(known) {
                    merged.tools.push(tool.clone());
                }
            }
            for tag in &example.meta.tags {
                if !merged.meta.tags.contains(tag) {
                    merged.meta.tags.push(tag.clone());
                }
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::{ToolCall, check};

    fn say(role: Role, text: &str) -> Message {
        Message::text(role, text)
    }

    fn pair(question: &str, answer: &str) -> Example {
        Example {
            messages: vec![
                say(Role::System, "짧게 답하라."),
                say(Role::User, question),
                say(Role::Assistant, answer),
            ],
            ..Example::default()
        }
    }

    #[test]
    fn merging_and_splitting_are_inverse() {
        let (a, b) = (pair("창고의 활하중은?", "25 %"), pair("사무실은?", "2.5 kN/m²"));
        let merged = merge(&[&a, &b]);
        let roles: Vec<_> = merged.messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User, Role::Assistant]);
        assert_eq!(check(&merged), Vec::<String>::new());
        assert_eq!(split(&merged), [a.clone(), b]);
        assert_eq!(split(&a), std::slice::from_ref(&a));
    }

    #[test]
    fn calls_stay_with_their_results_and_are_numbered_anew() {
        let mut called = pair("서울 날씨는?", "맑습니다.");
        let call = ToolCall::new("call_1", "get_weather", serde_json::Map::new());
        let mut result = say(Role::Tool, "{}");
        result.tool_call_id = Some("call_1".to_owned());
        called.messages.splice(2..2, [Message::calls(vec![call]), result]);
        let merged = merge(&[&called, &called]);
        let ids: Vec<_> = merged.calls().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["call_1", "call_2"]);
        let results = merged.messages.iter().filter_map(|turn| turn.tool_call_id.as_deref());
        assert_eq!(results.collect::<Vec<_>>(), ["call_1", "call_2"]);
        assert_eq!(split(&merged)[0].messages.len(), 5);
    }
}
