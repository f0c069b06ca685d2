//! Reviewing and editing pairs.

use super::*;
use crate::pair::{Change, ReviewState};
use crate::project::{ExampleId, PassageId};

fn on_curate(language: Language) -> Harness {
    let mut harness = Harness::new(sample(), language);
    harness.keys("2");
    harness
}

fn states(harness: &Harness) -> Vec<ReviewState> {
    harness.world.snapshot.examples.iter().map(|stored| stored.state).collect()
}

#[test]
fn accept_reject_and_undo_move_on_and_come_back() {
    use ReviewState::{Accepted, Draft, Rejected};
    let mut harness = on_curate(English);
    harness.keys("ar");
    let changes: Vec<_> = harness.edits().iter().flat_map(|edit| edit.changes.clone()).collect();
    assert_eq!(
        changes,
        [
            Change::SetState { key: 1, state: Accepted },
            Change::SetState { key: 2, state: Rejected },
        ]
    );
    assert_eq!(states(&harness), [Accepted, Rejected, Accepted, Rejected, Draft]);
    let text = harness.screen(120, 40);
    assert!(text.contains("rejected 1 pair · u undo"), "{text}");
    assert!(text.contains("Pair 5 of 5"), "the next draft is shown: {text}");
    harness.keys("u");
    assert_eq!(states(&harness), [Accepted, Draft, Accepted, Rejected, Draft]);
    assert!(harness.screen(120, 40).contains("undone: rejected 1 pair"));
    harness.keys("<c-r>");
    assert_eq!(states(&harness), [Accepted, Rejected, Accepted, Rejected, Draft]);
    harness.keys("uuu");
    assert_eq!(states(&harness), [Draft, Draft, Accepted, Rejected, Draft]);
    assert!(harness.screen(80, 24).contains("nothing to undo"));
}

#[test]
fn undo_and_redo_show_what_they_changed() {
    let mut harness = on_curate(English);
    harness.keys("a<end>");
    assert!(harness.screen(120, 40).contains("Pair 5 of 5"));
    harness.keys("u");
    let text = harness.screen(120, 40);
    assert!(text.contains("Pair 1 of 5") && text.contains("draft"), "{text}");
    harness.keys("<end><c-r>");
    let text = harness.screen(120, 40);
    assert!(text.contains("Pair 1 of 5") && text.contains("accepted"), "{text}");
    // A pair that comes back is shown as well.
    harness.keys("d<end>u");
    assert!(harness.screen(120, 40).contains("Pair 1 of 5"));
    // Of many, the one that is being looked at stays.
    harness.keys("R<end>u");
    assert!(harness.screen(120, 40).contains("Pair 5 of 5"));
}

#[test]
fn the_passage_scrolls_while_a_pair_is_written_about_it() {
    let mut snapshot = sample();
    let paragraphs: Vec<_> = (1..=60).map(|n| format!("paragraph {n}.")).collect();
    snapshot.passages[1].passage.text = paragraphs.join("\n");
    let mut harness = Harness::new(snapshot, English);
    harness.keys("2iWhat");
    assert!(harness.screen(80, 24).contains("paragraph 1."));
    harness.keys("<pgdn>");
    let text = harness.screen(80, 24);
    assert!(!text.contains("paragraph 1.") && text.contains("paragraph 20."), "{text}");
    assert!(text.contains("What"), "what was typed stays: {text}");
    harness.keys("<pgup>");
    assert!(harness.screen(80, 24).contains("paragraph 1."));
}

#[test]
fn remarks_under_a_narrow_passage_are_not_cut() {
    let mut harness = on_curate(English);
    let text = harness.screen(120, 40);
    assert!(text.contains("pairs about this passage: 2"), "{text}");
    assert!(text.matches("quote found").count() == 2, "{text}");
}

#[test]
fn shortcuts_work_with_a_korean_input_method_on() {
    let mut harness = on_curate(Korean);
    // ㅁ is a, ㄱ is r.
    harness.keys("ㅁㄱ");
    assert_eq!(states(&harness)[..2], [ReviewState::Accepted, ReviewState::Rejected]);
    // 유 was committed from d, b: delete, then back to draft.
    harness.keys("<home>");
    harness.keys("ㅕㅕ");
    assert_eq!(states(&harness)[..2], [ReviewState::Draft, ReviewState::Draft]);
}

#[test]
fn accepting_under_a_filter_stays_on_a_draft() {
    let mut harness = on_curate(English);
    harness.keys("f");
    assert!(harness.screen(120, 40).contains("Drafts"));
    harness.keys("aaa");
    assert_eq!(harness.edits().len(), 3);
    assert!(states(&harness).iter().all(|&state| state != ReviewState::Draft));
    assert!(harness.screen(120, 40).contains("no pair fits this filter"));
}

#[test]
fn all_listed_drafts_are_one_edit() {
    let mut harness = on_curate(Korean);
    harness.keys("R");
    assert_eq!(harness.edits().len(), 1);
    assert_eq!(harness.edits()[0].changes.len(), 3);
    assert!(harness.screen(80, 24).contains("문답 3개를 거절했습니다 · u 되돌리기"));
}

#[test]
fn editing_in_place_replaces_the_answer_and_shows_what_changed() {
    let mut harness = on_curate(Korean);
    harness.keys("e<tab><back><back>넣는다.<c-s>");
    let edits = harness.edits();
    let Change::Replace { key: 1, example } = &edits[0].changes[0] else { panic!("{edits:?}") };
    assert!(example.answer().ends_with("포함합니넣는다."), "{}", example.answer());
    assert_eq!(example.meta.tags, ["하중"], "what is not edited stays");
    harness.keys("w");
    let text = harness.screen(120, 40);
    assert!(text.contains("[-") && text.contains("+}"), "{text}");
    harness.keys("<esc>");
    assert!(!harness.app.is_editing());
}

#[test]
fn the_real_cursor_stands_after_korean_text() {
    let mut harness = on_curate(Korean);
    harness.keys("i");
    let (_, empty) = harness.draw(120, 40);
    let start = empty.expect("the cursor shows in a field");
    harness.keys("건물의 내진");
    let (text, cursor) = harness.draw(120, 40);
    let cursor = cursor.unwrap();
    assert_eq!((cursor.x, cursor.y), (start.x + 11, start.y), "{text}");
    harness.keys("<ret>설계 b");
    let cursor = harness.draw(120, 40).1.unwrap();
    assert_eq!((cursor.x, cursor.y), (start.x + 6, start.y + 1));
    harness.keys("<esc>");
    assert_eq!(harness.draw(120, 40).1, None, "no cursor outside fields");
}

#[test]
fn long_korean_text_wraps_and_the_cursor_follows() {
    let mut harness = on_curate(Korean);
    harness.keys("i<tab>");
    let start = harness.draw(80, 24).1.unwrap();
    harness.keys(&"내진설계기준".repeat(12));
    let cursor = harness.draw(80, 24).1.unwrap();
    assert!(cursor.y > start.y && cursor.x < 80 && cursor.y < 24, "{cursor:?}");
}

#[test]
fn a_new_pair_belongs_to_the_passage_beside_it() {
    let mut harness = on_curate(Korean);
    harness.keys("i새 질문<tab>새 답변<c-s>");
    let Change::Insert { passage, state, example, .. } = &harness.edits()[0].changes[0] else {
        panic!("an insertion")
    };
    assert_eq!((*passage, *state), (Some(2), ReviewState::Accepted));
    assert_eq!(example.meta.document.as_deref(), Some("건축구조기준.pdf"));
    assert_eq!((example.meta.page, example.meta.language), (Some(23), Some(Korean)));
    assert!(harness.screen(120, 40).contains("새 질문"));
    assert!(harness.screen(120, 40).contains("문답 6/6"), "the new pair is selected");
}

#[test]
fn an_empty_answer_is_refused_and_typing_goes_on() {
    let mut harness = on_curate(English);
    harness.keys("iA question<c-s>");
    assert!(harness.edits().is_empty() && harness.app.is_editing());
    assert!(harness.screen(80, 24).contains("the answer is empty"));
}

#[test]
fn what_was_typed_survives_leaving_and_a_crash() {
    let mut harness = on_curate(Korean);
    harness.keys("e!!");
    assert!(harness.app.wants_ticks());
    harness.tick(1);
    // The program dies here; the next one starts from what was kept.
    let mut next = Harness::new(harness.world.snapshot.clone(), Korean);
    next.keys("2<tab>");
    assert!(next.screen(120, 40).contains("저장하지 않은 글이 있습니다"));
    next.keys("e<c-s>");
    assert!(next.world.snapshot.examples[0].example.question().ends_with("!!"));
    assert!(next.world.snapshot.unsent[0].1 == "{}");
    // Leaving with Esc keeps it too; leaving unchanged keeps nothing.
    harness.keys("<esc>");
    assert!(harness.screen(120, 40).contains("쓰던 글을 남겨 두었습니다"));
    next.keys("e<esc>");
    assert!(next.world.snapshot.unsent[0].1 == "{}");
}

#[test]
fn the_outside_editor_gets_and_gives_both_texts() {
    let mut harness = on_curate(Korean);
    harness.keys("E");
    let Some(Effect::EditOutside(text)) = harness.effects.last() else { panic!("no editor") };
    let changed = text.replace("25 %", "20 %");
    harness.send(Message::EditedOutside(changed));
    assert!(harness.world.snapshot.examples[0].example.answer().contains("20 %"));
    assert!(!harness.app.is_editing());
    harness.keys("E");
    harness.send(Message::EditedOutside("no divider".to_owned()));
    assert!(harness.app.is_editing(), "nothing is lost");
    assert!(harness.screen(120, 40).contains("no divider"));
}

#[test]
fn search_by_initial_consonants_and_back() {
    let mut harness = on_curate(Korean);
    harness.keys("/ㅈㄱㅎㅈ");
    let text = harness.screen(120, 40);
    assert!(text.contains("조경하중") && !text.contains("valve types"), "{text}");
    harness.keys("<ret><esc>");
    assert!(harness.screen(120, 40).contains("valve"));
}

#[test]
fn uncovered_pages_are_found_and_shown_alone() {
    let mut harness = on_curate(English);
    harness.keys("N");
    let text = harness.screen(120, 40);
    assert!(text.contains("0101.1.2"), "page 1 has only a rejected pair: {text}");
    assert!(text.contains("no pair about this passage"), "{text}");
    harness.keys("i새 질문<tab>답<c-s>");
    assert_eq!(harness.world.snapshot.examples.last().unwrap().passage, Some(PassageId(1)));
    harness.keys("N");
    assert!(harness.screen(120, 40).contains("every page has a pair"));
}

#[test]
fn delete_duplicate_and_draft() {
    let mut harness = on_curate(English);
    harness.keys("dD");
    assert_eq!(harness.edits()[0].changes, [Change::Delete { key: 1 }]);
    assert!(matches!(
        harness.edits()[1].changes[0],
        Change::Insert { state: ReviewState::Draft, .. }
    ));
    harness.keys("g");
    let Some(Effect::Spawn(_, spec)) = harness.effects.last() else { panic!("no job") };
    let crate::job::JobSpec::Draft { passages, count: 3, source } = spec else {
        panic!("{spec:?}")
    };
    assert_eq!(passages.len(), 1);
    assert!(
        matches!(source, crate::job::DraftSource::Embedded { model } if model == "qwen2.5-1.5b")
    );
    assert!(harness.world.snapshot.examples.iter().all(|stored| stored.id != ExampleId(1)));
}

#[test]
fn commands_without_a_pair_say_why() {
    let mut harness = Harness::new(Project::default(), English);
    harness.keys("2a");
    assert!(harness.effects.is_empty());
    assert!(harness.screen(80, 24).contains("not available now: no pair is selected"));
}

fn example(harness: &Harness, id: i64) -> crate::pair::Example {
    let stored = harness.world.snapshot.examples.iter();
    stored.clone().find(|stored| stored.id == ExampleId(id)).unwrap().example.clone()
}

#[test]
fn marked_pairs_are_judged_tagged_and_scored_together() {
    let mut harness = on_curate(English);
    harness.keys("m<down>m");
    assert!(harness.screen(120, 40).contains("2 marked"));
    harness.keys("a");
    assert_eq!(harness.edits().last().unwrap().changes.len(), 1, "the third is accepted already");
    assert_eq!(states(&harness)[0], ReviewState::Accepted);
    harness.keys("<home>mmt검토, -하중<ret>");
    assert_eq!(example(&harness, 1).meta.tags, ["검토"]);
    assert_eq!(example(&harness, 2).meta.tags, ["검토"]);
    assert_eq!(example(&harness, 3).meta.tags, ["하중"]);
    harness.keys("+++");
    assert_eq!(example(&harness, 1).meta.score, Some(3));
    harness.keys("<a-5>");
    assert_eq!(example(&harness, 2).meta.score, Some(5));
    harness.keys("<a-0>");
    assert_eq!(example(&harness, 2).meta.score, None);
    harness.keys("uuuuuu");
    assert_eq!(example(&harness, 2).meta.tags, ["하중"], "all of it is undone");
    // Escape takes the marks away before it touches filters.
    harness.keys("<esc>");
    assert!(!harness.screen(120, 40).contains("marked"));
}

#[test]
fn all_that_is_listed_can_be_marked_and_a_stretch_of_it() {
    let mut harness = on_curate(Korean);
    harness.keys("MR");
    harness.keys("<esc><home>m<end>V");
    assert!(harness.screen(120, 40).contains("표시 5"));
    harness.keys("r");
    assert!(states(&harness).iter().all(|state| *state == ReviewState::Rejected));
    harness.keys("md");
    assert_eq!(harness.world.snapshot.examples.len(), 4);
    harness.keys("u");
    assert_eq!(harness.world.snapshot.examples.len(), 5);
}

#[test]
fn tags_of_one_pair_are_replaced() {
    let mut harness = on_curate(Korean);
    harness.keys("t, 내진<ret>");
    assert_eq!(example(&harness, 1).meta.tags, ["하중", "내진"]);
    harness.keys("t<c-u><ret>");
    assert!(example(&harness, 1).meta.tags.is_empty());
}

#[test]
fn pairs_become_a_conversation_and_pairs_again() {
    let mut harness = on_curate(English);
    harness.keys("J");
    assert_eq!(harness.world.snapshot.examples.len(), 4);
    let merged = example(&harness, 1);
    assert_eq!(merged.messages.len(), 4);
    assert!(harness.screen(120, 40).contains("merged 2 pairs into one conversation · u undo"));
    harness.keys("<home>s");
    assert_eq!(harness.world.snapshot.examples.len(), 5);
    assert_eq!(example(&harness, 1).messages.len(), 2);
    harness.keys("uu");
    assert_eq!(harness.world.snapshot.examples.len(), 5);
    harness.keys("<home>s");
    assert!(harness.screen(120, 40).contains("one question only"));
    harness.keys("<home>mmD");
    assert_eq!(harness.world.snapshot.examples.len(), 7);
}

#[test]
fn the_search_line_takes_fields_expressions_and_orders() {
    let mut harness = on_curate(English);
    for (query, shown) in [
        ("state:draft", 3),
        ("/\\d kN/", 2),
        ("tag:하중 page:23", 2),
        ("ㅊㄱ", 1),
        ("-state:draft kind:single", 2),
    ] {
        harness.keys(&format!("/<c-u>{query}<ret>"));
        let text = harness.screen(120, 40);
        assert!(text.contains(&format!("Pair 1 of {shown}")), "{query}: {text}");
    }
    harness.keys("/<c-u>sort:-len<ret>");
    assert!(harness.screen(120, 40).contains("Pair 1 of 5"));
    harness.keys("/<c-u>/(/<ret>");
    assert!(harness.screen(120, 40).contains("not understood: /(/"));
}

#[test]
fn conversations_are_typed_turn_by_turn() {
    let mut harness = on_curate(English);
    harness.keys("e<c-n>그럼 병실은?<tab>2.0 kN/m²이다.<c-o>짧게 답하라.<c-s>");
    let edited = example(&harness, 1);
    let roles: Vec<_> = edited.messages.iter().map(|turn| turn.role.as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user", "assistant"]);
    assert_eq!(edited.messages[0].content, "짧게 답하라.");
    assert_eq!(edited.question(), "그럼 병실은?");
    // An exchange that was left empty is not kept.
    harness.keys("e<c-n><c-s>");
    assert_eq!(example(&harness, 1).messages.len(), 5);
    let text = harness.screen(120, 40);
    assert!(text.contains("짧게 답하라.") && text.contains("그럼 병실은?"), "{text}");
    harness.keys("u");
    assert_eq!(example(&harness, 1).messages.len(), 2);
}

#[test]
fn an_answer_is_split_at_the_cursor() {
    let mut harness = on_curate(English);
    harness.keys("e<tab><c-k>");
    assert!(harness.screen(120, 40).contains("put the cursor inside"));
    let before = example(&harness, 1).answer().to_owned();
    harness.keys("<left><left><left><left><left><left><c-k>");
    let (kept, split) = (example(&harness, 1), example(&harness, 6));
    assert_eq!(
        format!("{}{}", kept.answer(), split.answer()).replace(' ', ""),
        before.replace(' ', "")
    );
    assert_eq!(split.question(), kept.question());
    assert_eq!(states(&harness)[5], ReviewState::Draft);
    harness.keys("u");
    assert_eq!(example(&harness, 1).answer(), before, "one step back undoes both");
    assert_eq!(harness.world.snapshot.examples.len(), 5);
}

#[test]
fn the_coverage_map_leads_to_the_holes() {
    let mut harness = on_curate(English);
    harness.keys("c");
    let text = harness.screen(120, 40);
    assert!(text.contains("pages with accepted pairs 1/3 (33 %)"), "{text}");
    assert!(text.contains("0306.5"), "{text}");
    harness.keys("<home>n");
    harness.keys("<ret>");
    let text = harness.screen(120, 40);
    assert!(text.contains("p. 23") || text.contains("0306.4"), "{text}");
    harness.keys("ch");
    assert!(!harness.screen(120, 40).contains("0306.5 "), "covered clauses are hidden");
    for (columns, rows) in [(60, 16), (80, 24)] {
        assert!(harness.screen(columns, rows).contains("n next hole"));
    }
}

#[test]
fn filters_are_kept_under_names() {
    let mut harness = on_curate(English);
    harness.keys("F");
    assert!(harness.screen(120, 40).contains("no saved filters"));
    harness.keys("/tag:하중 state:draft<c-s>초안 하중<ret>");
    assert!(harness.world.kept["filters"].contains("초안 하중"));
    harness.keys("<esc>");
    assert!(harness.screen(120, 40).contains("Pair 1 of 5"));
    harness.keys("F");
    assert!(harness.screen(120, 40).contains("tag:하중 state:draft"));
    harness.keys("<ret>");
    assert!(harness.screen(120, 40).contains("Pair 1 of 3"));
    harness.keys("S<down><down><ret>");
    let text = harness.screen(120, 40);
    assert!(text.contains("sort:len"), "{text}");
    harness.keys("S<down><ret>/");
    assert!(harness.screen(120, 40).contains("sort:-len"));
    harness.keys("<esc>");
    harness.keys("Fd");
    assert_eq!(harness.world.kept["filters"], "[]");
}

fn weather() -> crate::pair::Tool {
    serde_json::from_value(serde_json::json!({
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                    "days": {"type": "integer"},
                },
                "required": ["city"],
            },
        },
    }))
    .unwrap()
}

#[test]
fn tools_are_written_chosen_and_called_by_form() {
    let mut harness = on_curate(English);
    harness.keys("T");
    assert!(harness.screen(120, 40).contains("no tools yet"));
    harness.keys("e");
    assert!(matches!(harness.effects.last(), Some(Effect::EditOutside(text)) if text == "[]"));
    harness.send(Message::EditedOutside("[{".to_owned()));
    assert!(harness.screen(120, 40).contains("tools must be a JSON list"));
    harness.keys("Te");
    let library = serde_json::to_string(&[weather()]).unwrap();
    harness.send(Message::EditedOutside(library));
    assert!(harness.world.kept["tools"].contains("get_weather"));
    harness.keys("T <ret>");
    assert_eq!(example(&harness, 1).tools, [weather()]);

    // The call: required argument missing, then right, then in the answer.
    harness.keys("e<tab><c-t>");
    let text = harness.screen(120, 40);
    assert!(text.contains("*city") && text.contains("celsius | fahrenheit"), "{text}");
    assert!(text.contains("! ") && text.contains("required"), "{text}");
    harness.keys("서울<down><right><down>two");
    assert!(harness.screen(120, 40).contains("days"), "the fault names its argument");
    harness.keys("<back><back><back>2");
    assert!(harness.screen(120, 40).contains("valid by the schema"));
    harness.keys("<ret><c-s>");
    let call = example(&harness, 1);
    let call = &call.messages[1].tool_calls[0].function;
    let expected = serde_json::json!({"city": "서울", "unit": "celsius", "days": 2});
    assert_eq!(
        (call.name.as_str(), serde_json::Value::from(call.arguments.clone())),
        ("get_weather", expected)
    );

    // The same form again changes it in place.
    harness.keys("e<tab><c-t><c-u>부산<ret>");
    harness.keys("<c-s>");
    assert_eq!(example(&harness, 1).messages[1].tool_calls.len(), 1);
    assert_eq!(example(&harness, 1).messages[1].tool_calls[0].function.arguments["city"], "부산");
}

#[test]
fn what_is_typed_is_checked_as_it_is_typed() {
    let mut snapshot = sample();
    let call = crate::pair::ToolCall::new("call_1", "get_weather", serde_json::Map::new());
    let first = &mut snapshot.examples[0].example;
    (first.tools, first.messages[1]) = (vec![weather()], crate::pair::Message::calls(vec![call]));
    let mut harness = Harness::new(snapshot, English);
    harness.keys("2e<tab> ");
    let text = harness.screen(120, 40);
    assert!(text.contains("! message 2: arguments of `get_weather`"), "{text}");
}

#[test]
fn a_system_prompt_is_given_to_all_that_are_marked() {
    let mut harness = on_curate(Korean);
    harness.keys("mmP기준에 따라 답하라.<ret>");
    assert_eq!(example(&harness, 1).system(), "기준에 따라 답하라.");
    assert_eq!(example(&harness, 2).system(), "기준에 따라 답하라.");
    assert_eq!(example(&harness, 3).system(), "");
    harness.keys("u");
    assert_eq!(example(&harness, 1).messages.len(), 2);
}

#[test]
fn a_call_below_a_blank_line_is_changed_in_its_place() {
    let call = |city: &str| {
        let arguments = serde_json::Map::from_iter([("city".to_owned(), city.into())]);
        crate::pair::ToolCall::new(format!("call_{city}"), "get_weather", arguments)
    };
    let mut snapshot = sample();
    let first = &mut snapshot.examples[0].example;
    first.tools = vec![weather()];
    first.messages[1] = crate::pair::Message::calls(vec![call("서울"), call("부산")]);
    let mut harness = Harness::new(snapshot, English);
    // A blank line between the two calls; the cursor is on the second.
    harness.keys("2e<tab><home><ret><c-t><c-u>대구<ret><c-s>");
    let edited = example(&harness, 1);
    let cities: Vec<_> =
        edited.calls().map(|call| call.function.arguments["city"].clone()).collect();
    assert_eq!(cities, ["서울", "대구"]);
}
