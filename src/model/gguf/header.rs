//! Reads a GGUF header without trusting its counts.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use candle_core::quantized::gguf_file::Content;

use super::layout;
use crate::failure::{Failure, Result};

/// Longest header that is read. That of a vocabulary of 260,000 tokens takes about 15 MB; candle
/// holds a value of an array in 32 bytes, however few it takes in the file, so a header that fills
/// this with an array of bytes takes a gigabyte.
const LONGEST: u64 = 32 << 20;

/// Parses the header of a file that is `length` bytes long.
pub(super) fn read(file: &File, length: u64) -> Result<Content> {
    let mut reader =
        BufReader::with_capacity(1 << 16, Beginning { file, at: 0, end: length.min(LONGEST) });
    // candle divides by the file's own alignment; a crafted zero would panic.
    let read = catch_unwind(AssertUnwindSafe(|| Content::read(&mut reader)));
    match read {
        Ok(Ok(content)) => Ok(content),
        Ok(Err(error)) => {
            let message = error.to_string();
            let message = message.lines().next().unwrap_or("unreadable header");
            Err(layout::header_failure(message, length > LONGEST))
        }
        Err(_) => Err(Failure::user("not a usable GGUF file: its header is inconsistent")
            .hint("The file is damaged; get it again.")),
    }
}

/// The first bytes of a file as if there were no others, so that candle, which checks counts
/// against the size of the file, checks them against the longest header.
struct Beginning<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Beginning<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let count = self.file.read(&mut buffer[..most])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Beginning<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::End(by) => SeekFrom::Start(self.end.saturating_add_signed(by)),
            other => other,
        };
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}
