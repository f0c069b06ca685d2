//! A large evaluation for tests, with everything that an evaluation can hold.

use crate::evaluate::{
    Answer, ArgumentCounts, ArgumentScores, Clustered, Column, ColumnKind, Difference, Evaluation,
    Form, ItemResult, Metric, MetricResult, NO_CALL, NotRun, Part, Proportion, Provenance, Reason,
    Repair, SeenItem, SuiteKind, SuiteResult, TextLoss, Title, Training, Verdict, statistics,
};

/// Some hundred items with every optional field filled.
pub(crate) fn sample_full() -> Evaluation {
    large(160, 1)
}

/// As many items as asked for, the last of them texts, with answers `length` times as long as usual.
pub(crate) fn large(items: usize, length: usize) -> Evaluation {
    let mut dice = Dice(7);
    let part = |share: usize| (items * share / 100).max(8);
    let (domain, guard) = (part(15), part(8));
    let texts = 6;
    let tools = items - domain - 4 * guard - texts;
    let mut suites = vec![
        tools_suite(&mut dice, tools, length),
        plain_suite(&mut dice, &DOMAIN, domain, length),
    ];
    for guard_suite in [&MATHEMATICS, &KOREAN, &KNOWLEDGE, &CODE] {
        suites.push(plain_suite(&mut dice, guard_suite, guard, length));
    }
    suites.push(text_suite(texts));
    adjust(&mut suites);
    Evaluation {
        version: 1,
        model: "qwen2.5-0.5b".to_owned(),
        run: Some(4),
        created: 1_795_424_700,
        seconds: 1_843.2,
        others: vec![
            Column { name: "gpt-like-8b".to_owned(), kind: ColumnKind::Endpoint },
            Column { name: "qwen2.5-0.5b".to_owned(), kind: ColumnKind::BaseBound },
        ],
        suites,
        provenance: Some(provenance()),
        training: Some(training(&mut dice)),
        not_run: vec![NotRun {
            suite: "humaneval".to_owned(),
            title: Title { ko: "함수 쓰기".to_owned(), en: "Writing functions".to_owned() },
            cases: 164,
        }],
    }
}

/// A small generator, so that samples are always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64
    }

    fn under(&mut self, share: f64) -> bool {
        self.roll() < share
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[(self.roll() * from.len() as f64) as usize]
    }
}

fn verdicts(metrics: &[Metric], right: &[bool], strict: bool) -> Vec<Verdict> {
    let forms: &[Form] = if strict { &[Form::Strict, Form::Lenient] } else { &[Form::Lenient] };
    let each = |form: Form| {
        metrics.iter().zip(right).map(move |(metric, right)| Verdict {
            metric: *metric,
            form,
            right: *right || (form == Form::Lenient && *metric == Metric::JsonValidity),
        })
    };
    forms.iter().flat_map(|form| each(*form)).collect()
}

const CITIES: [&str; 8] = ["서울", "부산", "대구", "Incheon", "Jeju", "강릉", "Gwangju", "울산"];

fn tools_suite(dice: &mut Dice, count: usize, length: usize) -> SuiteResult {
    let items = (0..count).map(|at| tool_item(dice, at, length)).collect();
    let mut suite = suite("tools", "도구 호출", "Tool calls", SuiteKind::Tools, items);
    suite.metrics = metrics(&suite.items, None, true);
    for subset in ["seen", "unseen", "ko", "en"] {
        let part: Vec<ItemResult> = (suite.items.iter())
            .filter(|item| item.tags.iter().any(|tag| tag == subset))
            .cloned()
            .collect();
        suite.metrics.extend(metrics(&part, Some(subset), true));
    }
    let sum = |answers: Vec<&Answer>| {
        let mut sum = ArgumentCounts::default();
        answers.iter().filter_map(|answer| answer.counts.as_ref()).for_each(|each| sum.add(each));
        sum
    };
    suite.arguments = Some(ArgumentScores {
        base: sum(suite.items.iter().map(|item| &item.base).collect()),
        tuned: Some(sum(suite.items.iter().filter_map(|item| item.tuned.as_ref()).collect())),
        others: (0..2)
            .map(|at| sum(suite.items.iter().filter_map(|item| item.others.get(at)).collect()))
            .collect(),
    });
    suite.excluded = vec![
        SeenItem {
            id: "tools-ko-test-0031".to_owned(),
            question: "내일 서울 날씨 알려 줘".to_owned(),
            like: "내일 서울 날씨를 알려 줘".to_owned(),
            exact: false,
        },
        SeenItem {
            id: "tools-en-test-0102".to_owned(),
            question: "What is the live load of a library?".to_owned(),
            like: "What is the live load of a library?".to_owned(),
            exact: true,
        },
    ];
    suite
}

fn tool_item(dice: &mut Dice, at: usize, length: usize) -> ItemResult {
    const METRICS: [Metric; 4] =
        [Metric::JsonValidity, Metric::ToolName, Metric::Parameters, Metric::ExactMatch];
    let city = *dice.pick(&CITIES);
    let days = 1 + (dice.roll() * 6.0) as u32;
    let korean = dice.under(0.6);
    let filler =
        if korean { "그리고 결과는 짧게 알려 줘. " } else { "Please keep it short. " };
    let question = match (korean, at % 3) {
        (true, 0) => format!("{city}의 앞으로 {days}일 날씨가 어떤지 봐 줄래? "),
        (true, _) => format!("{city} 사무소 창고의 활하중 하한이 얼마인지 {days}층까지 찾아 줘. "),
        (false, _) => format!("What will the weather be in {city} over the next {days} days? "),
    } + &filler.repeat(12 * (length - 1));
    let tags: Vec<String> =
        [if korean { "ko" } else { "en" }, if at.is_multiple_of(3) { "unseen" } else { "seen" }]
            .map(str::to_owned)
            .to_vec();
    let id = format!("tools-{}-test-{at:04}", tags[0]);
    if at % 9 == 4 {
        let answer = |right: bool| Answer {
            text: if right {
                "그 요청에 맞는 도구가 없어 답해 드릴 수 없습니다. ".repeat(length)
            } else {
                format!(
                    "<tool_call>\n{{\"name\": \"get_weather\", \"arguments\": {{\"city\": \"{city}\"}}}}\n</tool_call>"
                )
            },
            verdicts: verdicts(&[Metric::NoCall], &[right], true),
            reason: (!right).then_some(Reason::UnwantedCall),
            ..Answer::default()
        };
        let (base, tuned) = (dice.under(0.7), dice.under(0.8));
        return ItemResult {
            id,
            question: format!("{city}에 사는 친구에게 보낼 생일 축하 글을 써 줘."),
            expected: NO_CALL.to_owned(),
            tags,
            base: answer(base),
            tuned: Some(answer(tuned)),
            others: vec![answer(true), answer(base)],
            source: None,
        };
    }
    let call = |city: &str, days: &str| {
        format!(r#"{{"name": "get_weather", "arguments": {{"city": "{city}", "days": {days}}}}}"#)
    };
    let days_text = days.to_string();
    let answer = |kind: usize| {
        let counts = |right, missing, wrong_value, wrong_type| ArgumentCounts {
            expected: 2,
            given: right + wrong_value + wrong_type,
            right,
            missing,
            wrong_value,
            wrong_type,
            ..ArgumentCounts::default()
        };
        let wrapped = |call: String| {
            format!("<tool_call>\n{call}\n</tool_call>")
                + &"\n설명을 덧붙이면 다음과 같습니다.".repeat(8 * (length - 1))
        };
        let (text, right, reason, argument, counts) = match kind {
            0 => (wrapped(call(city, &days_text)), [true; 4], None, None, counts(2, 0, 0, 0)),
            1 => (
                wrapped(call("Seoul City", &days_text)),
                [true, true, false, false],
                Some(format!("value: city = \"Seoul City\" for \"{city}\"")),
                Some("city"),
                counts(1, 0, 1, 0),
            ),
            2 => (
                wrapped(call(city, &format!("\"{days}\""))),
                [true, true, false, false],
                Some(format!("type: days = \"{days}\"")),
                Some("days"),
                counts(1, 0, 0, 1),
            ),
            3 => (
                wrapped(format!(r#"{{"name": "get_weather", "arguments": {{"city": "{city}"}}}}"#)),
                [true, true, false, false],
                Some("missing: days".to_owned()),
                Some("days"),
                counts(1, 1, 0, 0),
            ),
            4 => (
                format!("```json\n{}\n```", call(city, &days_text)),
                [false; 4],
                Some("form: the call is right but not written in the form the template asks for".to_owned()),
                None,
                counts(2, 0, 0, 0),
            ),
            _ => (
                format!("{city}의 날씨는 대체로 맑고 기온은 예년과 비슷하겠습니다. 정확한 예보는 기상청에서 확인하세요. ")
                    .repeat(length * 2),
                [false; 4],
                Some("no call: the reply holds none".to_owned()),
                None,
                counts(0, 2, 0, 0),
            ),
        };
        Answer {
            text,
            verdicts: verdicts(&METRICS, &right, true),
            reason: reason.map(Reason::from),
            argument: argument.map(str::to_owned),
            repairs: if kind == 4 {
                vec![Repair::Place, Repair::TrailingComma]
            } else {
                Vec::new()
            },
            counts: Some(counts),
            nats: if at.is_multiple_of(50) { vec![1.5, 2.25] } else { Vec::new() },
            right_share: (at.is_multiple_of(40)).then_some(0.75),
        }
    };
    let base = *dice.pick(&[0, 1, 2, 3, 4, 4, 5, 5]);
    let tuned = if dice.under(0.72) { 0 } else { *dice.pick(&[0, 1, 2, 3, 5]) };
    ItemResult {
        id,
        question,
        expected: call(city, &days_text).replace("\": ", "\":").replace(", \"", ",\""),
        tags,
        base: answer(base),
        tuned: Some(answer(tuned)),
        others: vec![answer(usize::from(dice.under(0.2))), answer(if base > 3 { 0 } else { base })],
        source: Some("get_weather".to_owned()),
    }
}

/// A suite that knows right and wrong only.
struct Plain {
    name: &'static str,
    ko: &'static str,
    en: &'static str,
    kind: SuiteKind,
    question: &'static str,
    right: &'static str,
    wrong: &'static str,
    reason: Option<&'static str>,
    base: f64,
    /// Shares of the base's right and wrong answers that the tuned model has right.
    tuned: (f64, f64),
}

const DOMAIN: Plain = Plain {
    name: "domain",
    ko: "문서 질문",
    en: "Questions about documents",
    kind: SuiteKind::Domain,
    question: "창고로 쓰이는 공간의 유효건물중량에는 활하중을 얼마나 포함해야 하나요?",
    right: "0306.4에 따라 창고로 쓰이는 공간에서는 활하중의 최소 25 %를 포함합니다.",
    wrong: "창고의 유효건물중량에는 활하중의 50 %를 포함하는 것이 일반적이며, 구조 기술사와 상의하십시오.",
    reason: Some("missing number: 25 %"),
    base: 0.08,
    tuned: (0.9, 0.25),
};
const MATHEMATICS: Plain = Plain {
    name: "forgetting/mathematics",
    ko: "수학",
    en: "Mathematics",
    kind: SuiteKind::Answers,
    question: "한 상자에 사과가 12개씩 들어 있습니다. 7상자에는 모두 몇 개가 들어 있나요?",
    right: "12 × 7 = 84이므로 모두 84개입니다.",
    wrong: "사과는 모두 74개입니다.",
    reason: None,
    base: 0.55,
    tuned: (0.68, 0.02),
};
const KOREAN: Plain = Plain {
    name: "forgetting/korean",
    ko: "한국어 대화와 지식",
    en: "Korean conversation",
    kind: SuiteKind::Choice,
    question: "다음 중 한글을 만든 왕은 누구인가요?",
    right: "세종대왕",
    wrong: "태종",
    reason: None,
    base: 0.62,
    tuned: (0.93, 0.12),
};
const KNOWLEDGE: Plain = Plain {
    name: "forgetting/knowledge",
    ko: "일반 상식",
    en: "General knowledge",
    kind: SuiteKind::Choice,
    question: "Which planet is closest to the sun?",
    right: "Mercury",
    wrong: "Venus",
    reason: None,
    base: 0.7,
    tuned: (0.97, 0.12),
};
const CODE: Plain = Plain {
    name: "forgetting/code",
    ko: "코드",
    en: "Code",
    kind: SuiteKind::Answers,
    question: "What does `len([1, 2, 3][1:])` give in Python?",
    right: "2",
    wrong: "3, because the list has three elements.",
    reason: None,
    base: 0.4,
    tuned: (1.0, 0.0),
};

fn plain_suite(dice: &mut Dice, plain: &Plain, count: usize, length: usize) -> SuiteResult {
    let answer = |right: bool| Answer {
        text: if right { plain.right } else { plain.wrong }.to_owned()
            + &" 자세한 내용은 아래를 보십시오.".repeat(6 * (length - 1)),
        verdicts: verdicts(&[Metric::Accuracy], &[right], false),
        reason: plain.reason.filter(|_| !right).map(|reason| reason.to_owned().into()),
        ..Answer::default()
    };
    let items = (0..count)
        .map(|at| {
            let base = dice.under(plain.base);
            let (kept, gained) = plain.tuned;
            let tuned = dice.under(if base { kept } else { gained });
            ItemResult {
                id: format!("{}-{at:02}", plain.name.trim_start_matches("forgetting/")),
                question: plain.question.to_owned(),
                expected: plain.right.to_owned(),
                base: answer(base),
                tuned: Some(answer(tuned)),
                others: vec![answer(true), answer(base)],
                source: (plain.kind == SuiteKind::Domain)
                    .then(|| format!("KDS 41, p. {}", at % 12)),
                ..ItemResult::default()
            }
        })
        .collect();
    let mut suite = suite(plain.name, plain.ko, plain.en, plain.kind, items);
    suite.metrics = metrics(&suite.items, None, false);
    suite
}

fn text_suite(count: usize) -> SuiteResult {
    let item = |at: usize| ItemResult {
        id: format!("text-{at:02}"),
        question: "우리나라의 봄은 짧고 여름은 길다. 장마가 지나면 무더위가 시작된다. ".repeat(4),
        tuned: Some(Answer::default()),
        ..ItemResult::default()
    };
    let items = (0..count).map(item).collect();
    let (ko, en) = ("일반 글의 교차 엔트로피", "General text, cross-entropy");
    let mut suite = suite("forgetting/text", ko, en, SuiteKind::Text, items);
    suite.text_loss = Some(TextLoss {
        base: 2.914,
        tuned: Some(2.987),
        tokens: 18_204,
        interval: Some((0.031, 0.118)),
    });
    suite
}

fn suite(name: &str, ko: &str, en: &str, kind: SuiteKind, items: Vec<ItemResult>) -> SuiteResult {
    SuiteResult {
        name: name.to_owned(),
        title: Title { ko: ko.to_owned(), en: en.to_owned() },
        kind,
        forgetting: name.starts_with("forgetting/"),
        metrics: Vec::new(),
        text_loss: None,
        arguments: None,
        items,
        excluded: Vec::new(),
    }
}

fn metrics(items: &[ItemResult], subset: Option<&str>, strict: bool) -> Vec<MetricResult> {
    let mut results = Vec::new();
    for metric in Metric::ALL {
        for form in [Form::Strict, Form::Lenient] {
            let verdict = |answer: &Answer| {
                let found = answer.verdicts.iter().find(|v| v.metric == metric && v.form == form);
                found.map(|verdict| verdict.right)
            };
            let concerned: Vec<&ItemResult> =
                items.iter().filter(|item| verdict(&item.base).is_some()).collect();
            if concerned.is_empty() || (form == Form::Strict && !strict) {
                continue;
            }
            let count = |right: &dyn Fn(&ItemResult) -> bool| {
                concerned.iter().filter(|item| right(item)).count() as u32
            };
            let n = concerned.len() as u32;
            let base_right = |item: &ItemResult| verdict(&item.base) == Some(true);
            let tuned_right =
                |item: &ItemResult| item.tuned.as_ref().and_then(verdict) == Some(true);
            let improved = count(&|item| !base_right(item) && tuned_right(item));
            let regressed = count(&|item| base_right(item) && !tuned_right(item));
            let (base, tuned) = (count(&base_right), count(&tuned_right));
            results.push(MetricResult {
                metric,
                form,
                subset: subset.map(str::to_owned),
                base: Proportion { successes: base, n },
                base_interval: statistics::wilson(base, n),
                tuned: Some(Proportion { successes: tuned, n }),
                tuned_interval: Some(statistics::wilson(tuned, n)),
                difference: Some(Difference {
                    improved,
                    regressed,
                    delta: (f64::from(tuned) - f64::from(base)) / f64::from(n),
                    interval: statistics::paired_interval(improved, regressed, n),
                    p: statistics::mcnemar(improved, regressed),
                    needed: statistics::items_needed(improved, regressed, n),
                    ..Difference::default()
                }),
                others: (0..2)
                    .map(|at| Proportion {
                        successes: count(&|item| {
                            item.others.get(at).and_then(verdict) == Some(true)
                        }),
                        n,
                    })
                    .collect(),
            });
        }
    }
    results
}

/// Holm's adjustment of the main metrics, as good as it need be here, and an interval over sources.
fn adjust(suites: &mut [SuiteResult]) {
    let family = suites.len() as f64;
    for suite in suites.iter_mut() {
        let main =
            if suite.kind == SuiteKind::Tools { Metric::Parameters } else { Metric::Accuracy };
        let chosen = suite.metrics.iter_mut().find(|result| {
            result.metric == main
                && result.subset.is_none()
                && (result.form == Form::Strict || main == Metric::Accuracy)
        });
        if let Some(difference) = chosen.and_then(|result| result.difference.as_mut()) {
            difference.holm = Some((difference.p * family).min(1.0));
            if suite.kind == SuiteKind::Domain {
                let (low, high) = difference.interval;
                let interval = (low - 0.02, high + 0.02);
                difference.clustered = Some(Clustered { sources: 12, interval });
            }
            if suite.name == "forgetting/korean" {
                difference.needed = Some(111.max(suite.items.len() as u32 * 7));
            }
        }
    }
}

fn provenance() -> Provenance {
    let hash = |digit: &str| digit.repeat(64);
    Provenance {
        program: "hone 0.1.0".to_owned(),
        machine: "Intel Xeon (AMX), 2 threads, Linux 6.8".to_owned(),
        model: hash("a1"),
        adapter: Some(hash("b2")),
        cases: hash("c3"),
        training_data: Some(hash("d4")),
        recipe: Some(serde_json::json!({
            "rank": 16, "alpha": 32.0, "epochs": 3, "batch_rows": 16,
            "learning_rate": 2e-4, "seed": 1, "keep": "best"
        })),
        samples: 4,
        temperature: 0.7,
        seed: 1,
        cached: 1_204,
        judge: Some("judge-70b, judge 1".to_owned()),
        command: "hone eval run --run 4 --model qwen2.5-0.5b".to_owned(),
    }
}

fn training(dice: &mut Dice) -> Training {
    let loss = |step: u32| 0.62 + 1.9 * (-f64::from(step) / 60.0).exp();
    Training {
        losses: (1..=360).map(|step| (step, loss(step) + 0.25 * (dice.roll() - 0.5))).collect(),
        held_out: (0..=9)
            .map(|at| (40 * at, loss(40 * at) + 0.06 + 0.012 * f64::from(at)))
            .collect(),
        composition: [
            ("건축구조기준.pdf", 286, 41_000),
            ("도구 호출", 640, 113_000),
            ("일반 대화 (ko)", 160, 16_000),
            ("일반 대화 (en)", 118, 12_000),
        ]
        .map(|(name, rows, tokens)| Part { name: name.to_owned(), rows, tokens })
        .to_vec(),
        seconds: 2_460.0,
    }
}
