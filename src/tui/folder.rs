//! Folders for the path prompt, and files by the names people see.

use std::path::{Path, PathBuf};

use crate::app::message::FolderEntry;
use crate::text::nfc;

/// Most entries that a prompt is given.
const ENTRIES_MAX: usize = 5_000;

/// What is in a folder, folders first, names NFC and sorted. A folder that cannot be read is empty:
/// the user is still typing its name.
pub fn list(folder: &Path) -> Vec<FolderEntry> {
    let Ok(read) = std::fs::read_dir(real_path(folder)) else {
        return Vec::new();
    };
    let mut entries: Vec<_> = read
        .take(ENTRIES_MAX)
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_folder = entry.path().is_dir();
            Some(FolderEntry { name: nfc(&name).into_owned(), is_folder })
        })
        .collect();
    entries.sort_by(|a, b| (!a.is_folder, &a.name).cmp(&(!b.is_folder, &b.name)));
    entries
}

/// The file that a typed path means: `~/` is the home folder, and a name whose NFC form was typed
/// is found in the form it has on disk.
pub fn real_path(path: &Path) -> PathBuf {
    let home = || etcetera::home_dir().ok();
    let path = match path.strip_prefix("~").ok().zip(home()) {
        Some((rest, home)) => home.join(rest),
        None => path.to_owned(),
    };
    if path.exists() {
        return path;
    }
    let mut found = PathBuf::new();
    for part in path.components() {
        let next = found.join(part);
        let same = || {
            let folder = if found.as_os_str().is_empty() { Path::new(".") } else { &found };
            let wanted = part.as_os_str().to_str()?;
            let mut entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
            let named =
                |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| nfc(name) == nfc(wanted));
            entries
                .find(|entry| named(&entry.file_name()))
                .map(|entry| found.join(entry.file_name()))
        };
        found = if next.exists() { next } else { same().unwrap_or(next) };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_nfc_and_files_are_found_by_them() {
        let folder = tempfile::tempdir().unwrap();
        let decomposed = "\u{1100}\u{1175}\u{110c}\u{116e}\u{11ab}.pdf";
        std::fs::write(folder.path().join(decomposed), "x").unwrap();
        std::fs::create_dir(folder.path().join("문서")).unwrap();
        let entries = list(folder.path());
        let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["문서", "기준.pdf"]);
        let path = real_path(&folder.path().join("기준.pdf"));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "x");
        assert!(list(&folder.path().join("없음")).is_empty());
        assert_eq!(real_path(Path::new("없음/새.jsonl")), Path::new("없음/새.jsonl"));
    }
}
