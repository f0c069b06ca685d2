//! The command line reference, generated.

use std::fmt::Write as _;

use clap::{Arg, Command};

/// Every visible subcommand with its usage, arguments and options, as Markdown.
pub fn markdown(command: &Command) -> String {
    let mut text = String::from(
        "# Command line\n\nGenerated from the definitions that parse it; `hone help COMMAND` shows the same.\n\
         Exit status: 0 done, 1 the input or the environment is at fault, 2 a defect of hone.\n",
    );
    section(command, "", &mut text);
    text
}

fn section(command: &Command, parent: &str, text: &mut String) {
    let name = format!("{parent} {}", command.get_name()).trim().to_owned();
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let _ = write!(text, "\n## `{name}`\n\n{about}\n");
    let visible: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version"))
        .collect();
    if !visible.is_empty() {
        text.push_str("\n| argument | meaning |\n|---|---|\n");
        for arg in visible {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "| `{}` | {} |", form(arg), help.replace('|', "\\|"));
        }
    }
    for child in command.get_subcommands() {
        if !child.is_hide_set() && child.get_name() != "help" {
            section(child, &name, text);
        }
    }
}

/// How the argument is written, for example `--general <SHARE>`.
fn form(arg: &Arg) -> String {
    let value = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values())
        .map(|names| names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" "));
    let flag = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, Some(long)) => format!("--{long}"),
        (None, None) => String::new(),
    };
    [flag, value.unwrap_or_default()].join(" ").trim().to_owned()
}
