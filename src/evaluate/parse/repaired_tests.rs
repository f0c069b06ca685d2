//! What models really write wrong, and what is not repaired.

use super::*;

/// Calls and kinds of repair as text: `name{"a":1} [Marks]`, a dash for none.
fn shown(format: &ToolFormat, reply: &str) -> String {
    let is_tool = |name: &str| matches!(name, "f" | "g" | "날씨.조회");
    let Some(reading) = repaired(format, reply, &is_tool) else {
        return "-".to_owned();
    };
    let mut words: Vec<String> = (reading.calls.iter())
        .map(|call| format!("{}{}", call.name, Value::from(call.arguments.clone())))
        .collect();
    if !reading.repairs.is_empty() {
        words.push(format!("{:?}", reading.repairs));
    }
    words.join(" ")
}

#[test]
fn what_models_write_wrong_is_set_right_and_told() {
    for (reply, expected) in [
        ("<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}\n</tool_call>", r#"f{"x":1}"#),
        ("<tool_call>{\"name\":\"f\",\"arguments\":{\"x\":1}}</tool_call>", r#"f{"x":1} [Place]"#),
        (
            "<tool_call>\n{'name': 'f', 'arguments': {'x': 'it\\'s', 'y': None, 'z': True}}\n</tool_call>",
            r#"f{"x":"it's","y":null,"z":true} [Marks, PythonWords]"#,
        ),
        (
            "<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1,},}\n</tool_call>",
            r#"f{"x":1} [TrailingComma]"#,
        ),
        (
            "<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}\n</tool_call>",
            r#"f{"x":1} [Unclosed]"#,
        ),
        ("<tool_call>{\"name\":\"f\",\"arguments\":{\"x\":1</tool_call>", r#"f{"x":1} [Unclosed]"#),
        ("<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}", r#"f{"x":1} [Unclosed]"#),
        ("<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":\"a\"", r#"f{"x":"a"} [Unclosed]"#),
        (
            "<tool_call>\n{name: \"f\", arguments: {도시: \"아산\"}}\n</tool_call>",
            r#"f{"도시":"아산"} [BareKeys]"#,
        ),
        (
            "<tool_call>\n{\"name\":\"f\", // the tool\n\"arguments\":{\"x\":1}}\n</tool_call>",
            r#"f{"x":1} [Comments]"#,
        ),
        (
            "<tool_call>\n{“name”: “f”, “arguments”: {“x”: “아산”}}\n</tool_call>",
            r#"f{"x":"아산"} [Marks]"#,
        ),
        (
            "<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":\"a\nb\"}}\n</tool_call>",
            r#"f{"x":"a\nb"} [LineBreaks]"#,
        ),
        (
            "<tool_call>\n{\"name\":\"f\",\"arguments\":\"{\\\"x\\\": 1}\"}\n</tool_call>",
            r#"f{"x":1} [ArgumentsText]"#,
        ),
        (
            "<tool_call>\n{\"name\":\"f\",\"arguments\":\"{'x': 1}\"}\n</tool_call>",
            r#"f{"x":1} [ArgumentsText, Marks]"#,
        ),
        (
            "<tool_call>\n{\"name\":\"f\",\"parameters\":{\"x\":1}}\n</tool_call>",
            r#"f{"x":1} [Keys]"#,
        ),
        (
            "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}",
            r#"f{"x":1} [Place, Keys]"#,
        ),
        ("```json\n{'name': 'f', 'arguments': {}}\n```", "f{} [Place, Marks]"),
        ("네: {\"name\":\"f\",\"arguments\":{}} 입니다.", "f{} [Place]"),
        (
            "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"x\": 1}}",
            r#"f{"x":1} [Place, Mark, Keys]"#,
        ),
        (
            "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"x\": 1}}]",
            r#"f{"x":1} [Place, Mark]"#,
        ),
        ("[TOOL_CALLS]f[ARGS]{'x': 1}", r#"f{"x":1} [Place, Mark, Marks]"#),
        ("<function=f>{\"x\": 1,}</function>", r#"f{"x":1} [Place, Mark, TrailingComma]"#),
        (
            "f(x=1, y='a', z=[True, None])",
            r#"f{"x":1,"y":"a","z":[true,null]} [Place, PythonCall]"#,
        ),
        ("[f(x=1), g()]", r#"f{"x":1} g{} [Place, PythonCall]"#),
        (
            "```python\nf(x=1)\ng(y={'a': \"b\"},)\n```",
            r#"f{"x":1} g{"y":{"a":"b"}} [Place, PythonCall]"#,
        ),
        (
            "<|python_tag|>날씨.조회(도시=\"아산\")",
            r#"날씨.조회{"도시":"아산"} [Place, Mark, PythonCall]"#,
        ),
        (
            "<tool_call>\n{'name':'f','arguments':{}}\n</tool_call>\n<tool_call>\n{\"name\":\"g\",\"arguments\":{}}\n</tool_call>",
            "f{} g{} [Marks]",
        ),
    ] {
        assert_eq!(shown(&ToolFormat::Hermes, reply), expected, "{reply}");
    }
}

#[test]
fn nothing_is_guessed() {
    for reply in [
        "",
        "고맙습니다!",
        "{\"name\":\"f\",\"arguments\":{\"x\":1",
        "{\"name\":\"f\",\"arguments\":{\"x\":\"아",
        "{\"name\":\"f\",\"arguments\":{\"x\":",
        "{\"name\":\"f\",\"arguments\":{\"x\":1,",
        "{\"name\":\"f\",\"arguments\":{",
        "{\"name\":\"f\"",
        "{\"name\":\"f\",\"arguments\":null}",
        "{\"name\":\"f\",\"arguments\":{\"x\":NaN}}",
        "{\"name\":\"f\",\"arguments\":{\"x\":서울}}",
        "{\"name\":\"f\",\"arguments\":{\"x\":\"say \"a\" now\"}}",
        "{\"name\":\"f\",\"arguments\":\"\"}",
        "{\"f\": {\"x\": 1}}",
        "f(1)",
        "f(x=y)",
        "f(x={a: 1})",
        "f(x=1, x=2)",
        "f(x=1",
        "h(x=1)",
        "f(x=1) 입니다",
        "쓰려면 f(x=1)",
        "print(f(x=1))",
        "f(x=1) g(y=2)",
        "{'type':'function','function':{'name':'f','parameters':{'type':'object','properties':{}}}}",
    ] {
        assert_eq!(shown(&ToolFormat::Hermes, reply), "-", "{reply}");
    }
}

#[test]
fn what_was_found_before_is_found_as_it_was() {
    for reply in [
        "<tool_call>\n{bad}\n</tool_call>\n<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}\n</tool_call>",
        "```\n[{\"function\":\"f\",\"parameters\":{\"x\":1}}]\n```",
        "{\"tool_calls\":[{\"name\":\"f\",\"arguments\":{\"x\":1}}]}",
        "{\"name\":\"f\",\"arguments\":{\"x\":1}}\n{\"name\":\"g\",\"arguments\":{}}",
        "네. [TOOL_CALLS]f[CALL_ID]VvvODy9mT[ARGS]{\"x\":1}",
    ] {
        let is_tool = |_: &str| false;
        let reading = repaired(&ToolFormat::Hermes, reply, &is_tool).map(|reading| reading.calls);
        assert_eq!(reading, super::super::found(reply), "{reply}");
    }
}

#[test]
fn hostile_replies_are_read_in_bounded_time() {
    let start = std::time::Instant::now();
    let long = 100_000;
    for reply in [
        "[".repeat(long),
        "{".repeat(long),
        "{\"a\":".repeat(long / 5),
        format!("{}{}", "{'a':".repeat(10_000), "}".repeat(10_000)),
        format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
        "{'a':'".repeat(long / 6),
        "{'name':'f','arguments':{".repeat(4_000),
        "[1,".repeat(long / 3),
        "[\",".repeat(long / 3),
        "{a:1,".repeat(long / 5),
        "{/*".repeat(long / 3),
        "<tool_call>{'a':".repeat(long / 16),
        "```{'a':".repeat(long / 8),
        "[ARGS]{'a':".repeat(long / 11),
        "f[ARGS]{'a':1".repeat(long / 13),
        "<function=f>{'a':".repeat(long / 17),
        format!("f({})", "x=[".repeat(long / 3)),
        "f(x=1)\n".repeat(long / 7),
        "f(x=1),".repeat(long / 7) + "!",
        "```python".repeat(long / 9),
        "\\\"arguments\\\":".repeat(long / 15),
        "가".repeat(long),
    ] {
        shown(&ToolFormat::Hermes, &reply);
    }
    // Far above what it takes without optimization on a slow machine, far below what a reading of
    // every bracket to the end would take.
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
