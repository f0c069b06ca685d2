//! Jobs, settings, training, evaluation, chat and leaving.

use std::path::PathBuf;

use super::*;
use crate::job::{AddOptions, JobEvent, JobId, JobOutcome, JobSpec, Told};

use crate::app::message::{FolderEntry, RenderedPart};
use crate::progress::Progress;
use crate::train::{RunOutcome, TrainEvent};

fn started(harness: &Harness) -> Vec<(JobId, JobSpec)> {
    let spawned = |effect: &Effect| match effect {
        Effect::Spawn(id, spec) => Some((*id, spec.clone())),
        _ => None,
    };
    harness.effects.iter().filter_map(spawned).collect()
}

fn step(step: u64, loss: f32) -> JobEvent {
    JobEvent::Train(TrainEvent::Step {
        step,
        epoch: step as f64 / 120.0,
        loss,
        learning_rate: 1.4e-4,
        gradient_norm: 1.0,
        tokens_per_second: 4_310.0,
        seconds: step as f64,
        seconds_left: 1_020.0,
    })
}

#[test]
fn a_document_is_added_by_path() {
    let mut harness = Harness::new(Project::default(), Korean);
    harness.keys("1a");
    assert!(harness.effects.contains(&Effect::ListFolder(PathBuf::from("."))));
    let entries = vec![FolderEntry { name: "기준.pdf".to_owned(), is_folder: false }];
    harness.send(Message::FolderListed { folder: ".".into(), entries });
    assert!(harness.screen(80, 24).contains("기준.pdf"));
    harness.keys("ㄱ<tab><ret>");
    let path = PathBuf::from("기준.pdf");
    assert_eq!(
        started(&harness)[0].1,
        JobSpec::AddDocument { path, password: None, options: AddOptions::default() }
    );
}

#[test]
fn job_events_drive_the_strip_and_late_mail_is_dropped() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("1a");
    harness.send(Message::Paste("'/tmp/새 문서.pdf'".to_owned()));
    harness.keys("<ret>");
    let id = started(&harness)[0].0;
    harness.tick(1);
    harness
        .send(Message::Job(id, JobEvent::Progress(Progress::new("read", 0, Some(200), "pages"))));
    harness.tick(11);
    harness
        .send(Message::Job(id, JobEvent::Progress(Progress::new("read", 50, Some(200), "pages"))));
    let text = harness.screen(80, 24);
    let strip = text.lines().rev().nth(2).unwrap();
    assert_eq!(
        strip,
        " ▶ add document 새 문서.pdf  read 50/200 pages  5/s  25 %  30 s left    x stop"
    );
    harness.keys("x");
    assert_eq!(harness.effects.last(), Some(&Effect::Cancel(id)));
    assert!(harness.screen(80, 24).contains("stopping"));
    let stopped = JobOutcome::Stopped(Told::NotDone);
    harness.send(Message::Job(id, JobEvent::Ended(stopped)));
    harness
        .send(Message::Job(id, JobEvent::Progress(Progress::new("read", 60, Some(200), "pages"))));
    let text = harness.screen(80, 24);
    assert!(!text.contains("▶"), "{text}");
    assert!(text.contains("nothing was changed"));
    harness.keys("7");
    assert!(harness.screen(80, 24).contains("nothing was changed"));
}

#[test]
fn training_draws_its_curve_and_figures() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("4s");
    let (id, spec) = started(&harness)[0].clone();
    assert!(matches!(spec, JobSpec::Train { resume: None, .. }));
    let planned = TrainEvent::Planned {
        steps: 360,
        first_step: 0,
        rows: 964,
        tokens: 182_000,
        label_tokens: 60_000,
        trainable: 9_000_000,
        memory_bytes: 1 << 30,
        kept_layers: 30,
        partly_kept_layers: 0,
        hosted_inputs: 0,
        hosted_bytes: 0,
        layers: 30,
        micro_tokens: 640,
    };
    harness.send(Message::Job(id, JobEvent::Train(planned)));
    for n in 1..=214 {
        harness.send(Message::Job(id, step(n, 2.0 / (n as f32).sqrt() + 0.6)));
    }
    let validation = TrainEvent::Validation { step: 180, loss: 0.83, best: 0.83 };
    harness.send(Message::Job(id, JobEvent::Train(validation)));
    harness.send(Message::Job(id, JobEvent::Train(TrainEvent::Checkpoint { step: 208 })));
    let sample = TrainEvent::Sample {
        step: 180,
        prompt: "서울 날씨 알려 줘".to_owned(),
        answer: r#"{"name":"get_weather"}"#.to_owned(),
    };
    harness.send(Message::Job(id, JobEvent::Train(sample)));
    let text = harness.screen(120, 40);
    for part in [
        "step 214/360",
        "0.737",
        "validation 0.830",
        "4,310 tok/s",
        "17 min left",
        "checkpoint at 208, 6 steps ago",
        "서울 날씨",
        "get_weather",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "a braille curve");
    layout::snapshot("training-120x40-en", &text);
    layout::snapshot("training-80x24-en", &harness.screen(80, 24));
    layout::snapshot("training-60x16-en", &harness.screen(60, 16));
    // A second heavy job is refused, in words.
    harness.keys("5s");
    assert_eq!(started(&harness).len(), 1);
    assert!(harness.screen(120, 40).contains("train is running"));
    let ended = TrainEvent::Ended { outcome: RunOutcome::Finished };
    harness.send(Message::Job(id, JobEvent::Train(ended)));
    harness.send(Message::Job(
        id,
        JobEvent::Ended(JobOutcome::Finished(Told::Trained { run: 3, steps: 360 })),
    ));
    harness.keys("4");
    assert!(harness.screen(120, 40).contains("finished"));
    assert!(harness.effects.contains(&Effect::Reload));
}

#[test]
fn a_run_that_is_being_trained_is_not_called_cut_off() {
    let mut snapshot = sample();
    let drafts = snapshot.examples.iter_mut();
    drafts.for_each(|stored| stored.state = crate::pair::ReviewState::Accepted);
    let mut harness = Harness::new(snapshot.clone(), English);
    harness.keys("4s");
    let (id, _) = started(&harness)[0].clone();
    let mut record = snapshot.runs[1].clone();
    (record.number, record.outcome) = (3, None);
    snapshot.runs.push(record);
    harness.send(Message::Loaded(snapshot.read()));
    harness.send(Message::Job(id, step(2, 1.5)));
    let text = harness.screen(120, 40);
    assert!(text.contains("▶ qwen2.5-1.5b") && !text.contains("cut off"), "{text}");
    harness.keys("r");
    assert_eq!(started(&harness).len(), 1);
    assert!(harness.screen(120, 40).contains("another job is running"));
    harness.keys("0");
    let text = harness.screen(80, 24);
    assert!(text.contains("Next: run 3 is training"), "{text}");
    // Once the job has failed to say how it ended, the run is what it is.
    let failed = JobOutcome::Failed { message: "no space".to_owned(), hints: Vec::new() };
    harness.send(Message::Job(id, JobEvent::Ended(failed)));
    harness.send(Message::Loaded(snapshot.read()));
    assert!(harness.screen(80, 24).contains("Next: go on with run 3"));
    harness.keys("4");
    assert!(harness.screen(120, 40).contains("cut off"));
}

#[test]
fn rows_of_a_subset_say_which_metric_they_are() {
    let mut snapshot = sample();
    let metrics = &mut snapshot.evaluations[0].suites[0].metrics;
    let mut seen = metrics[2].clone();
    seen.subset = Some("seen".to_owned());
    let mut lenient = seen.clone();
    lenient.form = crate::evaluate::Form::Lenient;
    metrics[4].base_interval = (0.9, 1.0);
    metrics[4].base = crate::evaluate::Proportion { successes: 18, n: 18 };
    metrics.extend([seen, lenient]);
    let mut harness = Harness::new(snapshot, English);
    harness.keys("5");
    for (columns, rows) in [(120, 40), (80, 24)] {
        let text = harness.screen(columns, rows);
        assert!(text.contains(" seen: tool name"), "{text}");
        assert!(text.contains("100.0 % [90-100]  72.2 %"), "figures stand apart: {text}");
    }
}

#[test]
fn recipe_fields_are_stepped_typed_and_kept() {
    let mut harness = Harness::new(sample(), Korean);
    harness.keys("4<down>+");
    assert!(harness.world.kept["recipe"].contains("\"epochs\":4.0"));
    harness.keys("<ret><c-u>2<ret>");
    assert!(harness.world.kept["recipe"].contains("\"epochs\":2.0"));
    harness.keys("<ret><c-u>둘<ret>");
    assert!(harness.screen(80, 24).contains("숫자가 아닙니다"));
    assert_eq!(harness.world.kept.len(), 1, "only what changed is kept");
    harness.keys("m<down><ret>");
    assert_eq!(harness.world.kept["model"], "\"smollm2-135m\"");
    // One of two is chosen by opening it.
    harness.keys(&"<down>".repeat(13)).keys("<ret>");
    assert!(harness.world.kept["recipe"].contains("\"vary_tools\":true"));
    harness.keys("<down>+");
    assert!(harness.world.kept["recipe"].contains("\"keep\":\"last\""));
    assert!(harness.screen(120, 40).contains("바꿔 가며"));
}

#[test]
fn a_stopped_run_is_resumed_and_an_earlier_one_opened() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("4<tab><tab><down>");
    assert!(harness.effects.contains(&Effect::ReadRun(1)));
    let events = (1..=20).map(|n| match step(n, 1.5) {
        JobEvent::Train(event) => event,
        _ => unreachable!(),
    });
    harness.send(Message::RunRead(1, events.collect()));
    let text = harness.screen(120, 40);
    assert!(text.contains("Run 1") && text.contains("stopped, checkpoint kept"), "{text}");
    harness.keys("r");
    assert!(matches!(started(&harness)[0].1, JobSpec::Train { resume: Some(1), .. }));
}

#[test]
fn the_general_share_is_a_slider_from_0_to_90() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("3+");
    assert!(harness.world.kept["mix"].contains("\"general_share\":0.2"));
    harness.keys("<ret><c-u>40<ret>");
    let text = harness.screen(160, 40);
    assert!(text.contains("10-20 % is advised"), "{text}");
    harness.keys(&"+".repeat(30));
    assert!(harness.world.kept["mix"].contains("\"general_share\":0.9"));
    harness.keys("m");
    assert_eq!(started(&harness)[0].1, JobSpec::Mix);
}

#[test]
fn disagreements_are_walked_and_become_pairs() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("5<ret>n");
    let text = harness.screen(120, 40);
    assert!(text.contains("weather-2") && text.contains("regressed"), "{text}");
    assert!(text.contains("city: expected 서울, got Seoul"));
    harness.keys("n");
    assert!(harness.screen(120, 40).contains("no more differences"));
    harness.keys("pt");
    assert_eq!(harness.edits().len(), 1);
    let last = harness.world.snapshot.examples.last().unwrap();
    assert_eq!(last.example.question(), "서울 날씨 알려 줘");
    harness.keys("<esc>");
    assert!(harness.screen(120, 40).contains("Tool calls"));
}

#[test]
fn cannot_tell_is_said_in_words() {
    let mut harness = Harness::new(sample(), Korean);
    harness.keys("5");
    let text = harness.screen(120, 40);
    assert!(text.contains("= 알 수 없음"), "{text}");
    assert!(text.contains("▲  +88.2"), "{text}");
    assert!(text.contains("▼  -11.0"), "{text}");
}

#[test]
fn no_change_is_said_where_nothing_changed() {
    let mut snapshot = sample();
    for metric in snapshot.evaluations[0].suites.iter_mut().flat_map(|suite| &mut suite.metrics) {
        if let Some(difference) = &mut metric.difference {
            (difference.delta, difference.improved, difference.regressed) = (0.0, 0, 0);
            (difference.p, difference.holm) = (1.0, Some(1.0));
        }
    }
    let mut harness = Harness::new(snapshot, English);
    harness.keys("5");
    let text = harness.screen(120, 40);
    assert!(text.contains("= no change n=") && !text.contains("cannot tell"), "{text}");
}

#[test]
fn chat_streams_into_both_columns() {
    let mut harness = Harness::new(sample(), Korean);
    harness.keys("6i서울 날씨<ret>");
    let (id, spec) = started(&harness)[0].clone();
    let JobSpec::Chat { run: Some(2), conversation, .. } = spec else { panic!("{spec:?}") };
    assert_eq!(conversation.question(), "서울 날씨");
    for (tuned, text) in [(false, "사계절이 "), (false, "뚜렷합니다"), (true, "{\"name\":")]
    {
        harness.send(Message::Job(id, JobEvent::ChatText { tuned, text: text.to_owned() }));
    }
    let text = harness.screen(80, 24);
    assert!(text.contains("사계절이 뚜렷합니다") && text.contains("{\"name\":"), "{text}");
    // A second message waits for the first answer; what is typed stays.
    harness.keys("부산은?<ret>");
    assert_eq!(started(&harness).len(), 1);
    assert!(harness.screen(80, 24).contains("부산은?"));
    harness.send(Message::Job(id, JobEvent::Ended(JobOutcome::Finished(Told::Nothing))));
    harness.keys("<ret>");
    let JobSpec::Chat { conversation, .. } = &started(&harness)[1].1 else { panic!() };
    assert_eq!(conversation.messages.len(), 3);
    assert_eq!(conversation.messages[1].content, "{\"name\":");
}

#[test]
fn quitting_while_a_job_runs_asks_then_waits() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("4s");
    let id = started(&harness)[0].0;
    harness.keys("q");
    assert!(harness.screen(80, 24).contains("Stop it and quit?"));
    harness.keys("n");
    assert!(!harness.effects.contains(&Effect::Cancel(id)));
    harness.keys("q<ret>");
    assert!(harness.effects.contains(&Effect::Cancel(id)));
    assert!(!harness.effects.contains(&Effect::Quit), "waits for the job");
    harness.send(Message::Job(id, JobEvent::Ended(JobOutcome::Stopped(Told::NotDone))));
    assert!(harness.effects.contains(&Effect::Quit));
    let mut idle = Harness::new(sample(), English);
    idle.keys("q");
    assert_eq!(idle.effects.last(), Some(&Effect::Quit));
}

#[test]
fn a_signal_keeps_typing_and_stops_jobs_without_asking() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("2e!");
    harness.send(Message::Terminated);
    assert!(harness.effects.iter().any(|effect| matches!(effect, Effect::SaveUnsent(..))));
    assert_eq!(harness.effects.last(), Some(&Effect::Quit));
}

#[test]
fn language_and_symbols_switch_at_once_and_are_kept() {
    let mut harness = Harness::new(sample(), Korean);
    assert!(harness.screen(80, 24).contains("문서"));
    harness.keys("<f2>");
    assert!(harness.screen(80, 24).contains("Sources"));
    assert_eq!(harness.world.kept["language"], "\"en\"");
    harness.keys("8<down><ret>");
    let text = harness.screen(80, 24);
    assert!(text.chars().all(|c| !"✓✗▸│─…▌".contains(c)), "{text}");
}

#[test]
fn removing_a_document_asks_first() {
    let mut harness = Harness::new(sample(), Korean);
    harness.keys("1d<esc>");
    assert!(harness.effects.is_empty());
    harness.keys("dㅛ");
    let id = crate::project::DocumentId(1);
    assert_eq!(harness.effects.last(), Some(&Effect::RemoveDocument(id)));
}

#[test]
fn the_palette_finds_in_both_languages_and_input_modes_and_goes_there() {
    // The last is "train.start" typed with a Korean input method left on.
    for typed in ["starts a run", "새 학습을 시작", "train.start", "ㅅㄱ먀ㅜ.ㄴㅅㅁㄱㅅ"]
    {
        let mut harness = Harness::new(sample(), English);
        harness.keys(":");
        harness.send(Message::Paste(typed.to_owned()));
        harness.keys("<ret>");
        assert_eq!(harness.app.screen(), Screen::Train, "{typed}");
        assert_eq!(started(&harness).len(), 1, "{typed}");
    }
}

#[test]
fn passages_open_in_curate_and_rendered_rows_are_shown() {
    let mut harness = Harness::new(sample(), Korean);
    harness.keys("1<tab><down><ret>");
    assert_eq!(harness.app.screen(), Screen::Curate);
    assert!(harness.screen(120, 40).contains("칸막이벽"));
    harness.keys("v");
    assert!(matches!(harness.effects.last(), Some(Effect::Render(..))));
    let part = |text: &str, trained| RenderedPart { text: text.to_owned(), trained, tokens: 3 };
    let parts = vec![part("<|im_start|>user\n", false), part("25 %를 포함합니다<|im_end|>", true)];
    harness.send(Message::Rendered(parts));
    assert!(harness.screen(80, 24).contains("<|im_start|>user"));
}

#[test]
fn notices_go_away_by_themselves() {
    let mut harness = Harness::new(sample(), English);
    harness.keys("2a");
    assert!(harness.app.wants_ticks());
    for n in 0..40 {
        harness.tick(n);
    }
    assert!(!harness.app.wants_ticks());
    assert!(!harness.screen(80, 24).contains("accepted 1 pair"));
}

#[test]
fn a_project_open_elsewhere_is_only_read() {
    let mut snapshot = sample();
    snapshot.read_only = true;
    let mut harness = Harness::new(snapshot, English);
    harness.keys("2");
    let text = harness.screen(80, 24);
    assert!(text.contains("[read only]"), "{text}");
    for keys in ["a", "r", "u", "d", "t", "+", "3m", "4s"] {
        harness.keys(keys);
        assert!(harness.screen(120, 40).contains("another program has the project open"), "{keys}");
        harness.keys("2");
    }
    let writes = |effect: &&Effect| {
        matches!(
            effect,
            Effect::Apply(_) | Effect::Undo | Effect::Spawn(..) | Effect::SaveSetting(..)
        )
    };
    assert_eq!(harness.effects.iter().filter(writes).count(), 0);
    // Looking and searching work as ever.
    harness.keys("/state:draft<ret>");
    assert!(harness.screen(120, 40).contains("Pair 1 of 3"));
}

#[test]
fn what_is_edited_while_pairs_are_read_is_not_lost_from_sight() {
    let whole = sample().read();
    let mut harness = Harness::new(sample(), English);
    // The project as it is first read when it is large: some pairs, the others on their way.
    let mut part = sample();
    part.examples.truncate(2);
    let mut part = part.read();
    part.example_count = whole.example_count;
    let mut fresh =
        App::new(Options { language: English, symbols: None, folder: "/project".into() });
    fresh.update(Message::Loaded(part));
    std::mem::swap(&mut harness.app, &mut fresh);
    harness.keys("2aa");
    harness.send(Message::CatalogRead(whole.catalog));
    let text = harness.screen(120, 40);
    assert!(text.contains("Curate 3✓ 1!"), "both edits show: {text}");
}
