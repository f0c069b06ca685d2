//! The end of the page: what the figures were made of and what they mean.

use std::fmt::Write as _;

use super::escape::escape;
use super::verdict::grouped;
use super::{View, heading};
use crate::evaluate::{Form, Metric, Provenance, SuiteKind};

pub(super) fn write(page: &mut String, view: &View<'_>) {
    if let Some(provenance) = &view.evaluation.provenance {
        write_provenance(page, view, provenance);
    }
    definitions(page, view);
    let _ = writeln!(page, "<footer>hone {}</footer>", env!("CARGO_PKG_VERSION"));
}

fn write_provenance(page: &mut String, view: &View<'_>, provenance: &Provenance) {
    let own = view.page;
    page.push_str("<section class=\"provenance\">");
    heading(page, own.provenance, "");
    page.push_str("<dl>");
    let mut entry = |name: &str, value: &str, code: bool| {
        if value.is_empty() {
            return;
        }
        let value = escape(value);
        let value = if code { format!("<code>{value}</code>") } else { value };
        let _ = write!(page, "<dt>{name}</dt><dd>{value}</dd>");
    };
    entry(own.program, &provenance.program, false);
    entry(own.machine, &provenance.machine, false);
    entry(own.model_hash, &provenance.model, true);
    entry(own.adapter_hash, provenance.adapter.as_deref().unwrap_or_default(), true);
    entry(own.cases_hash, &provenance.cases, true);
    entry(own.training_hash, provenance.training_data.as_deref().unwrap_or_default(), true);
    let decoding = if provenance.temperature == 0.0 && provenance.samples <= 1 {
        own.greedy.to_owned()
    } else {
        own.sampled
            .replacen("{}", &provenance.samples.to_string(), 1)
            .replacen("{}", &provenance.temperature.to_string(), 1)
            .replacen("{}", &provenance.seed.to_string(), 1)
    };
    entry(own.decoding, &decoding, false);
    if provenance.cached > 0 {
        entry(own.cached, &grouped(provenance.cached), false);
    }
    entry(own.judge, provenance.judge.as_deref().unwrap_or_default(), false);
    page.push_str("</dl>");
    if !provenance.command.is_empty() {
        let _ = write!(
            page,
            "<h3>{}</h3><pre class=\"command\">{}</pre>",
            own.repeat,
            escape(&provenance.command)
        );
    }
    if let Some(recipe) = &provenance.recipe {
        let text = serde_json::to_string_pretty(recipe).unwrap_or_default();
        let _ = write!(
            page,
            "<details class=\"fold\"><summary><h3>{}</h3></summary><pre>{}</pre></details>",
            own.recipe,
            escape(&text)
        );
    }
    page.push_str("</section>\n");
}

fn definitions(page: &mut String, view: &View<'_>) {
    let (words, evaluation) = (view.words, view.evaluation);
    page.push_str("<section class=\"definitions\">");
    heading(page, words.definitions, "");
    page.push_str("<dl>");
    let results = || evaluation.suites.iter().flat_map(|suite| &suite.metrics);
    for metric in Metric::ALL {
        if results().any(|result| result.metric == metric) {
            let (name, meaning) = (words.metric(metric), words.definition(metric));
            let _ = write!(page, "<dt>{name}</dt><dd>{}</dd>", escape(meaning));
        }
    }
    page.push_str("</dl><ul>");
    let mut line = |text: &str| {
        let _ = write!(page, "<li>{}</li>", escape(text));
    };
    if results().any(|result| result.form == Form::Strict) {
        line(words.strict_definition);
        line(words.lenient_definition);
    }
    for kind in [
        SuiteKind::Domain,
        SuiteKind::Answers,
        SuiteKind::Classification,
        SuiteKind::Generation,
        SuiteKind::Programs,
        SuiteKind::Choice,
        SuiteKind::Text,
    ] {
        if let Some(definition) = words.kind_definition(kind)
            && evaluation.suites.iter().any(|suite| suite.kind == kind)
        {
            line(definition);
        }
    }
    line(&words.statistics(evaluation));
    page.push_str("</ul></section>\n");
}
