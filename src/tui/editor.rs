//! Text in the user's own editor.

use std::io::Write as _;
use std::process::Command;

use crate::failure::{Context as _, Failure, Result};
use crate::text::nfc;

/// Opens `text` in `$VISUAL`, `$EDITOR` or `vi` and returns what was saved. The terminal must have
/// been left.
///
/// # Errors
/// Names the editor when it cannot be started or ends with an error; the text is then unchanged.
pub fn edit(text: &str) -> Result<String> {
    let variable = |name| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.trim().is_empty())
    };
    let editor = variable("VISUAL")
        .or_else(|| variable("EDITOR"))
        .unwrap_or_else(|| "vi".into());
    let mut file = tempfile::Builder::new()
        .prefix("hone-")
        .suffix(".md")
        .tempfile()
        .because("failed to make a file for the editor")?;
    file.write_all(text.as_bytes())
        .because("failed to write the file for the editor")?;
    file.flush()
        .because("failed to write the file for the editor")?;
    // The variable may hold arguments ("code --wait"), so a shell splits it, as git does.
    let mut command = if cfg!(windows) {
        let mut command = Command::new("cmd");
        command
            .arg("/C")
            .arg(format!("{editor} \"{}\"", file.path().display()));
        command
    } else {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{editor} \"$1\""))
            .arg("sh")
            .arg(file.path());
        command
    };
    let status = command
        .status()
        .because(format_args!("failed to start the editor '{editor}'"))?;
    if !status.success() {
        return Err(
            Failure::user(format!("the editor '{editor}' ended with {status}")).hint(
                "Set EDITOR to the command of an editor that waits until its file is closed.",
            ),
        );
    }
    // Editors that save through a new file leave the old handle behind: read by path.
    let saved = std::fs::read_to_string(file.path()).because("failed to read the edited text")?;
    Ok(nfc(&saved).into_owned())
}
