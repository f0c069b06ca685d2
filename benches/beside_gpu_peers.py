"""Training on the GPU beside PEFT with bitsandbytes and Unsloth: the same card, one after the other, in one sitting.

    python benches/beside_gpu_peers.py HONE [--shapes 1x512,1x1024,4x1024,8x2048] [--peers peft,unsloth] [--folder DIR]

Every program trains the shape of Qwen2.5-1.5B with random weights (speed and memory do not depend on them): NF4 with double quantization,
rank 16 on all seven linears, every token labelled, 8-bit AdamW, random rows. A step's time is the median after three that warm up. Peaks are of
the whole card (`nvidia-smi`, ten times a second) less what it held before the program started, so contexts and code are in them; the allocators'
own peaks stand beside. `hone` is measured before the peers and after them. The floor counts the products with frozen weights (cuBLAS, in a graph),
flash attention, the head, and decoding at 3 TB/s. Needs torch, transformers, peft, bitsandbytes and unsloth, and a card that nothing else uses.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SHAPE = dict(hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12, num_key_value_heads=2)
VOCAB = 151936
WARM = 3


def make_model(folder):
    """Writes the model with random weights and a tokenizer of a few words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(vocab_size=VOCAB, max_position_embeddings=32768, rope_theta=1e6, tie_word_embeddings=True, rms_norm_eps=1e-6,
                         bos_token_id=0, eos_token_id=1, pad_token_id=2, **SHAPE)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = Qwen2ForCausalLM(config)
    model.save_pretrained(folder)
    words = {"<s>": 0, "</s>": 1, "<pad>": 2, "<unk>": 3, **{f"w{i}": i for i in range(4, 300)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = dict(bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)


def load(peer, folder):
    import torch

    if peer == "unsloth":
        from unsloth import FastLanguageModel

        model, _ = FastLanguageModel.from_pretrained(folder, max_seq_length=4096, load_in_4bit=True, dtype=torch.bfloat16)
        return FastLanguageModel.get_peft_model(model, r=16, lora_alpha=32, lora_dropout=0, target_modules=TARGETS,
                                                use_gradient_checkpointing="unsloth", bias="none")
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    four = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                              bnb_4bit_compute_dtype=torch.bfloat16)
    model = AutoModelForCausalLM.from_pretrained(folder, quantization_config=four, dtype=torch.bfloat16, device_map={"": 0},
                                                 attn_implementation="sdpa")
    model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=True,
                                            gradient_checkpointing_kwargs={"use_reentrant": False})
    return get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM"))


def peer(which, folder, shapes, steps):
    """Trains by a peer; a line of JSON a shape."""
    if which == "unsloth":
        import unsloth  # noqa: F401  Before torch's own parts: it replaces some of them.
    import bitsandbytes
    import torch

    started = time.time()
    model = load(which, folder)
    torch.cuda.synchronize()
    print(json.dumps({"peer": which, "load_s": round(time.time() - started, 1)}), flush=True)
    model.train()
    model.config.use_cache = False
    optimizer = bitsandbytes.optim.AdamW8bit([p for p in model.parameters() if p.requires_grad], lr=2e-4)
    for shape in shapes.split(","):
        rows, tokens = map(int, shape.split("x"))
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        print(json.dumps({"start": shape}), flush=True)
        times = []
        try:
            for _ in range(WARM + steps):
                ids = torch.randint(0, VOCAB, (rows, tokens), device="cuda")
                torch.cuda.synchronize()
                begun = time.time()
                with torch.autocast("cuda", dtype=torch.bfloat16):
                    loss = model(input_ids=ids, labels=ids).loss
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                torch.cuda.synchronize()
                times.append(time.time() - begun)
            middle = sorted(times[WARM:])[steps // 2]
            found = {"tokens_per_s": rows * tokens / middle, "ms": middle * 1e3, "best_ms": min(times) * 1e3,
                     "allocator_mib": torch.cuda.max_memory_allocated() >> 20, "reserved_mib": torch.cuda.max_memory_reserved() >> 20}
        except Exception as error:  # Out of memory, most likely: said, and the next shape is tried.
            found = {"error": repr(error)[:300]}
        print(json.dumps({"peer": which, "shape": shape, **found}), flush=True)


def graph_ms(work, count=10):
    """Median of replays of `work` kept as a graph, in ms."""
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    times = []
    for _ in range(count + 3):
        first, last = torch.cuda.Event(True), torch.cuda.Event(True)
        first.record()
        graph.replay()
        last.record()
        last.synchronize()
        times.append(first.elapsed_time(last))
    return sorted(times[3:])[count // 2]


def floor(shapes):
    """What the large products, attention and the head alone take."""
    import torch
    import torch.nn.functional as functional

    hidden, ffn, layers, kv, heads = 1536, 8960, 28, 512, 12
    random = lambda *sizes: torch.randn(*sizes, device="cuda", dtype=torch.bfloat16) * 0.02
    qkv, out, gate, down, head = random(hidden + kv, hidden), random(hidden, hidden), random(2 * ffn, hidden), random(hidden, ffn), random(VOCAB, hidden)
    for shape in shapes.split(","):
        rows, length = map(int, shape.split("x"))
        tokens = rows * length
        x, a, dg, dq = random(tokens, hidden), random(tokens, ffn), random(tokens, 2 * ffn), random(tokens, hidden + kv)

        def forward(last=True):
            x @ qkv.T, x @ out.T, x @ gate.T
            if last:
                a @ down.T

        def backward():
            dq @ qkv, x @ out, dg @ gate, x @ down

        queries, keys, values = [random(rows, heads, length, 128).requires_grad_() for _ in range(3)]

        def attention():
            mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
            mixed.backward(mixed.detach())

        def plain_ms(work, count=20):
            for _ in range(5):
                work()
            torch.cuda.synchronize()
            first, last = torch.cuda.Event(True), torch.cuda.Event(True)
            first.record()
            for _ in range(count):
                work()
            last.record()
            last.synchronize()
            return first.elapsed_time(last) / count

        some = min(tokens, 4096)
        dlogits = random(some, VOCAB)
        heads_ms = (graph_ms(lambda: x[:some] @ head.T) + graph_ms(lambda: dlogits @ head)) * tokens / some
        decode = layers * 2 * 46.8e6 * 2.52 / 3.0e12 * 1e3
        ms = layers * (graph_ms(forward) + graph_ms(backward) + plain_ms(attention)) + heads_ms + decode
        print(json.dumps({"peer": "floor", "shape": shape, "tokens_per_s": tokens / ms * 1e3, "ms": ms}), flush=True)


def used_mib():
    out = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"], capture_output=True, text=True)
    return int(out.stdout.split()[0])


class Card(threading.Thread):
    """Watches what the card holds, in MiB."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.on = 0, True

    def run(self):
        while self.on:
            self.peak = max(self.peak, used_mib())
            time.sleep(0.1)


def watched(command, environment, told):
    """Runs a command, hands its lines of JSON on with the card's peak above what it held before."""
    before = used_mib()
    card = Card()
    card.start()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    errors = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr.readlines()[-5:]))
    reader.start()
    for line in process.stdout:
        if not line.startswith("{"):
            continue
        found = json.loads(line)
        if "start" in found:
            card.peak = 0
        else:
            told({**found, "card_mib": card.peak - before})
    process.wait()
    reader.join()
    card.on = False
    card.join()
    if process.returncode:
        told({"command": " ".join(command), "status": process.returncode, "errors": "".join(errors)[-600:]})


def hone(program, shape, steps, memory, told, name="hone"):
    command = [program, "bench", "train", "--device", "cuda", "--random-weights", "qwen2.5-1.5b", "--optimizer", "adamw8bit",
               "--json", "--shape", shape, "--steps", str(steps)]
    extra = ["--device-memory", memory] if memory else []
    watched(command + extra, None, lambda line: told({"peer": name, "shape": shape, "memory": memory or "all", **line}))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("hone")
    arguments.add_argument("--shapes", default="1x512,1x1024,4x1024,8x2048")
    arguments.add_argument("--peers", default="peft,unsloth")
    arguments.add_argument("--steps", type=int, default=11)
    arguments.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "random-1.5b"))
    arguments.add_argument("--only", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.only == "model":
        return make_model(options.folder)
    if options.only == "floor":
        return floor(options.shapes)
    if options.only:
        return peer(options.only, options.folder, options.shapes, options.steps)

    lines = []

    def told(line):
        lines.append(line)
        print(json.dumps(line), flush=True)

    card = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.used", "--format=csv,noheader"], capture_output=True, text=True)
    print(card.stdout.strip(), flush=True)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "UNSLOTH_DISABLE_STATISTICS": "1"}
    me = [sys.executable, __file__, options.hone, "--folder", options.folder, "--shapes", options.shapes, "--steps", str(options.steps)]
    if not (pathlib.Path(options.folder) / "config.json").exists():
        subprocess.run(me + ["--only", "model"], check=True, env=environment)
    shapes = options.shapes.split(",")
    for shape in shapes:
        hone(options.hone, shape, options.steps, None, told)
    for memory in ["6GiB", "4GiB"]:
        hone(options.hone, "1x2048", options.steps, memory, told)
    for which in [*options.peers.split(","), "floor"]:
        watched(me + ["--only", which], environment, told)
    for shape in shapes:
        hone(options.hone, shape, options.steps, None, told, "hone again")

    print("\n| rows x tokens | who | tok/s | ms | peak of the card, MiB | hone is faster by |\n|---|---|---|---|---|---|")
    rate = lambda line: line.get("tokens_per_s") or line.get("tokens_per_second") or 0
    middle = lambda line: line.get("ms") or sorted(line["step_ms"])[len(line["step_ms"]) // 2]
    best = {line["shape"]: rate(line) for line in lines if line.get("peer") == "hone" and line.get("memory") == "all"}
    for line in lines:
        if "shape" in line and rate(line):
            times = best.get(line["shape"], 0) / rate(line) if line.get("memory", "all") == "all" else 0
            print(f"| {line['shape']} | {line['peer']} {line.get('memory', '')} | {rate(line):,.0f} | {middle(line):.1f} | {line['card_mib']:,} | {times:.2f} |")


main()
