//! The words of reports in both languages. Reports are files that outlive the interface, so they
//! have their own table.

pub mod page;
mod reason;

use crate::evaluate::{ANY_CALL, Evaluation, Form, Metric, NO_CALL, Repair, SuiteKind};
use crate::pair::example::Language;

/// Every word a report uses.
#[expect(missing_docs, reason = "each field is named for what it says")]
pub struct Words {
    language: Language,
    pub report: &'static str,
    pub run: &'static str,
    pub base_only: &'static str,
    pub model: &'static str,
    pub made: &'static str,
    pub took: &'static str,
    pub seconds: &'static str,
    pub base: &'static str,
    pub tuned: &'static str,
    pub difference: &'static str,
    pub strict: &'static str,
    pub lenient: &'static str,
    pub metric: &'static str,
    pub subset: &'static str,
    pub suite: &'static str,
    pub by_subset: &'static str,
    pub forgotten: &'static str,
    pub cross_entropy: &'static str,
    pub nats: &'static str,
    pub tokens: &'static str,
    pub better: &'static str,
    pub worse: &'static str,
    pub same: &'static str,
    pub cannot_tell: &'static str,
    pub items_would_do: &'static str,
    pub errors: &'static str,
    pub repaired: &'static str,
    pub improved: &'static str,
    pub regressed: &'static str,
    pub both_right: &'static str,
    pub both_wrong: &'static str,
    pub items: &'static str,
    pub and_more: &'static str,
    pub expected: &'static str,
    pub right: &'static str,
    pub wrong: &'static str,
    pub no_call: &'static str,
    pub any_call: &'static str,
    pub empty: &'static str,
    pub definitions: &'static str,
    pub not_run: &'static str,
    pub seen: &'static str,
    pub unseen: &'static str,
    pub korean: &'static str,
    pub english: &'static str,
    pub parallel: &'static str,
    metrics: [&'static str; 7],
    definition: [&'static str; 7],
    error_classes: [(&'static str, &'static str); 20],
    repairs: [&'static str; 12],
    pub strict_definition: &'static str,
    pub lenient_definition: &'static str,
    pub choice_definition: &'static str,
    pub answers_definition: &'static str,
    pub classification_definition: &'static str,
    pub generation_definition: &'static str,
    pub programs_definition: &'static str,
    pub domain_definition: &'static str,
    pub text_definition: &'static str,
    pub statistics_definition: &'static str,
    uncorrected: &'static str,
    corrected: &'static str,
    clustered: &'static str,
}

/// Korean.
pub const KOREAN: Words = Words {
    language: Language::Korean,
    report: "평가 보고서",
    run: "학습",
    base_only: "기본 모델만",
    model: "모델",
    made: "작성",
    took: "걸린 시간",
    seconds: "초",
    base: "기본",
    tuned: "학습 후",
    difference: "차이",
    strict: "엄격",
    lenient: "관대",
    metric: "지표",
    subset: "부분",
    suite: "묶음",
    by_subset: "부분별",
    forgotten: "무엇을 잊었나",
    cross_entropy: "교차 엔트로피",
    nats: "nats/토큰",
    tokens: "토큰",
    better: "나아짐",
    worse: "나빠짐",
    same: "변화 없음",
    cannot_tell: "구별할 수 없음",
    items_would_do: "약 {}개면 구별됨",
    errors: "오류의 종류",
    repaired: "관대하게 읽으며 고친 것 (답의 수)",
    improved: "나아진 문항",
    regressed: "나빠진 문항",
    both_right: "둘 다 맞음",
    both_wrong: "둘 다 틀림",
    items: "문항",
    and_more: "그 밖에 {}개는 report.json에 있습니다.",
    expected: "기대한 답",
    right: "맞음",
    wrong: "틀림",
    no_call: "호출 없음",
    any_call: "아무 호출이나",
    empty: "(빈 답)",
    definitions: "지표의 뜻",
    not_run: "문항은 프로그램을 써야 해서 뺐습니다. `--run-programs`를 주면 실행합니다.",
    seen: "배운 도구",
    unseen: "처음 보는 도구",
    korean: "한국어",
    english: "영어",
    parallel: "여러 호출",
    metrics: [
        "JSON 유효성",
        "도구 이름",
        "매개변수",
        "JSON 일치",
        "호출하지 않기",
        "정확도",
        "판정 모형",
    ],
    definition: [
        "호출해야 하는 모든 문항 가운데 답을 호출로 읽을 수 있는 비율.",
        "호출해야 하는 모든 문항 가운데 부른 도구 이름의 모음이 정확히 같은 비율.",
        "호출해야 하는 모든 문항 가운데 호출 전체가 맞는 비율. BFCL의 AST 규칙: 이름, 필수 인자, 형식, \
         허용된 값, 모르는 인자 없음. 부분 점수는 없습니다. 여러 호출은 순서와 관계없이 가장 잘 맞는 짝으로 비교합니다.",
        "호출해야 하는 모든 문항 가운데 호출이 기대한 JSON과 값까지 똑같은 비율.",
        "맞는 도구가 없는 모든 문항 가운데 호출하지 않은 비율. 엄격: 평범한 말로만 답함(깨진 호출도 틀림). \
         관대: 호출을 찾을 수 없음.",
        "모든 문항 가운데 맞은 비율.",
        "자유로운 글로 답하는 문항 가운데 다른 모형이 맞다고 판정한 비율. 판정하지 못한 답은 세지 않습니다. 판정도 \
         틀릴 수 있으므로 정확도를 대신하지 않습니다.",
    ],
    error_classes: [
        ("no call", "호출 없음"),
        ("form", "형식만 다름"),
        ("count", "호출 수"),
        ("name", "도구 이름"),
        ("missing", "빠진 인자"),
        ("extra", "없는 인자"),
        ("type", "값의 형식"),
        ("value", "값"),
        ("unwanted call", "불필요한 호출"),
        ("broken call", "깨진 호출"),
        ("missing number", "빠진 수치"),
        ("missing fact", "빠진 사실"),
        ("little in common", "겹치는 말이 적음"),
        ("other label", "다른 분류"),
        ("no label", "분류 없음"),
        ("broken rule", "어긴 규칙"),
        ("no program", "프로그램 없음"),
        ("test failed", "시험 실패"),
        ("stopped", "멈춤"),
        ("no answer", "답 없음"),
    ],
    repairs: [
        "다른 자리에 쓴 호출",
        "다른 모델의 표시",
        "다른 열쇠 (parameters, function)",
        "문자열로 쓴 인자",
        "다른 따옴표",
        "파이썬 낱말 (True, None)",
        "끝의 쉼표",
        "닫지 않은 괄호나 태그",
        "따옴표 없는 열쇠",
        "주석",
        "글 속의 줄바꿈",
        "파이썬 꼴 호출",
    ],
    strict_definition: "엄격: 답 전체가 모델의 템플릿이 요구하는 형식(`<tool_call>` 블록과 RFC 8259 JSON)과 같아야 합니다.",
    lenient_definition: "관대: 태그, 코드 블록, 문장 속에서 찾은 호출도 인정하고, 뜻이 하나뿐일 때는 형식을 고쳐 읽습니다. 고친 것은 종류별로 셉니다. 값을 짐작하지는 않습니다.",
    choice_definition: "고르기: 선택지마다 로그 가능도를 UTF-8 바이트 수로 나누어 가장 높은 것을 모델의 답으로 봅니다.",
    answers_definition: "짧은 답: 기대한 수나 낱말이 답 속에 따로 서 있으면 맞음. `=` 뒤에 수가 있으면 마지막 것이 답입니다.",
    classification_definition: "정답 분류를 말하고 다른 분류는 말하지 않으면 맞음",
    generation_definition: "답이 정해진 규칙을 모두 지키면 맞음",
    programs_definition: "작성한 프로그램이 시험을 통과하면 맞음",
    domain_definition: "문서 질문: 기대한 답의 모든 수치와 단위(조항 번호 제외)가 있고 토큰 F1이 0.5 이상이면 맞음. 규칙일 뿐 뜻을 읽지는 않습니다.",
    text_definition: "교차 엔트로피: 주어진 글의 토큰당 평균 nats. 낮을수록 글을 잘 예측합니다. 구간은 글 단위 부트스트랩입니다.",
    statistics_definition: "비율의 구간은 95 % 윌슨 구간, 차이의 구간은 95 % 짝비교 점수 구간(Tango 1998)이고 단위는 퍼센트포인트, p는 정확 맥니머 검정(양측)입니다. \
         p가 .05 이상이면 구별할 수 없다고 씁니다.",
    uncorrected: "지표가 여럿인 데 따른 보정은 하지 않았습니다.",
    corrected: "묶음마다 대표 지표 하나씩을 검정의 한 무리로 보고 홀름의 방법으로 p를 보정했으며, 보정한 p로 구별합니다.",
    clustered: "여러 문항이 한 쪽이나 한 도구에서 나온 경우, 출처를 다시 뽑은 95 % 구간도 0을 벗어나야 구별된 것으로 봅니다.",
};

/// English.
pub const ENGLISH: Words = Words {
    language: Language::English,
    report: "Evaluation report",
    run: "run",
    base_only: "base alone",
    model: "Model",
    made: "Made",
    took: "Took",
    seconds: "s",
    base: "base",
    tuned: "tuned",
    difference: "difference",
    strict: "strict",
    lenient: "lenient",
    metric: "metric",
    subset: "subset",
    suite: "suite",
    by_subset: "By subset",
    forgotten: "What was forgotten",
    cross_entropy: "Cross-entropy",
    nats: "nats/token",
    tokens: "tokens",
    better: "better",
    worse: "worse",
    same: "no change",
    cannot_tell: "cannot tell",
    items_would_do: "about {} would do",
    errors: "Kinds of error",
    repaired: "What was repaired to read leniently (replies)",
    improved: "Improved",
    regressed: "Regressed",
    both_right: "Both right",
    both_wrong: "Both wrong",
    items: "Items",
    and_more: "{} more are in report.json.",
    expected: "expected",
    right: "right",
    wrong: "wrong",
    no_call: "no call",
    any_call: "any call",
    empty: "(empty)",
    definitions: "What the figures mean",
    not_run: "cases ask for programs and were left out; `--run-programs` runs them",
    seen: "tools seen in training",
    unseen: "tools not seen",
    korean: "Korean",
    english: "English",
    parallel: "several calls",
    metrics: [
        "JSON validity",
        "Tool name",
        "Parameters",
        "Exact JSON",
        "No call when none fits",
        "Accuracy",
        "Judged right",
    ],
    definition: [
        "share of all items that expect a call whose reply can be read as calls.",
        "share of all items that expect a call where exactly the right tools are named.",
        "share of all items that expect a call where the whole call is right by BFCL's AST rule: name, \
         required arguments, types, acceptable values, no unknown argument. No partial credit. Several \
         calls are matched in any order, in the best way.",
        "share of all items that expect a call where the calls equal the expected JSON, value by value.",
        "share of all items that no tool fits where none is called. Strict: the reply is plain words \
         (a broken call is wrong too). Lenient: no call can be found.",
        "share of all items that are right.",
        "share of the items answered in free text that a further model calls right; answers without a verdict \
         are not counted. Judges err, so it does not stand for accuracy.",
    ],
    error_classes: [
        ("no call", "no call"),
        ("form", "only the form is wrong"),
        ("count", "number of calls"),
        ("name", "tool name"),
        ("missing", "missing argument"),
        ("extra", "unknown argument"),
        ("type", "type of a value"),
        ("value", "value"),
        ("unwanted call", "unwanted call"),
        ("broken call", "broken call"),
        ("missing number", "missing number"),
        ("missing fact", "missing fact"),
        ("little in common", "little in common"),
        ("other label", "another label"),
        ("no label", "no label"),
        ("broken rule", "broken rule"),
        ("no program", "no program"),
        ("test failed", "test failed"),
        ("stopped", "stopped"),
        ("no answer", "no answer"),
    ],
    repairs: [
        "call in another place",
        "another model's mark",
        "other keys (parameters, function)",
        "arguments as a text",
        "other quotation marks",
        "Python's words (True, None)",
        "trailing comma",
        "bracket or tag not closed",
        "keys without quotation marks",
        "comments",
        "line break in a text",
        "call as of Python",
    ],
    strict_definition: "Strict: the whole reply is in the form the model's template asks for (`<tool_call>` blocks of RFC 8259 JSON).",
    lenient_definition: "Lenient: calls found in tags, code fences or prose count too, repaired where they can mean one thing only. Repairs are counted by kind; no value is guessed.",
    choice_definition: "Multiple choice: the option with the highest log-likelihood per UTF-8 byte is the model's answer.",
    answers_definition: "Short answers: right if the expected number or word stands by itself in the reply; after `=` the last number is the answer.",
    classification_definition: "right when the reply tells the right label and no other",
    generation_definition: "right when the reply keeps every rule",
    programs_definition: "right when the program passes its test",
    domain_definition: "Questions about documents: right if every number with its unit (clause numbers aside) is there and the token F1 is at least 0.5. It is a rule and does not understand.",
    text_definition: "Cross-entropy: mean nats a token on given texts; lower predicts them better. Its interval is a bootstrap over the texts.",
    statistics_definition: "Shares have 95 % Wilson intervals, differences 95 % paired score intervals (Tango 1998) in percentage points, p is McNemar's exact two-sided test. \
         From p = .05 on the report says that it cannot tell.",
    uncorrected: "There is no correction for the number of metrics.",
    corrected: "The main metrics of all suites are one family of tests: their p is adjusted by Holm's method, and the adjusted p decides.",
    clustered: "Where several items come from one page or tool, the 95 % interval of drawing sources anew must leave out zero too.",
};

impl Words {
    /// The words of a language.
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::Korean => &KOREAN,
            Language::English => &ENGLISH,
        }
    }

    /// A metric's name.
    pub fn metric(&self, metric: Metric) -> &'static str {
        self.metrics[index(metric)]
    }

    /// What a metric counts.
    pub fn definition(&self, metric: Metric) -> &'static str {
        self.definition[index(metric)]
    }

    /// What counts as right in suites of one kind.
    pub fn kind_definition(&self, kind: SuiteKind) -> Option<&'static str> {
        match kind {
            SuiteKind::Tools => None,
            SuiteKind::Domain => Some(self.domain_definition),
            SuiteKind::Answers => Some(self.answers_definition),
            SuiteKind::Classification => Some(self.classification_definition),
            SuiteKind::Generation => Some(self.generation_definition),
            SuiteKind::Programs => Some(self.programs_definition),
            SuiteKind::Choice => Some(self.choice_definition),
            SuiteKind::Text => Some(self.text_definition),
        }
    }

    /// How shares are compared, as far as it concerns this evaluation.
    pub fn statistics(&self, evaluation: &Evaluation) -> String {
        let differences = || {
            let results = evaluation.suites.iter().flat_map(|suite| &suite.metrics);
            results.filter_map(|result| result.difference)
        };
        let holm = differences().any(|difference| difference.holm.is_some());
        let mut said =
            vec![self.statistics_definition, if holm { self.corrected } else { self.uncorrected }];
        if differences().any(|difference| difference.clustered.is_some()) {
            said.push(self.clustered);
        }
        said.join(" ")
    }

    /// Every class of error with its name.
    pub fn error_class_names(&self) -> &[(&'static str, &'static str)] {
        &self.error_classes
    }

    /// The name of a kind of repair.
    pub fn repair(&self, kind: Repair) -> &'static str {
        self.repairs[Repair::ALL.iter().position(|known| *known == kind).unwrap_or(0)]
    }

    /// How strictly replies were read.
    pub fn form(&self, form: Form) -> &'static str {
        match form {
            Form::Strict => self.strict,
            Form::Lenient => self.lenient,
        }
    }

    /// A subset's name; tags that are not known are shown as they are.
    pub fn subset<'a>(&self, tag: &'a str) -> &'a str {
        match tag {
            "seen" => self.seen,
            "unseen" => self.unseen,
            "ko" => self.korean,
            "en" => self.english,
            "parallel" => self.parallel,
            other => other,
        }
    }

    /// The name of an error class.
    pub fn error_class<'a>(&self, class: &'a str) -> &'a str {
        let mut known = self.error_classes.iter();
        known.find(|(key, _)| *key == class).map_or(class, |(_, name)| name)
    }

    /// An expected answer; that no call or any call is expected, in this language.
    pub fn expected_text<'a>(&self, expected: &'a str) -> &'a str {
        match expected {
            NO_CALL => self.no_call,
            ANY_CALL => self.any_call,
            text => text,
        }
    }
}

fn index(metric: Metric) -> usize {
    match metric {
        Metric::JsonValidity => 0,
        Metric::ToolName => 1,
        Metric::Parameters => 2,
        Metric::ExactMatch => 3,
        Metric::NoCall => 4,
        Metric::Accuracy => 5,
        Metric::Judged => 6,
    }
}
