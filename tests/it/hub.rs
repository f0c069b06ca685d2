//! Getting models from a hub, against a server of our own on this machine.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use crate::support::hub_server::{Answer, Request, Server, body, listing, sha256};
use crate::support::toy_model;
use hone::failure::Failure;
use hone::model::hub::Hub;
use hone::model::registry::Manifest;
use hone::model::{Places, open::open_in, pull};
use hone::progress::Progress;

const NAME: &str = "owner/toy";

struct Setting {
    folder: tempfile::TempDir,
    places: Places,
    files: Vec<(String, Vec<u8>)>,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let original = folder.path().join("original");
        toy_model::hf_folder(&original, "qwen2");
        let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(&original)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, std::fs::read(&path).unwrap())
            })
            .collect();
        files.sort();
        let places = Places { models: folder.path().join("models"), hub_caches: Vec::new() };
        Self { folder, places, files }
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        self.files.iter().find(|(file, _)| file == name).unwrap().1.clone()
    }

    /// What a hub answers that has no quirks.
    fn plain(&self, request: &Request) -> Answer {
        if request.path == "/api/models/owner/toy?blobs=true" {
            return listing(&self.files);
        }
        let name = request.path.rsplit('/').next().unwrap();
        let file = self.files.iter().find(|(file, _)| file == name);
        match file {
            Some((_, bytes)) => body(bytes, request.range),
            None => Answer::status(404),
        }
    }

    fn pull(&self, server: &Server) -> Result<Manifest, Failure> {
        self.pull_with(server, None, &mut pull::go_on)
    }

    fn pull_with(
        &self,
        server: &Server,
        token: Option<&str>,
        on: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Manifest, Failure> {
        let hub = Hub::new(&server.address, token).unwrap();
        let hub = hub.patience(3, Duration::from_millis(1));
        let options = pull::Options { offline: false, hub: Some(hub) };
        pull::pull(&self.places, NAME, &options, on)
    }

    fn assert_installed(&self) {
        let opened = open_in(&self.places, NAME).unwrap();
        assert_eq!(opened.config.layers, 2);
        assert_eq!(names(&self.places.models), ["owner--toy"]);
        let stored = names(&self.places.models.join("owner--toy"));
        let expected = [
            "config.json",
            "model.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
        ];
        assert_eq!(stored, expected);
    }

    fn assert_not_installed(&self) {
        assert!(!self.places.models.join("owner--toy").exists());
        assert!(open_in(&self.places, NAME).is_err());
    }

    fn part(&self) -> std::path::PathBuf {
        self.places.models.join(".pull-owner--toy/model.safetensors.part")
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn is_weights(request: &Request) -> bool {
    request.path.ends_with("model.safetensors")
}

#[test]
fn a_model_is_downloaded_whole_with_progress_in_bytes() {
    let setting = Setting::new();
    let total: usize = setting.files.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| setting.plain(request));
        let mut on = |progress: Progress| {
            seen.push(progress);
            ControlFlow::Continue(())
        };
        let manifest = setting.pull_with(&server, None, &mut on).unwrap();
        assert_eq!(manifest.source, format!("{}/owner/toy", server.address));
    });
    setting.assert_installed();
    assert!(seen.iter().all(|progress| progress.total == Some(total as u64)));
    assert!(seen.windows(2).all(|pair| pair[0].done <= pair[1].done));
    assert_eq!(seen.last().unwrap().done, total as u64);
    // Once installed, the network is not asked.
    let gone = Hub::new("http://127.0.0.1:9", None).unwrap();
    let options = pull::Options { offline: false, hub: Some(gone) };
    assert!(pull::pull(&setting.places, NAME, &options, &mut pull::go_on).is_ok());
}

#[test]
fn a_cut_connection_is_gone_on_with_where_it_stopped() {
    let setting = Setting::new();
    let whole = setting.bytes("model.safetensors");
    let ranges = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| {
            if !is_weights(request) {
                return setting.plain(request);
            }
            let mut ranges = ranges.lock().unwrap();
            ranges.push(request.range);
            match ranges.len() {
                1 => body(&whole, None).cut_after(10_000),
                2 => body(&whole, request.range).cut_after(5_000),
                _ => body(&whole, request.range),
            }
        });
        setting.pull(&server).unwrap();
    });
    setting.assert_installed();
    assert_eq!(*ranges.lock().unwrap(), [None, Some(10_000), Some(15_000)]);
}

#[test]
fn a_stopped_download_is_gone_on_with_by_the_next_command() {
    let setting = Setting::new();
    let whole = setting.bytes("model.safetensors");
    let ranges = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| {
            if is_weights(request) {
                let mut ranges = ranges.lock().unwrap();
                ranges.push(request.range);
                if ranges.len() == 1 {
                    return body(&whole, None).cut_after(20_000);
                }
            }
            setting.plain(request)
        });
        let before: usize = ["config.json"].iter().map(|name| setting.bytes(name).len()).sum();
        let mut stop = |progress: Progress| {
            if progress.done > before as u64 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let failure = setting.pull_with(&server, None, &mut stop).unwrap_err();
        assert!(failure.message.contains("stopped"), "{failure}");
        setting.assert_not_installed();
        let kept = std::fs::metadata(setting.part()).unwrap().len();
        assert!(kept > 0);
        setting.pull(&server).unwrap();
        assert_eq!(ranges.lock().unwrap().last().unwrap(), &Some(kept));
    });
    setting.assert_installed();
}

#[test]
fn a_server_that_ignores_ranges_is_started_over_with() {
    let setting = Setting::new();
    let whole = setting.bytes("model.safetensors");
    let tries = std::sync::Mutex::new(0);
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| {
            if !is_weights(request) {
                return setting.plain(request);
            }
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            let answer = body(&whole, None);
            if *tries == 1 { answer.cut_after(7_000) } else { answer }
        });
        setting.pull(&server).unwrap();
    });
    setting.assert_installed();
    assert_eq!(*tries.lock().unwrap(), 2);
}

#[test]
fn a_part_the_server_finds_too_long_is_started_over_with() {
    let setting = Setting::new();
    let tries = std::sync::Mutex::new(0);
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| {
            if !is_weights(request) {
                return setting.plain(request);
            }
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            match *tries {
                1 => setting.plain(request).cut_after(7_000),
                2 => Answer::status(416),
                _ => setting.plain(request),
            }
        });
        setting.pull(&server).unwrap();
    });
    setting.assert_installed();
}

#[test]
fn server_errors_are_waited_out() {
    let setting = Setting::new();
    let asked = std::sync::Mutex::new(0);
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            // Every second request fails.
            if *asked % 2 == 1 { Answer::status(500) } else { setting.plain(request) }
        });
        setting.pull(&server).unwrap();
    });
    setting.assert_installed();
}

#[test]
fn a_server_that_never_recovers_is_given_up_on() {
    let setting = Setting::new();
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| {
            if is_weights(request) { Answer::status(503) } else { setting.plain(request) }
        });
        let failure = setting.pull(&server).unwrap_err();
        assert!(failure.message.contains("503"), "{failure}");
        assert!(failure.message.contains("model.safetensors"), "{failure}");
    });
    setting.assert_not_installed();
}

#[test]
fn denied_and_unknown_repositories_say_what_to_do() {
    for (status, token, hint) in [
        (401, None, "HF_TOKEN"),
        (403, Some("hf_secret"), "accept the licence"),
        (404, None, "owner and name"),
    ] {
        let setting = Setting::new();
        std::thread::scope(|scope| {
            let server = Server::start(scope, |_| Answer::status(status));
            let failure = setting.pull_with(&server, token, &mut pull::go_on).unwrap_err();
            assert!(failure.message.contains(&status.to_string()), "{failure}");
            assert!(failure.hints.iter().any(|h| h.contains(hint)), "{failure:?}");
            assert!(!format!("{failure:?}").contains("hf_secret"));
        });
        setting.assert_not_installed();
        assert_eq!(names(&setting.places.models), [""; 0], "no trace is left");
    }
}

#[test]
fn altered_bytes_are_noticed_and_deleted() {
    let setting = Setting::new();
    let mut altered = setting.bytes("model.safetensors");
    let last = altered.len() - 1;
    altered[last] ^= 1;
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| {
            if is_weights(request) { body(&altered, request.range) } else { setting.plain(request) }
        });
        let failure = setting.pull(&server).unwrap_err();
        assert!(failure.message.contains("SHA-256"), "{failure}");
    });
    assert!(!setting.part().exists());
    setting.assert_not_installed();
    // An honest server then gives the model.
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| setting.plain(request));
        setting.pull(&server).unwrap();
    });
    setting.assert_installed();
}

#[test]
fn a_server_that_sends_too_much_is_refused() {
    let setting = Setting::new();
    let mut longer = setting.bytes("model.safetensors");
    longer.extend([0; 1000]);
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| {
            if is_weights(request) { body(&longer, request.range) } else { setting.plain(request) }
        });
        let failure = setting.pull(&server).unwrap_err();
        assert!(failure.message.contains("more than"), "{failure}");
    });
    assert!(!setting.part().exists());
    setting.assert_not_installed();
}

#[test]
fn a_redirect_to_another_host_does_not_carry_the_token() {
    let setting = Setting::new();
    let tokens = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let store = Server::start(scope, |request| {
            tokens.lock().unwrap().push(("store", request.authorization.clone()));
            setting.plain(request)
        });
        let address = store.address.clone();
        let (setting, tokens) = (&setting, &tokens);
        let server = Server::start(scope, move |request| {
            tokens.lock().unwrap().push(("hub", request.authorization.clone()));
            if is_weights(request) {
                return Answer::redirect(&format!("{address}/blob/model.safetensors"));
            }
            setting.plain(request)
        });
        setting.pull_with(&server, Some("hf_secret"), &mut pull::go_on).unwrap();
    });
    setting.assert_installed();
    let tokens = tokens.lock().unwrap();
    assert!(tokens.iter().any(|(who, _)| *who == "store"));
    for (who, token) in tokens.iter() {
        let expected = (*who == "hub").then(|| "Bearer hf_secret".to_owned());
        assert_eq!(*token, expected, "{who}");
    }
}

#[test]
fn a_new_revision_does_not_mix_with_an_old_download() {
    let setting = Setting::new();
    let staging = setting.places.models.join(".pull-owner--toy");
    std::fs::create_dir_all(&staging).unwrap();
    std::fs::write(staging.join("revision.txt"), "0".repeat(40)).unwrap();
    std::fs::write(staging.join("config.json"), "of another revision").unwrap();
    std::fs::write(setting.part(), "of another revision").unwrap();
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| setting.plain(request));
        setting.pull(&server).unwrap();
    });
    setting.assert_installed();
}

#[test]
fn a_model_that_cannot_be_opened_is_not_installed() {
    let mut setting = Setting::new();
    for (name, bytes) in &mut setting.files {
        if name == "config.json" {
            *bytes = String::from_utf8(bytes.clone()).unwrap().replace("qwen2", "mamba").into();
        }
    }
    std::thread::scope(|scope| {
        let server = Server::start(scope, |request| setting.plain(request));
        let failure = setting.pull(&server).unwrap_err();
        assert!(failure.message.contains("mamba"), "{failure}");
    });
    setting.assert_not_installed();
}

#[test]
fn a_hub_cache_is_used_in_place() {
    let mut setting = Setting::new();
    let cache = setting.folder.path().join("hub");
    let snapshot = cache.join("models--owner--toy/snapshots/abc");
    toy_model::hf_folder(&snapshot, "llama");
    setting.places.hub_caches.push(cache);
    let options = pull::Options { offline: true, hub: None };
    let manifest = pull::pull(&setting.places, NAME, &options, &mut pull::go_on).unwrap();
    assert_eq!(manifest.path, snapshot);
    assert_eq!(names(&setting.places.models.join("owner--toy")), ["model.json"]);
}

#[test]
fn an_unreachable_hub_fails_soon_and_says_so() {
    let setting = Setting::new();
    let started = std::time::Instant::now();
    let hub = Hub::new("http://127.0.0.1:9", None).unwrap();
    let options = pull::Options { offline: false, hub: Some(hub) };
    let failure = pull::pull(&setting.places, NAME, &options, &mut pull::go_on).unwrap_err();
    assert!(failure.message.contains("cannot be reached"), "{failure}");
    assert!(started.elapsed() < Duration::from_secs(9));
}

#[test]
fn checksums_of_the_test_server_are_right() {
    assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
