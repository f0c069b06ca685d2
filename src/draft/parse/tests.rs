use super::*;

/// What is expected of one answer: the pairs as (question, answer, quote), and a part of each
/// reason in order.
struct Case {
    answer: &'static str,
    pairs: &'static [(&'static str, &'static str, &'static str)],
    reasons: &'static [&'static str],
}

#[test]
fn answers_as_models_write_them() {
    let cases = [
        // A bare array.
        Case {
            answer: r#"[{"question": "What is it?", "answer": "A load.", "quote": "It is a load."}]"#,
            pairs: &[("What is it?", "A load.", "It is a load.")],
            reasons: &[],
        },
        // Fenced, with talk around it.
        Case {
            answer: "물론입니다! 아래는 질문입니다.\n```json\n[\n  {\"question\": \"활하중은?\", \"answer\": \"2.5kN/m²\", \"quote\": \"활하중은 2.5kN/m²\"}\n]\n```\n도움이 되었길 바랍니다 {웃음}.",
            pairs: &[("활하중은?", "2.5kN/m²", "활하중은 2.5kN/m²")],
            reasons: &[],
        },
        // JSON lines.
        Case {
            answer: "{\"question\":\"a?\",\"answer\":\"b\",\"quote\":\"c\"}\n{\"question\":\"d?\",\"answer\":\"e\",\"quote\":\"f\"}\n",
            pairs: &[("a?", "b", "c"), ("d?", "e", "f")],
            reasons: &[],
        },
        // An object around the list, as response_format json_object makes models do.
        Case {
            answer: r#"{"pairs": [{"Question": "a?", "Answer": "b", "Quote": "c"}, {"q": "d?", "a": "e"}]}"#,
            pairs: &[("a?", "b", "c"), ("d?", "e", "")],
            reasons: &[],
        },
        // Cut off in the second object.
        Case {
            answer: "```json\n[{\"question\": \"첫째?\", \"answer\": \"예\", \"quote\": \"첫째\"}, {\"question\": \"둘째?\", \"answer\": \"아니",
            pairs: &[("첫째?", "예", "첫째")],
            reasons: &["the last pair of the answer is incomplete: it ends in the middle"],
        },
        // Cut off inside a wrapping object.
        Case {
            answer: r#"{"data": [{"question": "a?", "answer": "b", "quote": "c"}, {"question": "d?", "answer": "e", "quo"#,
            pairs: &[("a?", "b", "c")],
            reasons: &["incomplete"],
        },
        // Cut off before anything is complete.
        Case {
            answer: r#"[{"question": "What load must"#,
            pairs: &[],
            reasons: &["incomplete: it ends in the middle"],
        },
        // Python: single quotes, None, trailing commas, an apostrophe inside.
        Case {
            answer: "[{'question': 'What is the beam's depth?', 'answer': 'It is 300 mm.', 'quote': None,},]",
            pairs: &[("What is the beam's depth?", "It is 300 mm.", "")],
            reasons: &[],
        },
        // Typographic quotation marks, full-width colon.
        Case {
            answer: "[{“question”： “정의는?”, “answer”: “구조물의 무게”, “quote”: “‘고정하중’은 무게이다”}]",
            pairs: &[("정의는?", "구조물의 무게", "‘고정하중’은 무게이다")],
            reasons: &[],
        },
        // Unescaped marks inside a string.
        Case {
            answer: r#"[{"question": "What does "dead load" mean?", "answer": "The weight of "fixed" parts.", "quote": "dead load"}]"#,
            pairs: &[(
                "What does \"dead load\" mean?",
                "The weight of \"fixed\" parts.",
                "dead load",
            )],
            reasons: &[],
        },
        // A line break in a string, wrong escapes, a unicode escape with a surrogate pair.
        Case {
            answer: "[{\"question\": \"first\nsecond?\", \"answer\": \"it\\'s \\_ok\\_ \\ud83d\\ude00\", \"quote\": \"\\uac00\"}]",
            pairs: &[("first\nsecond?", "it's _ok_ 😀", "가")],
            reasons: &[],
        },
        // A forgotten comma between fields and between objects.
        Case {
            answer: "[{\"question\": \"a?\"\n\"answer\": \"b\",\n\"quote\": \"c\"}\n{\"question\": \"d?\", \"answer\": \"e\", \"quote\": \"f\"}]",
            pairs: &[("a?", "b", "c"), ("d?", "e", "f")],
            reasons: &[],
        },
        // Bare keys and a bare number; a list as an answer.
        Case {
            answer: "{question: \"How many?\", answer: 3, quote: \"three\"}\n{\"question\":\"Which?\",\"answer\":[\"x\",\"y\"],\"quote\":[\"x, y\"]}",
            pairs: &[("How many?", "3", "three"), ("Which?", "x\ny", "x, y")],
            reasons: &[],
        },
        // One bad object among good ones.
        Case {
            answer: r#"[{"question": "a?", "answer": "b", "quote": "c"}, {"question" "broken", 7}, {"question": "d?", "answer": "e", "quote": "f"}]"#,
            pairs: &[("a?", "b", "c"), ("d?", "e", "f")],
            reasons: &["a pair is not valid JSON: {\"question\" \"broken\", 7}"],
        },
        // Parts missing.
        Case {
            answer: r#"[{"question": "a?", "answer": ""}, {"answer": "only"}, {"question": null, "answer": null}]"#,
            pairs: &[],
            reasons: &[
                "\"a?\": it has no answer",
                "\"only\": it has no question",
                "a proposed pair: it has neither",
            ],
        },
        // Thoughts before the answer; braces in them do not count.
        Case {
            answer: "<think>{\"question\": \"no\", \"answer\": \"no\"}</think>[{\"question\":\"a?\",\"answer\":\"b\"}]",
            pairs: &[("a?", "b", "")],
            reasons: &[],
        },
        Case {
            answer: "I should think…</think>\n[{\"question\":\"a?\",\"answer\":\"b\"}]",
            pairs: &[("a?", "b", "")],
            reasons: &[],
        },
        Case { answer: "<think>I wonder", pairs: &[], reasons: &["only thought aloud"] },
        // Labelled lines, English and Korean, with decoration.
        Case {
            answer: "Here you go:\n\n1. **Question:** What is it?\n   **Answer:** A load\nthat stays.\n   **Quote:** \"It is a load.\"\n\nQ2: When?\nA2: Always.\n",
            pairs: &[
                ("What is it?", "A load that stays.", "It is a load."),
                ("When?", "Always.", ""),
            ],
            reasons: &[],
        },
        Case {
            answer: "질문 1: 사무실의 활하중은?\n답변: 2.5kN/m²입니다.\n근거: 「사무실 2.5」\n\n질문 2： 정의는?\n답： 무게\n인용문: 무게를 말한다",
            pairs: &[
                ("사무실의 활하중은?", "2.5kN/m²입니다.", "사무실 2.5"),
                ("정의는?", "무게", "무게를 말한다"),
            ],
            reasons: &[],
        },
        // Nothing at all, in several ways.
        Case { answer: " \n", pairs: &[], reasons: &["the model's answer is empty"] },
        Case { answer: "```json\n[]\n```", pairs: &[], reasons: &["empty list"] },
        Case {
            answer: "죄송하지만 이 본문으로는 질문을 만들 수 없습니다.",
            pairs: &[],
            reasons: &["begins \"죄송하지만 이 본문으로는 질문을 만들 수 없습니다.\""],
        },
        Case {
            answer: "[\"What is load?\", \"When?\"]",
            pairs: &[],
            reasons: &["no JSON with a question and an answer"],
        },
        Case { answer: "{\"foo\": 1}", pairs: &[], reasons: &["no JSON with a question"] },
    ];
    for case in cases {
        let found = proposals(case.answer, None);
        let pairs: Vec<(&str, &str, &str)> = found
            .proposals
            .iter()
            .map(|p| (p.question.as_str(), p.answer.as_str(), p.quote.as_str()))
            .collect();
        assert_eq!(pairs, case.pairs, "{}\n{:?}", case.answer, found.refused);
        assert_eq!(found.refused.len(), case.reasons.len(), "{}: {:?}", case.answer, found.refused);
        for (reason, part) in found.refused.iter().zip(case.reasons) {
            assert!(reason.contains(part), "{reason}");
        }
    }
}

#[test]
fn the_token_limit_is_named_where_it_cut() {
    for (answer, part) in [
        ("", "empty: it was cut off at its limit of 300 tokens"),
        ("<think>well", "no answer: it was cut off at its limit of 300 tokens"),
        ("I would say that the", "the\"; it was cut off at its limit of 300 tokens"),
        ("[{\"question\": \"a", "incomplete: it was cut off at its limit of 300 tokens"),
    ] {
        let found = proposals(answer, Some(300));
        assert!(found.proposals.is_empty());
        assert_eq!(found.refused.len(), 1, "{:?}", found.refused);
        assert!(found.refused[0].contains(part), "{}", found.refused[0]);
    }
}

#[test]
fn long_text_without_json_is_shown_in_eighty_characters() {
    let found = proposals(&"가나다 ".repeat(200), None);
    assert!(found.refused[0].chars().filter(|c| *c == '가').count() == 20);
    assert!(found.refused[0].ends_with("…\""));
}

#[test]
fn hostile_answers_end_soon_and_with_a_reason() {
    let started = std::time::Instant::now();
    for answer in [
        "{".repeat(200_000),
        "[".repeat(200_000),
        "{\"a".repeat(60_000),
        "{\"a\":".repeat(60_000),
        "{\"a\":[".repeat(60_000),
        "\"\\u".repeat(60_000),
        "<think>".repeat(30_000),
        "{'question': '".repeat(20_000),
        "Q:".repeat(60_000),
        "\u{0}\u{fffd}".repeat(10_000),
    ] {
        let found = proposals(&answer, None);
        assert!(found.proposals.is_empty());
        assert!(!found.refused.is_empty());
        assert!(found.refused.iter().all(|reason| reason.chars().count() < 300));
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

proptest::proptest! {
    #[test]
    fn no_answer_is_without_result_or_reason(
        answer in r#"([\[\]{}:,"'“” \\n]|question|answer|quote|질문|Q:|A:|가|x|\\u12|<think>|</think>){0,60}"#
    ) {
        let found = proposals(&answer, None);
        proptest::prop_assert!(!found.proposals.is_empty() || !found.refused.is_empty());
    }

    #[test]
    fn a_cut_array_keeps_every_complete_object(cut in 0_usize..=300) {
        let whole: Vec<Value> = (0..4)
            .map(|i| serde_json::json!({"question": format!("{i}번 하중은?"), "answer": format!("답 {i}"), "quote": "값"}))
            .collect();
        let text = serde_json::to_string(&whole).unwrap();
        let cut = text.char_indices().map(|(i, _)| i).chain([text.len()]).nth(cut).unwrap_or(text.len());
        let complete = text[..cut].matches('}').count();
        let found = proposals(&text[..cut], None);
        proptest::prop_assert_eq!(found.proposals.len(), complete);
        for (i, proposal) in found.proposals.iter().enumerate() {
            proptest::prop_assert_eq!(&proposal.question, &format!("{i}번 하중은?"));
        }
    }
}
