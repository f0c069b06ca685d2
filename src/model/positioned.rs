//! Reading at a place of a file, by many threads at once.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};

/// Fills `bytes` with what a file holds from byte `at` on.
///
/// # Errors
/// When the file ends before, or cannot be read.
pub(super) fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> Result<()> {
    while !bytes.is_empty() {
        match read_at(file, bytes, at) {
            Ok(0) => return Err(Error::from(ErrorKind::UnexpectedEof)),
            Ok(count) => {
                bytes = &mut bytes[count..];
                at += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, at)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn parts_are_read_where_they_lie_and_a_short_file_is_told() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut bytes = [0; 4];
        read_exact_at(&file, &mut bytes, 3).unwrap();
        assert_eq!(&bytes, b"3456");
        let failure = read_exact_at(&file, &mut bytes, 7).unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::UnexpectedEof);
    }
}
