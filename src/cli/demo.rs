//! `hone demo`: the whole path on the shipped samples, each step told as it goes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::train::RECIPE_KEY;
use super::{print, print::Output, print::clock, say};
use crate::failure::{Context as _, Result};
use crate::job::{self, AddOptions, CaseFilter, EvaluateOptions, JobSpec, Models, mixing};
use crate::mix::MixReport;
use crate::pair::{Change, Edit, Example, Language, ReviewState, jsonl};
use crate::progress::Cancel;
use crate::project::{MixSettings, Project};
use crate::report;
use crate::train::{Keep, Recipe};

const KOREAN_PDF: &[u8] = include_bytes!("../../datasets/sample/ko/building-code-ko.pdf");
const KOREAN_PAIRS: &str = include_str!("../../datasets/sample/ko/pairs.jsonl");
const ENGLISH_PDF: &[u8] = include_bytes!("../../datasets/sample/en/site-manual-en.pdf");
const ENGLISH_PAIRS: &str = include_str!("../../datasets/sample/en/pairs.jsonl");
const KOREAN_TOOL_PAIRS: &str = include_str!("../../datasets/sample/tools/train-ko.jsonl");
const ENGLISH_TOOL_PAIRS: &str = include_str!("../../datasets/sample/tools/train-en.jsonl");

/// Steps the demo tells.
const STEPS: usize = 6;
/// Pairs of each kind in the short form.
const SHORT_PAIRS: usize = 24;
/// Cases a suite in the short form.
const SHORT_CASES: usize = 6;
/// Suites of the short form: the task, one forgetting suite of each scoring kind.
const SHORT_SUITES: [&str; 3] = ["tools", "forgetting/knowledge", "forgetting/text"];

/// Arguments of `hone demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// A few pairs, one epoch and a few cases: under a minute or two instead of a quarter of an hour.
    #[arg(long)]
    short: bool,
    /// Folder of the demo's project; an existing one is used again.
    #[arg(long, default_value = "hone-demo", value_name = "DIR")]
    folder: PathBuf,
    /// Base model.
    #[arg(long, default_value = DEFAULT_MODEL)]
    model: String,
    /// Language of the samples, `ko` or `en`. The default model was not made for Korean.
    #[arg(long, default_value = "en", value_name = "LANGUAGE")]
    language: Language,
}

/// The model whose training the demo's settings were chosen on.
const DEFAULT_MODEL: &str = "smollm2-135m";

/// Runs the demo.
pub fn run(args: &DemoArgs, out: &mut Output) -> Result<()> {
    let started = Instant::now();
    let mut demo = Demo {
        args,
        models: Models::default(),
        cancel: print::cancel_on_signal(),
        step: 0,
        step_started: Instant::now(),
    };
    let project = open_or_create(&args.folder)?;
    say(out, format!("hone demo in {}", args.folder.display()))?;

    demo.begin(out, "model", "fetch and check the base model")?;
    demo.job(&JobSpec::PullModel { name: args.model.clone() }, out)?;
    project.store().set_setting(mixing::MODEL_KEY, &args.model)?;

    demo.begin(out, "sources", "read a PDF into passages")?;
    let pdf = demo.write_sample()?;
    demo.job(
        &JobSpec::AddDocument { path: pdf, password: None, options: AddOptions::default() },
        out,
    )?;

    demo.begin(out, "pairs", "take in the shipped, reviewed pairs")?;
    let (domain, tools) = demo.add_pairs(&project)?;
    say(out, format!("  {domain} question-answer pairs with quotes, {tools} tool-calling pairs"))?;

    demo.begin(out, "mix", "add general conversation and split by page")?;
    let settings = MixSettings { general_languages: vec![args.language], ..MixSettings::default() };
    project.store().set_setting(mixing::SETTINGS_KEY, &settings)?;
    demo.job(&JobSpec::Mix, out)?;
    if let Some(mix) = project.store().setting::<MixReport>(mixing::REPORT_KEY)? {
        super::mix::print_report(&mix, out).because("standard output")?;
    }

    demo.begin(out, "train", "QLoRA on this machine")?;
    let recipe = demo.recipe();
    // The interface goes on with it.
    project.store().set_setting(RECIPE_KEY, &recipe)?;
    let run = project.store().next_run()?;
    let spec = JobSpec::Train { model: args.model.clone(), recipe, resume: None };
    demo.job(&spec, out)?;
    if demo.cancel.is_cancelled() {
        return Ok(());
    }

    demo.begin(out, "evaluate", "base and tuned answer the same items")?;
    demo.job(&demo.evaluation(run), out)?;
    if demo.cancel.is_cancelled() {
        return Ok(());
    }
    let evaluations = project.store().evaluations()?;
    if let Some(evaluation) = evaluations.iter().rev().find(|found| found.run == Some(run)) {
        say(out, "")?;
        say(out, report::plain(evaluation, args.language, print::columns()).trim_end())?;
    }
    say(out, "")?;
    say(out, format!("done in {}", clock(started.elapsed().as_secs_f64())))?;
    say(out, format!("open the project in the interface: hone -p {}", args.folder.display()))
}

struct Demo<'a> {
    args: &'a DemoArgs,
    models: Models,
    cancel: Cancel,
    step: usize,
    step_started: Instant,
}

impl Demo<'_> {
    fn begin(&mut self, out: &mut Output, name: &str, what: &str) -> Result<()> {
        self.step += 1;
        self.step_started = Instant::now();
        say(out, format!("\n[{}/{STEPS}] {name}: {what}", self.step))
    }

    fn job(&self, spec: &JobSpec, out: &mut Output) -> Result<()> {
        let mut lines = print::JobLines::new();
        let outcome = job::run(spec, &self.args.folder, &self.models, &self.cancel, &mut |event| {
            lines.tell(&event);
        });
        lines.end();
        let message = outcome.into_result()?;
        say(out, format!("  {message} ({})", clock(self.step_started.elapsed().as_secs_f64())))
    }

    /// Puts the sample document beside the project's other files.
    fn write_sample(&self) -> Result<PathBuf> {
        let folder = self.args.folder.join("samples");
        fs::create_dir_all(&folder).because(folder.display())?;
        let (name, bytes) = match self.args.language {
            Language::Korean => ("building-code-ko.pdf", KOREAN_PDF),
            Language::English => ("site-manual-en.pdf", ENGLISH_PDF),
        };
        let path = folder.join(name);
        crate::whole_file::write_whole(&path, bytes)?;
        Ok(path)
    }

    /// Stores the shipped pairs that are not there yet, each as one undoable edit; gives how many
    /// of each kind the project then holds.
    fn add_pairs(&self, project: &Project) -> Result<(usize, usize)> {
        let shipped = match self.args.language {
            Language::Korean => [KOREAN_PAIRS, KOREAN_TOOL_PAIRS],
            Language::English => [ENGLISH_PAIRS, ENGLISH_TOOL_PAIRS],
        };
        let store = project.store();
        let passages = store.passages(None)?;
        let known: Vec<Example> =
            store.examples()?.into_iter().map(|stored| stored.example).collect();
        let mut counts = [0, 0];
        for (kind, text) in shipped.into_iter().enumerate() {
            let examples = read_shipped(text, self.args.language);
            let examples = if self.args.short { spread(examples, SHORT_PAIRS) } else { examples };
            counts[kind] = examples.len();
            let changes: Vec<Change> = examples
                .into_iter()
                .filter(|example| !known.iter().any(|other| other.meta.id == example.meta.id))
                .map(|example| Change::Insert {
                    key: None,
                    passage: passage_of(&example, &passages),
                    state: ReviewState::Accepted,
                    example,
                })
                .collect();
            if !changes.is_empty() {
                let summary = format!("add {} sample pairs", changes.len());
                store.apply(Edit { summary, changes })?;
            }
        }
        Ok((counts[0], counts[1]))
    }

    fn recipe(&self) -> Recipe {
        // Chosen on the demo project's own held-out tool calls with the smallest model, not on the shipped suites. Larger
        // models want the usual rate.
        let epochs = if self.args.short { 1.0 } else { 2.5 };
        let recipe = Recipe { batch_rows: 4, ..Recipe::default() };
        let recipe = if self.args.model == DEFAULT_MODEL {
            Recipe { learning_rate: 1.5e-3, ..recipe }
        } else {
            recipe
        };
        Recipe { epochs, keep: Keep::Last, vary_tools: true, ..recipe }
    }

    fn evaluation(&self, run: u32) -> JobSpec {
        let language = Some(self.args.language);
        let (suites, limit) = if self.args.short {
            (SHORT_SUITES.map(str::to_owned).to_vec(), Some(SHORT_CASES))
        } else {
            (Vec::new(), None)
        };
        let cases = CaseFilter { language, limit };
        let options = EvaluateOptions { suites, cases, ..EvaluateOptions::default() };
        JobSpec::Evaluate { model: self.args.model.clone(), run: Some(run), options }
    }
}

fn open_or_create(folder: &Path) -> Result<Project> {
    if folder.join("hone.toml").is_file() {
        Project::open(folder)
    } else {
        Project::create(folder, "demo")
    }
}

fn read_shipped(text: &str, language: Language) -> Vec<Example> {
    jsonl::read(text.as_bytes())
        .0
        .into_iter()
        .map(|(_, example)| example)
        .filter(|example| example.meta.language == Some(language))
        .collect()
}

/// Takes `count` of the examples, evenly spread.
fn spread(examples: Vec<Example>, count: usize) -> Vec<Example> {
    let step = examples.len().div_ceil(count.max(1)).max(1);
    examples.into_iter().step_by(step).collect()
}

/// The passage whose page holds the example's quote.
fn passage_of(example: &Example, passages: &[crate::project::PassageRecord]) -> Option<i64> {
    let (page, quote) = (example.meta.page?, example.meta.quote.as_ref()?);
    passages
        .iter()
        .filter(|record| record.passage.page == page)
        .find(|record| crate::document::find_quote(&record.passage.text, quote).is_some())
        .map(|record| record.id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_pairs_are_read_whole() {
        for (text, tools, language) in [
            (KOREAN_PAIRS, KOREAN_TOOL_PAIRS, Language::Korean),
            (ENGLISH_PAIRS, ENGLISH_TOOL_PAIRS, Language::English),
        ] {
            for shipped in [text, tools] {
                let (_, problems) = jsonl::read(shipped.as_bytes());
                assert_eq!(problems.len(), 0);
            }
            assert!(read_shipped(text, language).len() >= 60);
            assert!(read_shipped(tools, language).len() >= 200);
        }
    }

    #[test]
    fn a_part_is_spread_over_the_whole() {
        let examples: Vec<Example> = (0..100)
            .map(|index| {
                let mut example = Example::default();
                example.meta.id = Some(index.to_string());
                example
            })
            .collect();
        let part = spread(examples, 10);
        assert_eq!(part.len(), 10);
        assert_eq!(part[9].meta.id.as_deref(), Some("90"));
    }
}
