//! What a run was trained on, kept beside its adapter, so that an evaluation knows which questions
//! the model has seen.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest;
use crate::evaluate::{Part, TrainingSet};
use crate::failure::{Context as _, Failure, Result};
use crate::mix::{Mix, Side};
use crate::pair::{Example, Message, Role};
use crate::whole_file::write_whole;

/// First line of the file; each line after it holds the texts of a row's turns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Header {
    /// SHA-256 over the rows, in their order.
    pub sha256: String,
    /// Rows.
    pub rows: u64,
    /// Parts of the mix.
    pub composition: Vec<Part>,
}

/// Longest text of a turn that is kept, in bytes; of a longer one its beginning.
const TEXT_MAX: usize = 4000;

fn path(run: &Path) -> PathBuf {
    run.join("training_set.jsonl")
}

/// Writes what the run in `folder` is trained on.
pub(super) fn write(folder: &Path, mix: &Mix) -> Result<()> {
    let rows = mix.rows.iter().filter(|row| row.side == Side::Train).map(|row| &row.example);
    let (mut texts, mut whole) = (String::new(), String::new());
    let mut count = 0;
    for example in rows {
        whole.push_str(&serde_json::to_string(example).unwrap_or_default());
        whole.push('\n');
        let turns = example.messages.iter().filter(|message| message.role != Role::System);
        let turns: Vec<(Role, &str)> =
            turns.map(|message| (message.role, beginning(&message.content))).collect();
        texts.push_str(&serde_json::to_string(&turns).unwrap_or_default());
        texts.push('\n');
        count += 1;
    }
    let composition = mix.report.parts.iter().filter(|part| part.side == Side::Train);
    let composition = composition.map(|part| Part {
        name: part.kind.as_str().to_owned(),
        rows: part.rows as u64,
        tokens: part.tokens as u64,
    });
    let header =
        Header { sha256: digest::sha256(&whole), rows: count, composition: composition.collect() };
    let header = serde_json::to_string(&header).unwrap_or_default();
    write_whole(&path(folder), format!("{header}\n{texts}").as_bytes())
}

/// Reads what the run in `folder` was trained on; none for runs of earlier versions.
pub(super) fn read(folder: &Path) -> Result<Option<(Header, TrainingSet)>> {
    let path = path(folder);
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::user(format!("{}: {error}", path.display()))),
    };
    let mut lines = BufReader::new(file).lines();
    let bad = |line: usize, why: &str| {
        Failure::user(format!("{}:{line}: {why}", path.display())).hint(
            "the file was written when the run was trained; delete it, and the present mix is \
             looked at in its place",
        )
    };
    let first = lines.next().ok_or_else(|| bad(1, "the file is empty"))?.because(path.display())?;
    let header = serde_json::from_str(&first).map_err(|error| bad(1, &error.to_string()))?;
    let mut set = TrainingSet::default();
    for (number, line) in (2..).zip(lines) {
        let line = line.because(path.display())?;
        let turns: Vec<(Role, String)> =
            serde_json::from_str(&line).map_err(|error| bad(number, &error.to_string()))?;
        let messages = turns.into_iter().map(|(role, text)| Message::text(role, text));
        set.add(&Example { messages: messages.collect(), ..Example::default() });
    }
    Ok(Some((header, set)))
}

fn beginning(text: &str) -> &str {
    let end = (0..=TEXT_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}
