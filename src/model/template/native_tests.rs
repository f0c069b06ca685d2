//! Templates with tools of their own, in forms other than Hermes'.

use serde_json::{Map, Value, json};

use super::*;
use crate::pair::{FunctionCall, Role, ToolCall};

const LLAMA: &str = include_str!("../../../tests/fixtures/chat_templates/llama3.2.jinja");
const MISTRAL: &str = include_str!("../../../tests/fixtures/chat_templates/mistral-v3.jinja");
const MISTRAL_SMALL: &str =
    include_str!("../../../tests/fixtures/chat_templates/mistral-small-3.2.jinja");
const MINISTRAL: &str = include_str!("../../../tests/fixtures/chat_templates/ministral3.jinja");

fn template(source: &str) -> ChatTemplate {
    ChatTemplate::new(source, None, "<s>", "</s>").unwrap()
}

/// A template that lists tools and results, and calls as `calls` says.
fn with_calls(calls: &str) -> ChatTemplate {
    template(&format!(
        "{{% for t in tools or [] %}}{{{{ t | tojson }}}}\n{{% endfor %}}{{% for m in messages %}}\
         <|{{{{ m.role }}}}|>{{% if m.tool_calls %}}{calls}{{% else %}}{{{{ m.content }}}}<|end|>{{% endif %}}\
         {{% endfor %}}{{% if add_generation_prompt %}}<|assistant|>{{% endif %}}"
    ))
}

fn call(id: &str, name: &str) -> ToolCall {
    let arguments = json!({"용도": "\"방\"", "n": [1]}).as_object().unwrap().clone();
    ToolCall::new(id, name, arguments)
}

/// Calls as text, a dash for none.
fn read(template: &ChatTemplate, reply: &str) -> String {
    let ToolFormat::Own(form) = template.tool_format() else { panic!("Hermes") };
    let shown = |call: FunctionCall| format!("{}{}", call.name, Value::Object(call.arguments));
    form.read(reply)
        .map_or("-".to_owned(), |calls| calls.into_iter().map(shown).collect::<Vec<_>>().join(" "))
}

#[test]
fn the_form_is_taken_from_what_the_template_writes() {
    let each = |calls: &str| format!("{{% for c in m.tool_calls %}}{calls}{{% endfor %}}<|end|>");
    let form = |source: &str| template(source).tool_format().to_string();
    assert_eq!(form(LLAMA), r#"{"name": NAME, "parameters": ARGUMENTS}"#);
    assert_eq!(form(MISTRAL), r#"[TOOL_CALLS] [{"name": NAME, "arguments": ARGUMENTS}]"#);
    assert_eq!(form(MISTRAL_SMALL), "[TOOL_CALLS]NAME[CALL_ID]ID[ARGS]ARGUMENTS");
    assert_eq!(form(MINISTRAL), "[TOOL_CALLS]NAME[ARGS]ARGUMENTS");
    for (calls, expected) in [
        (
            // EXAONE 4.
            "<tool_call>{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments | tojson }}}</tool_call>{{ '\n' if not loop.last }}",
            Some("<tool_call>{\"name\": NAME, \"arguments\": ARGUMENTS}</tool_call>"),
        ),
        (
            // Functionary.
            "<function={{ c.function.name }}>{{ c.function.arguments | tojson }}</function>",
            Some("<function=NAME>ARGUMENTS</function>"),
        ),
        (
            "{{ {'type': 'function', 'function': c.function} | tojson }}",
            Some(
                "{\"type\": \"function\", \"function\":{\"name\": NAME, \"arguments\": ARGUMENTS}}",
            ),
        ),
        // Forms that cannot be read back: XML, Python, JSON in a string, calls that are numbered or left out.
        (
            "<f name={{ c.function.name }}>{% for k, v in c.function.arguments | items %}<{{ k }}>{{ v }}</{{ k }}>{% endfor %}</f>",
            None,
        ),
        ("{{ c.function.name }}({{ c.function.arguments }})", None),
        (
            "{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments | tojson | tojson }}}",
            None,
        ),
        ("{{ c.function.name }}:{{ loop.index }}:{{ c.function.arguments | tojson }}", None),
        ("{% if loop.first %}{{ c.function | tojson }}{% endif %}", None),
        ("", None),
    ] {
        let template = with_calls(&each(calls));
        let found = template.has_native_tools().then(|| template.tool_format().to_string());
        assert_eq!(found.as_deref(), expected, "{calls}");
    }
    // Another end than that of an answer is that of a turn only if generation stops there.
    let calls = "{{ m.tool_calls[0].function | tojson }}";
    for (end, native) in [("<|end|>", true), ("<|eom_id|>", true), ("<|calls|>", false)] {
        let one =
            format!("{{{{ raise_exception('one') if m.tool_calls | length > 1 }}}}{calls}{end}");
        assert_eq!(with_calls(&one).has_native_tools(), native, "{end}");
    }
}

#[test]
fn replies_are_read_in_the_template_s_form_and_no_other() {
    let one = r#"f{"x":1}"#;
    let two = r#"f{"x":1} 날씨{}"#;
    let cases: &[(&str, &[(&str, &str)])] = &[
        (
            LLAMA,
            &[
                (r#"{"name": "f", "parameters": {"x": 1}}"#, one),
                ("\n{\"parameters\":{\"x\":1},\"name\":\"f\"}\n", one),
                (r#"{"name": "f", "arguments": {"x": 1}}"#, "-"),
                (r#"{"name": "f", "parameters": {"x": 1}, "id": "a"}"#, "-"),
                (r#"{"name": "f", "parameters": "{\"x\": 1}"}"#, "-"),
                (r#"{"name": "f", "parameters": {"x": 1}}{"name": "날씨", "parameters": {}}"#, "-"),
                (r#"네. {"name": "f", "parameters": {"x": 1}}"#, "-"),
                ("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>", "-"),
                ("", "-"),
            ],
        ),
        (
            MISTRAL,
            &[
                (r#"[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}, "id": "VvvODy9mT"}]"#, one),
                // Behind a control token a tokenizer may drop the space; ids are the runner's.
                (r#"[TOOL_CALLS][{"name": "f", "arguments": {"x": 1}}]"#, one),
                (
                    r#"[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}}, {"name": "날씨", "arguments": {}}]"#,
                    two,
                ),
                (r#"[{"name": "f", "arguments": {"x": 1}}]"#, "-"),
                (r#"[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}}"#, "-"),
                (r#"[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}}] 끝"#, "-"),
                (r#"[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}},]"#, "-"),
                ("[TOOL_CALLS] []", "-"),
            ],
        ),
        (
            MINISTRAL,
            &[
                (r#"[TOOL_CALLS]f[ARGS]{"x": 1}"#, one),
                (r#"[TOOL_CALLS]f[ARGS]{"x": 1}[TOOL_CALLS]날씨[ARGS]{}"#, two),
                (r#"[TOOL_CALLS]f[CALL_ID]abc[ARGS]{"x": 1}"#, "-"),
                (r#"[TOOL_CALLS]f{"x": 1}"#, "-"),
                (r#"[TOOL_CALLS]f[ARGS]{"x": 1}[TOOL_CALLS]"#, "-"),
                (r#"[TOOL_CALLS][ARGS]{"x": 1}"#, "-"),
            ],
        ),
        (
            MISTRAL_SMALL,
            &[
                (r#"[TOOL_CALLS]f[CALL_ID]VvvODy9mT[ARGS]{"x": 1}"#, one),
                (
                    r#"[TOOL_CALLS]f[CALL_ID]VvvODy9mT[ARGS]{"x": 1}[TOOL_CALLS]날씨[CALL_ID]a[ARGS]{}"#,
                    two,
                ),
                (r#"[TOOL_CALLS]f[ARGS]{"x": 1}"#, "-"),
            ],
        ),
    ];
    for (source, replies) in cases {
        let template = template(source);
        for (reply, expected) in *replies {
            assert_eq!(read(&template, reply), *expected, "{reply}");
        }
    }
}

/// What is written is what is read.
#[test]
fn calls_are_read_as_they_are_written() {
    for source in [LLAMA, MISTRAL, MISTRAL_SMALL, MINISTRAL] {
        let template = template(source);
        let tools = [Tool::named("find")];
        let user = Message::text(Role::User, "찾아 줘");
        let mut calls = vec![call("call_1", "find"), call("call_2", "find")];
        calls.truncate(if template.tool_format().is_single() { 1 } else { 2 });
        let opened = template.render(std::slice::from_ref(&user), &tools, true).unwrap();
        let written =
            template.render(&[user, Message::calls(calls.clone())], &tools, false).unwrap();
        let said = written.strip_prefix(&opened).unwrap();
        let said = said.strip_suffix("</s>").or(said.strip_suffix("<|eot_id|>")).unwrap();
        let ToolFormat::Own(form) = template.tool_format() else { panic!("Hermes") };
        let expected: Vec<FunctionCall> = calls.into_iter().map(|call| call.function).collect();
        assert_eq!(form.read(said), Some(expected), "{said}");
    }
}

#[test]
fn llama_refuses_several_calls_in_a_turn_and_says_what_to_do() {
    let template = template(LLAMA);
    let user = Message::text(Role::User, "x");
    let several = [user, Message::calls(vec![call("call_1", "find"), call("call_2", "find")])];
    let failure = template.render(&several, &[Tool::named("find")], false).unwrap_err();
    assert!(failure.message.contains("only supports single tool-calls"), "{failure}");
    assert!(failure.hints.iter().any(|hint| hint.contains("a turn of its own")), "{failure:?}");
}

#[test]
fn mistral_gets_ids_of_its_form() {
    let template = template(MISTRAL);
    let result = |id: Option<&str>| Message {
        tool_call_id: id.map(str::to_owned),
        ..Message::text(Role::Tool, "2.5")
    };
    let mut messages = vec![
        Message::text(Role::User, "x"),
        Message::calls(vec![call("call_1", "find"), call("call_2", "find")]),
        result(Some("call_1")),
        result(None),
    ];
    let tools = [Tool::named("find")];
    assert!(template.render_as_given(&messages, &tools, false).is_err());
    let text = template.render(&messages, &tools, false).unwrap();
    assert!(text.starts_with("<s>[AVAILABLE_TOOLS] [{\"type\": \"function\""), "{text}");
    for id in ["call00001", "call00002"] {
        assert_eq!(text.matches(&format!("\"id\": \"{id}\"")).count(), 1, "{text}");
        assert_eq!(text.matches(&format!("\"call_id\": \"{id}\"")).count(), 1, "{text}");
    }
    // Ids that have the form are kept.
    messages.truncate(1);
    messages.push(Message::calls(vec![call("VvvODy9mT", "find")]));
    let given = template.render_as_given(&messages, &tools, false).unwrap();
    assert_eq!(template.render(&messages, &tools, false).unwrap(), given);
    // Other refusals stay what they are.
    messages.insert(1, Message::text(Role::User, "y"));
    let failure = template.render(&messages, &tools, false).unwrap_err();
    assert!(failure.message.contains("must alternate"), "{failure}");
}

#[test]
fn calls_with_the_name_outside_of_the_json_are_found_in_words() {
    let shown = |text: &str| {
        let calls = named(text).into_iter();
        calls
            .map(|call| format!("{}{}", call.name, Value::Object(call.arguments)))
            .collect::<Vec<_>>()
    };
    for (text, expected) in [
        (r#"네. [TOOL_CALLS]f[ARGS] {"x":1} 끝"#, &[r#"f{"x":1}"#][..]),
        (r#"f[CALL_ID]VvvODy9mT[ARGS]{"x":1}"#, &[r#"f{"x":1}"#]),
        (r#"f[ARGS]{"x":1}[TOOL_CALLS]날씨[ARGS]{}"#, &[r#"f{"x":1}"#, "날씨{}"]),
        (r#"<function=f>{"x":1}</function>"#, &[r#"f{"x":1}"#]),
        (r#"[ARGS]{"x":1} <function=>{} <function=f>x"#, &[]),
        (r#"f[ARGS]{"x":1"#, &[]),
        ("[ARGS]", &[]),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
    assert!(
        named(&"[args]".repeat(5_000)).is_empty() && named(&"<function=".repeat(5_000)).is_empty()
    );
    assert!(has_mark("[TOOL_CALLS]f") && has_mark("<function=f") && !has_mark("TOOL_CALLS"));
    assert_eq!(Map::new(), named("a-b.c[ARGS]{}")[0].arguments);
}
