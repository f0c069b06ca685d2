//! What a sweep goes on with and what it begins anew.

use super::plan::{SweepPlan, SweepRequest};
use super::state::{Asked, sweeps};
use crate::evaluate::Evaluation;
use crate::job::EvaluateOptions;
use crate::pair::{Change, Edit, Example, Message, ReviewState, Role};
use crate::project::Project;
use crate::report::sweep::Measure;
use crate::train::sweep::{Took, parse};
use crate::train::{Recipe, RunOutcome, RunRecord};

fn request(axes: &[&str]) -> SweepRequest {
    let axes: Vec<String> = axes.iter().map(|axis| (*axis).to_owned()).collect();
    SweepRequest {
        model: "toy".to_owned(),
        recipe: Recipe::default(),
        axes: parse(&axes).unwrap(),
        options: EvaluateOptions::default(),
        target: None,
        command: "hone train --sweep".to_owned(),
    }
}

fn add_pair(project: &Project, question: &str) {
    let messages = vec![Message::text(Role::User, question), Message::text(Role::Assistant, "yes")];
    let example = Example { messages, ..Example::default() };
    let change = Change::insert(None, ReviewState::Accepted, example);
    project.store().apply(Edit::new("added", vec![change])).unwrap();
}

fn measure() -> Measure {
    Measure::of(&crate::report::sample::sample_full(), None).unwrap()
}

#[test]
fn the_same_command_goes_on_and_other_data_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::create(folder.path(), "p").unwrap();
    let make = |request: &SweepRequest| {
        SweepPlan::make(folder.path(), project.store(), request, 1).unwrap()
    };
    let empty = SweepPlan::make(folder.path(), project.store(), &request(&["rank=8"]), 1);
    assert!(empty.err().unwrap().message.contains("no training rows"));
    add_pair(&project, "one?");

    let mut first = make(&request(&["mix=0,10", "rank=8,16"]));
    assert!(!first.known);
    assert_eq!((first.state.number, first.left().len()), (1, 4));
    assert!(sweeps(folder.path()).unwrap().is_empty(), "planning writes nothing");
    first.state.runs[1].run = Some(3);
    first.state.runs[1].measure = Some(measure());
    first.state.runs[1].took = Took { training: 60.0, evaluation: 40.0 };
    first.state.write(folder.path()).unwrap();

    // In another order, with a value more, one twice: what is there is not made anew.
    let again = make(&request(&["rank=16,8,32,8", "mix=10,0"]));
    assert!(again.known);
    assert_eq!((again.state.number, again.asked.len(), again.left().len()), (1, 6, 5));
    assert_eq!(again.state.runs.len(), 6);
    let (_, setting) = again.asked.iter().find(|(at, _)| *at == 1).unwrap();
    assert_eq!((setting.general, setting.recipe.rank), (0.0, 16));
    let estimate = again.estimate().unwrap();
    assert!(!estimate.training_only);
    assert!((estimate.seconds - (2.0 * 100.0 + 3.0 * (60.0 / 0.9 + 40.0))).abs() < 1e-6);

    // What the project keeps goes on with the same, by the same command.
    let kept = sweeps(folder.path()).unwrap().pop().unwrap().request().unwrap();
    assert_eq!(kept, request(&["mix=0,10", "rank=8,16"]));
    assert!(make(&kept).known);
    let command = Asked::of(&kept).request("a model").command;
    assert_eq!(command, "hone train --model 'a model' --sweep mix=0,10 rank=8,16");

    for other in [
        request(&["mix=0,10"]),
        SweepRequest { model: "other".to_owned(), ..request(&["mix=0,10", "rank=8,16"]) },
        SweepRequest { target: Some("x".to_owned()), ..request(&["mix=0,10", "rank=8,16"]) },
        SweepRequest {
            recipe: Recipe { epochs: 1.0, ..Recipe::default() },
            ..request(&["mix=0,10", "rank=8,16"])
        },
    ] {
        let plan = make(&other);
        assert!(!plan.known && plan.state.number == 2);
    }
    // What is swept may differ in the recipe, and so may memory.
    let recipe = Recipe { rank: 4, alpha: 1.0, memory_mib: 900, ..Recipe::default() };
    assert!(make(&SweepRequest { recipe, ..request(&["mix=0,10", "rank=8,16"]) }).known);
    add_pair(&project, "two?");
    assert!(!make(&request(&["mix=0,10", "rank=8,16"])).known);
}

#[test]
fn before_a_run_is_done_other_runs_of_the_model_tell_how_long_training_takes() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::create(folder.path(), "p").unwrap();
    add_pair(&project, "one?");
    let make =
        || SweepPlan::make(folder.path(), project.store(), &request(&["epochs=1,6"]), 1).unwrap();
    assert!(make().estimate().is_none());
    let run = RunRecord {
        number: 1,
        model: "toy".to_owned(),
        recipe: Recipe { epochs: 3.0, ..Recipe::default() },
        started: 1,
        outcome: Some(RunOutcome::Finished),
        step: 3,
        steps: 3,
        loss: None,
        validation_loss: None,
        seconds: 30.0,
        tokens: 0,
        general: None,
    };
    project.store().save_run(&run).unwrap();
    let estimate = make().estimate().unwrap();
    assert!(estimate.training_only && (estimate.seconds - 70.0).abs() < 1e-6, "{estimate:?}");
}

#[test]
fn the_report_has_axes_in_rising_order_and_a_state_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::create(folder.path(), "p").unwrap();
    add_pair(&project, "one?");
    let plan = SweepPlan::make(
        folder.path(),
        project.store(),
        &request(&["lr=2e-4,1e-4", "seed=10,9"]),
        7,
    );
    let mut plan = plan.unwrap();
    plan.state.runs[2].failed = Some("why".to_owned());
    plan.state.write(folder.path()).unwrap();
    assert_eq!(sweeps(folder.path()).unwrap(), [plan.state.clone()]);
    let report = plan.state.report(None, 1);
    assert_eq!(report.axes[0].values, ["0.0001", "0.0002"]);
    assert_eq!(report.axes[1].values, ["9", "10"]);
    assert_eq!(report.runs[2].failed.as_deref(), Some("why"));
    assert!(Measure::of(&Evaluation::default(), None).is_err());

    let path = super::state::sweep_folder(folder.path(), 1).join("sweep.json");
    std::fs::write(&path, "{").unwrap();
    let failure = sweeps(folder.path()).unwrap_err();
    assert!(failure.message.contains("sweep.json"), "{}", failure.message);
}

#[test]
fn a_share_that_the_pools_are_too_small_for_is_told_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::create(folder.path(), "p").unwrap();
    add_pair(&project, "one?");
    let plan =
        |axes: &[&str]| SweepPlan::make(folder.path(), project.store(), &request(axes), 1).unwrap();
    assert_eq!(plan(&["mix=0,10"]).shortages(None), [], "one short pair needs little");
    // A pair of four hundred thousand words: nine times that is more than comes with the program.
    add_pair(&project, &"what now ".repeat(200_000));
    let short = plan(&["mix=0,90", "rank=8,16"]).shortages(None);
    assert_eq!(short.len(), 1, "{short:?}");
    assert_eq!((short[0].asked, short[0].runs), (0.9, 2));
    assert!(short[0].given < 0.9 && short[0].tokens > 0);
    let told = short[0].to_string();
    assert!(told.contains("mix 90: 2 runs") && told.contains("hone mix --pool"), "{told}");
}

#[test]
fn what_is_edited_meanwhile_is_not_in_the_rows_of_a_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::create(folder.path(), "p").unwrap();
    add_pair(&project, "one?");
    let plan = SweepPlan::make(folder.path(), project.store(), &request(&["rank=8"]), 1).unwrap();
    add_pair(&project, "two?");
    assert_eq!(plan.material.accepted().len(), 1);
    assert_eq!(plan.material.mix(None, Some(0.0)).rows.len(), 1);
}
