"""What rounding to bf16 does to a short run of PyTorch, as a measure beside `gpu_agreement.py`: the same rows and settings, f32 against bf16.

    python benches/torch_rounding.py HONE MODEL.gguf PAIRS.jsonl [--pairs 40] [--seed 7] [--rate 5e-4]

Both runs train a LoRA of PEFT (rank 16 on all seven linears, f32 parameters, AdamW) from the same start on the same rows in the same order, 4 a
step, the base taken from the GGUF file. One computes in f32, the other has its base in bf16 under `torch.autocast`, as QLoRA is run elsewhere.
Rows are those that `hone tokens --rows` shows; what follows the last `assistant` turn's header is trained. Distances as in `gpu_agreement.py`.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("hone")
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("pairs_file")
parser.add_argument("--pairs", type=int, default=40)
parser.add_argument("--seed", type=int, default=7)
parser.add_argument("--rate", type=float, default=5e-4)
options = parser.parse_args()
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
HEADER = "<|im_start|>assistant\n"

lines = pathlib.Path(options.pairs_file).read_text().splitlines()[: options.pairs]
with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder) / "pairs.jsonl"
    file.write_text("\n".join(lines) + "\n")
    command = [options.hone, "tokens", "--rows", str(file), "--model", str(options.model), "--json"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)
tokenizer = AutoTokenizer.from_pretrained(options.model.parent, gguf_file=options.model.name)
rows = []
for line in shown.stdout.splitlines():
    text = json.loads(line)
    asked = text.rindex(HEADER) + len(HEADER)
    head, tail = (tokenizer(part, add_special_tokens=False).input_ids for part in (text[:asked], text[asked:]))
    rows.append((head + tail, [-100] * len(head) + tail))
order = numpy.random.default_rng(options.seed).permutation(len(rows))
steps = [order[at : at + 4] for at in range(0, len(order), 4)]


def train(dtype):
    """Losses, gradients' norms and the trained B."""
    torch.manual_seed(options.seed)
    base = AutoModelForCausalLM.from_pretrained(options.model.parent, gguf_file=options.model.name, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_" not in name:
            parameter.data = parameter.data.to(dtype)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.rate, weight_decay=0.0)
    losses, norms = [], []
    for at, step in enumerate(steps):
        for group in optimizer.param_groups:
            group["lr"] = options.rate * (1 - at / len(steps))
        count = sum(1 for row in step for label in rows[row][1] if label >= 0)
        total = 0.0
        for row in step:
            ids, labels = (torch.tensor([values]) for values in rows[row])
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
                logits = model(input_ids=ids).logits
            loss = torch.nn.functional.cross_entropy(logits[0, :-1].float(), labels[0, 1:], ignore_index=-100, reduction="sum") / count
            loss.backward()
            total += loss.item()
        norms.append(torch.nn.utils.clip_grad_norm_(trained, 1.0).item())
        losses.append(total)
        optimizer.step()
        optimizer.zero_grad()
    return numpy.array(losses), numpy.array(norms), [p.detach().double() for name, p in model.named_parameters() if "lora_B" in name]


losses, norms, want = train(torch.float32)
half_losses, half_norms, got = train(torch.bfloat16)
apart = (sum(((g - w) ** 2).sum() for g, w in zip(got, want)) / sum((w**2).sum() for w in want)) ** 0.5
relative = lambda got, want: numpy.abs(got - want) / want
print(f"{options.model.name}: {len(steps)} steps, losses {losses[0]:.4f} to {losses[-1]:.4f} in f32; torch {torch.__version__}")
print(f"bf16: largest relative difference of a loss {relative(half_losses, losses).max():.5f}, of the first {relative(half_losses, losses)[0]:.6f}, "
      f"of a gradient's norm {relative(half_norms, norms).max():.4f}, B apart {apart:.4f}")
