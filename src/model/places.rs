//! Where models lie on this machine.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::failure::{Failure, Result};

/// The folders looked through for models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// This program's own folder: one folder a model, with a `model.json` in it.
    pub models: PathBuf,
    /// Caches of the Hugging Face tools, used in place and never written.
    pub hub_caches: Vec<PathBuf>,
}

impl Places {
    /// Reads `HONE_MODELS`, `HF_HUB_CACHE` and `HF_HOME`; the defaults are `hone/models` in the
    /// user's cache folder and `~/.cache/huggingface/hub`.
    ///
    /// # Errors
    /// When there is neither a home folder nor `HONE_MODELS`.
    pub fn from_environment() -> Result<Self> {
        let set = |key: &str| {
            std::env::var_os(key)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let home = etcetera::home_dir().ok();
        let models = match set("HONE_MODELS") {
            Some(folder) => folder,
            None => etcetera::choose_base_strategy()
                .map_err(|_| {
                    Failure::user("there is no home folder to keep models in")
                        .hint("Set HONE_MODELS to a folder.")
                })?
                .cache_dir()
                .join("hone")
                .join("models"),
        };
        let mut hub_caches = Vec::new();
        hub_caches.extend(set("HF_HUB_CACHE"));
        hub_caches.extend(set("HF_HOME").map(|folder| folder.join("hub")));
        hub_caches.extend(home.map(|home| home.join(".cache/huggingface/hub")));
        Ok(Self { models, hub_caches })
    }

    /// The snapshot of a hub repository ("owner/name") in one of the caches, if whole enough to
    /// hold a `config.json`. The revision `refs/main` names is preferred.
    pub fn cached_snapshot(&self, repository: &str) -> Option<PathBuf> {
        let folder = format!("models--{}", repository.replace('/', "--"));
        self.hub_caches
            .iter()
            .find_map(|cache| snapshot(&cache.join(&folder)))
    }
}

fn snapshot(repository: &Path) -> Option<PathBuf> {
    let snapshots = repository.join("snapshots");
    let usable = |folder: PathBuf| folder.join("config.json").is_file().then_some(folder);
    let main = std::fs::read_to_string(repository.join("refs/main")).ok();
    let main = main.and_then(|revision| usable(snapshots.join(revision.trim())));
    main.or_else(|| {
        let mut others: Vec<PathBuf> = std::fs::read_dir(&snapshots)
            .ok()?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        others.sort();
        others.into_iter().find_map(usable)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snapshot_named_main_is_preferred() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--owner--name");
        for revision in ["aaa", "bbb"] {
            std::fs::create_dir_all(repository.join("snapshots").join(revision)).unwrap();
            let config = repository
                .join("snapshots")
                .join(revision)
                .join("config.json");
            std::fs::write(config, "{}").unwrap();
        }
        let places = Places {
            models: cache.path().into(),
            hub_caches: vec![cache.path().into()],
        };
        let found = |places: &Places| places.cached_snapshot("owner/name").unwrap();
        assert!(found(&places).ends_with("aaa"));
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs/main"), "bbb\n").unwrap();
        assert!(found(&places).ends_with("bbb"));
        std::fs::write(repository.join("refs/main"), "../../..").unwrap();
        assert!(found(&places).ends_with("aaa"));
        assert_eq!(places.cached_snapshot("owner/other"), None);
    }
}
