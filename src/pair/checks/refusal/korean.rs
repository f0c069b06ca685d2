//! Refusals in Korean, compared without spaces.

use super::sentences;

/// What is looked in.
const SOURCES: [&str; 17] = [
    "본문",
    "지문",
    "문서",
    "자료",
    "제공된글",
    "주어진글",
    "이글",
    "텍스트",
    "문단",
    "발췌",
    "원문",
    "인용문",
    "정보",
    "내용",
    "문맥",
    "페이지",
    "문헌",
];

/// What follows a source in which something is not found.
const INSIDE: [&str; 16] = [
    "에는",
    "에선",
    "에서는",
    "에서",
    "에",
    "만으로는",
    "만으로",
    "으로는",
    "로는",
    "상으로는",
    "상",
    "을통해서는",
    "를통해서는",
    "을통해",
    "만보고는",
    "만봐서는",
];

/// That it is not there, up to where its ending begins.
const ABSENT: [&str; 30] = [
    "나와있지않",
    "나와있지는않",
    "나오지않",
    "적혀있지않",
    "쓰여있지않",
    "포함되어있지않",
    "포함되지않",
    "들어있지않",
    "담겨있지않",
    "언급되어있지않",
    "언급되지않",
    "언급하지않",
    "언급이없",
    "언급은없",
    "명시되어있지않",
    "명시되지않",
    "명시하지않",
    "기재되어있지않",
    "제시되어있지않",
    "제시되지않",
    "설명되어있지않",
    "설명이없",
    "다루지않",
    "다루고있지않",
    "찾을수없",
    "확인할수없",
    "확인되지않",
    "알수없",
    "판단할수없",
    "부족하",
];

/// What is said to be lacking before the source is named: "정보가 본문에 없습니다".
const LACKING: [&str; 12] = [
    "정보가",
    "정보는",
    "내용이",
    "내용은",
    "언급이",
    "언급은",
    "설명이",
    "설명은",
    "근거가",
    "답이",
    "답은",
    "규정이",
];

/// That the one who answers cannot.
const UNABLE: [&str; 22] = [
    "답변드릴수없",
    "답변을드릴수없",
    "답변할수없",
    "답변을할수없",
    "답변해드릴수없",
    "답할수없",
    "대답할수없",
    "답해드릴수없",
    "답변드리기어렵",
    "답변을드리기어렵",
    "답변하기어렵",
    "답하기어렵",
    "답변이어렵",
    "답변이불가능하",
    "말씀드릴수없",
    "말씀드리기어렵",
    "알려드릴수없",
    "알려드리기어렵",
    "도와드릴수없",
    "도움을드릴수없",
    "도움드릴수없",
    "제공해드릴수없",
];

/// Apologies, after which what cannot be done is declined.
const SORRY: [&str; 5] = ["죄송", "미안", "유감", "아쉽지만", "안타깝"];

/// What is declined after an apology.
const DECLINED: [&str; 8] =
    ["제공할수없", "확인할수없", "알수없", "찾을수없", "없어", "어렵", "모르", "언어모델"];

/// Endings of a sentence or clause; those of a noun that follows (`없는 경우`) are others.
const ENDINGS: [&str; 25] = [
    "습니다",
    "는다",
    "은것으로",
    "은것같",
    "는것으로",
    "는것같",
    "다",
    "어요",
    "아요",
    "어서",
    "아서",
    "어",
    "아",
    "네요",
    "군요",
    "음",
    "으며",
    "으므로",
    "으니",
    "고",
    "지만",
    "는데",
    "기때문",
    "었",
    "았",
];

pub(super) fn refuses(answer: &str, question: &str, quote: &str, drawn: bool) -> bool {
    let asked = solid(question);
    let quote = solid(quote);
    // Whether the text has something may be what is asked.
    let asks_of_text = ["나와있", "언급되어있", "포함되어있", "명시되어있", "적혀있"];
    if asks_of_text.iter().any(|word| asked.contains(word)) {
        return false;
    }
    let mut sorry = false;
    let mut found = false;
    for (sentence, quoted) in sentences(answer) {
        let sentence = solid(&sentence.to_lowercase());
        if quoted {
            continue;
        }
        let ended = |word: &str| ends_with(&sentence, word) && !quote.contains(word);
        let apologizes = SORRY.iter().any(|word| sentence.starts_with(word));
        let declined = DECLINED.iter().any(|word| declines(&sentence, word, &quote));
        let unable = UNABLE.iter().any(|word| ended(word));
        found |= lacks(&sentence, &quote)
            || (sorry || apologizes) && (declined || unable)
            || is_model(&sentence)
            || drawn && (unable || is_unknown(&sentence, &quote));
        sorry = apologizes;
    }
    found
}

fn solid(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\'' | '"' | '“' | '”')).collect()
}

/// Whether a word stands in a sentence with an ending of the sentence or of a clause.
fn ends_with(sentence: &str, word: &str) -> bool {
    sentence.match_indices(word).any(|(at, _)| {
        let rest = &sentence[at + word.len()..];
        rest.is_empty()
            || ENDINGS.iter().any(|ending| rest.starts_with(ending))
            // 어렵다, 부족하다 change their stem.
            || word.ends_with('하') && rest.starts_with(['여', '므'])
    }) || word.strip_suffix('렵').is_some_and(|stem| sentence.contains(&format!("{stem}려워")))
        || word.strip_suffix("하").is_some_and(|stem| {
            ["합니다", "해", "함"]
                .iter()
                .any(|ending| sentence.contains(&format!("{stem}{ending}")))
        })
}

/// Whether a sentence says that a source does not have something.
fn lacks(sentence: &str, quote: &str) -> bool {
    let places = SOURCES.iter().flat_map(|source| {
        sentence.match_indices(source).map(move |(at, _)| (at, at + source.len()))
    });
    let mut inside = places.filter(|(_, end)| {
        let rest = &sentence[*end..];
        INSIDE.iter().any(|mark| rest.starts_with(mark))
    });
    let absent =
        |text: &str| ABSENT.iter().any(|word| ends_with(text, word) && !quote.contains(word));
    let by_source = inside.any(|(start, end)| {
        let before = &sentence[..start];
        let lacking = LACKING.iter().any(|word| before.contains(word) && before.len() < 240);
        let rest = &sentence[end..];
        let nothing = lacking && ends_with(rest, "없") && rest.chars().count() < 12;
        absent(rest)
            || nothing
            || LACKING.iter().any(|word| {
                rest.split_once(word).is_some_and(|(_, rest)| {
                    rest.starts_with('없') && ends_with(rest, "없") && is_about(sentence)
                })
            })
    });
    // "해당 정보는 나와 있지 않습니다."
    let subject = [
        "해당정보",
        "해당내용",
        "관련정보",
        "관련내용",
        "이에대한정보",
        "이에대한내용",
        "그정보",
        "그내용",
        "이에대한언급",
        "관련언급",
    ];
    let by_subject = subject.iter().any(|word| {
        sentence.split_once(word).is_some_and(|(_, rest)| {
            absent(rest) || rest.chars().count() < 24 && ends_with(rest, "없")
        })
    });
    (by_source || by_subject)
        && !["면", "경우", "때에는"].iter().any(|word| sentence.ends_with(word))
}

/// Whether what is lacking is what was asked for, not a thing that the text is about.
fn is_about(sentence: &str) -> bool {
    ["해당", "관련", "대한", "그", "답", "질문", "구체적", "정확한", "이를"]
        .iter()
        .any(|word| sentence.contains(word))
}

fn declines(sentence: &str, word: &str, quote: &str) -> bool {
    let asked = ["답", "정보", "내용", "질문", "요청", "문서", "본문", "자료", "모르", "언어모델"];
    let about = asked.iter().any(|word| sentence.contains(word));
    about && !quote.contains(word) && (word == "언어모델" || ends_with(sentence, word))
}

/// Whether one speaks as a model that cannot.
fn is_model(sentence: &str) -> bool {
    let speaks = sentence.contains("저는") || sentence.contains("제가");
    let model = ["언어모델", "ai모델", "인공지능", "ai라", "ai이", "챗봇이"];
    let cannot = ["수없", "어렵", "못합", "않습니다"];
    let after = model.iter().find_map(|word| sentence.split_once(word)).map(|(_, rest)| rest);
    speaks && after.is_some_and(|rest| cannot.iter().any(|word| rest.contains(word)))
}

/// Whether the sentence as a whole says that one does not know.
fn is_unknown(sentence: &str, quote: &str) -> bool {
    let short = sentence.chars().count() <= 16;
    let unknown = [
        "모르겠습니다",
        "잘모릅니다",
        "모르겠어요",
        "알수없습니다",
        "알수없어요",
        "확인이불가능합니다",
        "확인할수없습니다",
    ];
    short && unknown.iter().any(|word| sentence.ends_with(word)) && !quote.contains("알수없")
}
