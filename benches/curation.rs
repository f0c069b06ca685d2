//! Curation at scale: the program itself in a pseudo-terminal on a project of many pairs.
//!
//! `cargo bench --bench curation` prints how long opening takes, the time from a key to the end of the
//! frame that it leads to, the time from a search's last key to its list, and the memory of the program.
//! `PAIRS` sets the number of pairs (500,000).

#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at the first error")]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use hone::pair::{Change, Edit, Example, Message, Meta, ReviewState, Role};
use hone::project::Project;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Ends every frame (the terminal's synchronized update).
const FRAME_END: &[u8] = b"\x1b[?2026l";
const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
const PATIENCE: Duration = Duration::from_mins(2);
/// Pairs written in one edit.
const EDIT_PAIRS: usize = 20_000;

/// What a frame left on the screen, and when its end was read.
struct Frame {
    at: Instant,
    screen: String,
}

struct Program {
    keys: Box<dyn std::io::Write + Send>,
    frames: Receiver<Frame>,
    id: u32,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    started: Instant,
}

impl Program {
    fn start(folder: &Path) -> Self {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_hone"));
        command.args(["--project", &folder.display().to_string()]);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "en_US.UTF-8");
        command.cwd(folder);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, frames) = unbounded();
        std::thread::spawn(move || {
            let some = |value| NonZeroU16::new(value).unwrap();
            let mut parser = vt100::Parser::new(some(ROWS), some(COLUMNS), 0);
            let mut buffer = vec![0; 1 << 16];
            let mut pending = Vec::new();
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let at = Instant::now();
                pending.extend_from_slice(&buffer[..count]);
                while let Some(end) =
                    pending.windows(FRAME_END.len()).position(|window| window == FRAME_END)
                {
                    let rest = pending.split_off(end + FRAME_END.len());
                    parser.process(&pending);
                    pending = rest;
                    let screen = parser.screen().contents();
                    if sender.send(Frame { at, screen }).is_err() {
                        return;
                    }
                }
            }
        });
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let id = child.process_id().unwrap();
        let keys = pair.master.take_writer().unwrap();
        // The master must live as long as the program does.
        std::mem::forget(pair.master);
        Self { keys, frames, id, child, started }
    }

    /// Waits for a frame that fits and tells when it was drawn.
    fn wait(&self, what: &str, fits: impl Fn(&str) -> bool) -> Frame {
        let mut last = String::new();
        loop {
            match self.frames.recv_timeout(PATIENCE) {
                Ok(frame) if fits(&frame.screen) => return frame,
                Ok(frame) => last = frame.screen,
                Err(_) => unreachable!("waited for {what}; the last screen was:\n{last}"),
            }
        }
    }

    /// Presses a key and tells how long its frame took.
    fn press(&mut self, key: &str) -> Duration {
        while self.frames.try_recv().is_ok() {}
        let pressed = Instant::now();
        self.send(key);
        self.wait(key, |_| true).at - pressed
    }

    fn send(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Memory of the program in MiB: most so far, and now.
    fn memory(&self) -> (u64, u64) {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap_or_default();
        let read = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) / 1024
        };
        (read("VmHWM:"), read("VmRSS:"))
    }
}

/// Sentences of the length and vocabulary of a building code.
fn example(random: &mut ChaCha8Rng, number: usize) -> Example {
    const NOUNS: [&str; 16] = [
        "활하중",
        "고정하중",
        "적설하중",
        "풍하중",
        "지진하중",
        "칸막이벽",
        "창고",
        "사무실",
        "병실",
        "옥상정원",
        "기둥",
        "내력벽",
        "철근",
        "콘크리트",
        "피복두께",
        "유효건물중량",
    ];
    const ENDINGS: [&str; 6] = [
        "이상으로 한다.",
        "이하로 한다.",
        "포함하여 계산한다.",
        "적용하지 아니한다.",
        "책임구조기술자의 확인을 받는다.",
        "구조도면에 표기한다.",
    ];
    let mut noun = || NOUNS[random.random_range(0..NOUNS.len())];
    let question =
        format!("{} 설계에서 {}의 {}은 얼마로 하나요? ({number})", noun(), noun(), noun());
    let mut answer = String::new();
    for _ in 0..random.random_range(1..4) {
        let mut noun = || NOUNS[random.random_range(0..NOUNS.len())];
        let (a, b, c) = (noun(), noun(), noun());
        let value = random.random_range(1..100);
        let ending = ENDINGS[random.random_range(0..ENDINGS.len())];
        write!(answer, "{a}의 {b}에는 {c} 값 {value} kN/m²를 {ending} ").unwrap();
    }
    Example {
        messages: vec![
            Message::text(Role::User, question),
            Message::text(Role::Assistant, answer.trim()),
        ],
        meta: Meta {
            document: Some("KDS 41 17 00.pdf".to_owned()),
            page: Some(random.random_range(1..400)),
            author: Some("Qwen2.5-1.5B".to_owned()),
            ..Meta::default()
        },
        ..Example::default()
    }
}

fn project(folder: &Path, pairs: usize) {
    let project = Project::create(folder, "scale").unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut number = 0;
    while number < pairs {
        let count = EDIT_PAIRS.min(pairs - number);
        let changes = (0..count).map(|index| {
            let state = match random.random_range(0..4) {
                0 => ReviewState::Accepted,
                1 => ReviewState::Rejected,
                _ => ReviewState::Draft,
            };
            Change::insert(None, state, example(&mut random, number + index))
        });
        let changes = changes.collect();
        project.store().apply(Edit::new("pairs", changes)).unwrap();
        number += count;
    }
}

/// The number of pairs that the screen says are listed.
fn listed(screen: &str) -> Option<usize> {
    let (_, after) = screen.split_once("Pair ")?.1.split_once(" of ")?;
    after.split_whitespace().next()?.parse().ok()
}

fn share(times: &[Duration], share: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    let at = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len());
    times[at - 1].as_secs_f64() * 1e3
}

fn main() {
    let pairs: usize =
        std::env::var("PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(500_000);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("project");
    let started = Instant::now();
    project(&folder, pairs);
    println!("project of {pairs} pairs written in {:.1} s", started.elapsed().as_secs_f64());

    let mut program = Program::start(&folder);
    let first = program.wait("the first screen", |screen| screen.contains("scale"));
    println!(
        "opening: first screen after {:.0} ms",
        (first.at - program.started).as_secs_f64() * 1e3
    );
    program.send("2");
    let list = |screen: &str| screen.contains("Pair 1 of");
    let usable = program.wait("the list", list);
    println!(
        "opening: pairs to work on after {:.0} ms",
        (usable.at - program.started).as_secs_f64() * 1e3
    );
    let all = format!("Pair 1 of {pairs}");
    let whole = program.wait("all pairs", |screen| screen.contains(&all));
    println!(
        "opening: all {pairs} pairs listed after {:.0} ms",
        (whole.at - program.started).as_secs_f64() * 1e3
    );

    let groups: [(&str, &[&str]); 5] = [
        ("moving (j k PageDown End Home)", &["j", "j", "k", "\x1b[6~", "\x1b[F", "k", "\x1b[H"]),
        ("judging (a r u)", &["a", "r", "u"]),
        ("marking and scoring (m m + u)", &["m", "m", "+", "u"]),
        ("filtering (f)", &["f"]),
        ("typing in a pair", &["e", "가", "나", "다", "라"]),
    ];
    let mut everything = Vec::new();
    for (name, keys) in groups {
        let mut times = Vec::new();
        for round in 0..200 / keys.len() {
            for (index, key) in keys.iter().enumerate() {
                if *key == "e" && round > 0 {
                    continue;
                }
                // The first key of a round meets an idle program, the others come at the pace of a
                // quick hand.
                std::thread::sleep(Duration::from_millis(if index == 0 { 60 } else { 35 }));
                times.push(program.press(key));
            }
        }
        if name.starts_with("typing") {
            program.press("\x13");
        }
        println!(
            "key to frame, {name}: median {:.1} ms, 99 % {:.1} ms, most {:.1} ms (n={})",
            share(&times, 0.5),
            share(&times, 0.99),
            share(&times, 1.0),
            times.len()
        );
        everything.extend(times);
    }
    println!(
        "key to frame, all: median {:.1} ms, 99 % {:.1} ms (n={})",
        share(&everything, 0.5),
        share(&everything, 0.99),
        everything.len()
    );

    for (name, query) in [
        ("a word", "유효건물중량"),
        ("a rare word", "(250123)"),
        ("initial consonants", "ㅇㅎㄱㅁㅈㄹ"),
        ("three words and a field", "풍하중 병실 콘크리트 state:draft"),
        ("an expression", r"/값 7\d kN/"),
    ] {
        let mut times = Vec::new();
        for _ in 0..5 {
            program.press("\x1b");
            std::thread::sleep(Duration::from_millis(600));
            program.press("/");
            program.press("\x15");
            std::thread::sleep(Duration::from_millis(600));
            while program.frames.try_recv().is_ok() {}
            let asked = Instant::now();
            // Pasted whole, so that one search is timed and not one for each key.
            let paste = format!("\x1b[200~{query}\x1b[201~");
            program.keys.write_all(paste.as_bytes()).unwrap();
            program.keys.flush().unwrap();
            let done = program.wait(query, |screen| listed(screen).is_some_and(|of| of != pairs));
            times.push(done.at - asked);
            program.press("\r");
        }
        println!(
            "search, {name}: median {:.0} ms, most {:.0} ms",
            share(&times, 0.5),
            share(&times, 1.0)
        );
    }
    let (most, now) = program.memory();
    println!("memory: {now} MiB now, {most} MiB at most");
    program.keys.write_all(b"\x11").unwrap();
    let _ = program.child.wait();
}
