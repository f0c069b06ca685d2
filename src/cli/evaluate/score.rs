//! `hone eval score`: recorded outputs against their cases.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::print::{self, Output};
use crate::cli::say;
use crate::evaluate::calls::Rules;
use crate::evaluate::recorded::{Cases, Row, parse_case};
use crate::evaluate::statistics;
use crate::failure::{Context as _, Failure, Result};

/// Options of `hone eval score`.
#[derive(Debug, Args)]
pub struct ScoreOptions {
    /// Cases, one JSON object a line: this program's tool cases, or BFCL's with `function` and
    /// `ground_truth`.
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,
    /// Outputs, one JSON object a line: `id`, `raw` (the model's text) and `dec` (`qwen_fc`,
    /// `bfcl_json`, `strict` or `lenient`; `strict` when left out).
    #[arg(long, value_name = "FILE")]
    outputs: PathBuf,
    /// Rules: `hone`, or `bfcl` for BFCL's own verdicts to the last quirk.
    #[arg(long, value_enum, default_value_t = RuleSet::Hone)]
    rules: RuleSet,
    /// Print one JSON line a row: `id`, `valid`, `error`, `json_valid`, `name_ok`, `params_ok`.
    #[arg(long)]
    json: bool,
}

/// The rules by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RuleSet {
    Hone,
    Bfcl,
}

/// Bytes of output that are written at once.
const BUFFER: usize = 1 << 16;

/// Lines named one by one before the rest is counted.
const TOLD: usize = 5;

/// Lines that could not be used: the first few and how many.
#[derive(Default)]
struct Unused {
    count: usize,
    first: Vec<String>,
}

impl Unused {
    fn add(&mut self, path: &Path, line: usize, reason: &str) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(format!("{}:{line}: {reason}", path.display()));
        }
    }

    /// Tells on standard error what was left out.
    fn tell(&self, what: &str) {
        for line in &self.first {
            print::note(line);
        }
        if self.count > self.first.len() {
            print::note(&format!("{} {what} in all were left out", self.count));
        }
    }
}

/// Rows that are right, by column.
#[derive(Default)]
struct Totals {
    rows: u32,
    valid: u32,
    json: u32,
    names: u32,
    parameters: u32,
}

/// Runs `hone eval score`. Lines that cannot be used are named and left out; if there are any, the
/// exit status is 1 though the rest is scored.
pub fn run(options: &ScoreOptions, out: &mut Output) -> Result<()> {
    let rules = match options.rules {
        RuleSet::Hone => Rules::Hone,
        RuleSet::Bfcl => Rules::Bfcl,
    };
    let read = |path: &Path| fs::read_to_string(path).because(path.display());
    let mut unused = Unused::default();
    let cases = cases(&options.cases, &read(&options.cases)?, &mut unused)?;
    unused.tell("cases");
    let mut left = Unused::default();
    let mut totals = Totals::default();
    let mut lines_out = String::new();
    for (number, line) in lines(&read(&options.outputs)?) {
        let row: Row<'_> = match serde_json::from_str(line) {
            Ok(row) => row,
            Err(error) => {
                left.add(&options.outputs, number, &error.to_string());
                continue;
            }
        };
        let Some(verdict) = cases.score(&row, rules) else {
            left.add(&options.outputs, number, &format!("there is no case `{}`", row.id));
            continue;
        };
        totals.rows += 1;
        totals.valid += u32::from(verdict.valid);
        totals.json += u32::from(verdict.json_valid);
        totals.names += u32::from(verdict.name_ok);
        totals.parameters += u32::from(verdict.params_ok);
        if options.json {
            if !lines_out.is_empty() {
                lines_out.push('\n');
            }
            lines_out.push_str(&serde_json::to_string(&verdict).because("a verdict")?);
            if lines_out.len() > BUFFER {
                say(out, std::mem::take(&mut lines_out))?;
            }
        }
    }
    if !lines_out.is_empty() {
        say(out, lines_out)?;
    }
    left.tell("rows");
    if !options.json {
        for (name, count) in [
            ("valid", totals.valid),
            ("JSON validity", totals.json),
            ("tool name", totals.names),
            ("parameters", totals.parameters),
        ] {
            let (low, high) = statistics::wilson(count, totals.rows);
            let share = f64::from(count) / f64::from(totals.rows.max(1));
            let percent = |share: f64| share * 100.0;
            say(
                out,
                format!(
                    "{name:<14} {count:>7} of {:<7} {:5.1} %  [{:.1}, {:.1}]",
                    totals.rows,
                    percent(share),
                    percent(low),
                    percent(high)
                ),
            )?;
        }
    }
    let count = unused.count + left.count;
    if count > 0 {
        return Err(Failure::user(format!("{count} lines could not be used"))
            .hint("they are named above; the rest was scored"));
    }
    Ok(())
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.trim_start_matches('\u{feff}');
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty())
}

fn cases(path: &Path, text: &str, unused: &mut Unused) -> Result<Cases> {
    let mut cases = Cases::default();
    for (number, line) in lines(text) {
        let added = parse_case(line).and_then(|case| {
            cases.insert(case).map_err(|id| format!("the id `{id}` is used twice"))
        });
        if let Err(reason) = added {
            unused.add(path, number, &reason);
        }
    }
    if cases.is_empty() {
        unused.tell("cases");
        return Err(Failure::user(format!("{}: no case can be used", path.display())));
    }
    Ok(cases)
}
