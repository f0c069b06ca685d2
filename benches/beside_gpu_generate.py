"""Generation on the GPU beside transformers: the same card, one after the other, in one sitting.

    python benches/beside_gpu_generate.py HONE [--batches 1,8,64] [--prompt 256] [--new 128] [--cache dynamic,static] [--rounds 3]

Both generate greedily after random prompts in the shape of Qwen2.5-1.5B with random weights (speed and memory do not depend on them):
`hone` by `bench generate`, from NF4 with a head in bf16; transformers' `generate` in bf16, with its dynamic cache and with the static one that it
compiles. Of transformers a second is all of `generate`, prompt included; of `hone` decoding alone and both together are told. `hone` is measured
before transformers and after. Needs torch and transformers, and a card that nothing else uses.
"""

import argparse
import json
import subprocess
import sys
import time

SHAPE = dict(hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12, num_key_value_heads=2)
VOCAB = 151936


def hone(program, batch, arguments):
    """What `hone bench generate` says, and what prompt and answers take together."""
    command = [program, "bench", "generate", "--device", "cuda", "--random-weights", "qwen2.5-1.5b", "--json", "--batch", str(batch),
               "--prompt", str(arguments.prompt), "--new", str(arguments.new), "--rounds", str(arguments.rounds)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"who": "hone", "batch": batch, "error": done.stderr[-500:]}
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    seconds = batch * arguments.prompt / figures["prompt_tokens_per_second"] + batch * (arguments.new - 1) / figures["decode_tokens_per_second"]
    return {"who": "hone", "whole_tokens_per_s": round(batch * arguments.new / seconds, 1), **figures}


def transformers(arguments):
    """A line of JSON a batch and cache: tokens a second over all of `generate`, median of the rounds after two that warm up."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(vocab_size=VOCAB, max_position_embeddings=32768, rope_theta=1e6, tie_word_embeddings=True, rms_norm_eps=1e-6,
                         bos_token_id=0, eos_token_id=1, pad_token_id=2, **SHAPE)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = Qwen2ForCausalLM(config).eval()
    for cache in arguments.cache.split(","):
        for batch in map(int, arguments.batches.split(",")):
            ids = torch.randint(10, VOCAB, (batch, arguments.prompt), device="cuda")
            settings = dict(max_new_tokens=arguments.new, min_new_tokens=arguments.new, do_sample=False, pad_token_id=2)
            if cache == "static":
                settings["cache_implementation"] = "static"
            torch.cuda.reset_peak_memory_stats()
            found = {"who": "transformers", "cache": cache, "batch": batch}
            try:
                times = []
                for round in range(2 + arguments.rounds):
                    torch.cuda.synchronize()
                    begun = time.time()
                    model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
                    torch.cuda.synchronize()
                    times.append(time.time() - begun)
                middle = sorted(times[2:])[arguments.rounds // 2]
                found |= {"whole_tokens_per_s": round_to(batch * arguments.new / middle), "first_s": round_to(times[0]),
                          "allocator_mib": torch.cuda.max_memory_allocated() >> 20}
            except Exception as error:  # Said, and the next is tried.
                found["error"] = repr(error)[:300]
            print(json.dumps(found), flush=True)


def round_to(value):
    return round(value, 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hone")
    parser.add_argument("--batches", default="1,8,64")
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--new", type=int, default=128)
    parser.add_argument("--cache", default="dynamic,static")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", action="store_true", help="transformers alone, in this process")
    arguments = parser.parse_args()
    if arguments.peer:
        return transformers(arguments)
    batches = [int(batch) for batch in arguments.batches.split(",")]
    ours = lambda: [print(json.dumps(hone(arguments.hone, batch, arguments)), flush=True) for batch in batches]
    ours()
    # In a process of its own, so that its memory is gone when `hone` comes again.
    subprocess.run([sys.executable, __file__, *sys.argv[1:], "--peer"])
    ours()


if __name__ == "__main__":
    main()
