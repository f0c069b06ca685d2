//! Training a run.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use super::mixing::{self, Material};
use super::{Desk, JobEvent, JobOutcome, Told, gpu, stopped, training_set};
use crate::engine::{GenerateConfig, cpu, generate};
use crate::failure::{Context as _, Result};
use crate::mix::Side;
use crate::model::Codec;
use crate::pair::{Example, Role};
use crate::train::rows::{Epoch, Rows};
use crate::train::run::{RunInput, run};
use crate::train::{Recipe, RunOutcome, RunRecord, TrainEvent, checkpoint, rows, vary};

/// Longest sample answer, in tokens.
const SAMPLE_TOKENS_MAX: usize = 64;
/// Rows left out that are told one by one.
const LEFT_OUT_TOLD_MAX: usize = 5;

/// What is to be trained.
pub(super) struct Request<'a> {
    /// Base model.
    pub model: &'a str,
    /// Settings.
    pub recipe: &'a Recipe,
    /// Run to go on with.
    pub resume: Option<u32>,
    /// Number of a new run; none for the next.
    pub number: Option<u32>,
    /// Share of general conversation, where it is not the project's or the resumed run's.
    pub general: Option<f64>,
    /// What its rows come from; none for the project as it is now.
    pub material: Option<&'a Material>,
}

pub(super) fn train(desk: &mut Desk<'_>, request: &Request<'_>) -> Result<JobOutcome> {
    let Request { model, recipe, resume, .. } = *request;
    let store = desk.store()?;
    let number = resume.or(request.number).map_or_else(|| store.next_run(), Ok)?;
    let mut earlier = store.runs()?.into_iter().find(|run| run.number == number);
    if resume.is_some() && earlier.is_none() {
        return Err(crate::failure::Failure::user(format!("there is no run {number}"))
            .hint("`hone train --list` shows the runs of this project"));
    }
    let folder = crate::project::run_folder(desk.folder, number);
    if let Some(kernel) = resume.and_then(|_| checkpoint::kernel(&folder)) {
        cpu::prefer(&kernel);
    }
    let opening = gpu::begin(recipe.device);
    let Some(loaded) = desk.models.get(model, &mut desk.progress())? else {
        return Ok(stopped());
    };
    let general = request.general.or_else(|| earlier.as_ref().and_then(|earlier| earlier.general));
    let mix = match request.material {
        Some(material) => material.mix(Some(&loaded.codec), general),
        None => Material::read(&store)?.mix(Some(&loaded.codec), general),
    };
    // The project's report is of the project's own share.
    if general.is_none() {
        store.set_setting(mixing::REPORT_KEY, &mix.report)?;
    }
    let side =
        |side: Side| mix.rows.iter().filter(move |row| row.side == side).map(|row| &row.example);
    let parts = |of: Side| -> Vec<Example> {
        side(of).flat_map(|example| loaded.codec.parts(example)).collect()
    };
    let train = parts(Side::Train);
    let train_rows = rows::encode(train.iter(), &loaded.codec, recipe.length_max)?;
    let validation =
        rows::encode(parts(Side::Validation).iter(), &loaded.codec, recipe.length_max)?;
    for (_, reason) in train_rows.left_out.iter().take(LEFT_OUT_TOLD_MAX) {
        desk.note(format!("left out: {reason}"));
    }
    if train_rows.left_out.len() > LEFT_OUT_TOLD_MAX {
        desk.note(format!("{} rows are left out in all", train_rows.left_out.len()));
    }
    train_rows.check_any()?;
    let examples: Vec<&Example> = train.iter().collect();
    let context = loaded.base.config().context_length;
    let beyond = train_rows.rows.iter().filter(|row| row.ids.len() > context).count();
    if beyond > 0 {
        desk.note(format!(
            "{beyond} rows are longer than the {context} tokens this model was made for; a lower \
             `length_max` leaves them out"
        ));
    }
    if !loaded.unsaid.is_empty() && examples.iter().any(|example| example.calls().next().is_some())
    {
        desk.note(format!(
            "the model was never trained to say {} as one token, and an adapter cannot teach it; it learns to write \
             the same text in pieces",
            loaded.unsaid.join(" and ")
        ));
    }
    let device = gpu::chosen(opening, &loaded.base, &mut |text| desk.note(text))?;
    let sets = epochs(&train_rows, &examples, &loaded.codec, recipe);
    std::fs::create_dir_all(&folder).because(folder.display())?;
    training_set::write(&folder, &mix)?;
    let events_path = folder.join("events.jsonl");
    let mut events = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&events_path)
        .because(events_path.display())?;
    if resume.is_none() {
        earlier = None;
    }
    let mut record = earlier.unwrap_or_else(|| RunRecord {
        number,
        model: model.to_owned(),
        recipe: recipe.clone(),
        started: now(),
        outcome: None,
        step: 0,
        steps: 0,
        loss: None,
        validation_loss: None,
        seconds: 0.0,
        tokens: 0,
        general,
    });
    record.outcome = None;
    store.save_run(&record)?;
    desk.changed();
    let question = side(Side::Validation).find(|example| ends_with_answer(example)).cloned();
    let cancel = desk.cancel.clone();
    let input = RunInput {
        base: &loaded.base,
        model,
        recipe,
        train: &sets,
        validation: &validation.rows,
        general_share: Some(mix.report.general_share),
        folder: &folder,
        resume: resume.is_some(),
        device: device.as_ref(),
    };
    let mut sample = |adapter: &crate::engine::Adapter| {
        let example = question.as_ref()?;
        let prompt = &example.messages[..example.messages.len() - 1];
        let ids = loaded.codec.encode_prompt(prompt, &example.tools).ok()?;
        let config = GenerateConfig {
            max_new: SAMPLE_TOKENS_MAX,
            stop: loaded.codec.stop_ids(),
            ..GenerateConfig::default()
        };
        let go_on = &mut |_: usize, _: u32| std::ops::ControlFlow::Continue(());
        let answers = generate(&loaded.base, Some(adapter), &[ids], &config, go_on).ok()?;
        let question = prompt.last().map(|message| message.content.clone()).unwrap_or_default();
        Some((question, loaded.codec.tokenizer().decode(answers.first()?)))
    };
    let mut on_train = |event: TrainEvent| {
        note_in_record(&mut record, &event);
        // The events file is a convenience; a full disk must not end the run before its checkpoint.
        if let Ok(line) = serde_json::to_string(&event) {
            let _ = writeln!(events, "{line}");
        }
        // What is planned is saved too: a run that is killed before its first checkpoint then tells how far it was to go.
        let saves = matches!(
            event,
            TrainEvent::Planned { .. }
                | TrainEvent::Checkpoint { .. }
                | TrainEvent::Validation { .. }
        );
        (desk.on_event)(JobEvent::Train(event));
        if saves && store.save_run(&record).is_ok() {
            (desk.on_event)(JobEvent::DataChanged);
        }
    };
    let result = run(&input, &cancel, &mut sample, &mut on_train);
    let outcome = match &result {
        Ok(outcome) => outcome.clone(),
        Err(failure) => RunOutcome::Failed { reason: failure.message.clone() },
    };
    on_train(TrainEvent::Ended { outcome: outcome.clone() });
    record.outcome = Some(outcome.clone());
    store.save_run(&record)?;
    desk.changed();
    result?;
    Ok(match outcome {
        RunOutcome::Stopped => JobOutcome::Stopped(Told::TrainingStopped {
            run: number,
            step: record.step,
            steps: record.steps,
        }),
        _ => JobOutcome::Finished(Told::Trained { run: number, steps: record.step }),
    })
}

/// The rows of each epoch: all the same, or with the offered tools drawn anew.
fn epochs(rows: &Rows, examples: &[&Example], codec: &Codec, recipe: &Recipe) -> Vec<Epoch> {
    if !recipe.vary_tools {
        return vec![Epoch::shuffled(rows.rows.clone())];
    }
    let left_out: Vec<usize> = rows.left_out.iter().map(|(index, _)| *index).collect();
    let kept: Vec<&Example> = examples
        .iter()
        .enumerate()
        .filter(|(index, _)| !left_out.contains(index))
        .map(|(_, example)| *example)
        .collect();
    let sizes = (recipe.length_max, recipe.batch_rows.max(1));
    let count = recipe.epochs.ceil() as u64;
    (0..count).map(|epoch| vary::epoch(rows, &kept, codec, sizes, (recipe.seed, epoch))).collect()
}

fn note_in_record(record: &mut RunRecord, event: &TrainEvent) {
    match event {
        TrainEvent::Planned { steps, first_step, tokens, .. } => {
            record.tokens = *tokens;
            record.steps = *steps;
            record.step = *first_step;
        }
        TrainEvent::Step { step, loss, seconds, .. } => {
            record.step = *step;
            record.loss = Some(*loss);
            record.seconds = *seconds;
        }
        TrainEvent::Validation { best, .. } => record.validation_loss = Some(*best),
        TrainEvent::Sample { .. }
        | TrainEvent::Checkpoint { .. }
        | TrainEvent::Warning { .. }
        | TrainEvent::Ended { .. } => {}
    }
}

fn ends_with_answer(example: &Example) -> bool {
    example.messages.len() > 1
        && example.messages.last().is_some_and(|message| message.role == Role::Assistant)
}

/// Unix seconds now.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs() as i64)
}
