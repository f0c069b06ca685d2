//! Weight files. The first byte chooses: a whole file; a header whose length is right, followed by
//! zeros; or the index of shards.

#![no_main]

use std::sync::LazyLock;

use hone_fuzz::model::safetensors::{SafetensorsFolder, weight_files};
use hone_fuzz::model::{DecoderConfig, TensorName, TensorSource as _};
use hone_fuzz::{Folder, decoder};
use libfuzzer_sys::fuzz_target;

static PLACE: LazyLock<(Folder, DecoderConfig)> = LazyLock::new(|| {
    let folder = Folder::new("safetensors");
    let config = decoder(&folder);
    (folder, config)
});

fuzz_target!(|data: &[u8]| {
    let (folder, config) = &*PLACE;
    let Some((kind, data)) = data.split_first() else { return };
    folder.remove("model.safetensors");
    folder.remove("model.safetensors.index.json");
    match kind % 3 {
        0 => drop(folder.write("model.safetensors", data, 0)),
        1 => {
            let mut file = (data.len() as u64).to_le_bytes().to_vec();
            file.extend(data);
            folder.write("model.safetensors", &file, 1 << 17);
        }
        _ => {
            folder.write("model.safetensors.index.json", data, 0);
            for name in weight_files(folder.path()).unwrap_or_default() {
                assert!(!name.contains('/'), "{name} is outside the folder");
            }
        }
    }
    let Ok(mut weights) = SafetensorsFolder::open(folder.path(), config) else { return };
    let config = weights.config().clone();
    for name in TensorName::all(&config) {
        let (rows, columns) = name.shape(&config);
        let values = weights.read(name).expect("what was opened can be read");
        assert_eq!(values.len(), rows * columns, "{name}");
    }
});
