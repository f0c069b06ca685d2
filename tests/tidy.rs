//! The named invariants of ARCHITECTURE.md, checked over the source text.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `src/`, lowest first. A folder may import from those before it.
const FOLDERS: [&str; 15] = [
    "text", "document", "pair", "mix", "model", "engine", "train", "draft", "evaluate", "report",
    "project", "job", "app", "tui", "cli",
];
/// Single files of `src/` that every folder may import.
const GROUND: [&str; 4] = ["digest", "failure", "progress", "whole_file"];
/// Imports the order would permit, but the design does not.
const FORBIDDEN: [(&str, &[&str]); 4] = [
    ("report", &["engine", "train", "draft", "model"]),
    ("project", &["engine"]),
    ("tui", &["engine"]),
    ("app", &["engine"]),
];
/// Words a folder's code may not contain, because it does none of that work.
const FOREIGN: [(&str, &[&str]); 6] = [
    ("text", &["std::fs", "std::io", "std::thread", "std::net", "reqwest", "ratatui"]),
    ("pair", &["std::fs", "std::thread", "std::net", "reqwest", "ratatui", "File::"]),
    ("mix", &["std::fs", "std::thread", "std::net", "reqwest", "ratatui", "File::"]),
    ("engine", &["std::fs", "std::thread", "std::net", "reqwest", "ratatui", "rusqlite"]),
    ("app", &["std::fs", "std::thread", "std::net", "reqwest", "candle", "rusqlite"]),
    ("evaluate", &["std::thread", "reqwest", "ratatui", "rusqlite"]),
];
const FILE_LINES_MAX: usize = 600;

struct Source {
    path: PathBuf,
    folder: String,
    text: String,
}

impl Source {
    /// Modules that are compiled for tests only are held to the import order only.
    fn is_test(&self, test_modules: &[String]) -> bool {
        self.path.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            let name = part.trim_end_matches(".rs");
            name == "tests" || test_modules.contains(&format!("{}/{name}", self.folder))
        })
    }

    /// Names of the modules this file declares for tests only, as `folder/name`.
    fn test_modules(&self) -> Vec<String> {
        let lines: Vec<&str> = self.text.lines().collect();
        lines
            .windows(2)
            .filter(|pair| pair[0].trim() == "#[cfg(test)]" && pair[1].ends_with(';'))
            .filter_map(|pair| pair[1].split("mod ").nth(1))
            .map(|name| format!("{}/{}", self.folder, name.trim_end_matches(';')))
            .collect()
    }

    /// The code before the file's own test module, without comments.
    fn code(&self) -> String {
        let end = self.text.find("#[cfg(test)]\nmod tests").unwrap_or(self.text.len());
        self.text[..end]
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut pending = vec![root().join("src")];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(root().join("src")).unwrap().to_owned();
                let folder = inside.components().next().unwrap().as_os_str().to_string_lossy();
                let folder = folder.trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path: inside, folder, text });
            }
        }
    }
    assert!(found.len() > 50, "the source was not found");
    found
}

/// Every `crate::name` in the text.
fn imports(text: &str) -> Vec<String> {
    text.match_indices("crate::")
        .map(|(at, found)| {
            text[at + found.len()..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

#[test]
fn folders_import_only_from_those_below_them() {
    let mut broken = Vec::new();
    for source in sources() {
        let Some(place) = FOLDERS.iter().position(|folder| *folder == source.folder) else {
            continue;
        };
        for name in imports(&source.text) {
            let ground = GROUND.contains(&name.as_str());
            let allowed = FOLDERS.iter().position(|folder| *folder == name);
            let forbidden = FORBIDDEN
                .iter()
                .any(|(folder, names)| *folder == source.folder && names.contains(&name.as_str()));
            if forbidden || (!ground && allowed.is_some_and(|other| other > place)) {
                broken.push(format!("{} imports {name}", source.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "imports that point upward:\n{}", broken.join("\n"));
}

#[test]
fn every_folder_has_its_place_in_the_order() {
    for source in sources() {
        let known = FOLDERS.contains(&source.folder.as_str())
            || GROUND.contains(&source.folder.as_str())
            || ["lib", "main"].contains(&source.folder.as_str());
        assert!(known, "{}: a folder that ARCHITECTURE.md does not know", source.path.display());
    }
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for folder in FOLDERS {
        assert!(text.contains(&format!("`{folder}/`")), "ARCHITECTURE.md lacks {folder}/");
    }
}

#[test]
fn folders_do_only_their_own_work() {
    let mut broken = Vec::new();
    let sources = sources();
    let test_modules: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    for source in sources.iter().filter(|source| !source.is_test(&test_modules)) {
        let code = source.code();
        for (folder, words) in FOREIGN {
            for word in words.iter().filter(|word| folder == source.folder && code.contains(**word))
            {
                broken.push(format!("{} uses {word}", source.path.display()));
            }
        }
        if !["tui", "cli"].contains(&source.folder.as_str()) {
            for word in ["println!", "eprintln!", "print!(", "eprint!("] {
                if code.contains(word) {
                    broken.push(format!("{} prints", source.path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_stay_short_enough_to_read() {
    let long: Vec<String> = sources()
        .iter()
        .map(|source| (source.path.display().to_string(), source.text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn nothing_unfinished_and_no_silenced_lints() {
    let mut broken = Vec::new();
    for source in sources() {
        let code = source.code();
        for word in ["#[allow(", "#![allow(", "todo!(", "unimplemented!(", "TODO", "FIXME", "XXX"] {
            if code.contains(word) || source.text.contains(&format!("// {word}")) {
                broken.push(format!("{}: {word}", source.path.display()));
            }
        }
        if code.contains("#[ignore]") {
            broken.push(format!("{}: an ignored test without a reason", source.path.display()));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn unsafe_code_says_why_it_is_sound() {
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if line.contains("unsafe {") || line.trim_start().starts_with("unsafe fn") {
                let explained =
                    lines[at.saturating_sub(8)..=at].iter().any(|l| l.contains("SAFETY"));
                assert!(explained, "{}:{}: unsafe without SAFETY", source.path.display(), at + 1);
            }
        }
    }
}

/// The dependencies that a manifest names, on any system, with their versions.
fn dependencies(manifest: &str) -> BTreeMap<String, String> {
    let table: toml::Table = fs::read_to_string(root().join(manifest)).unwrap().parse().unwrap();
    let targets = table.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    let targets = targets.filter_map(|(_, target)| target.get("dependencies"));
    let all = table.get("dependencies").into_iter().chain(targets);
    let all = all.filter_map(toml::Value::as_table).flatten();
    all.map(|(name, value)| {
        let version = value.get("version").unwrap_or(value).as_str().unwrap_or_default();
        (name.clone(), version.to_owned())
    })
    .collect()
}

/// Whether code names `name` as the beginning of a path.
fn begins_a_path(code: &str, name: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.match_indices(&format!("{name}::"))
        .any(|(at, _)| !code[..at].chars().next_back().is_some_and(inside))
}

/// The fuzz package compiles modules of this one by their paths and is built apart, so that nothing
/// else would say that it lacks what these have begun to use.
#[test]
fn the_fuzz_package_has_what_its_modules_use() {
    let [lib, document, pdf] = ["lib", "document", "pdf"]
        .map(|name| fs::read_to_string(root().join(format!("fuzz/src/{name}.rs"))).unwrap());
    let modules: Vec<&str> =
        (lib.lines()).filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(modules.len() > 8, "{modules:?}");
    let own = format!("{document}{pdf}");
    let compiled = |source: &Source| match source.folder.as_str() {
        "document" => own.contains(&format!("../../src/{}\"", source.path.display())),
        folder => modules.contains(&folder),
    };
    let sources = sources();
    let test_modules: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    let ours = dependencies("Cargo.toml");
    let theirs = dependencies("fuzz/Cargo.toml");
    let mut lacking = BTreeSet::new();
    for source in sources.iter().filter(|source| compiled(source) && !source.is_test(&test_modules))
    {
        let code = source.code();
        for name in imports(&code).iter().filter(|name| !modules.contains(&name.as_str())) {
            lacking.insert(format!("fuzz/src/lib.rs: module {name}"));
        }
        // Of `document` it has only some modules, and only some names.
        for (at, path) in code.match_indices("crate::document::") {
            let rest = &code[at + path.len()..];
            let end =
                if rest.starts_with('{') { rest.find('}') } else { rest.find([';', ':', ',']) };
            let names = rest[..end.unwrap_or(0)].split(|c: char| !c.is_alphanumeric() && c != '_');
            for name in names.filter(|name| !name.is_empty() && !document.contains(*name)) {
                lacking.insert(format!("fuzz/src/document.rs: {name}"));
            }
        }
        for (name, version) in &ours {
            if begins_a_path(&code, &name.replace('-', "_")) && theirs.get(name) != Some(version) {
                lacking.insert(format!("fuzz/Cargo.toml: {name} = \"{version}\""));
            }
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.into_iter().collect::<Vec<_>>().join("\n"));
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for entry in fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(manifest.contains(&format!("\"fuzz_targets/{name}\"")), "{name} is no target");
    }
}

#[test]
fn generated_documents_are_current() {
    for (file, text) in [
        ("docs/cli.md", hone::cli::reference_markdown()),
        ("docs/keys.md", hone::app::command::keys_markdown()),
    ] {
        let path = root().join(file);
        if std::env::var_os("HONE_WRITE_DOCS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{file} is not what the program says; HONE_WRITE_DOCS=1 cargo test --test tidy writes it anew"
        );
    }
}

#[test]
fn the_same_version_everywhere() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(
        changelog.contains("## Unreleased") || changelog.contains(env!("CARGO_PKG_VERSION")),
        "CHANGELOG.md knows neither this version nor an unreleased one"
    );
}
