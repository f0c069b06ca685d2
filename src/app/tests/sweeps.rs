//! Sweeps: asked for, watched, stopped, gone on with, and read.

use super::*;
use crate::job::sweep::SweepEvent;
use crate::job::sweep::plan::{Shortage, SweepRequest};
use crate::job::sweep::state::{Asked, Entry, SweepState};
use crate::job::{JobEvent, JobId, JobOutcome, JobSpec, Told};
use crate::report::sweep as report;
use crate::train::TrainEvent;
use crate::train::sweep::{Key, Took, parse};

/// The sweep of the reports' tests as a project keeps it: one run failed, one is left.
fn state() -> SweepState {
    let report = report::sample::sample();
    let axes = parse(&["mix=0,10,20", "rank=8,16", "epochs=1,3"].map(str::to_owned)).unwrap();
    let runs = report.runs.iter().map(|run| Entry {
        values: run.values.clone(),
        run: run.number,
        measure: run.measure.clone(),
        failed: run.failed.clone(),
        took: Took { training: run.seconds, evaluation: 0.0 },
    });
    SweepState {
        version: 1,
        number: report.number,
        model: report.model.clone(),
        identity: "same".to_owned(),
        keys: vec![Key::Mix, Key::Rank, Key::Epochs],
        runs: runs.collect(),
        command: report.command.clone(),
        asked: Some(Asked { axes, limit: Some(20), ..Asked::default() }),
        started: report.created,
    }
}

fn with_sweep(language: Language) -> Harness {
    let mut project = sample();
    project.rest.sweeps = vec![state()];
    let mut harness = Harness::new(project, language);
    harness.keys("4g");
    harness
}

fn spawned(harness: &Harness) -> Option<(JobId, SweepRequest)> {
    harness.effects.iter().rev().find_map(|effect| match effect {
        Effect::Spawn(id, JobSpec::Sweep(request)) => Some((*id, (**request).clone())),
        _ => None,
    })
}

#[test]
fn a_sweep_is_typed_mended_and_started_after_a_question() {
    for (language, bad, question) in [
        (English, "rank = `x`", "Trains and evaluates 6 runs"),
        (Korean, "rank = `x`", "학습 6번을 하나씩"),
    ] {
        let mut harness = Harness::new(sample(), language);
        harness.keys("4w");
        assert!(harness.screen(80, 24).contains("mix=0,10,20 rank=8,16"));
        harness.keys(",x<ret>");
        let text = harness.screen(120, 40);
        assert!(text.contains(bad) && text.contains("rank=8,16,x"), "{text}");
        assert_eq!(spawned(&harness), None);
        harness.keys("<back><back><ret>");
        let text = harness.screen(80, 24);
        assert!(text.contains(question), "{text}");
        assert_eq!(spawned(&harness), None, "nothing starts before a yes");
        harness.keys("<ret>");
        let (_, request) = spawned(&harness).unwrap();
        let axes: Vec<String> = request.axes.iter().map(ToString::to_string).collect();
        assert_eq!(axes, ["mix=0,10,20", "rank=8,16"]);
        assert!(request.command.contains("--sweep mix=0,10,20 rank=8,16"), "{}", request.command);
    }
}

#[test]
fn the_question_says_what_the_pools_lack_where_that_is_known() {
    let mut project = sample();
    let mix = project.rest.mix.as_mut().unwrap();
    mix.general_short_of = 5_000;
    let mut harness = Harness::new(project, English);
    harness.keys("4w<ret>");
    assert!(harness.screen(80, 24).contains("lack about"), "{}", harness.screen(80, 24));
}

#[test]
fn runs_chart_and_findings_are_shown_in_both_languages() {
    for (language, words) in [
        (English, ["10 of 12 runs measured", "change of others", "Highest target", "failed"]),
        (Korean, ["학습 10/12번을 쟀습니다", "다른 능력의 변화, 점", "목표가 가장 높은", "실패"]),
    ] {
        let mut harness = with_sweep(language);
        let text = harness.screen(120, 40);
        for word in words {
            assert!(text.contains(word), "{word}:\n{text}");
        }
        // The list and the chart by themselves, where there is room for one.
        let list = harness.screen(60, 16);
        assert!(list.contains("rank") && !list.contains(words[1]), "{list}");
        harness.keys("<tab>");
        let chart = harness.screen(60, 16);
        assert!(chart.contains(words[1]) || chart.contains('│'), "{chart}");
        // The run that failed says why.
        harness.keys("<tab><home><down><down><down><down>");
        assert!(harness.screen(120, 40).contains("disk is full"), "{}", harness.screen(120, 40));
        harness.keys("<esc>");
        assert!(!harness.screen(120, 40).contains(words[0]));
    }
}

#[test]
fn a_sweep_is_watched_stopped_and_gone_on_with() {
    let mut harness = with_sweep(English);
    harness.keys("r");
    let (id, request) = spawned(&harness).unwrap();
    assert_eq!(request.options.cases.limit, Some(20), "it goes on as it was asked for");
    assert_eq!(request.command, state().command);
    let tell = |harness: &mut Harness, event| {
        harness.send(Message::Job(id, JobEvent::Sweep(event)));
    };
    let shortage = Shortage { asked: 0.2, given: 0.07, tokens: 12_345, runs: 1 };
    tell(&mut harness, SweepEvent::Short(shortage));
    assert!(
        harness.screen(120, 40).contains("lack 12,345 tokens for mix 20: 1 run would get 7.0 %")
    );
    tell(&mut harness, SweepEvent::Sweep { sweep: 2, runs: 12, left: 2, seconds_left: None });
    let setting = "mix 20, rank 16, epochs 3".to_owned();
    tell(
        &mut harness,
        SweepEvent::Run { place: 12, runs: 12, run: 14, setting, seconds_left: Some(1200.0) },
    );
    harness.world.snapshot.rest.sweeps[0].runs[11].run = Some(14);
    harness.send(Message::Loaded(harness.world.snapshot.read()));
    let planned = TrainEvent::Planned {
        steps: 200,
        first_step: 0,
        rows: 100,
        tokens: 9_000,
        label_tokens: 900,
        trainable: 1,
        memory_bytes: 1 << 30,
        kept_layers: 1,
        partly_kept_layers: 0,
        hosted_inputs: 0,
        hosted_bytes: 0,
        layers: 1,
        micro_tokens: 64,
    };
    let step = TrainEvent::Step {
        step: 50,
        epoch: 0.5,
        loss: 1.0,
        learning_rate: 1e-4,
        gradient_norm: 1.0,
        tokens_per_second: 100.0,
        seconds: 10.0,
        seconds_left: 30.0,
    };
    for event in [planned, step] {
        harness.send(Message::Job(id, JobEvent::Train(event)));
    }
    let text = harness.screen(120, 40);
    assert!(text.contains("sweep 12/12 mix 20, rank 16, epochs 3"), "{text}");
    assert!(text.contains("train 25 %") && text.contains("20 min left"), "{text}");
    // The curve of the run that it is at.
    harness.keys("<esc>");
    assert!(harness.screen(120, 40).contains("100 tok/s"), "{}", harness.screen(120, 40));
    harness.keys("gx");
    assert!(harness.effects.contains(&Effect::Cancel(id)));
    let told = Told::SweepStopped { sweep: 2, left: 2, runs: 12 };
    harness.send(Message::Job(id, JobEvent::Ended(JobOutcome::Stopped(told))));
    assert!(harness.screen(120, 40).contains("begun"), "{}", harness.screen(120, 40));
    harness.keys("r");
    assert_ne!(spawned(&harness).unwrap().0, id);
}

#[test]
fn what_cannot_be_gone_on_with_says_why_and_older_sweeps_are_shown() {
    let mut old = state();
    (old.number, old.asked) = (1, None);
    let mut done = state();
    done.number = 3;
    for entry in &mut done.runs {
        entry.measure = state().runs[0].measure.clone();
    }
    let mut project = sample();
    project.rest.sweeps = vec![old, state(), done];
    let mut harness = Harness::new(project, English);
    harness.keys("4gr");
    let text = harness.screen(80, 24);
    assert!(text.contains("Sweep 3") && text.contains("everything of this sweep"), "{text}");
    harness.keys("<lt>");
    assert!(harness.screen(80, 24).contains("Sweep 2"));
    harness.keys("<lt>r");
    let text = harness.screen(80, 24);
    assert!(text.contains("Sweep 1") && text.contains("earlier version"), "{text}");
    assert_eq!(spawned(&harness), None);
}
