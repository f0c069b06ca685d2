"""Training by the program on the GPU beside the processor, on a real model: the same rows, seed and settings, losses and adapters compared.

    python benches/gpu_agreement.py HONE MODEL PAIRS.jsonl [--pairs 40] [--seed 7] [--epochs 1] [--extra "neftune_alpha = 5.0"]

Trains three times: on the processor in f32 (`HONE_CPU=avx512`, or `--f32 avx2`), on the processor as it would by itself (operands rounded to bf16
where it has AMX), and on the GPU. What rounding to bf16 does to a run on the processor is the measure of what it may do on the GPU. Distances are
norms of differences over the norm of the f32 run's; of adapters only B is compared, which starts at zero, and the last adapter is kept.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile

import numpy
from safetensors.numpy import load_file

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("hone")
parser.add_argument("model")
parser.add_argument("pairs_file")
parser.add_argument("--pairs", type=int, default=40)
parser.add_argument("--seed", type=int, default=7)
parser.add_argument("--epochs", type=float, default=1.0)
parser.add_argument("--f32", default="avx512")
parser.add_argument("--extra", default="")
options = parser.parse_args()


def hone(folder, *arguments, environment=None):
    command = [options.hone, "-p", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})})
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout[-500:]}{done.stderr[-1500:]}")


def train(root, name, device, environment):
    """Trains in a project of its own; gives events and adapter."""
    folder = root / name
    subprocess.run([options.hone, "new", str(folder)], check=True, capture_output=True)
    hone(folder, "pairs", "import", "--accept", str(root / "pairs.jsonl"))
    hone(folder, "train", "--model", options.model, "--recipe", str(root / "recipe.toml"), "--device", device, environment=environment)
    run = next((folder / "runs").iterdir())
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    return events, load_file(run / "adapter" / "adapter_model.safetensors")


def distance(got, want):
    apart = sum(float(((got[key].astype("f8") - want[key].astype("f8")) ** 2).sum()) for key in want if "lora_B" in key)
    return (apart / sum(float((want[key].astype("f8") ** 2).sum()) for key in want if "lora_B" in key)) ** 0.5


with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    lines = pathlib.Path(options.pairs_file).read_text().splitlines()[: options.pairs]
    (root / "pairs.jsonl").write_text("\n".join(lines) + "\n")
    (root / "recipe.toml").write_text(
        f'epochs = {options.epochs}\nbatch_rows = 4\nlearning_rate = 5e-4\nkeep = "last"\nseed = {options.seed}\n{options.extra}\n')
    runs = {
        "processor, f32": train(root, "f32", "cpu", {"HONE_CPU": options.f32}),
        "processor, as it is": train(root, "bf16", "cpu", {}),
        "GPU": train(root, "gpu", "cuda", {}),
    }
reference_events, reference = runs["processor, f32"]
steps = lambda events, key: numpy.array([event[key] for event in events if event["event"] == "step"])
losses, norms = steps(reference_events, "loss"), steps(reference_events, "gradient_norm")
print(f"{options.model}: {len(losses)} steps, losses {losses[0]:.4f} to {losses[-1]:.4f} in f32; {options.extra or 'nothing else set'}")
print("| run | largest relative difference of a loss | of the first | of a gradient's norm | B apart | seconds |\n|---|---|---|---|---|---|")
for name, (events, adapter) in runs.items():
    apart = numpy.abs(steps(events, "loss") - losses) / losses
    norm = numpy.abs(steps(events, "gradient_norm") - norms) / norms
    seconds = steps(events, "seconds")[-1]
    print(f"| {name} | {apart.max():.5f} | {apart[0]:.6f} | {norm.max():.4f} | {distance(adapter, reference):.4f} | {seconds:.1f} |")
