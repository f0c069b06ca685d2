//! What the real peft and bitsandbytes made, beside what hone makes of it (`tests/fixtures/peft/make.py`).

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use hone::engine::{Adapter, Base, OptimizerConfig, Precision, Row, Trainer, nf4, row_losses};
use hone::model::hf_config;
use hone::model::safetensors::SafetensorsFolder;
use hone::model::{TensorName, TensorSource as _};
use hone::train::adapter_file;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peft")
}

fn json(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join(file)).unwrap()).unwrap()
}

fn base(precision: Precision) -> Base {
    let config = hf_config::read(&folder()).unwrap().decoder;
    let mut source = SafetensorsFolder::open(&folder(), &config).unwrap();
    let mut on = |_| ControlFlow::Continue(());
    Base::load(&config, &mut source, precision, &mut on).unwrap().unwrap()
}

fn rows(trained: &Value) -> Vec<Row> {
    let rows = trained["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            let ids: Vec<u32> =
                row.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
            let labels = (0..ids.len()).map(|at| at > 0).collect();
            Row { ids, labels }
        })
        .collect()
}

fn mean(losses: &[hone::engine::RowLoss]) -> f64 {
    let tokens: usize = losses.iter().map(|loss| loss.tokens).sum();
    losses.iter().map(|loss| loss.nats).sum::<f64>() / tokens as f64
}

fn trainer(base: &Base, adapter: Adapter) -> Trainer<'_> {
    let optimizer = OptimizerConfig { clip_norm: 0.0, ..OptimizerConfig::default() };
    Trainer::new(base, adapter, optimizer, 1024)
}

#[test]
fn an_adapter_that_peft_saved_gives_its_losses_and_trains_as_it_did_there() {
    let trained = json("trained.json");
    let (base, rows) = (base(Precision::F32), rows(&trained));
    let alone = mean(&row_losses(&base, None, &rows).unwrap());
    let want = trained["base_loss"].as_f64().unwrap();
    assert!((alone - want).abs() < 1e-5 * want, "{alone} {want}");

    let adapter = adapter_file::read(&folder().join("adapter"), base.config()).unwrap();
    let mut trainer = trainer(&base, adapter);
    let rate = trained["learning_rate"].as_f64().unwrap() as f32;
    let losses = trained["losses"].as_array().unwrap();
    assert_eq!(losses.len(), 50);
    for (step, want) in losses.iter().enumerate() {
        let (got, want) =
            (f64::from(trainer.step(&rows, rate).unwrap().loss), want.as_f64().unwrap());
        assert!((got - want).abs() < 1e-4 * want, "step {step}: {got} {want}");
    }
    // It went somewhere: the loss fell to a third.
    assert!(losses[49].as_f64() < losses[0].as_f64().map(|loss| loss * 0.4));
}

#[test]
fn in_bf16_the_losses_stay_close_to_those_of_peft_in_f32() {
    let trained = json("trained.json");
    let (base, rows) = (base(Precision::Bf16), rows(&trained));
    let adapter = adapter_file::read(&folder().join("adapter"), base.config()).unwrap();
    let mut trainer = trainer(&base, adapter);
    let rate = trained["learning_rate"].as_f64().unwrap() as f32;
    for (step, want) in trained["losses"].as_array().unwrap().iter().enumerate() {
        let (got, want) =
            (f64::from(trainer.step(&rows, rate).unwrap().loss), want.as_f64().unwrap());
        assert!((got - want).abs() < 0.02 * want, "step {step}: {got} {want}");
    }
}

#[test]
fn an_adapter_comes_back_from_disk_as_it_was() {
    let base = base(Precision::F32);
    let adapter = adapter_file::read(&folder().join("adapter"), base.config()).unwrap();
    let place = tempfile::tempdir().unwrap();
    adapter_file::write(place.path(), &adapter, "toy").unwrap();
    let again = adapter_file::read(place.path(), base.config()).unwrap();
    for ((_, _, a, b), (_, _, again_a, again_b)) in adapter.tensors().zip(again.tensors()) {
        assert_eq!((a, b), (again_a, again_b));
    }
}

fn floats(value: &Value) -> Vec<f32> {
    let bits = value.as_array().unwrap().iter();
    bits.map(|bits| f32::from_bits(u32::from_str_radix(bits.as_str().unwrap(), 16).unwrap()))
        .collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    value.as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn nf4_is_that_of_bitsandbytes_to_the_bit() {
    let stored = json("nf4.json");
    assert_eq!(bits(&nf4::CODE), bits(&floats(&stored["code"])));
    assert_eq!(bits(&*nf4::DYNAMIC_MAP), bits(&floats(&stored["nested_code"])));
    let want = floats(&stored["decoded"]);
    let theirs = nf4::Quantized {
        len: want.len(),
        codes: bytes(&stored["codes"]).into(),
        magnitudes: bytes(&stored["absmax"]),
        nested: floats(&stored["nested_absmax"]),
        offset: floats(&stored["offset"])[0],
    };
    let mut decoded = vec![0.0; want.len()];
    theirs.dequantize(0, &mut decoded);
    assert_eq!(bits(&decoded), bits(&want), "decoding what bitsandbytes stored");

    // Quantizing the same weights gives the same codes; second-level magnitudes may differ in the last
    // place of their mean, whose order of summation is not specified.
    let config = hf_config::read(&folder()).unwrap().decoder;
    let mut source = SafetensorsFolder::open(&folder(), &config).unwrap();
    let ours = nf4::quantize(&source.read(TensorName::Down(0)).unwrap());
    assert_eq!(ours.codes, theirs.codes);
    assert!((ours.offset - theirs.offset).abs() <= 2.0 * f32::EPSILON * theirs.offset);
    let same = ours.magnitudes.iter().zip(&theirs.magnitudes).filter(|(a, b)| a == b).count();
    assert!(same * 100 >= theirs.magnitudes.len() * 99, "{same}");
}
