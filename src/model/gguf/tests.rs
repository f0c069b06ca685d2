use super::*;
use crate::model::toy::{self, ToyGguf};

fn opened(toy: &ToyGguf) -> (tempfile::TempDir, Result<GgufFile>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.gguf");
    toy.write(&path);
    let file = GgufFile::open(&path);
    (folder, file)
}

fn refusal(toy: &ToyGguf) -> String {
    let failure = opened(toy).1.unwrap_err();
    assert!(failure.message.contains("toy.gguf"), "{failure}");
    failure.message
}

#[test]
fn a_llama_is_read_with_its_rows_in_original_order() {
    let (_folder, file) = opened(&ToyGguf::new("llama"));
    let mut file = file.unwrap();
    let config = file.config().clone();
    assert_eq!((config.hidden_size, config.layers, config.head_dim), (32, 2, 16));
    assert!(config.tied_head && !config.qkv_bias);
    for name in TensorName::all(&config) {
        let (rows, columns) = name.shape(&config);
        assert_eq!(file.read(name).unwrap().len(), rows * columns, "{name}");
    }
    let query = file.read(TensorName::Query(1)).unwrap();
    // Row 1 of the original is row 2 of the stored head.
    let stored = toy::weight("blk.1.attn_q.weight", 2 * 32 + 3);
    assert!((query[32 + 3] - stored).abs() < 0.01);
    let rows = file.read_rows(TensorName::Query(1), 32, 1..3).unwrap();
    assert_eq!(rows, query[32..96]);
    let value = file.read(TensorName::Value(0)).unwrap();
    assert!((value[32 + 3] - toy::weight("blk.0.attn_v.weight", 32 + 3)).abs() < 0.01);
}

/// candle's GGUF model rotates neighbouring rows, its plain model the two halves of a head. Fed
/// with what this reader gives, the plain one must say the same as the other fed with the file.
#[test]
fn two_independent_decoders_agree_on_what_was_read() {
    use candle_core::quantized::gguf_file;
    use candle_core::{DType, Tensor};
    use candle_nn::VarBuilder;
    use candle_transformers::models::{llama, quantized_llama};

    let mut toy = ToyGguf::new("llama");
    for (_, _, kind, _) in toy.tensors.values_mut() {
        // Quantised matrices would make candle round the activations too.
        *kind = GgmlDType::F32;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.gguf");
    toy.write(&path);
    let ids = Tensor::new(&[[1_u32, 70, 5, 200, 33, 8, 121]], &Device::Cpu).unwrap();

    let mut reader = File::open(&path).unwrap();
    let content = gguf_file::Content::read(&mut reader).unwrap();
    let mut stored =
        quantized_llama::ModelWeights::from_gguf(content, &mut reader, &Device::Cpu).unwrap();
    let expected: Vec<f32> =
        stored.forward(&ids, 0).unwrap().flatten_all().unwrap().to_vec1().unwrap();

    let mut file = GgufFile::open(&path).unwrap();
    let config = file.config().clone();
    let mut tensors = HashMap::new();
    for name in TensorName::all(&config) {
        let (rows, columns) = name.shape(&config);
        let shape = if columns == 1 { vec![rows] } else { vec![rows, columns] };
        let tensor = Tensor::from_vec(file.read(name).unwrap(), shape, &Device::Cpu).unwrap();
        tensors.insert(name.to_string(), tensor);
    }
    let plain = llama::Config {
        hidden_size: config.hidden_size,
        intermediate_size: config.ffn_size,
        vocab_size: config.vocab_size,
        num_hidden_layers: config.layers,
        num_attention_heads: config.heads,
        num_key_value_heads: config.kv_heads,
        use_flash_attn: false,
        rms_norm_eps: f64::from(config.norm_eps),
        rope_theta: config.rope_base,
        bos_token_id: None,
        eos_token_id: None,
        rope_scaling: None,
        max_position_embeddings: config.context_length,
        tie_word_embeddings: config.tied_head,
    };
    let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let model = llama::Llama::load(weights, &plain).unwrap();
    let mut cache = llama::Cache::new(false, DType::F32, &plain, &Device::Cpu).unwrap();
    let found = model.forward(&ids, 0, &mut cache).unwrap();
    let found: Vec<f32> = found.flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest > 0.5 && worst < 1e-3, "off by {worst} where the largest is {largest}");
}

#[test]
fn a_qwen2_keeps_its_rows_and_has_biases() {
    let (_folder, file) = opened(&ToyGguf::new("qwen2"));
    let mut file = file.unwrap();
    assert!(file.config().qkv_bias);
    let query = file.read(TensorName::Query(1)).unwrap();
    assert!((query[32 + 3] - toy::weight("blk.1.attn_q.weight", 32 + 3)).abs() < 0.01);
    let bias = file.read(TensorName::KeyBias(0)).unwrap();
    assert_eq!(bias[5], toy::weight("blk.0.attn_k.bias", 5));
}

#[test]
fn norms_of_heads_and_after_projections_are_read() {
    for (family, tensors) in [("qwen3", 11), ("gemma3", 13)] {
        let (_folder, file) = opened(&ToyGguf::new(family));
        let mut file = file.unwrap();
        let config = file.config().clone();
        let names = TensorName::all(&config);
        assert_eq!(names.len(), 2 + 2 * tensors);
        for name in names {
            let (rows, columns) = name.shape(&config);
            assert_eq!(file.read(name).unwrap().len(), rows * columns, "{name}");
        }
        // As stored: the converter has added the one.
        let norm = file.read(TensorName::KeyNorm(1)).unwrap();
        assert_eq!(norm[3], toy::weight("blk.1.attn_k_norm.weight", 3));
        // Rows are not reordered.
        let query = file.read(TensorName::Query(1)).unwrap();
        assert!((query[32 + 3] - toy::weight("blk.1.attn_q.weight", 32 + 3)).abs() < 0.01);
    }
}

#[test]
fn switches_of_a_family_come_from_its_metadata() {
    let read = |change: fn(&mut ToyGguf)| {
        let mut toy = ToyGguf::new("gemma3");
        change(&mut toy);
        opened(&toy).1.unwrap().config().clone()
    };
    let config = read(|_| {});
    assert_eq!(config.embedding_scale, 32.0f32.sqrt());
    assert_eq!(config.score_scale(), 0.25);
    assert_eq!((config.window(0), config.window(1)), (Some(4), None));
    assert_eq!(config.windows.unwrap().rope_base, Some(10_000.0));
    let scaled = read(|toy| {
        let kind = Value::String("linear".to_owned());
        toy.metadata.insert("gemma3.rope.scaling.type".to_owned(), kind);
        toy.metadata.insert("gemma3.rope.scaling.factor".to_owned(), Value::F32(8.0));
        toy.metadata.remove("gemma3.rope.freq_base");
        toy.metadata.remove("gemma3.attention.sliding_window_pattern");
    });
    assert_eq!((scaled.rope_base, scaled.rope_factors), (1_000_000.0, Some(vec![8.0; 8])));
    assert_eq!(scaled.windows.unwrap().layers, [true, true], "the last of each six sees all");
    let mut biased = ToyGguf::new("qwen3");
    biased.vector("blk.0.attn_q.bias", 32);
    assert!(refusal(&biased).contains("biases"));
}

#[test]
fn every_supported_type_is_read() {
    for kind in [
        GgmlDType::F32,
        GgmlDType::F16,
        GgmlDType::BF16,
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
    ] {
        let mut toy = ToyGguf::new("llama");
        toy.matrix("blk.0.ffn_up.weight", 64, 32, kind);
        let (_folder, file) = opened(&toy);
        let up = file.unwrap().read(TensorName::Up(0)).unwrap();
        let worst = (0..64 * 32)
            .map(|i| (up[i] - toy::weight("blk.0.ffn_up.weight", i)).abs())
            .fold(0.0, f32::max);
        assert!(worst < 0.15, "{kind:?}: off by {worst}");
    }
}

#[test]
fn blocks_of_256_are_read() {
    for kind in [GgmlDType::Q4K, GgmlDType::Q6K] {
        let mut toy = ToyGguf::new("llama");
        toy.metadata.insert("llama.feed_forward_length".to_owned(), Value::U32(256));
        for layer in 0..2 {
            toy.matrix(&format!("blk.{layer}.ffn_gate.weight"), 256, 32, GgmlDType::F16);
            toy.matrix(&format!("blk.{layer}.ffn_up.weight"), 256, 32, GgmlDType::F16);
            toy.matrix(&format!("blk.{layer}.ffn_down.weight"), 32, 256, kind);
        }
        let (_folder, file) = opened(&toy);
        let down = file.unwrap().read(TensorName::Down(1)).unwrap();
        let worst = (0..32 * 256)
            .map(|i| (down[i] - toy::weight("blk.1.ffn_down.weight", i)).abs())
            .fold(0.0, f32::max);
        assert!(worst < 0.15, "{kind:?}: off by {worst}");
    }
}

#[test]
fn two_quantisations_of_one_matrix_count_as_tied_and_the_better_is_read() {
    let mut toy = ToyGguf::new("qwen2");
    let numbers = toy.tensors["token_embd.weight"].3.clone();
    let copy = |kind| (toy::VOCABULARY, 32, kind, numbers.clone());
    toy.tensors.insert("token_embd.weight".to_owned(), copy(GgmlDType::Q4_0));
    toy.tensors.insert("output.weight".to_owned(), copy(GgmlDType::Q8_0));
    let (_folder, file) = opened(&toy);
    let mut file = file.unwrap();
    assert!(file.config().tied_head);
    let embedding = file.read(TensorName::Embedding).unwrap();
    let worst = embedding.iter().zip(&numbers).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 0.01, "the copy in Q8_0 should be used, off by {worst}");
}

#[test]
fn a_head_of_its_own_is_not_taken_for_the_embedding() {
    let mut toy = ToyGguf::new("qwen2");
    toy.matrix("output.weight", toy::VOCABULARY, 32, GgmlDType::Q8_0);
    let (_folder, file) = opened(&toy);
    let mut file = file.unwrap();
    assert!(!file.config().tied_head);
    assert_ne!(file.read(TensorName::Head).unwrap(), file.read(TensorName::Embedding).unwrap());
}

#[test]
fn what_cannot_be_run_is_refused_by_name() {
    type Change = fn(&mut ToyGguf);
    let cases: [(Change, &str); 9] = [
        (
            |toy| {
                toy.metadata
                    .insert("general.architecture".to_owned(), Value::String("mamba".to_owned()));
            },
            "mamba",
        ),
        (|toy| drop(toy.tensors.remove("blk.1.ffn_up.weight")), "blk.1.ffn_up.weight"),
        (|toy| toy.matrix("blk.0.attn_k.weight", 32, 32, GgmlDType::Q8_0), "shape [32, 32]"),
        (|toy| toy.vector("blk.0.attn_q_norm.weight", 16), "attn_q_norm"),
        (
            |toy| {
                toy.metadata.insert("llama.expert_count".to_owned(), Value::U32(8));
            },
            "experts",
        ),
        (|toy| drop(toy.metadata.insert("split.count".to_owned(), Value::U16(3))), "split"),
        (
            |toy| {
                let kind = Value::String("longrope".to_owned());
                toy.metadata.insert("llama.rope.scaling.type".to_owned(), kind);
            },
            "longrope",
        ),
        (|toy| drop(toy.metadata.remove("llama.block_count")), "llama.block_count"),
        (
            |toy| {
                let cap = Value::F32(30.0);
                toy.metadata.insert("llama.final_logit_softcapping".to_owned(), cap);
            },
            "final_logit_softcapping",
        ),
    ];
    for (change, expected) in cases {
        let mut toy = ToyGguf::new("llama");
        change(&mut toy);
        let message = refusal(&toy);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn rotary_factors_stored_as_a_tensor_are_kept() {
    let mut toy = ToyGguf::new("llama");
    let factors: Vec<f32> = (1..=8).map(|i| i as f32).collect();
    toy.tensors.insert("rope_freqs.weight".to_owned(), (8, 1, GgmlDType::F32, factors.clone()));
    let (_folder, file) = opened(&toy);
    assert_eq!(file.unwrap().config().rope_factors, Some(factors));
}

#[test]
fn a_cut_file_is_refused_wherever_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.gguf");
    ToyGguf::new("llama").write(&path);
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 3, 4, 20, 100, 1000, 4000, whole.len() / 2, whole.len() - 40] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let failure = GgufFile::open(&path).unwrap_err();
        assert!(failure.message.contains("toy.gguf"), "{length}: {failure}");
    }
}

#[test]
fn damaged_headers_never_panic_or_exhaust_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.gguf");
    ToyGguf::new("llama").write(&path);
    let whole = std::fs::read(&path).unwrap();
    for at in (0..1200).chain(5200..9000).step_by(7) {
        for byte in [0x00, 0xFF, 0x80] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            std::fs::write(&path, &damaged).unwrap();
            if let Ok(mut file) = GgufFile::open(&path) {
                for name in TensorName::all(&file.config().clone()) {
                    let _ = file.read(name);
                }
            }
        }
    }
}

#[test]
fn an_alignment_of_zero_and_an_unknown_type_are_refused() {
    let mut toy = ToyGguf::new("llama");
    toy.metadata.insert("general.alignment".to_owned(), Value::U32(0));
    assert!(refusal(&toy).contains("inconsistent"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.gguf");
    ToyGguf::new("llama").write(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    let name = b"blk.0.ffn_up.weight";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    // After the name: count of dimensions, two dimensions, type.
    bytes[at + name.len() + 4 + 16] = 39;
    std::fs::write(&path, &bytes).unwrap();
    let failure = GgufFile::open(&path).unwrap_err();
    assert!(failure.message.contains("MXFP4"), "{failure}");
    assert!(!failure.hints.is_empty());
}

/// A header whose counts, sizes or offsets are not those of the file is refused before anything of
/// that size is held.
#[test]
fn a_header_that_lies_about_sizes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.gguf");
    ToyGguf::new("llama").write(&path);
    let whole = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let failure = GgufFile::open(&path).unwrap_err();
        assert!(failure.message.contains("toy.gguf") && !failure.hints.is_empty(), "{failure:?}");
        failure.message
    };
    let with = |at: usize, value: u64| {
        let mut lying = whole.clone();
        lying[at..at + 8].copy_from_slice(&value.to_le_bytes());
        refused(&lying)
    };
    // Magic and version take 8 bytes, then come the counts of tensors and of metadata, and the
    // length of the first key.
    for count in [1 << 29, 1 << 40, u64::MAX] {
        for at in [8, 16, 24] {
            let message = with(at, count);
            assert!(message.contains("header"), "{at} {count}: {message}");
        }
    }
    let name = b"blk.0.ffn_up.weight";
    let at = whole.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    // Count of dimensions, two dimensions, type, offset.
    assert!(with(at + 4, 1 << 62).contains("impossible size"));
    assert!(with(at + 12, 128).contains("shape [128, 32], expected [64, 32]"));
    for offset in [whole.len() as u64, 1 << 50, u64::MAX] {
        assert!(with(at + 4 + 16 + 4, offset).contains("tensor \"blk.0.ffn_up.weight\""));
    }
}

/// An array of bytes takes 32 times as much in memory as in the file, so a large file could have a
/// header that no memory holds.
#[test]
fn a_header_longer_than_any_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.gguf");
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(b"a");
    // An array (9) of bytes (0).
    bytes.extend(9_u32.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend((900_u64 << 20).to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    let failure = GgufFile::open(&path).unwrap_err();
    assert!(failure.message.contains("longer than any"), "{failure}");
}
