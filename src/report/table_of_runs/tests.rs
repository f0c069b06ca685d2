//! The table, and conditions on its figures.

use super::*;
use crate::report::markdown::tests::sample;
use crate::report::sample::sample_full;

fn named(name: &str, evaluation: Evaluation) -> Named {
    Named { name: name.to_owned(), evaluation }
}

#[test]
fn runs_stand_beside_each_other() {
    let mut other = sample_full();
    other.run = Some(5);
    other.suites.retain(|suite| suite.name != "domain");
    let table = table_of_runs(&[named("run 4", sample_full()), named("run 5", other)]);
    insta::assert_snapshot!("runs", plain(&table));
    let row = |suite: &str, metric: &str| {
        table.rows.iter().find(|row| row.suite == suite && row.metric == metric).unwrap()
    };
    assert!(row("domain", "accuracy").runs[0].is_some());
    assert_eq!(row("domain", "accuracy").runs[1], None);
    assert_eq!(row("forgetting/text", "text").runs[0].unwrap().told, Some("worse"));
}

#[test]
fn other_models_and_cases_are_told() {
    let mut other = sample_full();
    other.model = "smollm2-135m".to_owned();
    other.provenance.as_mut().unwrap().cases = "e".repeat(64);
    let notes = table_of_runs(&[named("run 4", sample_full()), named("run 1", other)]).notes;
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("smollm2-135m") && notes[1].contains("other cases"));
    let small = table_of_runs(&[named("a", sample_full()), named("b", sample(true))]);
    assert!(small.notes.iter().any(|note| note.contains("other cases")));
}

#[test]
fn conditions_name_figures_and_differences() {
    let evaluation = sample_full();
    let value = |name: &str| {
        let condition = Condition::parse_all(&format!("{name}>=-9")).unwrap();
        condition[0].check(&evaluation).unwrap().value
    };
    let suite = |name: &str| evaluation.suites.iter().find(|suite| suite.name == name).unwrap();
    let share = |result: &MetricResult| {
        let tuned = result.tuned.unwrap();
        f64::from(tuned.successes) / f64::from(tuned.n)
    };
    let tools = leading(suite("tools")).unwrap();
    assert_eq!(value("params"), share(tools));
    assert_eq!(value("tools.params"), share(tools));
    assert_eq!(value("delta(params)"), tools.difference.unwrap().delta);
    assert_eq!(value("delta( tools.params )"), tools.difference.unwrap().delta);
    assert_eq!(value("domain"), share(leading(suite("domain")).unwrap()));
    assert_eq!(value("domain.accuracy"), value("accuracy"), "the only task with an accuracy");
    let mathematics = leading(suite("forgetting/mathematics")).unwrap();
    assert_eq!(value("forgetting.mathematics"), mathematics.difference.unwrap().delta);
    assert_eq!(value("forgetting.mathematics.accuracy"), share(mathematics));
    assert_eq!(value("forgetting/mathematics.accuracy"), share(mathematics));
    assert!(value("forgetting") <= value("forgetting.mathematics"));
    let loss = suite("forgetting/text").text_loss.unwrap();
    assert_eq!(value("text"), loss.relative().unwrap());
}

#[test]
fn a_bare_name_that_two_tasks_have_is_not_guessed() {
    let mut evaluation = sample_full();
    let mut second = evaluation.suites[1].clone();
    second.name = "labels".to_owned();
    evaluation.suites.push(second);
    let condition = &Condition::parse_all("accuracy>0").unwrap()[0];
    let failure = condition.check(&evaluation).unwrap_err();
    assert!(failure.hints[0].contains("labels.accuracy"), "{failure:?}");
    assert!(failure.hints[0].contains("domain.accuracy"));
}

#[test]
fn what_fails_is_named_with_its_figure() {
    let evaluation = sample_full();
    let conditions =
        Condition::parse_all("params >= 0.1, json>50%,forgetting>=0.5, text<0.01,name<=1").unwrap();
    let outcomes: Vec<Outcome> =
        conditions.iter().map(|condition| condition.check(&evaluation).unwrap()).collect();
    let held: Vec<bool> = outcomes.iter().map(|outcome| outcome.holds).collect();
    assert_eq!(held, [true, true, false, false, true]);
    let failure = refuse("run 4", &outcomes).unwrap_err();
    assert_eq!(failure.exit_status(), 1);
    for part in ["run 4", "forgetting>=0.5", "text<0.01"] {
        assert!(failure.message.contains(part), "{failure}");
    }
    assert!(!failure.message.contains("params"));
    assert_eq!(refuse("run 4", &outcomes[..2]), Ok(()));
}

#[test]
fn broken_conditions_are_refused() {
    for text in ["params", "params=0.9", ">=0.9", "params>=", "params>=x", "params>=nan", "a>=inf"]
    {
        assert!(Condition::parse_all(text).is_err(), "{text}");
    }
    assert_eq!(Condition::parse_all("a>=95%").unwrap()[0].to_string(), "a>=0.95");
    assert_eq!(Condition::parse_all(" , ").unwrap(), []);
    let failure = Condition::parse_all("delta>0.1").unwrap()[0].check(&sample_full()).unwrap_err();
    assert!(failure.hints[0].contains("delta(params)"));
}
