//! `hone pairs list --filter`: the pairs that the interface's search line would list.

use std::io::Write;
use std::path::Path;

use super::print;
use crate::failure::{Failure, Result};
use crate::job::{checking, mixing};
use crate::pair::ReviewState;
use crate::pair::catalog::{Catalog, Judged, Listing, Query};
use crate::project::{ExampleId, KeyRange, Project, Store};
use crate::train::Recipe;

/// Prints the pairs that fit a query, in its order.
///
/// # Errors
/// Names the part of the query that is not understood.
pub(super) fn list(
    folder: &Path,
    state: Option<ReviewState>,
    filter: &str,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<()> {
    let mut query = Query::parse(filter);
    if let Some(fault) = query.faults.first() {
        return Err(Failure::user(format!("--filter: `{fault}` is not understood")).hint(
            "fields are state, tag, doc, page, author, kind, score, len, loss, known, check, lang, id and \
             sort; what is no field is searched for",
        ));
    }
    if let Some(state) = state {
        query = query.with_state(state);
    }
    let store = Project::reopen(folder)?;
    let model: Option<String> = match store.setting(mixing::MODEL_KEY)? {
        Some(model) => Some(model),
        None => store.measured_last()?,
    };
    let mut catalog = store.catalog(KeyRange::after(0), usize::MAX, model.as_deref())?;
    if query.asks_for_findings() {
        judge(&mut catalog, &store)?;
    }
    for place in Listing::of(&catalog, &query).places {
        let key = catalog.at(place).map(|entry| ExampleId(entry.key()));
        if let Some(stored) = key.map(|key| store.example(key)).transpose()?.flatten() {
            print(&stored, as_json, out)?;
        }
    }
    Ok(())
}

/// Checks all pairs and notes what was found.
fn judge(catalog: &mut Catalog, store: &Store) -> Result<()> {
    let recipe: Recipe = store.setting("recipe")?.unwrap_or_default();
    let on = &mut crate::cli::print::progress();
    let Some(report) = checking::check(store, None, recipe.length_max, on)? else {
        return Err(Failure::user("stopped before every pair was checked"));
    };
    for checked in report.found {
        let Some(entry) = catalog.get(checked.id.0) else { continue };
        let found = checked.findings.iter().filter(|f| f.is_listed()).map(|f| f.kind).collect();
        let judged = Judged { found, ..entry.judged() };
        catalog.set_judged(checked.id.0, judged);
    }
    Ok(())
}
