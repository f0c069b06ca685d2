#!/usr/bin/env python3
"""Reading prompts and decoding with hone and llama.cpp in turn, on the same cores, from the same GGUF files.

    pip install llama-cpp-python
    cargo build --release
    python benches/beside_llama.py MODEL.gguf [MODEL.gguf ..] [--hone target/release/hone] [--cores 0,1] [--rounds 5] [--text FILE]

One sequence, random prompt, greedy, one token at a time; the time of an answer's first token counts as reading. Each
round starts both programs anew, in turn, one repetition each after one that warms up. Prints a line of JSON for each
measurement, then a table of medians and of the best, with ratios, and the memory at most (loading included).

With --text both answer the text of a file, greedily, until the model ends its answer, with prompt lookup decoding and
without it: llama.cpp's is LlamaPromptLookupDecoding, with as many tokens as its documentation advises for processors.

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


def llama_answer(path, text, new, repetitions, guesses):
    """As `llama`, of the answer to a text, with some guesses a token or none."""
    from llama_cpp import Llama
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter
    from llama_cpp.llama_speculative import LlamaPromptLookupDecoding

    threads = len(os.sched_getaffinity(0))
    draft = LlamaPromptLookupDecoding(num_pred_tokens=guesses) if guesses else None
    # Its guesses want the logits of every token.
    model = Llama(path, n_ctx=2048, n_threads=threads, n_threads_batch=threads, draft_model=draft,
                  logits_all=draft is not None, verbose=False)
    template = Jinja2ChatFormatter(model.metadata["tokenizer.chat_template"], eos_token="", bos_token="")
    prompt = template(messages=[{"role": "user", "content": text}]).prompt
    ids = model.tokenize(prompt.encode(), add_bos=False, special=True)
    reading, decoding = [], []
    for _ in range(repetitions + 1):
        model.reset()
        start = time.perf_counter()
        first, said = None, 0
        for token in model.generate(ids, temp=0.0):
            first = first or time.perf_counter()
            if token == model.token_eos():
                break
            said += 1
            if said == new:
                break
        end = time.perf_counter()
        reading.append(len(ids) / (first - start))
        decoding.append((said - 1) / (end - first))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"prompt": reading[1:], "decode": decoding[1:], "peak_rss_mib": peak, "tokens": [len(ids), said]}),
          flush=True)


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
    """All in turn, round by round; prints the model's rows of the table."""
    sizes = ["--new", str(options.new)]
    sizes += ["--text", options.text] if options.text else ["--prompt", str(options.prompt)]
    hone = [options.hone, "bench", "generate", "--model", name, "--rounds", str(options.repetitions), "--json", *sizes]
    llama = [sys.executable, os.path.abspath(__file__), "--inner", "--repetitions", str(options.repetitions), path, *sizes]
    commands = {"hone": hone, "llama.cpp": llama}
    if options.text:
        commands["hone, lookup"] = [*hone, "--prompt-lookup"]
        commands["llama.cpp, lookup"] = [*llama, "--guesses", str(options.guesses)]
    rates = {who: {"prompt": [], "decode": []} for who in commands}
    peaks = dict.fromkeys(commands, 0.0)
    for _ in range(options.rounds):
        for who, command in commands.items():
            line = measure(command, environment)
            print(json.dumps({"model": name, "who": who, **line}), file=sys.stderr, flush=True)
            if who.startswith("hone"):
                rates[who]["prompt"].append(line["prompt_tokens_per_second"])
                rates[who]["decode"].append(line["decode_tokens_per_second"])
            else:
                rates[who]["prompt"] += line["prompt"]
                rates[who]["decode"] += line["decode"]
            peaks[who] = max(peaks[who], line["peak_rss_mib"])
    for with_lookup in ("", ", lookup") if options.text else ("",):
        sides = ("hone" + with_lookup, "llama.cpp" + with_lookup)
        for kind, choose in (("median", statistics.median), ("best", max)):
            ours, theirs = ({what: choose(values) for what, values in rates[who].items()} for who in sides)
            cells = [f"{ours[what]:.1f} | {theirs[what]:.1f} | {ours[what] / theirs[what]:.2f}" for what in ("prompt", "decode")]
            memory = " | ".join(f"{peaks[who]:.0f}" for who in sides)
            print(f"| {name}{with_lookup} | {kind} | {' | '.join(cells)} | {memory} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", metavar="MODEL.gguf")
    parser.add_argument("--hone", default="target/release/hone")
    parser.add_argument("--cores", default="0,1")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--text", metavar="FILE", help="what to ask, in place of a random prompt")
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--guesses", type=int, help="num_pred_tokens of llama.cpp's prompt lookup; 2 unless told otherwise")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inner and options.text:
        with open(options.text, encoding="utf-8") as file:
            llama_answer(options.models[0], file.read(), options.new, options.repetitions, options.guesses)
        return
    if options.inner:
        llama(options.models[0], options.prompt, options.new, options.repetitions)
        return
    options.guesses = options.guesses or 2
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
