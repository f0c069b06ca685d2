//! Writes tiny but complete models, as GGUF files and as Hugging Face folders.
//!
//! Shared by the tests of the library and those beside it, so it uses outside crates only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use serde_json::json;

/// A ChatML template that knows nothing of tools, with a system turn of its own.
pub const PLAIN_TEMPLATE: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// Rows of the toy's embedding: 256 bytes and 3 control tokens, and a few spare.
pub const VOCABULARY: usize = 264;
const HIDDEN: usize = 32;
const FFN: usize = 64;
const HEADS: usize = 2;
const KV_HEADS: usize = 1;
const HEAD_DIM: usize = 16;
const LAYERS: usize = 2;
const CONTROL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// Spellings of all tokens in order of their ids.
pub fn tokens() -> Vec<String> {
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut next = 256;
    let mut tokens: Vec<String> = CONTROL.iter().map(|token| (*token).to_owned()).collect();
    for byte in 0..256_u32 {
        let code = if printable(byte) {
            byte
        } else {
            next += 1;
            next - 1
        };
        tokens.push(char::from_u32(code).unwrap().to_string());
    }
    tokens
}

/// Writes `tokenizer.json` of the byte vocabulary and returns its path.
pub fn tokenizer_file(folder: &Path) -> PathBuf {
    let vocabulary: BTreeMap<String, usize> =
        tokens().into_iter().enumerate().map(|(id, token)| (token, id)).collect();
    let added: Vec<_> = (0..)
        .zip(CONTROL)
        .map(|(id, content): (u32, _)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false,
                   "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false,
                            "trim_offsets": false, "use_regex": true});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": byte_level, "post_processor": null,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null,
                  "continuing_subword_prefix": null, "end_of_word_suffix": null,
                  "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": vocabulary, "merges": []}
    });
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    path
}

/// A number that depends on the tensor and the place in it, between -1 and 1.
pub fn weight(name: &str, index: usize) -> f32 {
    let seed = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mixed = seed.wrapping_add(index as u32).wrapping_mul(0x9E37_79B9);
    (mixed >> 8) as f32 / (1_u32 << 23) as f32 - 1.0
}

fn values(name: &str, count: usize) -> Vec<f32> {
    (0..count).map(|index| weight(name, index)).collect()
}

/// Everything that goes into a toy GGUF file; change it before writing.
pub struct ToyGguf {
    /// Metadata by key.
    pub metadata: BTreeMap<String, Value>,
    /// Rows, columns (1 for a vector), type and numbers by stored name.
    pub tensors: BTreeMap<String, (usize, usize, GgmlDType, Vec<f32>)>,
}

impl ToyGguf {
    /// A model of the family `llama`, `qwen2`, `qwen3` or `gemma3`, matrices in Q8_0, without a head
    /// of its own.
    pub fn new(family: &str) -> Self {
        let text = |text: &str| Value::String(text.to_owned());
        let list =
            |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
        let kinds = (0..tokens().len()).map(|id| Value::I32(if id < 3 { 3 } else { 1 })).collect();
        let mut metadata: BTreeMap<String, Value> = [
            ("general.architecture", text(family)),
            ("general.license", text("apache-2.0")),
            ("tokenizer.ggml.model", text("gpt2")),
            ("tokenizer.ggml.pre", text("gpt-2")),
            ("tokenizer.ggml.tokens", list(tokens())),
            ("tokenizer.ggml.merges", list(Vec::new())),
            ("tokenizer.ggml.token_type", Value::Array(kinds)),
            ("tokenizer.ggml.bos_token_id", Value::U32(1)),
            ("tokenizer.ggml.eos_token_id", Value::U32(2)),
            ("tokenizer.chat_template", text(PLAIN_TEMPLATE)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        for (key, value) in [
            ("block_count", Value::U32(LAYERS as u32)),
            ("context_length", Value::U32(128)),
            ("embedding_length", Value::U32(HIDDEN as u32)),
            ("feed_forward_length", Value::U32(FFN as u32)),
            ("attention.head_count", Value::U32(HEADS as u32)),
            ("attention.head_count_kv", Value::U32(KV_HEADS as u32)),
            ("attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
            ("rope.freq_base", Value::F32(10_000.0)),
            ("rope.dimension_count", Value::U32(HEAD_DIM as u32)),
        ] {
            metadata.insert(format!("{family}.{key}"), value);
        }
        if family == "gemma3" {
            metadata.insert("gemma3.attention.sliding_window".to_owned(), Value::U32(4));
            metadata.insert("gemma3.attention.sliding_window_pattern".to_owned(), Value::U32(2));
        }
        let mut toy = Self { metadata, tensors: BTreeMap::new() };
        toy.matrix("token_embd.weight", VOCABULARY, HIDDEN, GgmlDType::Q8_0);
        toy.vector("output_norm.weight", HIDDEN);
        for layer in 0..LAYERS {
            let name = |rest: &str| format!("blk.{layer}.{rest}");
            let (query, kv) = (HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM);
            toy.vector(&name("attn_norm.weight"), HIDDEN);
            toy.vector(&name("ffn_norm.weight"), HIDDEN);
            toy.matrix(&name("attn_q.weight"), query, HIDDEN, GgmlDType::Q8_0);
            toy.matrix(&name("attn_k.weight"), kv, HIDDEN, GgmlDType::Q8_0);
            toy.matrix(&name("attn_v.weight"), kv, HIDDEN, GgmlDType::Q8_0);
            toy.matrix(&name("attn_output.weight"), HIDDEN, query, GgmlDType::Q8_0);
            toy.matrix(&name("ffn_gate.weight"), FFN, HIDDEN, GgmlDType::Q8_0);
            toy.matrix(&name("ffn_up.weight"), FFN, HIDDEN, GgmlDType::Q8_0);
            toy.matrix(&name("ffn_down.weight"), HIDDEN, FFN, GgmlDType::Q8_0);
            if family == "qwen2" {
                toy.vector(&name("attn_q.bias"), query);
                toy.vector(&name("attn_k.bias"), kv);
                toy.vector(&name("attn_v.bias"), kv);
            }
            if ["qwen3", "gemma3"].contains(&family) {
                toy.vector(&name("attn_q_norm.weight"), HEAD_DIM);
                toy.vector(&name("attn_k_norm.weight"), HEAD_DIM);
            }
            if family == "gemma3" {
                toy.vector(&name("post_attention_norm.weight"), HIDDEN);
                toy.vector(&name("post_ffw_norm.weight"), HIDDEN);
            }
        }
        toy
    }

    /// Adds or replaces a matrix filled from its name.
    pub fn matrix(&mut self, name: &str, rows: usize, columns: usize, kind: GgmlDType) {
        let numbers = values(name, rows * columns);
        self.tensors.insert(name.to_owned(), (rows, columns, kind, numbers));
    }

    /// Adds or replaces a vector filled from its name.
    pub fn vector(&mut self, name: &str, length: usize) {
        let numbers = values(name, length);
        self.tensors.insert(name.to_owned(), (length, 1, GgmlDType::F32, numbers));
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) {
        let mut stored = Vec::new();
        for (name, (rows, columns, kind, numbers)) in &self.tensors {
            let shape = if *columns == 1 { vec![*rows] } else { vec![*rows, *columns] };
            let tensor = Tensor::from_vec(numbers.clone(), shape, &Device::Cpu).unwrap();
            stored.push((name.as_str(), QTensor::quantize(&tensor, *kind).unwrap()));
        }
        let tensors: Vec<_> = stored.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let metadata: Vec<_> =
            self.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let mut file = std::fs::File::create(path).unwrap();
        gguf_file::write(&mut file, &metadata, &tensors).unwrap();
    }
}

/// `config.json` of the toy as a Hugging Face folder.
pub fn hf_config(family: &str) -> serde_json::Value {
    let mut config = json!({
        "model_type": family, "vocab_size": VOCABULARY, "hidden_size": HIDDEN,
        "intermediate_size": FFN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "max_position_embeddings": 128, "tie_word_embeddings": true, "eos_token_id": 2,
        "hidden_act": "silu", "head_dim": HEAD_DIM
    });
    if family == "gemma3_text" {
        config["hidden_act"] = json!("gelu_pytorch_tanh");
        config["rope_local_base_freq"] = json!(10000.0);
        config["query_pre_attn_scalar"] = json!(HEAD_DIM);
        config["sliding_window"] = json!(4);
        config["layer_types"] = json!(["sliding_attention", "full_attention"]);
        config["torch_dtype"] = json!("bfloat16");
    }
    config
}

/// Names, shapes and numbers of the toy's tensors as a Hugging Face folder stores them.
pub fn hf_tensors(family: &str) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
    ];
    let (query, kv) = (HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM);
    for layer in 0..LAYERS {
        let mut add = |rest: &str, shape: Vec<usize>| {
            shapes.push((format!("model.layers.{layer}.{rest}"), shape));
        };
        add("input_layernorm.weight", vec![HIDDEN]);
        add("post_attention_layernorm.weight", vec![HIDDEN]);
        add("self_attn.q_proj.weight", vec![query, HIDDEN]);
        add("self_attn.k_proj.weight", vec![kv, HIDDEN]);
        add("self_attn.v_proj.weight", vec![kv, HIDDEN]);
        add("self_attn.o_proj.weight", vec![HIDDEN, query]);
        add("mlp.gate_proj.weight", vec![FFN, HIDDEN]);
        add("mlp.up_proj.weight", vec![FFN, HIDDEN]);
        add("mlp.down_proj.weight", vec![HIDDEN, FFN]);
        if family == "qwen2" {
            add("self_attn.q_proj.bias", vec![query]);
            add("self_attn.k_proj.bias", vec![kv]);
            add("self_attn.v_proj.bias", vec![kv]);
        }
        if ["qwen3", "gemma3_text"].contains(&family) {
            add("self_attn.q_norm.weight", vec![HEAD_DIM]);
            add("self_attn.k_norm.weight", vec![HEAD_DIM]);
        }
        if family == "gemma3_text" {
            add("pre_feedforward_layernorm.weight", vec![HIDDEN]);
            add("post_feedforward_layernorm.weight", vec![HIDDEN]);
        }
    }
    shapes
        .into_iter()
        .map(|(name, shape)| {
            let numbers = values(&name, shape.iter().product());
            (name, shape, numbers)
        })
        .collect()
}

/// Bytes of a safetensors file holding these tensors as BF16.
pub fn safetensors(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, shape, numbers) in tensors {
        let start = data.len();
        for number in numbers {
            data.extend(half::bf16::from_f32(*number).to_le_bytes());
        }
        header.insert(
            name.clone(),
            json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, data.len()]}),
        );
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

/// Writes a whole Hugging Face folder with one weight file.
pub fn hf_folder(folder: &Path, family: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("config.json", hf_config(family).to_string().as_bytes());
    write("model.safetensors", &safetensors(&hf_tensors(family)));
    let settings = json!({"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"},
                          "chat_template": PLAIN_TEMPLATE});
    write("tokenizer_config.json", settings.to_string().as_bytes());
    tokenizer_file(folder);
}
