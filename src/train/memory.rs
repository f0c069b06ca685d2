//! What memory there is for a run, and how the run goes through it.

use std::fs;
use std::path::Path;

use super::Recipe;
use super::rows::{self, Epoch};
use super::schedule::Schedule;
use crate::engine::{
    Adapter, Base, MemoryPlan, MemoryUse, Precision, Row, largest_micro_batch, loading_bytes, plan,
    scoring_bytes,
};
use crate::failure::{Failure, Result};
use crate::model::DecoderConfig;

/// Tokens that go through the model at once in validation.
const SCORED_TOKENS: usize = 1024;
/// What training may take where the system does not tell what there is.
const UNKNOWN: usize = 6 << 30;

/// What a run will take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunMemory {
    /// How training goes through it.
    pub plan: MemoryPlan,
    /// Highest memory of the process, base included, in bytes.
    pub peak: usize,
}

/// Tells the tokens of the largest micro-batch of a run, for a number of tokens at once.
pub(super) fn largest_of<'a>(
    recipe: &Recipe,
    train: &'a [Epoch],
) -> impl FnMut(usize) -> usize + use<'a> {
    let schedule = Schedule::new(recipe, train.first().map_or(0, |epoch| epoch.rows.len()));
    move |micro: usize| {
        let steps = 0..schedule.steps();
        let tokens =
            steps.map(|step| largest_micro_batch(&rows::of_step(train, &schedule, step), micro));
        tokens.max().unwrap_or(0)
    }
}

/// Plans a run over the rows of each epoch. `micro_tokens` is how many tokens went through the
/// model at once before a resumed run stopped: others would change its bits.
///
/// # Errors
/// When nothing fits, with the least that would do.
pub fn plan_run(
    base: &Base,
    adapter: &Adapter,
    recipe: &Recipe,
    (train, validation): (&[Epoch], &[Row]),
    micro_tokens: Option<usize>,
) -> Result<RunMemory> {
    let mut largest = largest_of(recipe, train);
    let eight_bit = recipe.optimizer.is_eight_bit();
    // Validation and checkpoints take memory beside training, never at once.
    let scored = largest_micro_batch(validation, SCORED_TOKENS);
    let scoring = if scored == 0 { 0 } else { scoring_bytes(base, adapter, scored) };
    let beside = scoring.max(super::checkpoint::bytes_to_write(adapter, eight_bit));

    let now = resident();
    let held = now.unwrap_or_else(|| base.bytes());
    let asked = (recipe.memory_mib > 0).then_some((recipe.memory_mib as usize) << 20);
    let there = available().map(|free| held + free);
    let most = match (asked, there) {
        (Some(asked), Some(there)) => asked.min(there),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => held + beside + UNKNOWN,
    };
    let limit = most.saturating_sub(held + beside);
    let options = MemoryUse { eight_bit, dropout: recipe.dropout > 0.0 };
    match plan(base, adapter, options, limit, micro_tokens, &mut largest) {
        Ok(plan) => Ok(RunMemory { plan, peak: held + beside + plan.bytes }),
        Err(least) => {
            let peak = held + beside + least.bytes;
            Err(too_little(peak, most, asked == Some(most), &least, eight_bit))
        }
    }
}

fn too_little(
    peak: usize,
    most: usize,
    asked: bool,
    least: &MemoryPlan,
    eight_bit: bool,
) -> Failure {
    let what = if asked { "the limit of this run is" } else { "this machine has room for" };
    let mut failure = Failure::user(format!(
        "this run needs at least {} MiB of memory, and {what} {} MiB",
        mib(peak, true),
        mib(most, false)
    ))
    .hint(format!(
        "The longest row takes {} tokens: a lower `length_max` leaves long rows out and needs less.",
        least.tokens
    ))
    .hint("A smaller model or a lower rank needs less.");
    if !eight_bit {
        failure = failure.hint("`--optimizer adamw8bit` keeps the optimizer in a quarter.");
    }
    if asked {
        failure = failure.hint("`--memory` and the recipe's `memory_mib` set the limit.");
    }
    failure
}

/// Refuses a model that cannot be loaded into the memory there is.
///
/// # Errors
/// Says what loading takes and what there is.
pub fn check_loading(config: &DecoderConfig, precision: Precision) -> Result<()> {
    let needed = loading_bytes(config, precision);
    match available() {
        Some(free) if needed > free => Err(Failure::user(format!(
            "loading this model takes {} MiB of memory, and {} MiB are free",
            mib(needed, true),
            mib(free, false)
        ))
        .hint("Choose a smaller model, or end other programs first.")),
        _ => Ok(()),
    }
}

/// Bytes as MiB, rounded so that what is said to be enough is, and what is said to be there is.
pub fn mib(bytes: usize, up: bool) -> usize {
    if up { bytes.div_ceil(1 << 20) } else { bytes >> 20 }
}

/// Bytes this process holds, where the system tells (Linux).
pub fn resident() -> Option<usize> {
    kib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Bytes that this process may still take before others suffer, where the system tells (Linux):
/// what the machine has available or what is left in its control groups, less a sixteenth.
pub fn available() -> Option<usize> {
    let machine = kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:");
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = left_in_groups(Path::new("/sys/fs/cgroup"), &groups);
    let free = match (machine, group) {
        (Some(machine), Some(group)) => machine.min(group),
        (one, other) => one.or(other)?,
    };
    Some(free - free / 16)
}

/// A figure of /proc, which are in KiB, in bytes.
fn kib(text: &str, key: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<usize>().ok()?.checked_mul(1024)
}

/// The least that is left in the control groups a process is in: version 2 names one path, of which
/// every parent may have a limit; version 1 has its memory controller in a folder of its own.
fn left_in_groups(root: &Path, groups: &str) -> Option<usize> {
    let mut least: Option<usize> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, names) = if controllers.is_empty() {
            (root.to_owned(), ["memory.max", "memory.current", "inactive_file"])
        } else if controllers.split(',').any(|name| name == "memory") {
            let names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];
            (root.join("memory"), names)
        } else {
            continue;
        };
        let inside = Path::new(path.trim_start_matches('/'));
        for group in inside.ancestors() {
            let left = left_in_group(&root.join(group), names);
            least = match (least, left) {
                (Some(least), Some(left)) => Some(least.min(left)),
                (one, other) => one.or(other),
            };
        }
    }
    least
}

/// What is left in one group; the cache of files that nobody uses can be had back.
fn left_in_group(group: &Path, [limit, usage, cache]: [&str; 3]) -> Option<usize> {
    let number =
        |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<usize>().ok();
    // "max" is no number: no limit.
    let limit = number(limit)?;
    let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let cached = statistics.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == cache).then(|| value.parse::<usize>().ok())?
    });
    Some(limit.saturating_sub(number(usage)?.saturating_sub(cached.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_proc_are_in_kib() {
        let text = "MemTotal:       1000 kB\nMemAvailable:     64 kB\n";
        assert_eq!(kib(text, "MemAvailable:"), Some(64 << 10));
        assert_eq!(kib(text, "VmRSS:"), None);
        assert_eq!((mib(1, true), mib((2 << 20) - 1, false)), (1, 1));
    }

    #[test]
    fn what_is_left_is_that_of_the_tightest_control_group() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a/memory.max", "1000\n");
        write("a/memory.current", "900\n");
        write("a/memory.stat", "anon 500\ninactive_file 300\n");
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "10\n");
        assert_eq!(left_in_groups(root.path(), "0::/a/b\n"), Some(400));
        assert_eq!(left_in_groups(root.path(), "0::/c\n"), None);
        assert_eq!(left_in_groups(root.path(), "nonsense\n0:"), None);
        write("memory/d/memory.limit_in_bytes", "5000\n");
        write("memory/d/memory.usage_in_bytes", "6000\n");
        assert_eq!(left_in_groups(root.path(), "3:cpu:/d\n4:memory,x:/d\n"), Some(0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_tells() {
        assert!(resident().unwrap() > 1 << 20);
        assert!(available().unwrap() > 1 << 20);
    }
}
