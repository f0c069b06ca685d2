//! The quirks of BFCL's checker as a table: those taken over and those not.

use serde_json::json;

use unicode_normalization::UnicodeNormalization as _;

use super::*;
use crate::evaluate::case::ExpectedArgument;

fn expected(name: &str, arguments: Value) -> ExpectedCall {
    let Value::Object(arguments) = arguments else {
        panic!("not an object");
    };
    ExpectedCall {
        name: name.to_owned(),
        arguments: arguments
            .into_iter()
            .map(|(name, accepted)| ExpectedArgument {
                name,
                accepted: accepted.as_array().unwrap().clone(),
            })
            .collect(),
    }
}

fn tool(name: &str, properties: &Value, required: &Value) -> Tool {
    let parameters = json!({"type": "object", "properties": properties, "required": required});
    serde_json::from_value(json!({"function": {"name": name, "parameters": parameters}})).unwrap()
}

fn found(name: &str, arguments: &Value) -> Found {
    Found {
        name: Literal::Text(name.to_owned()),
        arguments: super::arguments(arguments.as_object().unwrap()),
    }
}

fn check(expected: &[ExpectedCall], tools: &[Tool], found: &[Found]) -> Result<(), CallError> {
    Expectation::new(expected, tools, Dispatch::Parallel).check(found, Rules::Hone)
}

/// The outcome as it is shown.
fn shown(outcome: Result<(), CallError>) -> String {
    outcome.err().map_or_else(String::new, |error| error.to_string())
}

#[test]
fn one_argument_at_a_time() {
    // (schema of x, acceptable values, value given, outcome: "" or the class of the error)
    let nfd = "서울시".nfd().collect::<String>();
    let text = json!({"type": "string"});
    let integer = json!({"type": "integer"});
    let list = |of: &str| json!({"type": "array", "items": {"type": of}});
    let dict = json!({"type": "dict"});
    let cases: Vec<(&str, Value, Value, Value, &str)> = vec![
        // Taken over from BFCL.
        ("int for float", json!({"type": "float"}), json!([5.0]), json!(5), ""),
        ("int for number", json!({"type": "number"}), json!([5.0]), json!(5), ""),
        ("float for int-valued answer", json!({"type": "number"}), json!([27]), json!(27.0), ""),
        ("float for integer", integer.clone(), json!([5]), json!(5.0), "type"),
        ("float for integer, float answer", integer.clone(), json!([5.0]), json!(5.0), ""),
        ("bool for integer", integer.clone(), json!([1]), json!(true), "type"),
        ("integer for bool", json!({"type": "boolean"}), json!([true]), json!(1), "type"),
        ("text for integer", integer.clone(), json!([5]), json!("5"), "type"),
        ("no tolerance", json!({"type": "float"}), json!([0.1]), json!(0.100_000_000_001), "value"),
        ("marks dropped", text.clone(), json!(["New York, NY"]), json!("new york ny"), ""),
        ("point dropped", text.clone(), json!(["1.5"]), json!("15"), ""),
        ("minus dropped", text.clone(), json!(["-5"]), json!("5"), ""),
        ("Korean space", text.clone(), json!(["서울 시"]), json!("서울시"), ""),
        ("colon kept", text.clone(), json!(["10:30"]), json!("1030"), "value"),
        ("tab kept", text.clone(), json!(["a b"]), json!("a\tb"), "value"),
        ("no-break space kept", text.clone(), json!(["a b"]), json!("a\u{a0}b"), "value"),
        ("full width kept", text.clone(), json!(["ab"]), json!("ａｂ"), "value"),
        ("quotes equal", text.clone(), json!(["it's"]), json!("it\"s"), ""),
        ("empty where listed", text.clone(), json!(["a", ""]), json!("- _"), ""),
        ("empty where not listed", text.clone(), json!(["a"]), json!(""), "value"),
        ("null", text.clone(), json!(["a"]), json!(null), "type"),
        ("null where listed", text.clone(), json!([null]), json!(null), ""),
        ("list order", list("string"), json!([["a", "b"]]), json!(["b", "a"]), "value"),
        ("list strings", list("string"), json!([["A b", "c"]]), json!(["ab", "C"]), ""),
        ("list depth", list("array"), json!([[["A b"]]]), json!([["ab"]]), "value"),
        ("empty list where listed", list("string"), json!([["a"], ""]), json!([]), ""),
        ("empty list", list("string"), json!([["a"]]), json!([]), "value"),
        ("list of mixed", list("integer"), json!([[1, 2]]), json!([1, "2"]), "type"),
        ("text for list", list("string"), json!([["a", "b"]]), json!("a,b"), "type"),
        ("dict numbers", dict.clone(), json!([{"k": [5]}]), json!({"k": 5.0}), ""),
        ("dict bool", dict.clone(), json!([{"k": [1]}]), json!({"k": true}), ""),
        ("dict text", dict.clone(), json!([{"k": ["A b"]}]), json!({"k": "ab"}), ""),
        ("dict extra", dict.clone(), json!([{"k": [5]}]), json!({"k": 5, "l": 1}), "value"),
        ("dict missing", dict.clone(), json!([{"k": [5], "l": [1]}]), json!({"k": 5}), "value"),
        ("dict optional", dict.clone(), json!([{"k": [5], "l": [1, ""]}]), json!({"k": 5}), ""),
        ("dict, answer only omission", dict, json!([""]), json!({}), "value"),
        (
            "list of dicts",
            list("dict"),
            json!([[{"k": [5]}, {"k": ["a"]}]]),
            json!([{"k": 5}, {"k": "A"}]),
            "",
        ),
        ("list of dicts, count", list("dict"), json!([[{"k": [5]}]]), json!([]), "value"),
        ("name in place of a value", integer.clone(), json!(["x_1"]), json!("x_1"), ""),
        ("name, exact case", integer, json!(["x_1"]), json!("X_1"), "value"),
        // Not taken over.
        ("list of float, ints", list("float"), json!([[1.0, 2.0]]), json!([1, 2]), ""),
        ("decomposed Hangul", text.clone(), json!(["서울시"]), json!(nfd), ""),
        ("list of number, ints", list("number"), json!([[1.0, 2.0]]), json!([1, 2]), ""),
        ("no type", json!({}), json!(["a"]), json!("A"), ""),
        ("types in a list", json!({"type": ["string", "null"]}), json!(["a"]), json!("A"), ""),
    ];
    for (what, schema, accepted, value, outcome) in cases {
        let tools = [tool("f", &json!({"x": schema}), &json!(["x"]))];
        let result = check(
            &[expected("f", json!({"x": accepted}))],
            &tools,
            &[found("f", &json!({"x": value}))],
        );
        let class = result.as_ref().err().map_or("", CallError::class);
        assert_eq!(class, outcome, "{what}: {result:?}");
    }
}

#[test]
fn names_and_presence() {
    let tools = [tool(
        "get.weather",
        &json!({"city": {"type": "string"}, "date": {"type": "string"}, "unit": {"type": "string"}}),
        &json!(["city"]),
    )];
    let wanted = expected("get.weather", json!({"city": ["서울"], "date": ["", "오늘"]}));
    let cases = [
        ("get.weather", json!({"city": "서울"}), ""),
        ("get.weather", json!({"city": "서울", "date": "오늘"}), ""),
        ("get.weather", json!({"date": "오늘", "city": "서울"}), ""),
        (
            "get.weather",
            json!({"city": "서울", "date": "내일"}),
            "value: date = \"내일\" for \"오늘\"",
        ),
        ("get.weather", json!({"date": "오늘"}), "missing: city"),
        ("get.weather", json!({"city": "서울", "unit": "C"}), "extra: unit"),
        ("get.weather", json!({"city": "서울", "town": "C"}), "extra: town"),
        ("get_weather", json!({"city": "서울"}), "name: get_weather for get.weather"),
        ("Get.weather", json!({"city": "서울"}), "name: Get.weather for get.weather"),
        ("get.weather ", json!({"city": "서울"}), "name: get.weather  for get.weather"),
    ];
    for (name, arguments, outcome) in cases {
        let result = check(std::slice::from_ref(&wanted), &tools, &[found(name, &arguments)]);
        assert_eq!(shown(result), outcome);
    }
    // Not required by the schema, but its omission is not listed.
    let wanted = expected("get.weather", json!({"city": ["서울"], "date": ["오늘"]}));
    let result = check(&[wanted], &tools, &[found("get.weather", &json!({"city": "서울"}))]);
    assert_eq!(shown(result), "missing: date");
}

#[test]
fn several_calls_are_matched_in_the_best_way() {
    let tools =
        [tool("f", &json!({"x": {"type": "integer"}, "y": {"type": "integer"}}), &json!(["x"]))];
    let wanted = [
        expected("f", json!({"x": [1], "y": [2, ""]})),
        expected("f", json!({"x": [1], "y": [2]})),
    ];
    let both = found("f", &json!({"x": 1, "y": 2}));
    let short = found("f", &json!({"x": 1}));
    // BFCL's greedy matching refuses the first of these and takes the second.
    assert_eq!(check(&wanted, &tools, &[both.clone(), short.clone()]), Ok(()));
    assert_eq!(check(&wanted, &tools, &[short.clone(), both.clone()]), Ok(()));
    assert_eq!(shown(check(&wanted, &tools, &[short.clone(), short.clone()])), "missing: y");
    assert_eq!(shown(check(&wanted, &tools, std::slice::from_ref(&both))), "count: 1 for 2");
    let expectation = Expectation::new(&wanted, &tools, Dispatch::Parallel);
    let greedy = |calls: &[Found]| expectation.check(calls, Rules::Bfcl).is_ok();
    assert!(!greedy(&[both.clone(), short.clone()]) && greedy(&[short.clone(), both.clone()]));
    assert!(expectation.names_equal(&[both.clone(), both.clone()]));
    assert!(!expectation.names_equal(&[both.clone(), found("g", &json!({}))]));
    assert!(!expectation.names_equal(&[both]));
}

#[test]
fn bfcl_differs_where_it_is_said_to() {
    let nfd = "서울".nfd().collect::<String>();
    for (schema, accepted, value) in [
        (json!({"type": "string"}), json!(["서울"]), json!(nfd)),
        (json!({"type": "array", "items": {"type": "float"}}), json!([[1.0, 2.0]]), json!([1, 2])),
    ] {
        let tools = [tool("f", &json!({"x": schema}), &json!(["x"]))];
        let wanted = [expected("f", json!({"x": accepted}))];
        let expectation = Expectation::new(&wanted, &tools, Dispatch::Simple);
        let calls = [found("f", &json!({"x": value}))];
        assert!(expectation.check(&calls, Rules::Hone).is_ok(), "{value}");
        assert!(expectation.check(&calls, Rules::Bfcl).is_err(), "{value}");
    }
}

#[test]
fn exact_match_forgives_nothing() {
    let tools =
        [tool("f", &json!({"x": {"type": "string"}, "n": {"type": "number"}}), &json!(["x"]))];
    let wanted = [expected("f", json!({"x": ["New York", "NY"], "n": [2, ""]}))];
    let expectation = Expectation::new(&wanted, &tools, Dispatch::Parallel);
    for (arguments, exact) in [
        (json!({"x": "New York"}), true),
        (json!({"n": 2.0, "x": "NY"}), true),
        (json!({"x": "new york"}), false),
        (json!({"x": "NY", "n": true}), false),
        (json!({"n": 2}), false),
    ] {
        assert_eq!(expectation.is_exact(&[found("f", &arguments)]), exact, "{arguments}");
    }
}

#[test]
fn arguments_are_counted_one_by_one() {
    let properties =
        json!({"x": {"type": "integer"}, "y": {"type": "string"}, "z": {"type": "string"}});
    let tools = [
        tool("f", &properties, &json!(["x"])),
        tool("g", &json!({"a": {"type": "string"}}), &json!([])),
    ];
    let wanted = [
        expected("f", json!({"x": [1], "y": ["a"], "z": ["b", ""]})),
        expected("g", json!({"a": ["c"]})),
    ];
    let expectation = Expectation::new(&wanted, &tools, Dispatch::Parallel);
    let counts = |calls: &[Found]| {
        let counts = expectation.counts(calls, Rules::Hone);
        [
            counts.expected,
            counts.given,
            counts.right,
            counts.missing,
            counts.extra,
            counts.wrong_type,
            counts.wrong_value,
            counts.wrong_name,
        ]
    };
    let f = |arguments: Value| found("f", &arguments);
    let g = found("g", &json!({"a": "c"}));
    assert_eq!(counts(&[f(json!({"x": 1, "y": "a"})), g.clone()]), [3, 3, 3, 0, 0, 0, 0, 0]);
    assert_eq!(counts(&[f(json!({"x": 1, "y": "a", "z": "b"}))]), [4, 3, 3, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&[f(json!({"x": "1", "y": "q", "w": 1})), g]), [3, 4, 1, 0, 1, 1, 1, 0]);
    assert_eq!(counts(&[found("h", &json!({"x": 1}))]), [3, 1, 0, 3, 1, 0, 0, 1]);
    // The pair with more right arguments is made first.
    let both = [f(json!({"x": 2})), f(json!({"x": 1, "y": "a"}))];
    assert_eq!(counts(&both), [3, 3, 2, 1, 1, 0, 0, 0]);
}
