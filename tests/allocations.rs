//! What a training step asks of the allocator, in a process of its own: the allocations of other tests
//! would count too.

use std::ops::ControlFlow;
use std::path::Path;

use hone::engine::{
    Adapter, Base, LoraConfig, OptimizerConfig, Precision, Row, Target, Trainer, cpu,
};
use hone::model::hf_config;
use hone::model::safetensors::SafetensorsFolder;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

#[test]
fn a_repeated_step_allocates_no_data() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peft");
    let config = hf_config::read(&folder).unwrap().decoder;
    let row = |length: u32| Row {
        ids: (0..length).map(|i| 3 + (i * 7 + length) % 90).collect(),
        labels: (0..length).map(|i| i > length / 2).collect(),
    };
    // Each thread has buffers of its own from its first work on: with one, all have been there.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let rows: Vec<Row> = [110, 90, 40, 64].map(row).to_vec();
    for precision in [Precision::F32, Precision::Bf16] {
        let mut source = SafetensorsFolder::open(&folder, &config).unwrap();
        let mut on = |_| ControlFlow::Continue(());
        let base = Base::load(&config, &mut source, precision, &mut on).unwrap().unwrap();
        let lora = LoraConfig {
            rank: 8,
            alpha: 16.0,
            rank_stabilized: false,
            targets: Target::ALL.to_vec(),
            seed: 1,
        };
        let adapter = Adapter::new(&config, &lora);
        let mut trainer = Trainer::new(&base, adapter, OptimizerConfig::default(), 256);
        for _ in 0..2 {
            pool.install(|| trainer.step(&rows, 1e-3)).unwrap();
        }
        let _profiler = dhat::Profiler::builder().testing().build();
        let report = pool.install(|| trainer.step(&rows, 1e-3)).unwrap();
        let asked = dhat::HeapStats::get();
        // Lists of tokens, rows and parts are small; a single buffer of activations would be above this.
        let one_buffer = (report.computed_tokens * config.hidden_size * 4) as u64;
        let what = format!("{} bytes in {} blocks", asked.total_bytes, asked.total_blocks);
        assert!(
            asked.total_bytes < one_buffer,
            "{precision:?} on {}: {what}",
            cpu::kernel().name()
        );
    }
}
