#!/usr/bin/env python3
"""Likelihoods of hone beside lm-evaluation-harness' on the same weights and items.

    pip install lm-eval==0.4.13 torch transformers bitsandbytes gguf
    python benches/lm_eval_agreement.py MODEL.gguf [--hone target/release/hone] [--items 60]

hone keeps a model's matrices in NF4 with double quantization. So that both see the same numbers, the harness is given
the model with the matrices of its blocks put into that form and back by bitsandbytes; hone is given the model as it
was and does so itself. The items are multiple choice, put as plain text: a custom local task for the
harness' hf backend in f32, a suite with `prompt = "plain"` for hone.
"""
import argparse, json, math, os, subprocess, sys, tempfile
from pathlib import Path


def folders(gguf, plain, decoded):
    import bitsandbytes.functional as bnb
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # What was read is plain numbers now; transformers would not save a model that came from a GGUF file.
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    for folder in (plain, decoded):
        tokenizer.save_pretrained(folder)
    model.save_pretrained(plain)
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear) and ".layers." in name:
                packed, state = bnb.quantize_4bit(module.weight.data, blocksize=64, quant_type="nf4",
                                                   compress_statistics=True)
                module.weight.data = bnb.dequantize_4bit(packed, state).to(torch.float32)
    model.save_pretrained(decoded)


def harness(folder, items, work):
    import lm_eval
    from lm_eval.tasks import TaskManager
    (work / "items.jsonl").write_text("".join(json.dumps(i, ensure_ascii=False) + "\n" for i in items), encoding="utf-8")
    (work / "task.yaml").write_text(f"""task: hone_choice
dataset_path: json
dataset_kwargs:
  data_files: {work / 'items.jsonl'}
test_split: train
output_type: multiple_choice
doc_to_text: question
doc_to_target: right
doc_to_choice: options
target_delimiter: ""
metric_list:
  - metric: acc
  - metric: acc_norm
""")
    found = lm_eval.simple_evaluate(
        model="hf", model_args=f"pretrained={folder},dtype=float32", tasks=["hone_choice"], device="cpu", batch_size=1,
        task_manager=TaskManager(include_path=str(work)), log_samples=True, bootstrap_iters=0)
    samples = sorted(found["samples"]["hone_choice"], key=lambda s: s["doc_id"])
    nats = [[-float(r[0]) for r in s["filtered_resps"]] for s in samples]
    results = found["results"]["hone_choice"]
    return nats, results["acc,none"], results["acc_norm,none"]


def ours(hone, folder, items, work):
    project = work / "project"
    subprocess.run([hone, "new", project], check=True, capture_output=True)
    suite = project / "eval" / "plain"
    suite.mkdir(parents=True)
    (suite / "suite.toml").write_text('version = 1\nname = "plain"\nkind = "choice"\nprompt = "plain"\nlanguages = ["ko", "en"]\n'
                                      'licence = "CC0-1.0"\n[title]\nko = "plain"\nen = "plain"\n')
    lines = [{"id": str(n), "question": i["question"], "expect": {"options": i["options"], "right": i["right"]}} for n, i in enumerate(items)]
    (suite / "cases.jsonl").write_text("".join(json.dumps(l, ensure_ascii=False) + "\n" for l in lines), encoding="utf-8")
    done = subprocess.run([hone, "-p", project, "eval", "run", "--base", "--model", folder, "--suite", "plain", "--json"],
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-800:])
    suite = json.loads(done.stdout)["suites"][0]
    return [item["base"]["nats"] for item in sorted(suite["items"], key=lambda i: int(i["id"]))], suite["metrics"][0]["base"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--hone", default="target/release/hone")
    parser.add_argument("--items", type=int, default=60)
    options = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    cases = [json.loads(l) for l in (root / "eval/forgetting/knowledge/cases.jsonl").open(encoding="utf-8")]
    step = max(1, len(cases) // options.items)
    items = [{"question": f"{c['question']}\n", "options": c["expect"]["options"], "right": c["expect"]["right"]}
             for c in cases[::step] if "options" in c["expect"]][: options.items]
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        plain, decoded = work / "plain", work / "decoded"
        folders(options.gguf.resolve(), plain, decoded)
        theirs, acc, acc_norm = harness(decoded, items, work)
        mine, right = ours(options.hone, plain, items, work)
    differences = [abs(a - b) for x, y in zip(theirs, mine) for a, b in zip(x, y)]
    relative = [abs(a - b) / max(a, 1e-9) for x, y in zip(theirs, mine) for a, b in zip(x, y)]
    best = lambda nats, items: [min(range(len(n)), key=lambda k: n[k]) for n in nats]
    by_bytes = lambda nats: [min(range(len(n)), key=lambda k: n[k] / len(i["options"][k].encode())) for n, i in zip(nats, items)]
    same = sum(a == b for a, b in zip(best(theirs, items), best(mine, items)))
    same_norm = sum(a == b for a, b in zip(by_bytes(theirs), by_bytes(mine)))
    n = len(items)
    accuracy = sum(b == i["right"] for b, i in zip(best(mine, items), items)) / n
    print(f"{n} items, {len(differences)} likelihoods: largest difference {max(differences):.4f} nats, median "
          f"{sorted(differences)[len(differences) // 2]:.5f}, largest relative {max(relative):.5f}")
    print(f"the likeliest option is the same in {same} of {n}, the likeliest by byte in {same_norm} of {n}")
    print(f"acc: harness {acc:.4f}, hone's likelihoods {accuracy:.4f}; by length: harness (characters) {acc_norm:.4f}, "
          f"hone (bytes) {right['successes'] / right['n']:.4f}")
    sys.exit(0 if max(relative) < 0.04 and same >= n - 1 else 1)


main()
