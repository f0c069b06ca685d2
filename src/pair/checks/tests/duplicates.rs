//! Pairs that ask one thing in other words, and pairs that only look so.

use super::*;

#[test]
fn other_words_for_one_question_are_told_from_other_questions_with_one_answer() {
    for (a, b, same) in [
        (
            ["로그는 며칠 동안 보관하나?", "90일이다."],
            ["로그의 보관 기간은?", "90일 동안 보관한다."],
            true,
        ),
        (["로그는 며칠 동안 보관하나?", "90일이다."], ["백업의 보관 기간은?", "90일이다."], false),
        (["로그의 보관 기간은?", "90일이다."], ["로그의 전송 주기는?", "90일이다."], false),
        (
            ["비상구의 최소 너비는?", "1.2 m이다."],
            ["비상구는 너비가 얼마 이상이어야 하나?", "120 cm 이상이다."],
            true,
        ),
        (["복도의 최소 너비는?", "1.2 m이다."], ["비상구의 최소 너비는?", "1.2 m이다."], false),
        (["비상구의 최소 너비는?", "1.2 m이다."], ["비상구의 최대 너비는?", "1.2 m이다."], false),
        (["비상구의 최소 너비는?", "1.2 m이다."], ["비상구의 최소 너비는?", "1.5 m이다."], true),
        (
            ["접수 신청은 언제부터 하나?", "3월 2일이다."],
            ["접수 신청은 언제까지 하나?", "3월 2일이다."],
            false,
        ),
        (["착공 신고 기한은?", "30일이다."], ["준공 신고 기한은?", "30일이다."], false),
        (
            ["기둥 콘크리트의 강도는?", "27 MPa이다."],
            ["바닥 콘크리트의 강도는?", "27 MPa이다."],
            false,
        ),
        (
            ["승강기 점검 주기는?", "1년이다."],
            ["엘리베이터는 얼마마다 점검하나?", "12개월마다 한다."],
            true,
        ),
        (
            ["승강기 점검 주기는?", "1년이다."],
            ["승강기 점검을 하지 않는 주기는?", "1년이다."],
            false,
        ),
        (["2층 승강기 점검 주기는?", "1년이다."], ["3층 승강기 점검 주기는?", "1년이다."], false),
        (
            ["Who signs the site log?", "The foreman."],
            ["Which person signs the site log?", "The foreman does."],
            true,
        ),
        (
            ["Who signs the site log?", "The foreman."],
            ["Who keeps the site log?", "The foreman."],
            false,
        ),
        (
            ["How long are site logs kept?", "90 days."],
            ["For what period are site logs kept?", "For 90 days."],
            true,
        ),
        (
            ["How long are site logs kept?", "90 days."],
            ["How long are site badges kept?", "90 days."],
            false,
        ),
        (["May visitors enter the yard?", "Yes."], ["May visitors leave the yard?", "Yes."], false),
        (
            ["What is the minimum slope of the roof?", "2 %."],
            ["What is the maximum slope of the roof?", "2 %."],
            false,
        ),
        (
            ["When does the night shift start work?", "22:00."],
            ["When does the night shift end work?", "22:00."],
            false,
        ),
    ] {
        let two = [pair(a[0], a[1]), pair(b[0], b[1])];
        assert_eq!(!similar::similar(&two).is_empty(), same, "{} / {}", a[0], b[0]);
    }
}
