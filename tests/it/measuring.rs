//! What a real base model makes of pairs: `hone pairs measure` with SmolLM2, where it is installed.

use std::fs;

use serde_json::{Value, json};

use crate::support::Place;

/// Facts a small model was taught, each with an answer that is wrong.
const FACTS: [(&str, &str, &str); 12] = [
    (
        "What is the capital of France?",
        "The capital of France is Paris.",
        "The capital of France is Lima.",
    ),
    (
        "How many days are in a week?",
        "There are seven days in a week.",
        "There are nineteen days in a week.",
    ),
    (
        "What color is the sky on a clear day?",
        "The sky is blue on a clear day.",
        "The sky is plaid on a clear day.",
    ),
    ("What do bees make?", "Bees make honey.", "Bees make trousers."),
    (
        "Which planet do we live on?",
        "We live on the planet Earth.",
        "We live on the planet Neptune.",
    ),
    (
        "What is frozen water called?",
        "Frozen water is called ice.",
        "Frozen water is called bread.",
    ),
    (
        "What is the opposite of hot?",
        "The opposite of hot is cold.",
        "The opposite of hot is purple.",
    ),
    ("What is two plus two?", "Two plus two is four.", "Two plus two is ninety."),
    ("What animal barks?", "A dog barks.", "A teapot barks."),
    ("What do we use to see?", "We use our eyes to see.", "We use our elbows to see."),
    (
        "Who wrote Romeo and Juliet?",
        "William Shakespeare wrote Romeo and Juliet.",
        "Bill Gates wrote Romeo and Juliet.",
    ),
    (
        "What do plants need to grow?",
        "Plants need sunlight and water to grow.",
        "Plants need gravel and thunder to grow.",
    ),
];

/// The model's folder, if `hone model pull smollm2-135m` was run on this machine.
fn models() -> Option<std::path::PathBuf> {
    let models = hone::model::Places::from_environment().ok()?.models;
    models.join("smollm2-135m").is_dir().then_some(models)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn wrong_answers_have_the_higher_loss_and_measures_are_kept_and_void_when_the_pair_changes() {
    let Some(models) = models() else {
        eprintln!("skipped: run `hone model pull smollm2-135m` to test with the real model");
        return;
    };
    let place = Place::new();
    place.ok(&["new", "p"]);
    let row = |question: &str, answer: &str| {
        json!({"messages": [{"role": "user", "content": question},
                            {"role": "assistant", "content": answer}]})
        .to_string()
            + "\n"
    };
    let rows: String = FACTS
        .iter()
        .map(|(question, right, wrong)| row(question, right) + &row(question, wrong))
        .collect();
    fs::write(place.path("rows.jsonl"), rows).unwrap();
    let hone = |arguments: &[&str]| {
        let mut command = place.hone();
        command.args(["-p", "p"]).args(arguments).env("HONE_MODELS", &models);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    hone(&["pairs", "import", "rows.jsonl", "--accept"]);
    let measure = ["pairs", "measure", "--model", "smollm2-135m", "--loss"];
    // A part first: what is measured is not measured again.
    let first = lines(&hone(&[&measure[..], &["--limit", "6", "--json"]].concat()));
    assert_eq!(first.len(), 6);
    let all = lines(&hone(&[&measure[..], &["--json"]].concat()));
    assert_eq!(all.len(), 24);
    assert_eq!(all[..6], first[..]);
    let loss = |at: usize| all[at]["loss"].as_f64().unwrap();
    let higher = (0..FACTS.len()).filter(|fact| loss(2 * fact + 1) > loss(2 * fact)).count();
    println!("the wrong answer has the higher loss in {higher} of {} pairs", FACTS.len());
    assert!(higher * 4 >= FACTS.len() * 3, "{higher}");
    assert!(hone(&measure).contains("every pair is measured"));
    // Sorted, the highest loss comes first.
    let sorted = lines(&hone(&["pairs", "list", "--sort", "loss", "--json"]));
    let ids: Vec<usize> = sorted.iter().map(|row| row["id"].as_u64().unwrap() as usize).collect();
    assert!(ids.windows(2).all(|two| loss(two[0] - 1) >= loss(two[1] - 1)));
    // Whether it knows: right answers at least as often as wrong ones.
    let known = lines(&hone(&["pairs", "measure", "--model", "smollm2-135m", "--known", "--json"]));
    let share = |at: usize| known[at]["known"].as_f64().unwrap();
    let (right, wrong) =
        (0..FACTS.len()).fold((0.0, 0.0), |(r, w), f| (r + share(2 * f), w + share(2 * f + 1)));
    println!("sampled answers agree with {right} right and {wrong} wrong references of 12");
    assert!(right > wrong);
    assert!(known.iter().all(|row| row["loss"].is_f64() && row["knowledge"].is_string()));
}
