//! `hone eval compare`: runs beside each other, and what is required of the last.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::{print::Output, say};
use crate::evaluate::Evaluation;
use crate::failure::{Context as _, Failure, Result};
use crate::report::table_of_runs::{self, Condition, Named, Outcome};

/// Arguments of `hone eval compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Runs by number, or `report.json` files (or folders that hold one).
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// Conditions that the last RUN must meet; if one does not hold, the exit status is 1.
    ///
    /// For example `params>=0.9,forgetting>=-0.03`. A name is `json`, `name`, `params`, `exact`,
    /// `nocall` or `accuracy` (of the suite `tools`, or of the only task that has it), `SUITE.METRIC`,
    /// `domain`; `delta(NAME)` for tuned minus base; `forgetting` for the worst change of the suites
    /// against forgetting, `forgetting.mathematics` for that of one; `text` for the relative change of
    /// cross-entropy. Compared with >=, >, <= or <. Shares are written as 0.9 or 90%.
    #[arg(long, value_name = "CONDITIONS", allow_hyphen_values = true)]
    require: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `hone eval compare`.
pub fn run(
    args: &CompareArgs,
    folder: impl Fn() -> Result<PathBuf>,
    out: &mut Output,
) -> Result<()> {
    let mut conditions = Vec::new();
    for text in &args.require {
        conditions.extend(Condition::parse_all(text)?);
    }
    let named: Vec<Named> =
        args.runs.iter().map(|run| read(run, &folder)).collect::<Result<_>>()?;
    let Some(last) = named.last() else { return Ok(()) };
    let outcomes: Vec<Outcome> = (conditions.iter())
        .map(|condition| condition.check(&last.evaluation))
        .collect::<Result<_>>()?;
    let table = table_of_runs::table_of_runs(&named);
    if args.json {
        let value = serde_json::json!({
            "runs": table.runs, "rows": table.rows, "notes": table.notes, "required": outcomes,
        });
        let text = serde_json::to_string_pretty(&value)
            .map_err(|error| Failure::defect(format!("the table as JSON: {error}")))?;
        say(out, text)?;
    } else {
        say(out, table_of_runs::plain(&table).trim_end())?;
    }
    table_of_runs::refuse(&last.name, &outcomes)
}

/// A run of the project by its number, or a report by its path.
fn read(run: &str, folder: &impl Fn() -> Result<PathBuf>) -> Result<Named> {
    if let Ok(number) = run.parse::<u32>() {
        let evaluation = super::newest(&folder()?, Some(number)).map_err(|failure| {
            Failure::user(format!("run {number} has not been evaluated; {failure}"))
                .hint(format!("`hone eval run --run {number}` does so"))
        })?;
        return Ok(Named { name: format!("run {number}"), evaluation });
    }
    let path = Path::new(run);
    let path = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
    let text = fs::read_to_string(&path).because(path.display()).map_err(|failure| {
        failure.hint("a RUN is the number of a run, or the path of a report.json")
    })?;
    let evaluation: Evaluation = serde_json::from_str(&text)
        .because(path.display())
        .map_err(|failure| failure.hint("report.json is written by `hone eval run`"))?;
    Ok(Named { name: run.to_owned(), evaluation })
}
