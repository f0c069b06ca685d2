//! Wordings of refusals, of languages and of personal data that a careful reader tells apart.

use super::*;

fn kinds(question: &str, answer: &str, quote: &str, page: &str) -> Vec<Kind> {
    let mut example = pair(question, answer);
    example.meta.quote = (!quote.is_empty()).then(|| quote.to_owned());
    let page = Some(page).filter(|page| !page.is_empty());
    findings(&example, Source { page, tokens: None }).iter().map(|finding| finding.kind).collect()
}

#[test]
fn refusals_are_told_from_answers_in_the_same_words() {
    let (korean, english) = ("주기는 제조사가 정한다.", "The maker sets the interval.");
    for (answer, refuses) in [
        ("본문에 나와 있지 않습니다.", true),
        ("해당 내용은 문서에서 찾을 수 없습니다.", true),
        ("제공된 자료만으로는 판단할 수 없습니다.", true),
        ("이 글에는 그에 대한 언급이 없습니다.", true),
        ("질문하신 내용은 지문에서 다루고 있지 않습니다.", true),
        ("주어진 정보로는 정확히 답변하기 어렵습니다.", true),
        ("죄송합니다만, 관련 정보가 없어 답변을 드릴 수 없습니다.", true),
        ("잘 모르겠습니다.", true),
        ("문서에 관련 규정이 없습니다.", true),
        ("알 수 없습니다. 문서에 적혀 있지 않아요.", true),
        ("저는 인공지능이라 그 질문에는 답해 드릴 수 없어요.", true),
        ("본문에는 과태료에 대한 내용이 없어 확인이 어렵습니다.", true),
        ("자료에 명시되어 있지 않아 알려 드리기 어렵습니다.", true),
        ("정보가 부족합니다. 본문만으로는 정보가 부족하여 답할 수 없습니다.", true),
        ("주기를 알 수 없는 경우에는 2,000시간마다 바꾼다.", false),
        ("문서에 명시되지 않은 사항은 위원회가 정한다.", false),
        ("승인 없이는 건축물을 사용할 수 없습니다.", false),
        ("도면에 표시되지 않은 배관은 옮길 수 없다.", false),
        ("서명이 없는 문서는 효력이 없습니다.", false),
        ("문서에 서명이 없으면 효력이 없다.", false),
        ("본문에 적혀 있지 않은 치수는 감리자가 정한다.", false),
        ("개인정보는 동의 없이 제공할 수 없습니다.", false),
        ("아니요. 기한이 지난 신청서는 접수할 수 없습니다.", false),
        ("상담원은 죄송하다고 말하고 담당자에게 넘긴다.", false),
        ("자료가 부족하면 다시 제출한다.", false),
        ("환불이 어렵습니다.", false),
    ] {
        let found = kinds("윤활유는 얼마마다 바꾸나?", answer, korean, "").contains(&Kind::Refusal);
        assert_eq!(found, refuses, "{answer}");
    }
    for (answer, refuses) in [
        ("The passage doesn't say.", true),
        ("The text does not specify how often this is done.", true),
        ("This is not mentioned in the document.", true),
        ("I'm afraid I can't answer that from the text provided.", true),
        ("I cannot determine this from the given passage.", true),
        ("Unfortunately, that information is not provided.", true),
        ("There is no information about this in the passage.", true),
        ("Nothing in the text answers this.", true),
        ("Sorry, I don't know.", true),
        ("It is not possible to say from the passage.", true),
        ("The answer cannot be determined from the document.", true),
        ("I do not have enough information to answer.", true),
        ("Based on the passage, it is unclear.", true),
        ("No details on this are given in the document.", true),
        ("I was not able to find an answer in the text.", true),
        ("The provided context contains no information on fees.", true),
        ("I’m unable to help with that.", true),
        ("As an AI, I cannot answer that question.", true),
        ("The building cannot be used without approval.", false),
        ("If the document does not state an interval, every 2,000 hours.", false),
        ("Matters that are not covered in this document are decided by the committee.", false),
        ("No. The bolts cannot be used twice.", false),
        ("It is not possible to open the valve from outside.", false),
        ("The contractor does not provide scaffolding.", false),
        ("Say \"I cannot help you with that\" and hang up.", false),
        ("No data is kept after 90 days.", false),
        ("Documents that do not contain a date are sent back.", false),
        ("The sender is told that the address cannot be found.", false),
        ("That it is an AI and cannot give legal advice.", false),
        ("The worker says that he does not know the code.", false),
    ] {
        let question = "How often is the oil changed?";
        let found = kinds(question, answer, english, "").contains(&Kind::Refusal);
        assert_eq!(found, refuses, "{answer}");
    }
    // In conversation it may be right to decline, and not to know.
    assert!(kinds("How do I pick a lock?", "I can't help with breaking in.", "", "").is_empty());
    assert!(
        kinds("옆집 와이파이를 훔쳐 쓰려면?", "범죄라 도와드릴 수 없습니다.", "", "").is_empty()
    );
}

#[test]
fn people_are_told_from_desks_and_numbers_of_things() {
    for (question, answer, personal) in [
        ("연락처는?", "01023456789입니다.", true),
        ("연락처는?", "010 2345 6789로 전화하세요.", true),
        ("연락처는?", "+821023456789", true),
        ("연락처는?", "+82-10-2345-6789", true),
        ("연락처는?", "016-234-5678", true),
        ("집 전화는?", "(031) 765-4321", true),
        ("What is her number?", "02-345-6789", true),
        ("주민등록번호는?", "9001011234568", true),
        ("카드번호는?", "4111-1111-1111-1111", true),
        ("Which card?", "378282246310005", true),
        ("Which card?", "Card 5555555555554444.", true),
        ("누구에게 보내나?", "minsu.han@naver.com으로 보낸다.", true),
        ("대표전화는?", "02-555-0100이다.", false),
        ("고객센터 번호는?", "1588-0000이다.", false),
        ("어디로 전화하나?", "고객센터 02-555-0100으로 한다.", false),
        ("Where do I write?", "To support@acme.co.kr.", false),
        ("Where is it cloned from?", "git@github.com:acme/gauge.git", false),
        ("카드번호는?", "4111-1111-1111-1112", false),
        ("식별자는?", "2026030112345678", false),
        ("제품번호는?", "8801-2345-6789-0123", false),
        ("사업자등록번호는?", "123-45-67890", false),
        ("문의는?", "010-****-5678", false),
        ("주민등록번호는?", "900101-*******", false),
        ("계좌는?", "110-123-456789", false),
    ] {
        let found = kinds(question, answer, "", "").contains(&Kind::PersonalData);
        assert_eq!(found, personal, "{question} {answer}");
    }
}

#[test]
fn a_pair_stays_in_the_language_of_its_page_unless_asked_otherwise() {
    let korean = "필터는 차압이 250 Pa에 이르면 바꾸며, 점검 기록은 5년 동안 보관한다.";
    let english = "Filters are changed when the pressure drop reaches 250 Pa, and records are kept for years.";
    for (question, answer, page, wrong) in [
        ("필터는 언제 바꾸나?", "차압이 250 Pa에 이르면 바꾼다.", korean, false),
        ("When are filters changed?", "At a pressure drop of 250 Pa.", english, false),
        ("필터는 언제 바꾸나?", "차압이 250 Pa에 이르면 바꾼다.", english, true),
        ("When are filters changed?", "At 250 Pa.", korean, true),
        ("필터는 언제 바꾸나?", "At a drop of 250 Pa.", korean, true),
        ("When are filters changed?", "250 Pa일 때.", english, false),
        ("When are filters changed?", "차압이 250 Pa일 때 바꾼다.", english, true),
        ("필터 차압은?", "250 Pa", korean, false),
        ("필터는 무슨 등급인가?", "MERV 13", korean, false),
        ("What does 차압 mean in English?", "Pressure drop.", korean, false),
        ("Translate into Korean: filters are changed.", "필터를 바꾼다.", english, false),
        ("What does the building code ask for?", "기록을 5년 동안 보관하라고 한다.", english, true),
    ] {
        let found = kinds(question, answer, "", page).contains(&Kind::WrongLanguage);
        assert_eq!(found, wrong, "{question} {answer}");
    }
    // A page in both languages.
    let both = format!("{english} {english} 필터는 차압이 250 Pa에 이르면 바꾼다.");
    let quote = "필터는 차압이 250 Pa에 이르면 바꾼다.";
    let found = kinds("필터는 언제 바꾸나?", "차압이 250 Pa에 이르면 바꾼다.", quote, &both);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn quotes_are_found_in_other_typography_but_not_with_words_left_out() {
    let page = "안전관리자는 매일 2회 이상\n현장을 순회하고, “위험 표지”를 확인하여야 한다.";
    for (quote, found) in [
        ("안전관리자는 매일 2회 이상 현장을 순회하고", true),
        ("매일2회이상 현장을순회하고, \"위험 표지\"를", true),
        ("'매일 2회 이상 현장을 순회하고'", true),
        ("안전관리자는 현장을 순회하고", false),
        ("매일 3회 이상 현장을 순회하고", false),
        ("매일 2회 이상 … 확인하여야 한다", false),
    ] {
        let missing = kinds("순회는?", "매일 한다.", quote, page).contains(&Kind::QuoteNotFound);
        assert_eq!(!missing, found, "{quote}");
    }
}
