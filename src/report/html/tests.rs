//! The page: whole, harmless, small enough, and in both languages.

use super::*;
use crate::report::sample::{large, sample_full};

/// Tags that stand open at the end or are closed out of order.
fn unbalanced(page: &str) -> Vec<String> {
    const VOID: [&str; 8] = ["meta", "input", "rect", "line", "path", "circle", "polyline", "br"];
    let (mut open, mut wrong) = (Vec::new(), Vec::new());
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').unwrap();
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if name.is_empty() || tag.starts_with('!') || tag.ends_with('/') {
            continue;
        }
        // Terms and what is said of them end with the next of them, or with their list.
        if ["dt", "dd", "dl"].contains(&name.as_str())
            && tag != "/dt"
            && tag != "/dd"
            && open.last().is_some_and(|last| last == "dt" || last == "dd")
        {
            open.pop();
        }
        if tag.starts_with('/') {
            match open.pop() {
                Some(last) if last == name => {}
                last => wrong.push(format!("</{name}> after {last:?}")),
            }
        } else if name == "style" || name == "script" {
            rest = &rest[rest.find(&format!("</{name}>")).unwrap() + name.len() + 3..];
        } else if !VOID.contains(&name.as_str()) || rest.starts_with("<title>") {
            open.push(name);
        }
    }
    wrong.extend(open);
    wrong
}

#[test]
fn the_page_is_whole_in_every_shape() {
    let mut alone = sample_full();
    alone.run = None;
    for suite in &mut alone.suites {
        for item in &mut suite.items {
            item.tuned = None;
        }
        for result in &mut suite.metrics {
            (result.tuned, result.tuned_interval, result.difference) = (None, None, None);
        }
        if let Some(loss) = &mut suite.text_loss {
            (loss.tuned, loss.interval) = (None, None);
        }
    }
    for evaluation in [sample_full(), alone, Evaluation::default()] {
        let page = html(&evaluation, Language::Korean, &["a note".to_owned()]);
        assert_eq!(unbalanced(&page), Vec::<String>::new());
        assert!(!page.contains("NaN") && !page.contains("inf%"));
        for (code, report) in [("ko", "평가 보고서"), ("en", "Evaluation report")] {
            assert!(page.contains(&format!("<div class=\"{code}\" lang=\"{code}\">")));
            assert!(page.contains(report));
        }
    }
}

#[test]
fn everything_asked_for_is_there() {
    let page = html(&sample_full(), Language::English, &[]);
    for part in [
        "Holm",
        "over 12 sources",
        "about 111 would do",
        "gpt-like",
        "base, bound to the grammar",
        "right/given/expected",
        "By subset and reading",
        "Items seen in training",
        "Training curve",
        "What it learned from",
        "polyline",
        "larger share of general conversation",
        "일반 대화의 비율을 올리거나",
        "hone eval run --run 4",
        "<u>",
        "<ins>",
        "<del>",
        "Holm&#39;s method",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
}

#[test]
fn text_from_outside_stays_text() {
    const EVIL: &str = "</style><script>alert(1)</script><img src=x onerror='alert(2)'>\"--><!--";
    let mut evaluation = sample_full();
    evaluation.model = EVIL.to_owned();
    for column in &mut evaluation.others {
        column.name = EVIL.to_owned();
    }
    for suite in &mut evaluation.suites {
        suite.name = EVIL.to_owned();
        suite.title.ko = EVIL.to_owned();
        suite.title.en = EVIL.to_owned();
        for result in &mut suite.metrics {
            result.subset = result.subset.as_ref().map(|_| EVIL.to_owned());
        }
        for seen in &mut suite.excluded {
            seen.id = EVIL.to_owned();
            seen.question = EVIL.to_owned();
            seen.like = EVIL.to_owned();
        }
        for item in &mut suite.items {
            item.id = EVIL.to_owned();
            item.question = EVIL.to_owned();
            item.expected = EVIL.to_owned();
            item.tags = vec![EVIL.to_owned()];
            item.source = Some(EVIL.to_owned());
            for answer in [Some(&mut item.base), item.tuned.as_mut()].into_iter().flatten() {
                answer.text = format!("{EVIL} {}", answer.text);
                answer.reason = Some(format!("{EVIL}: {EVIL}").into());
                answer.argument = Some(EVIL.to_owned());
            }
        }
    }
    let provenance = evaluation.provenance.as_mut().unwrap();
    for text in [
        &mut provenance.program,
        &mut provenance.machine,
        &mut provenance.model,
        &mut provenance.cases,
        &mut provenance.command,
    ] {
        EVIL.clone_into(text);
    }
    provenance.recipe = Some(serde_json::json!({ EVIL: EVIL }));
    for part in &mut evaluation.training.as_mut().unwrap().composition {
        part.name = EVIL.to_owned();
    }
    let page = html(&evaluation, Language::English, &[EVIL.to_owned()]);
    assert!(!page.contains("<img"));
    assert_eq!(page.matches("<script>").count(), 1);
    assert_eq!(page.matches("</style>").count(), 1);
    assert_eq!(unbalanced(&page), Vec::<String>::new());
}

#[test]
fn nothing_is_fetched_and_nothing_else_runs() {
    let page = html(&sample_full(), Language::English, &[]);
    let style_start = page.find("<style>").unwrap() + "<style>".len();
    let style = &page[style_start..page.find("</style>").unwrap()];
    let script_start = page.find("<script>").unwrap() + "<script>".len();
    let script = &page[script_start..page.find("</script>").unwrap()];
    assert!(page.contains(&format!("style-src '{}'", hash_source(style))));
    assert!(page.contains(&format!("script-src '{}'", hash_source(script))));
    for word in ["http://", "https://", "src=", "href=", "@import", "url(h", " style=", " onclick="]
    {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn fifteen_hundred_long_items_stay_below_three_megabytes() {
    for length in [1, 2, 6] {
        let page = html(&large(1_500, length), Language::Korean, &[]);
        let size = page.len();
        assert!(size < 3_000_000, "{size} bytes at length {length}");
        let is_cut = page.contains("<span class=lm>");
        assert_eq!(is_cut, length > 1);
        assert!(
            !is_cut || size > 1_500_000,
            "{size} bytes at length {length}: more could be shown"
        );
        assert_eq!(page.matches("<details id=item-").count(), 1_500);
    }
}

#[test]
#[ignore = "writes pages to look at into the folder HONE_SHOW names; of a report.json too that HONE_REPORT names, \
            with the lines of HONE_NOTES"]
fn pages_to_look_at() {
    let folder = std::path::PathBuf::from(std::env::var_os("HONE_SHOW").expect("HONE_SHOW"));
    if let Some(report) = std::env::var_os("HONE_REPORT") {
        let evaluation: Evaluation =
            serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        let notes = std::env::var("HONE_NOTES").unwrap_or_default();
        let notes: Vec<String> = notes.lines().map(str::to_owned).collect();
        let page = html(&evaluation, Language::English, &notes);
        std::fs::write(folder.join("report.html"), page).unwrap();
    }
    let notes = ["hone 0.1.0, project 내진설계-0306".to_owned()];
    for (name, evaluation) in [("full", sample_full()), ("large", large(1_500, 2))] {
        let page = html(&evaluation, Language::English, &notes);
        std::fs::write(folder.join(name).with_extension("html"), page).unwrap();
    }
}
