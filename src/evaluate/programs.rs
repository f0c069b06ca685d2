//! Programs that a model writes: the source that is run, and what its end says.
//!
//! Pure: who runs it is handed in as a [`ProgramRunner`]. The source is HumanEval's (Chen et al., 2021,
//! arXiv 2107.03374): the beginning that was given, what the reply adds, the test, its call.

use std::fmt;

use super::case::{Case, Expect, Program};
use super::result::{Answer, NotRun, Reason};
use super::score::accuracy;
use super::suite::Suite;
use crate::failure::Result;

/// Runs programs where they can do no harm.
pub trait ProgramRunner: fmt::Debug {
    /// Runs a Python program to its end or to a limit. It must hold `mark` as a line of what it writes
    /// to count as passed.
    ///
    /// # Errors
    /// When it cannot be run at all; a program that fails is no error.
    fn run(&self, source: &str, mark: &str) -> Result<Ran>;

    /// A text that no program can guess, for the end of the next one.
    fn mark(&self) -> String;
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// It came to its end.
    Passed,
    /// It ended before its end: the last line of its errors.
    Failed(String),
    /// It was stopped.
    Stopped(Limit),
}

/// A limit that a program ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Seconds on the clock or of the processor.
    Time,
    /// Memory.
    Memory,
}

/// Runs what a reply holds and judges it.
///
/// # Errors
/// When programs cannot be run.
pub fn judge(program: &Program, reply: String, runner: &dyn ProgramRunner) -> Result<Answer> {
    let mark = runner.mark();
    let (right, reason) = match source(program, &reply, &mark) {
        None => (false, Some(Reason::NoProgram)),
        Some(source) => match runner.run(&source, &mark)? {
            Ran::Passed => (true, None),
            Ran::Failed(error) => (false, Some(Reason::TestFailed(error))),
            Ran::Stopped(limit) => (false, Some(Reason::Stopped(limit))),
        },
    };
    Ok(Answer { text: reply, verdicts: accuracy(right), reason, ..Answer::default() })
}

/// The whole program of a reply, which writes `mark` on a line of its own once the test is through; none
/// where the reply holds no code.
pub fn source(program: &Program, reply: &str, mark: &str) -> Option<String> {
    let code = code(reply, &program.entry_point);
    if code.trim().is_empty() {
        return None;
    }
    let Program { prompt, entry_point, test } = program;
    // The beginning holds imports and helpers, and by itself defines the function with its
    // documentation alone; a whole function after it takes its place.
    let body = if defines(&code, entry_point) {
        format!("{}\n\n{code}", prompt.trim_end())
    } else {
        format!("{}\n{}", prompt.trim_end(), continuation(&code))
    };
    // By the system call itself, since a reply may define `print` anew.
    Some(format!(
        "{body}\n\n{test}\n\ncheck({entry_point})\n__import__(\"os\").write(1, b\"\\n{mark}\\n\")\n"
    ))
}

/// Takes the cases out that ask for programs, and suites that hold nothing else, and tells how many
/// they were.
pub fn take_out(suites: &mut Vec<Suite>) -> Vec<NotRun> {
    let mut left_out = Vec::new();
    suites.retain_mut(|suite| {
        let before = suite.cases.len();
        suite.cases.retain(|case| !is_program(case));
        let cases = (before - suite.cases.len()) as u32;
        if cases > 0 {
            let (name, title) = (suite.name.clone(), suite.title.clone());
            left_out.push(NotRun { suite: name, title, cases });
        }
        !suite.cases.is_empty()
    });
    left_out
}

fn is_program(case: &Case) -> bool {
    matches!(case.expect, Expect::Program(_))
}

/// The code in a reply: of its fenced blocks the last one that defines the function, else the first;
/// without a fence, what follows the first line that looks like Python, or all of it.
fn code(reply: &str, entry_point: &str) -> String {
    let blocks = fenced(reply);
    let defining = blocks.iter().rfind(|block| defines(block, entry_point));
    if let Some(block) = defining.or(blocks.first()) {
        return block.clone();
    }
    let begins = |line: &str| {
        ["def ", "async def ", "import ", "from ", "class ", "@"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let lines: Vec<&str> = reply.lines().collect();
    match lines.iter().position(|line| begins(line)) {
        Some(at) if defines(reply, entry_point) => lines.get(at..).unwrap_or_default().join("\n"),
        _ => reply.to_owned(),
    }
}

/// What stands between fences of three or more backticks or tildes; the last one may lack its end.
fn fenced(reply: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, Vec<&str>)> = None;
    for line in reply.lines() {
        let trimmed = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (&mut open, mark) {
            (Some((begun, block)), Some(mark))
                if *begun == mark && trimmed.trim_end().trim_matches(['`', '~']).is_empty() =>
            {
                blocks.push(block.join("\n"));
                open = None;
            }
            (Some((_, block)), _) => block.push(line),
            (None, Some(mark)) => open = Some((mark, Vec::new())),
            (None, None) => {}
        }
    }
    blocks.extend(open.map(|(_, block)| block.join("\n")));
    blocks
}

/// Tells whether code defines a function at its outermost level.
fn defines(code: &str, name: &str) -> bool {
    code.lines().any(|line| {
        let head = line.strip_prefix("async ").unwrap_or(line).strip_prefix("def ");
        head.and_then(|rest| rest.trim_start().strip_prefix(name))
            .is_some_and(|rest| rest.trim_start().starts_with('('))
    })
}

const INDENT: &str = "    ";

/// The rest of a function whose head was given: indented, and cut off where something else begins.
fn continuation(code: &str) -> String {
    let lines: Vec<&str> = code.lines().skip_while(|line| line.trim().is_empty()).collect();
    let Some(first) = lines.first() else { return String::new() };
    let is_indented = |line: &str| line.starts_with([' ', '\t']);
    let is_blank = |line: &str| line.trim().is_empty();
    if is_indented(first) {
        let within = lines.iter().take_while(|line| is_blank(line) || is_indented(line));
        return within.copied().collect::<Vec<_>>().join("\n");
    }
    // The first line may have lost its indentation alone, as where a reply is trimmed: then the next
    // line stands deeper without the first one opening a block, or deeper than one block goes.
    let next = lines.iter().skip(1).find(|line| !is_blank(line));
    let depth = next.map_or(0, |line| line.len() - line.trim_start().len());
    let opens = first.trim_end().ends_with(':');
    let alone = if opens { depth > INDENT.len() } else { depth > 0 };
    if alone {
        let rest = lines.iter().skip(1).take_while(|line| is_blank(line) || is_indented(line));
        let first = format!("{INDENT}{first}");
        let lines: Vec<&str> = std::iter::once(first.as_str()).chain(rest.copied()).collect();
        return lines.join("\n");
    }
    lines.iter().map(|line| format!("{INDENT}{line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Program {
        Program {
            prompt: "import math\n\ndef add(a, b):\n    \"\"\"The sum.\"\"\"\n".to_owned(),
            entry_point: "add".to_owned(),
            test: "def check(candidate):\n    assert candidate(1, 2) == 3".to_owned(),
        }
    }

    /// What stands between the beginning given and the test.
    fn added(reply: &str) -> String {
        let source = source(&program(), reply, "m").unwrap();
        let rest = source.strip_prefix(program().prompt.trim_end()).unwrap();
        let (added, end) = rest.split_once("\n\ndef check(candidate)").unwrap();
        assert!(end.ends_with("check(add)\n__import__(\"os\").write(1, b\"\\nm\\n\")\n"), "{end}");
        added.to_owned()
    }

    #[test]
    fn code_is_found_in_replies() {
        let whole = "def add(a, b):\n    return a + b";
        let cases = [
            (format!("Here it is:\n```python\n{whole}\n```\nIt adds."), format!("\n\n{whole}")),
            (format!("```\nadd(1, 2)\n```\nand\n~~~py\n{whole}\n~~~"), format!("\n\n{whole}")),
            // Cut off before the fence ends.
            (format!("```python\n{whole}"), format!("\n\n{whole}")),
            (format!("Sure.\n\n{whole}"), format!("\n\n{whole}")),
            // A body goes on from the head that was given.
            ("    return a + b\n\nprint(add(1, 2))\n".into(), "\n    return a + b\n".into()),
            ("```\n    return a + b\n```".into(), "\n    return a + b".into()),
            ("return a + b".into(), "\n    return a + b".into()),
            ("c = a + b\n    return c".into(), "\n    c = a + b\n    return c".into()),
            ("c = a + b\nreturn c".into(), "\n    c = a + b\n    return c".into()),
            (
                "if a:\n    return a + b\nreturn b".into(),
                "\n    if a:\n        return a + b\n    return b".into(),
            ),
            (
                "if a:\n        return a + b\n    return b".into(),
                "\n    if a:\n        return a + b\n    return b".into(),
            ),
            // A function within a class is another one.
            (
                "```\nclass A:\n    def add(self): pass\n```\n```\ndef add (a, b): return 3\n```"
                    .into(),
                "\n\ndef add (a, b): return 3".into(),
            ),
        ];
        for (reply, expected) in cases {
            assert_eq!(added(&reply), expected, "{reply}");
        }
        assert_eq!(source(&program(), "", "m"), None);
        assert_eq!(source(&program(), "```python\n```", "m"), None);
    }

    #[test]
    fn ends_are_judged() {
        #[derive(Debug)]
        struct Always(Ran);
        impl ProgramRunner for Always {
            fn run(&self, source: &str, mark: &str) -> Result<Ran> {
                assert!(source.contains(mark));
                Ok(self.0.clone())
            }

            fn mark(&self) -> String {
                "5b1d".to_owned()
            }
        }
        for (ran, right, reason) in [
            (Ran::Passed, true, ""),
            (Ran::Failed("AssertionError".into()), false, "test failed: AssertionError"),
            (Ran::Stopped(Limit::Time), false, "stopped: it took too long"),
            (Ran::Stopped(Limit::Memory), false, "stopped: it took too much memory"),
        ] {
            let answer = judge(&program(), "return 3".into(), &Always(ran)).unwrap();
            assert_eq!(answer.is_right(), Some(right));
            assert_eq!(answer.reason.map(String::from).unwrap_or_default(), reason);
        }
        let empty = judge(&program(), " ".into(), &Always(Ran::Passed)).unwrap();
        assert_eq!(empty.is_right(), Some(false));
    }
}
