//! A project at every stage, for tests.

use Form as F;
use Metric as M;

use super::Project;
use crate::app::Snapshot;
use crate::app::snapshot::{FlaggedPage, InstalledModel};
use crate::document::{PageFlag, Passage};
use crate::evaluate::result::Title;
use crate::evaluate::{
    Answer, Difference, Evaluation, Form, ItemResult, Metric, MetricResult, Proportion, SuiteKind,
    SuiteResult, TextLoss, Verdict,
};
use crate::mix::{
    LanguagePart, LengthBucket, MixReport, Part, RowKind, Side, SideCounts, Source, SourcePart,
};
use crate::pair::{Example, Language, Message as Turn, Meta, ReviewState, Role};
use crate::project::{
    DocumentId, DocumentRecord, ExampleId, PassageId, PassageRecord, StoredExample,
};
use crate::text::Span;
use crate::train::{Recipe, RunOutcome, RunRecord};

fn example(question: &str, answer: &str, page: u32, quote: Option<&str>) -> Example {
    Example {
        messages: vec![Turn::text(Role::User, question), Turn::text(Role::Assistant, answer)],
        meta: Meta {
            document: Some("건축구조기준.pdf".to_owned()),
            page: Some(page),
            quote: quote.map(str::to_owned),
            author: Some("Qwen2.5-1.5B".to_owned()),
            tags: vec!["하중".to_owned()],
            ..Meta::default()
        },
        ..Example::default()
    }
}

/// A project at every stage: documents, pairs, a mix, runs, an evaluation.
pub(crate) fn sample() -> Project {
    let passage = |id: i64, document: i64, page: u32, context: &[&str], text: &str| PassageRecord {
        id: PassageId(id),
        document: DocumentId(document),
        passage: Passage {
            page,
            span: Span { start: 0, end: text.chars().count() },
            context: context.iter().map(|&heading| heading.to_owned()).collect(),
            text: text.to_owned(),
        },
        excluded: false,
    };
    let passages = vec![
        passage(
            1,
            1,
            1,
            &["제1장 총칙", "0101.1 목적과 적용범위"],
            "0101.1.2 이 기준은 지상 층수가 12층 이하이고 높이가 42 m 이하인 건축물에 적용한다. 다만, 연면적 85 m² 미만인 단층 농업용 창고에는 이 기준을 적용하지 아니한다.",
        ),
        passage(
            2,
            1,
            23,
            &["제3장 설계하중", "0306.4 유효건물중량"],
            "(1) 창고로 쓰이는 공간에서는 활하중의 최소 25 %를 포함한다.\n(2) 바닥하중에 칸막이벽 하중이 포함되어 있는 경우에는 칸막이의 실제중량과 0.5 kN/m² 중 큰 값을 적용한다.\n(3) 영구설비의 총 운전하중을 포함한다.\n(4) 평지붕적설하중이 1.5 kN/m²를 넘는 경우에는 평지붕적설하중의 20 %를 포함한다.",
        ),
        passage(
            3,
            1,
            24,
            &["제3장 설계하중", "0306.5 조경하중"],
            "(5) 옥상정원과 이와 비슷한 곳의 조경과 그 밖의 재료의 무게는 1.0 kN/m² 이상으로 한다.",
        ),
        passage(
            4,
            2,
            1,
            &["1 Scope"],
            "This manual covers the valve types VX-10 to VX-40. Torque values are given in section 4.",
        ),
    ];
    let stored = |id: i64, passage: i64, state, example| StoredExample {
        id: ExampleId(id),
        state,
        passage: Some(PassageId(passage)),
        example,
    };
    let examples = vec![
        stored(
            1,
            2,
            ReviewState::Draft,
            example(
                "창고의 유효건물중량에는 활하중을 얼마나 포함해야 하나요?",
                "0306.4에 따라 창고로 쓰이는 공간에서는 활하중의 최소 25 %를 포함합니다.",
                23,
                Some("창고로 쓰이는 공간에서는 활하중의 최소 25 %를 포함한다."),
            ),
        ),
        stored(
            2,
            2,
            ReviewState::Draft,
            example(
                "평지붕적설하중의 몇 %를 유효건물중량에 넣나?",
                "1.5 kN/m²를 넘으면 20 %를 넣는다.",
                23,
                Some("평지붕적설하중의 20 %를 포함한다."),
            ),
        ),
        stored(
            3,
            3,
            ReviewState::Accepted,
            example(
                "조경하중은 얼마 이상으로 하나?",
                "1.0 kN/m² 이상으로 한다.",
                24,
                Some("1.0 kN/m² 이상으로 한다."),
            ),
        ),
        stored(
            4,
            1,
            ReviewState::Rejected,
            example("이 기준은 몇 층까지 적용되나?", "10층까지다.", 1, Some("10층 이하")),
        ),
        stored(
            5,
            4,
            ReviewState::Draft,
            example(
                "Which valve types does the manual cover?",
                "VX-10 to VX-40.",
                1,
                Some("the valve types VX-10 to VX-40"),
            ),
        ),
    ];
    let document =
        |id: i64, name: &str, pages: u32, passages: u32, needs_ocr: u32| DocumentRecord {
            id: DocumentId(id),
            name: name.to_owned(),
            sha256: "0".repeat(64),
            pages,
            passages,
            needs_ocr,
            added: 1_795_442_700,
        };
    let rest = Snapshot {
        project: "내진설계-0306".to_owned(),
        documents: vec![
            document(1, "건축구조기준.pdf", 212, 3, 1),
            document(2, "valve-manual.pdf", 8, 1, 0),
        ],
        flagged_pages: vec![FlaggedPage {
            document: DocumentId(1),
            number: 88,
            flags: vec![PageFlag::NeedsOcr],
        }],
        passages,
        runs: vec![run(1, Some(RunOutcome::Stopped), 120), run(2, Some(RunOutcome::Finished), 360)],
        evaluations: vec![evaluation()],
        models: vec![
            InstalledModel { name: "qwen2.5-1.5b".to_owned(), bytes: 986_000_000 },
            InstalledModel { name: "smollm2-135m".to_owned(), bytes: 105_000_000 },
        ],
        mix: Some(mix()),
        ..Snapshot::default()
    };
    Project { rest, examples }
}

fn run(number: u32, outcome: Option<RunOutcome>, step: u64) -> RunRecord {
    RunRecord {
        number,
        model: "qwen2.5-1.5b".to_owned(),
        recipe: Recipe::default(),
        started: 1_795_442_700,
        outcome,
        step,
        steps: 360,
        loss: Some(0.71),
        validation_loss: Some(0.84),
        seconds: 2_460.0,
        tokens: 0,
        general: None,
    }
}

fn mix() -> MixReport {
    let part = |side, kind, rows, tokens| Part { side, kind, rows, tokens };
    MixReport {
        parts: vec![
            part(Side::Train, RowKind::Domain, 286, 41_000),
            part(Side::Train, RowKind::Tools, 640, 113_000),
            part(Side::Train, RowKind::GeneralKorean, 160, 16_000),
            part(Side::Train, RowKind::GeneralEnglish, 118, 12_000),
            part(Side::Validation, RowKind::Domain, 96, 9_000),
            part(Side::Test, RowKind::Domain, 144, 14_000),
        ],
        sources: vec![
            SourcePart {
                source: Source::Document("건축구조기준.pdf".to_owned()),
                rows: 246,
                tokens: 36_000,
            },
            SourcePart { source: Source::NoDocument, rows: 640, tokens: 113_000 },
            SourcePart { source: Source::Shipped, rows: 278, tokens: 28_000 },
            SourcePart {
                source: Source::Document("valve-manual.pdf".to_owned()),
                rows: 40,
                tokens: 5_000,
            },
        ],
        languages: vec![
            LanguagePart { language: Language::Korean, rows: 906, tokens: 128_000 },
            LanguagePart { language: Language::English, rows: 298, tokens: 54_000 },
        ],
        pages: SideCounts { train: 171, validation: 17, test: 24 },
        leaks: 0,
        moved: 3,
        lengths: [(32, 20), (64, 180), (128, 420), (256, 330), (512, 150), (1024, 60), (2048, 44)]
            .map(|(up_to, rows)| LengthBucket { up_to, rows })
            .to_vec(),
        longest: 1_842,
        general_share_asked: 0.15,
        general_share: 0.154,
        general_short_of: 0,
        seed: 1,
    }
}

fn evaluation() -> Evaluation {
    let metric = |metric, form, base: (u32, (f64, f64)), tuned: (u32, (f64, f64)), n, p: f64| {
        let delta = (f64::from(tuned.0) - f64::from(base.0)) / f64::from(n);
        let (low, high) = ((delta - 0.07).max(-1.0), (delta + 0.07).min(1.0));
        MetricResult {
            metric,
            form,
            subset: None,
            base: Proportion { successes: base.0, n },
            base_interval: base.1,
            tuned: Some(Proportion { successes: tuned.0, n }),
            tuned_interval: Some(tuned.1),
            difference: Some(Difference {
                improved: tuned.0.saturating_sub(base.0),
                regressed: base.0.saturating_sub(tuned.0),
                delta,
                interval: (low, high),
                p,
                ..Difference::default()
            }),
            others: Vec::new(),
        }
    };
    let answer = |text: &str, right: bool, reason: Option<&str>| Answer {
        text: text.to_owned(),
        verdicts: vec![Verdict { metric: Metric::Parameters, form: Form::Strict, right }],
        reason: reason.map(|reason| reason.to_owned().into()),
        ..Answer::default()
    };
    let call = |city: &str| {
        format!(
            r#"<tool_call>{{"name": "get_weather", "arguments": {{"city": "{city}"}}}}</tool_call>"#
        )
    };
    let item = |id: &str, question: &str, base: Answer, tuned: Answer| ItemResult {
        id: id.to_owned(),
        question: question.to_owned(),
        expected: r#"{"name": "get_weather", "arguments": {"city": "서울"}}"#.to_owned(),
        tags: vec!["ko".to_owned()],
        base,
        tuned: Some(tuned),
        ..ItemResult::default()
    };
    let items = vec![
        item(
            "weather-1",
            "서울 날씨 알려 줘",
            answer("서울의 날씨는 사계절이 뚜렷하며 여름에는 덥습니다.", false, Some("no call")),
            answer(&call("서울"), true, None),
        ),
        item(
            "weather-2",
            "지금 서울은 비가 오나?",
            answer(&call("서울"), true, None),
            answer(&call("Seoul"), false, Some("city: expected 서울, got Seoul")),
        ),
        item(
            "weather-3",
            "Weather in Seoul, please",
            answer("I cannot know the weather.", false, Some("no call")),
            answer("{}", false, Some("no call")),
        ),
    ];
    let suite = |name: &str, ko: &str, en: &str, kind, forgetting, metrics| SuiteResult {
        name: name.to_owned(),
        title: Title { ko: ko.to_owned(), en: en.to_owned() },
        kind,
        forgetting,
        metrics,
        text_loss: None,
        arguments: None,
        items: Vec::new(),
        excluded: Vec::new(),
    };
    let mut tools = suite(
        "tools",
        "도구 호출",
        "Tool calls",
        SuiteKind::Tools,
        false,
        vec![
            metric(M::JsonValidity, F::Strict, (0, (0.0, 0.026)), (143, (0.962, 0.999)), 144, 0.0),
            metric(
                M::JsonValidity,
                F::Lenient,
                (131, (0.85, 0.946)),
                (143, (0.962, 0.999)),
                144,
                0.002,
            ),
            metric(M::ToolName, F::Strict, (18, (0.081, 0.189)), (138, (0.912, 0.981)), 144, 0.0),
            metric(M::Parameters, F::Strict, (4, (0.011, 0.069)), (131, (0.85, 0.946)), 144, 0.0),
            metric(M::NoCall, F::Strict, (11, (0.386, 0.797)), (13, (0.491, 0.875)), 18, 0.69),
        ],
    );
    tools.items = items;
    let mathematics = suite(
        "forgetting/mathematics",
        "수학",
        "Mathematics",
        SuiteKind::Answers,
        true,
        vec![metric(
            M::Accuracy,
            F::Strict,
            (58, (0.482, 0.672)),
            (47, (0.375, 0.567)),
            100,
            0.003,
        )],
    );
    let mut korean = suite(
        "forgetting/korean",
        "한국어 대화",
        "Korean conversation",
        SuiteKind::Text,
        true,
        vec![metric(M::Accuracy, F::Strict, (71, (0.614, 0.79)), (69, (0.594, 0.772)), 100, 0.79)],
    );
    korean.text_loss =
        Some(TextLoss { base: 2.314, tuned: Some(2.323), tokens: 18_200, interval: None });
    Evaluation {
        version: 1,
        model: "qwen2.5-1.5b".to_owned(),
        run: Some(2),
        created: 1_795_446_300,
        seconds: 640.0,
        suites: vec![tools, mathematics, korean],
        ..Evaluation::default()
    }
}
