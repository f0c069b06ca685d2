#!/usr/bin/env python3
"""Reading prompts and decoding with hone and llama.cpp in turn, on the same cores, from the same GGUF files.

    pip install llama-cpp-python
    cargo build --release
    python benches/beside_llama.py MODEL.gguf [MODEL.gguf ..] [--hone target/release/hone] [--cores 0,1] [--rounds 5]

One sequence, random prompt, greedy, one token at a time; the time of an answer's first token counts as reading. Each
round starts both programs anew, in turn, one repetition each after one that warms up. Prints a line of JSON for each
measurement, then a table of medians and of the best, with ratios, and the memory at most (loading included).

hone quantizes the file's weights to NF4 when it loads them and keeps embedding and head in 16 bits; llama.cpp computes
with the file's own 4-bit (and larger) blocks.
"""
import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def llama(path, prompt, new, repetitions):
    """Prints rates of each repetition after one that warms up, and the peak memory of this process."""
    from llama_cpp import Llama

    threads = len(os.sched_getaffinity(0))
    model = Llama(path, n_ctx=prompt + new, n_threads=threads, n_threads_batch=threads, n_batch=prompt,
                  n_ubatch=prompt, logits_all=False, verbose=False)
    draw = random.Random(1)
    ids = [draw.randrange(model.n_vocab()) for _ in range(prompt)]
    reading, decoding = [], []
    for _ in range(repetitions + 1):
        model.reset()
        start = time.perf_counter()
        model.eval(ids)
        token = model.sample(temp=0.0)
        first = time.perf_counter()
        for _ in range(new - 1):
            model.eval([token])
            token = model.sample(temp=0.0)
        end = time.perf_counter()
        reading.append(prompt / (first - start))
        decoding.append((new - 1) / (end - first))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"prompt": reading[1:], "decode": decoding[1:], "peak_rss_mib": peak}), flush=True)


def measure(command, environment):
    """The last line of what a command prints, as JSON."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(options, environment, path, name):
    """Both in turn, round by round; prints the model's rows of the table."""
    sizes = ["--prompt", str(options.prompt), "--new", str(options.new)]
    commands = {
        "hone": [options.hone, "bench", "generate", "--model", name, "--rounds", str(options.repetitions), "--json", *sizes],
        "llama.cpp": [sys.executable, os.path.abspath(__file__), "--inner", "--repetitions", str(options.repetitions),
                      path, *sizes],
    }
    rates = {who: {"prompt": [], "decode": []} for who in commands}
    peaks = dict.fromkeys(commands, 0.0)
    for _ in range(options.rounds):
        for who, command in commands.items():
            line = measure(command, environment)
            print(json.dumps({"model": name, "who": who, **line}), file=sys.stderr, flush=True)
            if who == "hone":
                rates[who]["prompt"].append(line["prompt_tokens_per_second"])
                rates[who]["decode"].append(line["decode_tokens_per_second"])
            else:
                rates[who]["prompt"] += line["prompt"]
                rates[who]["decode"] += line["decode"]
            peaks[who] = max(peaks[who], line["peak_rss_mib"])
    for kind, choose in (("median", statistics.median), ("best", max)):
        ours, theirs = ({what: choose(values) for what, values in rates[who].items()} for who in commands)
        cells = [f"{ours[what]:.1f} | {theirs[what]:.1f} | {ours[what] / theirs[what]:.2f}" for what in ("prompt", "decode")]
        memory = f"{peaks['hone']:.0f} | {peaks['llama.cpp']:.0f}"
        print(f"| {name} | {kind} | {' | '.join(cells)} | {memory} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", metavar="MODEL.gguf")
    parser.add_argument("--hone", default="target/release/hone")
    parser.add_argument("--cores", default="0,1")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inner:
        llama(options.models[0], options.prompt, options.new, options.repetitions)
        return
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    threads = str(len(os.sched_getaffinity(0)))
    print("| model | of the runs | hone, prompt tok/s | llama.cpp | ratio | hone, decode tok/s | llama.cpp | ratio "
          "| hone, MiB | llama.cpp |\n|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        environment = dict(os.environ, HONE_MODELS=place, RAYON_NUM_THREADS=threads)
        for path in options.models:
            name = os.path.splitext(os.path.basename(path))[0]
            subprocess.run([options.hone, "model", "add", path, "--name", name], env=environment, check=True,
                           capture_output=True)
            compare(options, environment, path, name)


if __name__ == "__main__":
    main()
