//! What is read without guessing, and what is refused.

use super::*;

/// The value as JSON with its slips; a dash where it is refused.
fn exact(text: &str, is_whole: bool) -> String {
    match read_exactly(text, is_whole).0 {
        None => "-".to_owned(),
        Some(loose) => {
            let slips: Vec<String> = loose.slips.iter().map(|slip| format!("{slip:?}")).collect();
            format!("{} {}", loose.value, slips.join("+")).trim_end().to_owned()
        }
    }
}

#[test]
fn what_can_mean_one_thing_only_is_read() {
    for (text, expected) in [
        (r#"{"a": [1, -2.5e3, true, null]}"#, r#"{"a":[1,-2500.0,true,null]}"#),
        ("{'a': 'b'}", r#"{"a":"b"} Marks"#),
        ("{“a”： “b”，“c”: ‘d’}", r#"{"a":"b","c":"d"} Marks"#),
        ("{\"a\": True, \"b\": None}", r#"{"a":true,"b":null} PythonWords"#),
        ("{\"a\": [1, 2,],}", r#"{"a":[1,2]} TrailingComma"#),
        ("{a: 1, 도시: \"아산\"}", r#"{"a":1,"도시":"아산"} BareKeys"#),
        ("{\"a\": 1 // one\n, /* two */ \"b\": 2 # three\n}", r#"{"a":1,"b":2} Comments"#),
        ("{\"a\": \"b\nc\"}", r#"{"a":"b\nc"} LineBreaks"#),
        ("{\"a\": {\"b\": \"c\"", r#"{"a":{"b":"c"}} Unclosed"#),
        ("[{\"a\": {\"b\": 1}]", r#"[{"a":{"b":1}}] Unclosed"#),
        ("{\"a\": 1\n", r#"{"a":1} Unclosed"#),
        ("{'a': 'it\\'s'}", r#"{"a":"it's"} Marks"#),
        (r#""\ud83d\ude00\u00e9""#, r#""😀é""#),
        ("{} rest", "{}"),
    ] {
        assert_eq!(exact(text, false), expected, "{text}");
    }
    assert_eq!(exact("{\"a\": 1", true), r#"{"a":1} Unclosed"#);
}

#[test]
fn what_would_have_to_be_guessed_is_refused() {
    for text in [
        "{\"a\": 1",
        "{\"a\": \"b",
        "{\"a\":",
        "{\"a\"",
        "{\"a\": \"b\",",
        "{",
        "[",
        "{\"a\": word}",
        "{\"a\": NaN}",
        "{\"a\": +1}",
        "{\"a\": 01}",
        "{\"a\": 1_000}",
        "{\"a\": .5}",
        "{\"a\" \"b\"}",
        "{\"a\": 1 \"b\": 2}",
        "{\"a\": 1,, \"b\": 2}",
        "{\"a\" = 1}",
        "{\"a\": \"say \"x\" now\"}",
        "{'a': 'it's'}",
        "{\"a\": (1, 2)}",
        "{\"a\": \"\\x41\"}",
        r#""\u+123""#,
        "{two words: 1}",
        "`a`",
    ] {
        assert_eq!(exact(text, false), "-", "{text}");
    }
}

#[test]
fn hostile_text_is_read_once() {
    for text in
        ["[".repeat(100_000), "{\"a\":".repeat(20_000), "{a:[".repeat(25_000), "/*".repeat(50_000)]
    {
        let (value, length) = read_exactly(&text, true);
        assert!(value.is_none() && length <= text.len());
    }
}
