#!/usr/bin/env python3
"""Training steps of hone and of peft in turn, on the same cores, with the same shapes.

    pip install torch transformers peft bitsandbytes
    cargo build --release
    python benches/beside_peft.py [--hone target/release/hone] [--cores 0,1] [--models 135m,0.5b] [--shapes 4x256,1x1024]

Weights have the real shapes of SmolLM2-135M and Qwen2.5-0.5B and random values: neither speed nor memory depends
on them. Rank 16 on all projections, AdamW, every token labelled, random rows. Prints a line of JSON for each
measurement and a table of medians and ratios. To hold peft to AVX2: HONE_CPU=avx2 ONEDNN_MAX_CPU_ISA=AVX2.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def make(folder, size):
    """A Hugging Face folder of random weights with a toy tokenizer."""
    import torch
    import transformers as t
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    ids = dict(bos_token_id=0, eos_token_id=1, pad_token_id=2)
    if size == "135m":
        model = t.LlamaForCausalLM(t.LlamaConfig(
            vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
            num_key_value_heads=3, max_position_embeddings=8192, rope_theta=1e5, tie_word_embeddings=True,
            rms_norm_eps=1e-5, **ids))
    else:
        model = t.Qwen2ForCausalLM(t.Qwen2Config(
            vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
            num_key_value_heads=2, max_position_embeddings=32768, rope_theta=1e6, tie_word_embeddings=True,
            rms_norm_eps=1e-6, **ids))
    model.save_pretrained(folder)
    words = {"<s>": 0, "</s>": 1, "<pad>": 2, "<unk>": 3}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = t.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
    fast.chat_template = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }}{{ eos_token }}{% endfor %}"
    fast.save_pretrained(folder)


def peft_steps(folder, kind, shape, steps):
    """Prints seconds of each step after one that warms up, and the peak memory of this process."""
    import torch
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    rows, tokens = map(int, shape.split("x"))
    if kind == "nf4":
        four_bits = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16)
        model = AutoModelForCausalLM.from_pretrained(
            folder, quantization_config=four_bits, dtype=torch.bfloat16, device_map="cpu")
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    else:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32 if kind == "f32" else torch.bfloat16)
    model = get_peft_model(model, LoraConfig(
        r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"))
    model.config.use_cache = False
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    ids = torch.randint(0, model.config.vocab_size, (rows, tokens))
    seconds = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind != "f32"):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds[1:], "peak_rss_mib": peak}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hone", default="target/release/hone")
    parser.add_argument("--cores", default="0,1")
    parser.add_argument("--models", default="135m,0.5b")
    parser.add_argument("--shapes", default="4x256,1x1024")
    parser.add_argument("--kinds", default="bf16,nf4", help="of peft: bf16, nf4, f32")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--inner", nargs=3, metavar=("FOLDER", "KIND", "SHAPE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inner:
        peft_steps(*options.inner, options.steps)
        return
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    threads = str(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as place:
        environment = dict(os.environ, HONE_MODELS=os.path.join(place, "models"), RAYON_NUM_THREADS=threads)
        print("| model | shape | who | tokens/s | hone is | peak MiB | hone takes |\n|---|---|---|---|---|---|---|")
        for size in options.models.split(","):
            folder = os.path.join(place, size)
            if os.fork() == 0:
                make(folder, size)
                os._exit(0)
            os.wait()
            subprocess.run(
                [options.hone, "model", "add", folder, "--name", size], env=environment, check=True, capture_output=True)
            for shape in options.shapes.split(","):
                compare(options, environment, size, folder, shape)


def compare(options, environment, size, folder, shape):
    """All in turn, round by round; medians of all steps."""
    rows, tokens = map(int, shape.split("x"))
    runs = {"hone": [options.hone, "bench", "train", "--model", size, "--shape", shape,
                     "--steps", str(options.steps), "--json"]}
    for kind in options.kinds.split(","):
        runs["peft " + kind] = [sys.executable, os.path.abspath(__file__), "--steps", str(options.steps),
                                "--inner", folder, kind, shape]
    seconds, peaks = {name: [] for name in runs}, {}
    for _ in range(options.rounds):
        for name, command in runs.items():
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            line = json.loads(done.stdout.strip().splitlines()[-1])
            print(json.dumps({"model": size, "shape": shape, "who": name, **line}), file=sys.stderr, flush=True)
            seconds[name] += line.get("seconds") or [ms / 1e3 for ms in line["step_ms"]]
            peaks[name] = max(peaks.get(name, 0), line["peak_rss_mib"])
    rates = {name: rows * tokens / statistics.median(values) for name, values in seconds.items()}
    for name in runs:
        times = "" if name == "hone" else f"{rates['hone'] / rates[name]:.2f} times as fast"
        share = "" if name == "hone" else f"{peaks['hone'] / peaks[name]:.2f} of it"
        print(f"| {size} | {shape} | {name} | {rates[name]:.0f} | {times} | {peaks[name]:.0f} | {share} |", flush=True)


if __name__ == "__main__":
    main()
