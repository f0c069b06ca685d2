use serde_json::json;

use super::*;
use crate::model::toy;
use crate::pair::{Role, ToolCall};

/// The tool part of Qwen2.5's template, shortened in its wording.
const NATIVE: &str = include_str!("../../../tests/fixtures/chat_templates/qwen2.5.jinja");

fn tool() -> Tool {
    serde_json::from_value(json!({"type": "function", "function": {
        "name": "find", "description": "h<3 & 폭>2",
        "parameters": {"type": "object", "properties": {"용도": {"type": "string"}}}}}))
    .unwrap()
}

fn call() -> Message {
    let arguments = json!({"용도": "it's <b> & \"c\"", "n": 1.0});
    Message::calls(vec![ToolCall::new("call_1", "find", arguments.as_object().unwrap().clone())])
}

fn render(source: &str, messages: &[Message], tools: &[Tool]) -> Result<String> {
    ChatTemplate::new(source, None, "<s>", "</s>")?.render(messages, tools, true)
}

#[test]
fn qwen_writes_tools_calls_and_results_itself() {
    let template = ChatTemplate::new(NATIVE, None, "", "<|im_end|>").unwrap();
    assert!(template.has_native_tools());
    let messages = [
        Message::text(Role::User, "찾아 줘"),
        call(),
        Message::text(Role::Tool, "2.5"),
        Message::text(Role::Tool, "2.0"),
    ];
    let text = template.render(&messages, &[tool()], true).unwrap();
    let line = "{\"type\": \"function\", \"function\": {\"name\": \"find\", \"description\": \"h<3 & 폭>2\", \
                \"parameters\": {\"type\": \"object\", \"properties\": {\"용도\": {\"type\": \"string\"}}}}}";
    assert!(text.contains(line), "{text}");
    assert!(
        text.ends_with(
            "<|im_start|>assistant\n<tool_call>\n{\"name\": \"find\", \"arguments\": \
         {\"용도\": \"it's <b> & \\\"c\\\"\", \"n\": 1.0}}\n</tool_call><|im_end|>\n\
         <|im_start|>user\n<tool_response>\n2.5\n</tool_response>\n\
         <tool_response>\n2.0\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
        ),
        "{text}"
    );
}

#[test]
fn a_template_without_tools_is_given_plain_turns() {
    let template = ChatTemplate::new(toy::PLAIN_TEMPLATE, None, "", "").unwrap();
    assert!(!template.has_native_tools());
    let messages = [Message::text(Role::User, "찾아 줘"), call()];
    let text = template.render(&messages, &[tool()], false).unwrap();
    assert!(text.starts_with("<|im_start|>system\nTools:\n<tools>\n{\"name\": \"find\""), "{text}");
    assert!(!text.contains("Be kind."), "the template's own system turn gives way");
    assert!(text.ends_with("</tool_call><|im_end|>\n"), "{text}");
    let plain = template.render(&[Message::text(Role::User, "x")], &[], true).unwrap();
    assert!(plain.starts_with("<|im_start|>system\nBe kind."), "{plain}");
}

#[test]
fn python_habits_of_templates_work() {
    let user = [Message::text(Role::User, " A b ")];
    let cases = [
        ("{{ messages[0]['content'].strip().upper() }}", "A B"),
        ("{{ messages[0].content.split(' ')[1] }}", "A"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}", "a=1"),
        (
            "{%- set ns = namespace(n=0) -%}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "1",
        ),
        ("{% for i in range(5) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        (
            "{% for i in range(3) %}\n    {% if i == 1 %}\n{{ i }}\n    {% endif %}\n{% endfor %}",
            "1\n",
        ),
        ("{{ bos_token + 'x' + eos_token }}", "<s>x</s>"),
        ("{% if tools is defined and tools is not none %}t{% else %}-{% endif %}", "-"),
        ("{% if messages[0].tool_calls %}c{% endif %}{{ messages[0].content is string }}", "True"),
        ("{{ messages[1:] | length }}{{ messages[-1].role }}", "0user"),
        ("{{ {'b': [1, 'ㄱ']} | tojson(indent=2) }}", "{\n  \"b\": [\n    1,\n    \"ㄱ\"\n  ]\n}"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('a') }}", "<a>"),
        ("{% generation %}x{% endgeneration %}", "x"),
        ("{{ 'a\\n' }}", "a\n"),
        ("{{ {'ㄱ': '😀'} | tojson(ensure_ascii=true) }}", r#"{"\u3131": "\ud83d\ude00"}"#),
        ("{{ tools is iterable and tools | length > 0 }}{{ 'ab' is iterable }}", "FalseTrue"),
        (
            "{{ 1e-7 }} {{ 1e22 | string }} {{ 2.0 }} {{ [none, true] }}",
            "1e-07 1e+22 2.0 [None, True]",
        ),
        ("{{ strftime_now('%Y') | int > 2000 }}", "True"),
    ];
    for (source, expected) in cases {
        assert_eq!(render(source, &user, &[]).unwrap(), expected, "{source}");
    }
}

#[test]
fn a_refusal_gives_the_template_s_own_words() {
    let source = "x\n{{ raise_exception('roles must alternate') }}";
    let failure = render(source, &[Message::text(Role::User, "x")], &[]).unwrap_err();
    assert_eq!(failure.message, "chat template, line 2: roles must alternate");
    let failure = render("a\n{% if %}", &[], &[]).unwrap_err();
    assert!(failure.message.starts_with("chat template, line 2: "), "{failure}");
}

#[test]
fn a_template_that_does_not_end_is_stopped() {
    let source = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}\
                  {% endfor %}{% endfor %}{% endfor %}";
    let failure = render(source, &[], &[]).unwrap_err();
    assert!(failure.message.contains("fuel"), "{failure}");
    // Text that doubles is stopped before it fills the memory.
    let source = "{% set ns = namespace(t='ab') %}{% for i in range(60) %}\
                  {% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t|length }}";
    let failure = render(source, &[], &[]).unwrap_err();
    assert!(failure.message.contains("fuel"), "{failure}");
}

#[test]
fn folders_keep_templates_in_three_places() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let rendered = || {
        let template = ChatTemplate::from_folder(folder.path())?;
        template.render(&[Message::text(Role::User, "x")], &[], false)
    };
    let missing = rendered().unwrap_err();
    assert!(missing.message.contains("no chat template"), "{missing}");
    write(
        "tokenizer_config.json",
        r#"{"chat_template": "one {{ bos_token }}", "bos_token": {"content": "<s>"}}"#,
    );
    assert_eq!(rendered().unwrap(), "one <s>");
    write(
        "tokenizer_config.json",
        r#"{"chat_template": [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "two"}]}"#,
    );
    assert_eq!(rendered().unwrap(), "two");
    write("chat_template.jinja", "three");
    assert_eq!(rendered().unwrap(), "three");
    write("tokenizer_config.json", "{");
    assert!(rendered().unwrap_err().message.contains("tokenizer_config.json"));
}
