//! `hone draft`: have a model propose pairs for review.

use std::path::Path;

use clap::Args;

use super::{print::Output, run_job, say};
use crate::failure::{Failure, Result};
use crate::job::{DraftSource, JobSpec, Models};
use crate::project::Project;

/// Arguments of `hone draft`.
#[derive(Debug, Args)]
pub struct DraftArgs {
    /// Only this document, by file name.
    #[arg(long)]
    document: Option<String>,
    /// Only these pages, for example `3` or `12-40`.
    #[arg(long, value_name = "PAGES")]
    pages: Option<String>,
    /// Pairs asked for, a passage.
    #[arg(long, default_value_t = 3)]
    count: usize,
    /// Passages asked about at the most.
    #[arg(long)]
    limit: Option<usize>,
    /// OpenAI-compatible endpoint, for example `http://127.0.0.1:8000/v1`; its key is read from
    /// HONE_API_KEY or OPENAI_API_KEY. Without it the embedded model drafts.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Model: the name sent to the endpoint, or an installed model.
    #[arg(long)]
    model: Option<String>,
}

/// Runs `hone draft`.
pub fn run(args: DraftArgs, folder: &Path, out: &mut Output) -> Result<()> {
    let store = Project::reopen(folder)?;
    let pages = args.pages.as_deref().map(page_range).transpose()?;
    let documents = store.documents()?;
    if let Some(wanted) = &args.document
        && !documents.iter().any(|document| document.name == *wanted)
    {
        return Err(Failure::user(format!("there is no document `{wanted}`"))
            .hint("`hone document list` shows the documents"));
    }
    let passages: Vec<_> = store
        .passages(None)?
        .into_iter()
        .filter(|record| {
            let named = args.document.as_ref().is_none_or(|wanted| {
                documents.iter().any(|d| d.id == record.document && d.name == *wanted)
            });
            let on_page =
                pages.is_none_or(|(first, last)| (first..=last).contains(&record.passage.page));
            named && on_page && !record.excluded
        })
        .map(|record| record.id)
        .take(args.limit.unwrap_or(usize::MAX))
        .collect();
    if passages.is_empty() {
        return Err(Failure::user("there is no passage to draft about")
            .hint("`hone document add FILE` adds documents; check --document and --pages"));
    }
    let source = match args.endpoint {
        Some(url) => {
            DraftSource::Endpoint { url, model: args.model.unwrap_or_else(|| "default".to_owned()) }
        }
        None => DraftSource::Embedded { model: super::train::chosen_model(&store, args.model)? },
    };
    let spec = JobSpec::Draft { passages, count: args.count, source };
    let message = run_job(&spec, folder, &Models::default())?;
    say(out, message)
}

/// Reads `3` or `12-40`.
fn page_range(text: &str) -> Result<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse(), last.trim().parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
        _ => Err(Failure::user(format!("--pages {text}: not a page or a range of pages"))
            .hint("write a page such as 3 or a range such as 12-40")),
    }
}

#[cfg(test)]
mod tests {
    use super::page_range;

    #[test]
    fn pages_and_ranges_are_read_and_nonsense_is_refused() {
        assert_eq!(page_range("3"), Ok((3, 3)));
        assert_eq!(page_range("12 - 40"), Ok((12, 40)));
        for bad in ["", "a", "4-2", "-3", "1-2-3"] {
            assert!(page_range(bad).is_err(), "{bad}");
        }
    }
}
