//! The report of a sweep: whole, harmless, in both languages.

use super::sample::sample;
use super::*;
use crate::pair::Language;

#[test]
fn the_chart_is_drawn_as_it_was() {
    let sweep = sample();
    for (code, language) in [("en", Language::English), ("ko", Language::Korean)] {
        let words = words::SweepWords::of(language);
        let drawing = chart::scatter(&sweep, words).unwrap().replace("><", ">\n<");
        insta::assert_snapshot!(format!("scatter_{code}"), drawing);
        insta::assert_snapshot!(format!("plain_{code}"), plain(&sweep, language));
        insta::assert_snapshot!(format!("markdown_{code}"), markdown(&sweep, language));
    }
}

#[test]
fn every_run_of_the_chart_lies_in_it_with_its_number() {
    let sweep = sample();
    let drawing = chart::scatter(&sweep, words::SweepWords::of(Language::English)).unwrap();
    for run in sweep.runs.iter().filter(|run| run.measure.is_some()) {
        let number = run.number.unwrap();
        assert!(drawing.contains(&format!(">{number}</text>")), "{number}");
    }
    assert_eq!(drawing.matches("<g><title>").count(), 10);
    let front = front(&sweep).len();
    assert_eq!(drawing.matches("class=\"ring\"").count(), front);
    assert!(!drawing.contains("NaN") && !drawing.contains("inf"));
}

#[test]
fn the_page_asks_for_nothing_and_lets_nothing_in() {
    let mut sweep = sample();
    sweep.model = "<script>alert(1)</script>".to_owned();
    sweep.command = "hone </pre><img src=x>".to_owned();
    let page = html(&sweep, Language::Korean);
    assert!(page.contains("default-src 'none'"));
    for bad in ["<script>alert", "<img", "http://", "https://", "<runs/", "NaN"] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert_eq!(page.matches("class=\"scatter\"").count(), 2);
    assert!(page.contains("훑기") && page.contains("Sweep"));
    let open = |tag: &str| page.matches(&format!("<{tag}")).count();
    let closed = |tag: &str| page.matches(&format!("</{tag}>")).count();
    for tag in ["svg", "section", "table", "figure>", "text", "title"] {
        let plain = tag.trim_end_matches('>');
        assert!(open(plain) >= closed(plain) && closed(plain) > 0 || tag == "figure>", "{tag}");
    }
}

#[test]
fn sweeps_without_figures_are_told_too() {
    let mut sweep = sample();
    for run in &mut sweep.runs {
        run.measure = None;
    }
    for language in [Language::English, Language::Korean] {
        let page = html(&sweep, language);
        assert!(!page.contains("class=\"scatter\""));
        assert!(plain(&sweep, language).contains(words::SweepWords::of(language).nothing_yet));
        assert!(markdown(&sweep, language).contains("| - |"));
    }
    let mut one = sample();
    one.runs.truncate(1);
    one.axes = vec![one.axes[0].clone()];
    one.runs[0].values.truncate(1);
    assert!(plain(&one, Language::English).contains("no other run to compare"));
}

#[test]
fn a_sweep_that_tells_nothing_apart_says_so() {
    let mut sweep = sample();
    for run in &mut sweep.runs {
        let first = sample().runs[1].measure.clone();
        run.measure = run.measure.take().and(first);
    }
    let text = plain(&sweep, Language::English);
    assert!(text.contains("No other run can be told from it on the target (n=82)"), "{text}");
}

#[test]
fn json_reads_back() {
    let sweep = sample();
    assert_eq!(serde_json::from_str::<Sweep>(&json(&sweep).unwrap()).unwrap(), sweep);
}
