//! Kernels made ready for machines without the run-time compiler: PTX for Ampere and newer, which the driver turns into
//! code of its device. For the head widths of models that are in use; others need the compiler.
//!
//! The archive is made of the sources by the test below, and a part's name tells which: kernels that were changed since are
//! not found here.

use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::compile::Kind;
use super::driver::Code;
use crate::digest;

const ARCHIVE: &[u8] = include_bytes!("ready.zip");

/// Widths of heads that are there: SmolLM2 and Qwen2.5-0.5B; Qwen2.5-1.5B and Qwen3; Gemma 3.
pub const WIDTHS: [usize; 3] = [64, 128, 256];

fn name(kind: Kind, source: &str) -> String {
    let what = match kind {
        Kind::Passes { dim } => format!("passes-{dim}"),
        Kind::Products => "products".to_owned(),
        Kind::Few => "few".to_owned(),
        Kind::One { dim, piece } => format!("one-{dim}-{piece}"),
    };
    format!("{what}-{}.ptx", digest::sha256(source))
}

/// The kernels of a kind and source, with the zero at the end that the driver wants; `None` where they were
/// not made ready. On no device they wait for the kernels before them: PTX for Ampere cannot say so.
pub(super) fn code(kind: Kind, source: &str) -> Option<Code> {
    let mut archive = ZipArchive::new(Cursor::new(ARCHIVE)).ok()?;
    let mut part = archive.by_name(&name(kind, source)).ok()?;
    let mut image = Vec::new();
    part.read_to_end(&mut image).ok()?;
    image.push(0);
    Some(Code { image, waits: false })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::{Path, PathBuf};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::super::compile::{self, Target};
    use super::super::library::{Compiler, Search};
    use super::*;

    /// Whole passes and single steps of all widths.
    fn kinds() -> Vec<Kind> {
        let one = |dim| (1..=compile::pieces(dim)).map(move |piece| Kind::One { dim, piece });
        let of_width = |dim| one(dim).chain([Kind::Passes { dim }]);
        WIDTHS.into_iter().flat_map(of_width).chain([Kind::Products, Kind::Few]).collect()
    }

    /// With `HONE_WRITE_PTX=1` the archive is made anew; `HONE_CUDA_PATH` then names the folder of an NVRTC, and an old one
    /// (11.8) makes what old drivers take too.
    #[test]
    fn shipped_kernels_are_made_of_these_sources() {
        if std::env::var_os("HONE_WRITE_PTX").is_some() {
            let folders = std::env::var_os("HONE_CUDA_PATH").into_iter();
            let folders = folders.flat_map(|all| std::env::split_paths(&all).collect::<Vec<_>>());
            let search = Search { folders: folders.collect::<Vec<PathBuf>>() };
            let compiler = Compiler::load(&search).unwrap();
            let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
            let options = SimpleFileOptions::default().compression_level(Some(9));
            for kind in kinds() {
                let source = compile::source(kind);
                let code = compile::compile(&compiler, &source, Target::Any).unwrap();
                let text: Vec<u8> = code.into_iter().filter(|byte| *byte != 0).collect();
                archive.start_file(name(kind, &source), options).unwrap();
                archive.write_all(&text).unwrap();
            }
            let bytes = archive.finish().unwrap().into_inner();
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/cuda/ready.zip");
            std::fs::write(path, bytes).unwrap();
            return;
        }
        let archive = ZipArchive::new(Cursor::new(ARCHIVE)).unwrap();
        let names: Vec<String> =
            archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names.len(), kinds().len(), "{names:?}");
        for kind in kinds() {
            let source = compile::source(kind);
            assert!(
                names.contains(&name(kind, &source)),
                "{kind:?} was changed: HONE_WRITE_PTX=1 makes ready.zip anew (CONTRIBUTING.md)"
            );
            let Code { image, waits } = code(kind, &source).unwrap();
            let text = String::from_utf8(image).unwrap();
            assert!(text.ends_with('\0') && text.contains(".target sm_80"), "{}", &text[..200]);
            // Nothing in them waits, so nothing may begin them early.
            assert!(!waits && !text.contains("griddepcontrol"));
            let kernels = match kind {
                Kind::Passes { .. } => ["decode", "attend_back_key", "mask_rows", "adam_eight"],
                Kind::Products => [
                    "multiply_turned_large",
                    "multiply_plain_middle",
                    "multiply_deep_thin",
                    "multiply_deep_large",
                ],
                Kind::Few => ["few_plain", "few_gated", "few_head", "side"],
                Kind::One { .. } => ["attend_one", "keep", "likeliest", "likeliest"],
            };
            for kernel in kernels {
                assert!(text.contains(&format!(".entry {kernel}(")), "{kernel} {kind:?}");
            }
        }
        for other in [Kind::Passes { dim: 72 }, Kind::One { dim: 64, piece: 9 }] {
            assert_eq!(code(other, &compile::source(other)), None);
        }
    }
}
