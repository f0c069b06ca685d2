//! What integration tests share: the program, and a toy model it can train in seconds.

#![expect(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

const LAYERS: usize = 2;
const HIDDEN: usize = 64;
const FFN: usize = 128;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 16;

/// A folder for one test with its own model folder, so that nothing of the user's is touched.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, with its model folder inside this place and no network.
    pub fn hone(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hone"));
        command
            .current_dir(self.folder.path())
            .env("HONE_MODELS", self.path("models"))
            .env("HONE_OFFLINE", "1")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("HF_TOKEN");
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.hone().args(arguments).output().unwrap()
    }

    /// Runs the program and gives its standard output; fails the test if the program fails.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "hone {}: {}\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program, expects it to refuse with status 1, and gives what it said.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "hone {}: {said}", arguments.join(" "));
        assert!(said.starts_with("error: "), "{said}");
        said
    }

    /// Makes the toy model and registers it as `toy`.
    pub fn add_toy_model(&self) {
        let folder = self.path("toy-model");
        write_toy_model(&folder);
        self.ok(&["model", "add", folder.to_str().unwrap(), "--name", "toy"]);
    }
}

/// Writes a randomly initialized two-layer Llama with a byte tokenizer as a Hugging Face folder.
pub fn write_toy_model(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let (tokenizer, vocab) = tokenizer();
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocab,
        "hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM,
        "rope_theta": 10000.0, "rms_norm_eps": 1e-5, "max_position_embeddings": 2048,
        "tie_word_embeddings": true, "hidden_act": "silu",
        "bos_token_id": vocab - 2, "eos_token_id": vocab - 1,
    });
    let template = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + \
        message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}\
        {{ '<|im_start|>assistant\n' }}{% endif %}";
    let settings = json!({
        "chat_template": template, "eos_token": "<|im_end|>", "bos_token": "<|im_start|>",
        "tokenizer_class": "GPT2Tokenizer",
    });
    for (name, value) in [
        ("config.json", config),
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", settings),
    ] {
        fs::write(folder.join(name), serde_json::to_string(&value).unwrap()).unwrap();
    }
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut add = |name: String, shape: Vec<usize>, norm: bool| {
        let count: usize = shape.iter().product();
        let bytes = (0..count)
            .flat_map(|_| {
                let value: f32 = if norm { 1.0 } else { random.random_range(-0.12..0.12) };
                value.to_le_bytes()
            })
            .collect();
        tensors.push((name, shape, bytes));
    };
    add("model.embed_tokens.weight".into(), vec![vocab, HIDDEN], false);
    add("model.norm.weight".into(), vec![HIDDEN], true);
    for layer in 0..LAYERS {
        let name = |rest: &str| format!("model.layers.{layer}.{rest}.weight");
        add(name("input_layernorm"), vec![HIDDEN], true);
        add(name("post_attention_layernorm"), vec![HIDDEN], true);
        for (part, rows, columns) in [
            ("self_attn.q_proj", HEADS * HEAD_DIM, HIDDEN),
            ("self_attn.k_proj", KV_HEADS * HEAD_DIM, HIDDEN),
            ("self_attn.v_proj", KV_HEADS * HEAD_DIM, HIDDEN),
            ("self_attn.o_proj", HIDDEN, HEADS * HEAD_DIM),
            ("mlp.gate_proj", FFN, HIDDEN),
            ("mlp.up_proj", FFN, HIDDEN),
            ("mlp.down_proj", HIDDEN, FFN),
        ] {
            add(name(part), vec![rows, columns], false);
        }
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let data = safetensors::serialize(views, None).unwrap();
    fs::write(folder.join("model.safetensors"), data).unwrap();
}

/// A byte-level tokenizer without merges, and its vocabulary size.
fn tokenizer() -> (Value, usize) {
    // GPT-2's map from bytes to printable characters.
    let printable =
        |byte: u32| (33..=126).contains(&byte) || (161..=172).contains(&byte) || byte >= 174;
    let mut next = 256;
    let mut vocab = BTreeMap::new();
    for byte in 0..256u32 {
        let code = if printable(byte) {
            byte
        } else {
            next += 1;
            next - 1
        };
        vocab.insert(char::from_u32(code).unwrap().to_string(), byte);
    }
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false, "special": true})
    };
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(256, "<|im_start|>"), special(257, "<|im_end|>")],
        "normalizer": null, "pre_tokenizer": byte_level, "post_processor": null,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null,
                  "continuing_subword_prefix": null, "end_of_word_suffix": null,
                  "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": vocab, "merges": []},
    });
    (json, 258)
}

/// Rows of small talk in canonical JSONL, all accepted.
pub fn pairs(count: usize) -> String {
    (0..count)
        .map(|index| {
            json!({
                "messages": [
                    {"role": "user", "content": format!("{index}층 하중은?")},
                    {"role": "assistant", "content": format!("{} kN/m²", index * 3 % 7)},
                ],
                "meta": {"id": format!("pair-{index}"), "state": "accepted",
                         "document": "code.pdf", "page": index + 1},
            })
            .to_string()
                + "\n"
        })
        .collect()
}
