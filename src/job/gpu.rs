//! The GPU of this machine: where its libraries may lie, where compiled kernels are kept, and whether
//! a run goes there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use etcetera::BaseStrategy as _;

use crate::engine::Base;
use crate::engine::cuda::{Device, KernelCache, Search};
use crate::failure::{Failure, Result};
use crate::train;
use crate::whole_file;

/// Variable with folders of a CUDA toolkit or of its libraries, looked through first.
pub const PATH_VARIABLE: &str = "HONE_CUDA_PATH";

/// Folders that may hold NVRTC and cuBLASLt: those told, the toolkit's, and those of Python's packages.
pub fn search() -> Search {
    let told = [PATH_VARIABLE, "CUDA_PATH", "CUDA_HOME"].into_iter().filter_map(env::var_os);
    let mut roots: Vec<PathBuf> =
        told.flat_map(|paths| env::split_paths(&paths).collect::<Vec<_>>()).collect();
    roots.push(PathBuf::from("/usr/local/cuda"));
    roots.extend(inside(Path::new("/usr/local"), |name| name.starts_with("cuda-")));
    let mut folders: Vec<PathBuf> = roots
        .into_iter()
        .flat_map(|root| [root.clone(), root.join("lib64"), root.join("lib"), root.join("bin")])
        .collect();
    let mut pythons: Vec<PathBuf> =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(env::var_os).map(PathBuf::from).collect();
    pythons.extend(etcetera::home_dir().ok().map(|home| home.join(".local")));
    pythons.extend(["/usr/local", "/usr"].map(PathBuf::from));
    for python in pythons {
        for version in inside(&python.join("lib"), |name| name.starts_with("python3")) {
            for packages in ["site-packages", "dist-packages"] {
                let makers = version.join(packages).join("nvidia");
                folders.extend(inside(&makers, |_| true).into_iter().map(|part| part.join("lib")));
            }
        }
    }
    folders.retain(|folder| folder.is_dir());
    Search { folders }
}

/// Folders in a folder whose names suit, in the order of their names; none where it cannot be read.
fn inside(folder: &Path, suits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(&suits))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// Compiled kernels in the user's cache folder.
struct Kept {
    folder: Option<PathBuf>,
}

impl KernelCache for Kept {
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.as_ref()?.join(name)).ok()
    }

    fn put(&self, name: &str, code: &[u8]) {
        let Some(folder) = &self.folder else { return };
        if fs::create_dir_all(folder).is_ok() {
            // A cache that cannot be written costs some seconds each time, no more.
            let _ = whole_file::write_whole(&folder.join(name), code);
        }
    }
}

/// Opens the GPU of this machine.
///
/// # Errors
/// When there is none, or it is too old.
pub fn open() -> Result<Device> {
    let cache = etcetera::choose_base_strategy().ok();
    let folder = cache.map(|base| base.cache_dir().join("hone").join("kernels"));
    Device::open(search(), Box::new(Kept { folder }))
}

/// A GPU that is opened while something else is done, as reading a model: its driver takes some tenths of a second.
pub struct Opening {
    device: train::Device,
    /// None where none is asked for.
    thread: Option<JoinHandle<Result<Device>>>,
}

/// Begins to open the GPU, if one may be asked for.
pub fn begin(device: train::Device) -> Opening {
    let open = || {
        let device = open()?;
        device.warm_up();
        Ok(device)
    };
    let thread = (device != train::Device::Cpu).then(|| std::thread::spawn(open));
    Opening { device, thread }
}

impl Opening {
    /// The GPU, once it is open; none where none is asked for.
    ///
    /// # Errors
    /// When there is none, or it is too old.
    pub fn end(self) -> Result<Option<Device>> {
        let ended = self.thread.map(JoinHandle::join).transpose();
        ended.map_err(|_| Failure::defect("opening the GPU"))?.transpose()
    }
}

/// The GPU that a run is to train on; none is the processor. Where a GPU is there and is left alone, `note` hears why.
///
/// # Errors
/// When a GPU is asked for and there is none that can.
pub fn chosen(
    opening: Opening,
    base: &Base,
    note: &mut dyn FnMut(String),
) -> Result<Option<Device>> {
    match opening.device {
        train::Device::Cpu => Ok(None),
        train::Device::Cuda => opening.end(),
        train::Device::Auto => {
            let Ok(Some(device)) = opening.end() else { return Ok(None) };
            let name = &device.facts().name;
            if let Err(failure) = device.ready(base) {
                note(format!("{name} is left alone: {failure}"));
                return Ok(None);
            }
            Ok(Some(device))
        }
    }
}

/// The GPU that answers are to be made on; none is the processor.
///
/// # Errors
/// When a GPU is asked for and there is none that can.
pub fn for_answers(opening: Opening, base: &Base) -> Result<Option<Device>> {
    match opening.device {
        train::Device::Cpu => Ok(None),
        train::Device::Cuda => opening.end(),
        train::Device::Auto => {
            let device = opening.end().ok().flatten();
            Ok(device.filter(|device| device.ready_to_answer(base).is_ok()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_found_by_name_and_in_order() {
        let root = tempfile::tempdir().unwrap();
        for name in ["cuda-13.0", "cuda-12.4", "other"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let found = inside(root.path(), |name| name.starts_with("cuda-"));
        assert_eq!(found, ["cuda-12.4", "cuda-13.0"].map(|name| root.path().join(name)));
        assert!(inside(&root.path().join("none"), |_| true).is_empty());
    }

    #[test]
    fn kernels_are_kept_from_one_run_to_the_next() {
        let root = tempfile::tempdir().unwrap();
        let kept = || Kept { folder: Some(root.path().join("kernels")) };
        assert_eq!(kept().get("a.cubin"), None);
        kept().put("a.cubin", b"code");
        assert_eq!(kept().get("a.cubin"), Some(b"code".to_vec()));
        assert_eq!(Kept { folder: None }.get("a.cubin"), None);
    }
}
