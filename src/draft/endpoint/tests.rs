use super::*;
use crate::pair::{Role, ToolCall};

#[test]
fn addresses_are_completed_and_checked() {
    for (given, address) in [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1/chat/completions"),
        ("https://example.org/v1/", "https://example.org/v1/chat/completions"),
        ("https://example.org", "https://example.org/chat/completions"),
        ("https://example.org/v1/chat/completions", "https://example.org/v1/chat/completions"),
        (
            "https://example.org/v1?api-version=2",
            "https://example.org/v1/chat/completions?api-version=2",
        ),
    ] {
        assert_eq!(completions_address(given).unwrap().as_str(), address);
    }
    for given in
        ["", "127.0.0.1:8000", "ftp://x/v1", "file:///etc", "https://me:secret@host/v1", "not one"]
    {
        let failure = completions_address(given).unwrap_err();
        assert!(!failure.hints.is_empty());
        assert!(!failure.message.contains("secret"), "{}", failure.message);
    }
}

#[test]
fn the_key_is_nowhere_to_be_seen() {
    let key = "sk-very-secret";
    let config =
        EndpointConfig::new("http://127.0.0.1:1/v1?token=hidden", "m", Some(format!(" {key}\n")));
    let shown = format!("{config:?}");
    assert!(
        !shown.contains(key) && !shown.contains("hidden") && shown.contains("has_key: true"),
        "{shown}"
    );
    let endpoint = Endpoint::new(config, Cancel::default()).unwrap();
    assert!(!format!("{endpoint:?}").contains(key));
    assert_eq!(
        endpoint.without_key("Incorrect API key: sk-very-secret."),
        "Incorrect API key: [key]."
    );
    let bad = EndpointConfig::new("http://127.0.0.1:1", "m", Some("se\ncret".to_owned()));
    let failure = Endpoint::new(bad, Cancel::default()).unwrap_err();
    assert!(!format!("{failure:?}").contains("cret\""), "{failure:?}");
}

#[test]
fn a_key_in_the_clear_is_noticed() {
    for (url, key, clear) in [
        ("http://example.org/v1", Some("k"), true),
        ("https://example.org/v1", Some("k"), false),
        ("http://127.0.0.1:8000/v1", Some("k"), false),
        ("http://[::1]:8000/v1", Some("k"), false),
        ("http://localhost/v1", Some("k"), false),
        ("http://example.org/v1", None, false),
        ("http://example.org/v1", Some(" "), false),
    ] {
        let config = EndpointConfig::new(url, "m", key.map(str::to_owned));
        assert_eq!(config.sends_key_in_the_clear(), clear, "{url}");
    }
}

#[test]
fn an_endpoint_needs_a_model_name() {
    let config = EndpointConfig::new("http://127.0.0.1:1/v1", " ", None);
    assert!(Endpoint::new(config, Cancel::default()).unwrap_err().message.contains("no model"));
}

#[test]
fn calls_are_sent_with_arguments_as_text() {
    let arguments = serde_json::from_str(r#"{"도시": "서울"}"#).unwrap();
    let wire = wire_message(&Message::calls(vec![ToolCall::new("call_1", "weather", arguments)]));
    assert_eq!(
        wire,
        json!({"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "type": "function",
               "function": {"name": "weather", "arguments": "{\"도시\":\"서울\"}"}}]})
    );
    let mut result = Message::text(Role::Tool, "맑음");
    result.tool_call_id = Some("call_1".to_owned());
    assert_eq!(
        wire_message(&result),
        json!({"role": "tool", "content": "맑음", "tool_call_id": "call_1"})
    );
}

#[test]
fn error_bodies_are_told_in_one_line() {
    for (body, text) in [
        (
            r#"{"error": {"message": "model not\n found", "code": "model_not_found"}}"#,
            "model not found (model_not_found)",
        ),
        (r#"{"error": "no such model"}"#, "no such model"),
        (r#"{"detail": "Not Found"}"#, "Not Found"),
        (r#"{"detail": [{"msg": "bad"}]}"#, r#"[{"msg":"bad"}]"#),
        ("<html><body>502", ""),
        ("plain words", "plain words"),
        ("", ""),
    ] {
        assert_eq!(answer::error_text(body), text);
    }
    assert!(answer::error_text(&"x".repeat(9000)).chars().count() <= 201);
}
