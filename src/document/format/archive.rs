//! Zip files that may be made to harm: what is taken out of them is bounded.

use std::io::{BufRead, BufReader, Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::failure::{Failure, Result};

/// Bytes that one part of a file may have when unpacked. The text of a book is a few million; XML around
/// it makes ten times as much.
const PART_BYTES: u64 = 256 << 20;

/// An opened Zip file.
pub(super) struct Archive<'a>(ZipArchive<Cursor<&'a [u8]>>);

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        ZipArchive::new(Cursor::new(bytes)).map(Self).map_err(|error| {
            Failure::user(format!("the file is a Zip file and damaged: {error}"))
                .hint("Download or copy it again; it was probably cut off on the way.")
        })
    }

    /// Tells whether there is a part of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.index_for_name(name).is_some()
    }

    /// Tells whether a part's name begins so.
    pub(super) fn has_folder(&self, start: &str) -> bool {
        self.0.file_names().any(|name| name.is_ok_and(|name| name.starts_with(start)))
    }

    /// A part to read from; none when there is no such part. Reading fails past [`PART_BYTES`].
    pub(super) fn part(&mut self, name: &str) -> Result<Option<impl BufRead + '_>> {
        match self.0.by_name(name) {
            Ok(part) => Ok(Some(BufReader::new(Bounded { part, left: PART_BYTES }))),
            Err(ZipError::FileNotFound) => Ok(None),
            Err(error) => Err(Failure::user(format!("{name}: {error}"))
                .hint("Open the file in its program and save it again.")),
        }
    }

    /// The beginning of a part as text, for what is only looked at.
    pub(super) fn peek(&mut self, name: &str) -> Option<String> {
        let mut text = Vec::new();
        let part = self.0.by_name(name).ok()?;
        part.take(1 << 20).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

/// A reader that fails where more comes than may.
struct Bounded<R> {
    part: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.part.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            std::io::Error::other(format!(
                "it unpacks to more than {} MiB; no real document does",
                PART_BYTES >> 20
            ))
        })?;
        Ok(read)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    /// A Zip file of these parts.
    pub(in super::super) fn zip(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in parts {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn parts_are_bounded() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("bomb", SimpleFileOptions::default()).unwrap();
        let block = vec![b' '; 1 << 20];
        for _ in 0..=PART_BYTES >> 20 {
            writer.write_all(&block).unwrap();
        }
        let bytes = writer.finish().unwrap().into_inner();
        assert!(bytes.len() < 1 << 20);
        let mut archive = Archive::open(&bytes).unwrap();
        let mut part = archive.part("bomb").unwrap().unwrap();
        let error = std::io::copy(&mut part, &mut std::io::sink()).unwrap_err();
        assert!(error.to_string().contains("256 MiB"), "{error}");
    }

    #[test]
    fn damaged_files_are_told() {
        let bytes = zip(&[("a", "text")]);
        let failure = Archive::open(&bytes[..bytes.len() / 2]).err().unwrap();
        assert!(failure.message.contains("damaged"), "{failure}");
        assert!(Archive::open(&bytes).unwrap().part("b").unwrap().is_none());
    }
}
