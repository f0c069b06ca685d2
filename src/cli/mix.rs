//! `hone mix`: puts the training set together and tells its figures.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::{Context as _, Failure, Result};
use crate::mix::{LanguagePart, Mix, MixReport, RowKind, RowSource, Settings, Side, Source, mix};
use crate::pair::format::Mapping;
use crate::pair::{Example, jsonl};
use crate::project::pair_file::ReadAs;
use crate::project::{Project, Store};
use crate::whole_file::write_whole;

/// Puts the training set together and tells its figures. Settings given are kept in the project.
#[derive(Debug, Clone, Default, Args)]
pub struct MixArgs {
    /// Share of general conversation in the training tokens, 0 to 0.9
    #[arg(long, value_name = "SHARE")]
    pub general: Option<f64>,
    /// Share of pages kept for validation
    #[arg(long, value_name = "SHARE")]
    pub validation: Option<f64>,
    /// Share of pages kept for testing
    #[arg(long, value_name = "SHARE")]
    pub test: Option<f64>,
    /// Seed of selection and order
    #[arg(long)]
    pub seed: Option<u64>,
    /// File of general conversation to draw from, beside what is there: JSON Lines, JSON, CSV or
    /// Parquet; kept in the project. Repeatable
    #[arg(long, value_name = "FILE")]
    pub pool: Vec<PathBuf>,
    /// Columns of the pool's file by their meaning: question=Q,answer=A
    #[arg(long, value_name = "MEANING=COLUMN,..", requires = "pool")]
    pub map: Option<Mapping>,
    /// Take a pool away that was added, by its file's name without ending. Repeatable
    #[arg(long, value_name = "NAME")]
    pub without_pool: Vec<String>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
    /// Folder to write train.jsonl, validation.jsonl, test.jsonl and report.json to
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Mixes the accepted examples of the project in `folder` with `pool`; `count` gives a row's tokens
/// as the model will see it.
pub fn run(
    args: &MixArgs,
    folder: &Path,
    pool: &[Example],
    count: &mut dyn FnMut(&Example) -> usize,
    out: &mut dyn Write,
) -> Result<()> {
    let (settings, accepted) = if args.changes_settings() {
        let project = Project::open(folder)?;
        let settings = args.over(stored(project.store())?)?;
        project.store().set_setting("mix", &settings)?;
        (settings, project.store().accepted()?)
    } else {
        let store = Project::reopen(folder)?;
        (stored(&store)?, store.accepted()?)
    };
    if accepted.is_empty() {
        return Err(Failure::user(format!("{}: no example is accepted yet", folder.display()))
            .hint("accept some: `hone pairs accept ID...`, or in the interface"));
    }
    let mix = mix(&accepted, pool, &settings, count);
    if let Some(target) = &args.out {
        write_sides(&mix, target)?;
    }
    if args.json {
        let text = serde_json::to_string_pretty(&mix.report).because("output")?;
        writeln!(out, "{text}").because("output")
    } else {
        print_report(&mix.report, out).because("output")
    }
}

/// Problems of a pool's file that are told one by one.
const PROBLEMS_TOLD_MAX: usize = 10;

/// Adds pools to the project and takes pools away, as asked.
///
/// # Errors
/// When a file cannot be read or a pool is not there; those before it are done then.
pub fn change_pools(args: &MixArgs, folder: &Path, out: &mut dyn Write) -> Result<()> {
    if args.pool.is_empty() && args.without_pool.is_empty() {
        return Ok(());
    }
    let project = Project::open(folder)?;
    for name in &args.without_pool {
        project.store().remove_pool(name)?;
    }
    let read_as = ReadAs { format: None, mapping: args.map.clone().unwrap_or_default() };
    for file in &args.pool {
        let added = project.store().add_pool(file, &read_as, &mut super::print::progress())?;
        let Some(added) = added else {
            return Err(Failure::user(format!("{}: stopped; no pool was added", file.display())));
        };
        // The figures may be wanted as JSON.
        let mut told = String::new();
        let _ = writeln!(
            told,
            "pool {}: {} conversations from {} ({})",
            added.name,
            added.rows,
            file.display(),
            added.read_as
        );
        for problem in added.problems.iter().take(PROBLEMS_TOLD_MAX) {
            let _ = writeln!(told, "  {}: {}, left out", problem.line, problem.reason);
        }
        if added.faults > PROBLEMS_TOLD_MAX {
            let _ = writeln!(told, "  {} rows are left out in all", added.faults);
        }
        if args.json {
            write!(std::io::stderr(), "{told}").because("output")?;
        } else {
            write!(out, "{told}").because("output")?;
        }
    }
    Ok(())
}

impl MixArgs {
    fn changes_settings(&self) -> bool {
        self.general.is_some()
            || self.validation.is_some()
            || self.test.is_some()
            || self.seed.is_some()
    }

    fn over(&self, mut settings: Settings) -> Result<Settings> {
        let share = |name: &str, value: f64, max: f64| {
            if (0.0..=max).contains(&value) {
                Ok(value)
            } else {
                Err(Failure::user(format!("--{name} {value}: a share from 0 to {max} is expected"))
                    .hint(format!("15 % is `--{name} 0.15`")))
            }
        };
        if let Some(value) = self.general {
            settings.general_share = share("general", value, Settings::GENERAL_SHARE_MAX)?;
        }
        if let Some(value) = self.validation {
            settings.validation_share = share("validation", value, 0.5)?;
        }
        if let Some(value) = self.test {
            settings.test_share = share("test", value, 0.5)?;
        }
        settings.seed = self.seed.unwrap_or(settings.seed);
        Ok(settings)
    }
}

fn stored(store: &Store) -> Result<Settings> {
    Ok(store.setting("mix")?.unwrap_or_default())
}

fn write_sides(mix: &Mix, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).because(folder.display())?;
    for side in Side::ALL {
        let mut rows: Vec<Example> = Vec::new();
        for row in mix.side(side) {
            let mut example = row.example.clone();
            if let RowSource::Project(key) = row.source {
                example.meta.id.get_or_insert_with(|| key.to_string());
            }
            example.meta.other.insert("kind".to_owned(), row.kind().as_str().into());
            rows.push(example);
        }
        let path = folder.join(format!("{}.jsonl", side.as_str()));
        let mut bytes = Vec::new();
        jsonl::write(&mut bytes, rows.iter()).because(path.display())?;
        write_whole(&path, &bytes)?;
    }
    let path = folder.join("report.json");
    let report = serde_json::to_vec_pretty(&mix.report).because(path.display())?;
    write_whole(&path, &report)
}

/// Prints the figures as a table.
pub fn print_report(report: &MixReport, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{:<16} {:>18} {:>18} {:>18}", "rows (tokens)", "train", "validation", "test")?;
    for kind in RowKind::ALL {
        write!(out, "{:<16}", kind.as_str())?;
        for side in Side::ALL {
            let part = report.of_kind(side, kind);
            write!(out, " {:>18}", format!("{} ({})", part.rows, part.tokens))?;
        }
        writeln!(out)?;
    }
    write!(out, "{:<16}", "all")?;
    for side in Side::ALL {
        write!(out, " {:>18}", format!("{} ({})", report.rows(side), report.tokens(side)))?;
    }
    write!(out, "\n{:<16}", "pages")?;
    for side in Side::ALL {
        write!(out, " {:>18}", report.pages.get(side))?;
    }
    writeln!(
        out,
        "\ngeneral share: {:.1} % of training tokens, {:.1} % asked",
        100.0 * report.general_share,
        100.0 * report.general_share_asked,
    )?;
    if report.general_short_of > 0 {
        let short = report.general_short_of;
        writeln!(out, "  the general pool is too small by {short} tokens")?;
    }
    let (leaks, moved) = (report.leaks, report.moved);
    writeln!(out, "questions on two sides: {leaks} ({moved} rows moved to training for that)")?;
    writeln!(out, "longest training row: {} tokens", report.longest)?;
    for bucket in &report.lengths {
        writeln!(out, "  up to {:>6} tokens: {} rows", bucket.up_to, bucket.rows)?;
    }
    for part in &report.languages {
        let LanguagePart { language, rows, tokens } = part;
        writeln!(out, "trained in {}: {rows} rows ({tokens} tokens)", language.code())?;
    }
    for part in &report.sources {
        let name = match &part.source {
            Source::Document(name) => name.clone(),
            Source::NoDocument => "no document".to_owned(),
            Source::Pool(name) => format!("pool {name}"),
            Source::Shipped => "the shipped pool".to_owned(),
            Source::Others(count) => format!("{count} other sources"),
        };
        writeln!(out, "trained from {name}: {} rows ({} tokens)", part.rows, part.tokens)?;
    }
    Ok(())
}
