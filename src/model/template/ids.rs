//! Call ids of nine letters and digits, which Mistral's templates ask for.

use crate::pair::Message;

const LENGTH: usize = 9;

/// The same conversation with such ids. An id depends on nothing but the one it takes the place of, so
/// that a conversation begins alike however far it goes. A result without an id gets that of its call.
pub(super) fn of_nine_letters(messages: &[Message]) -> Vec<Message> {
    let mut waiting = Vec::new().into_iter();
    let mut messages = messages.to_vec();
    for message in &mut messages {
        if !message.tool_calls.is_empty() {
            for call in &mut message.tool_calls {
                call.id = of_nine(&call.id);
            }
            let ids: Vec<String> = message.tool_calls.iter().map(|call| call.id.clone()).collect();
            waiting = ids.into_iter();
        } else if message.role == crate::pair::Role::Tool {
            let next = waiting.next();
            message.tool_call_id = message.tool_call_id.as_deref().map(of_nine).or(next);
        }
    }
    messages
}

/// The id itself if it has the form, `call_1` as `call00001`, and nine digits of a hash of others.
fn of_nine(id: &str) -> String {
    if id.len() == LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    let number = id.strip_prefix("call_").filter(|digits| {
        digits.len() <= 5 && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    });
    if let Some(number) = number.and_then(|digits| digits.parse::<u32>().ok()) {
        return format!("call{number:05}");
    }
    // FNV-1a, 64 bits (draft-eastlake-fnv).
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut next = || {
        let digit = digits[(hash % 62) as usize];
        hash /= 62;
        char::from(digit)
    };
    (0..LENGTH).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::{Role, ToolCall};

    #[test]
    fn ids_have_nine_letters_and_results_keep_to_their_calls() {
        let call = |id: &str| ToolCall::new(id, "f", serde_json::Map::new());
        let result = |id: Option<&str>| Message {
            tool_call_id: id.map(str::to_owned),
            ..Message::text(Role::Tool, "1")
        };
        let given = [
            Message::calls(vec![call("call_1"), call("toolu_01A09q90qw90lq917835lq9")]),
            result(None),
            result(Some("toolu_01A09q90qw90lq917835lq9")),
            Message::calls(vec![call("VvvODy9mT"), call(""), call("call_01")]),
            result(Some("VvvODy9mT")),
            result(None),
        ];
        let changed = of_nine_letters(&given);
        let ids: Vec<&str> = changed
            .iter()
            .flat_map(|m| {
                m.tool_calls.iter().map(|c| c.id.as_str()).chain(m.tool_call_id.as_deref())
            })
            .collect();
        assert_eq!(ids[0], "call00001");
        assert_eq!((ids[2], ids[3]), (ids[0], ids[1]));
        assert_eq!((ids[4], ids[7]), ("VvvODy9mT", "VvvODy9mT"));
        assert_eq!(ids[8], ids[5], "the second result is the second call's");
        assert!(
            ids.iter().all(|id| id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()))
        );
        let different: std::collections::BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(different.len(), 5);
        assert_eq!(of_nine_letters(&given[..1]), changed[..1]);
    }
}
