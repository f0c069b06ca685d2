"""Measures import, undo, redo and export of many pairs, with memory at its highest.

    python benches/pairs_scale.py --hone target/release/hone [--rows 500000] [--formats canonical,csv,parquet]

The rows are made here: three of five a question and an answer with their source, one with a call of a tool
and its result, one of several turns; no two alike but one in a hundred, which repeats an earlier one.
"""

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILLER = (
    "구조물의 하중은 고정하중과 활하중으로 나누며, 각 하중에 하중계수를 곱하여 조합한다. 적설하중은 지역과 지붕의 "
    "경사에 따라 다르고, 풍하중은 기본풍속과 노풍도에 따라 다르다. The design value follows from the table of the chapter. "
)
TOOL = {"type": "function", "function": {"name": "snow_load", "description": "지역의 적설하중을 찾는다",
        "parameters": {"type": "object", "properties": {"region": {"type": "string"}, "slope": {"type": "number"}},
                       "required": ["region"]}}}


def row(n):
    say = lambda role, content, **more: {"role": role, "content": content, **more}  # noqa: E731
    answer = f"{n % 977} mm이다. {FILLER[n % 60:n % 60 + 120 + n % 90]}"
    if n % 5 == 3:
        call = {"id": "call_1", "type": "function", "function": {"name": "snow_load", "arguments": {"region": f"지역 {n}", "slope": n % 60}}}
        return {"messages": [say("user", f"지역 {n}의 적설하중은 얼마인가?"), say("assistant", "", tool_calls=[call]),
                             say("tool", str(n % 10), tool_call_id="call_1", name="snow_load"),
                             say("assistant", f"{n % 10} kN/m²이다.")], "tools": [TOOL]}
    if n % 5 == 4:
        return {"messages": [say("system", "짧게 답하라."), say("user", f"{n}번 기둥은?"), say("assistant", answer),
                             say("user", "왜 그런가?"), say("assistant", FILLER)]}
    return {"messages": [say("user", f"{n}번 부재의 최소 피복두께는 얼마인가? {FILLER[:60]}"), say("assistant", answer)],
            "meta": {"document": f"기준 {n % 40}.pdf", "page": n % 300 + 1, "author": "모델"}}


def make(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for n in range(rows):
            file.write(json.dumps(row(n - 50 if n % 100 == 99 else n), ensure_ascii=False) + "\n")


def measure(hone, *arguments):
    """Runs hone and gives what it printed, seconds, processor seconds and MiB at the highest."""
    started = time.monotonic()
    process = subprocess.Popen([hone, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"hone {arguments}: {out}{err}")
    return out, time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hone", default=str(ROOT / "target/release/hone"))
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--formats", default="canonical,csv,parquet,llama-factory")
    parser.add_argument("--folder", help="where to work; a temporary folder when left out")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as work:
        work, rows = Path(work), arguments.rows
        source = work / "rows.jsonl"
        make(source, rows)
        print(f"{rows} rows, {source.stat().st_size / 1e6:.0f} MB; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        print(f"{'':<28} {'rows/s':>8} {'s':>7} {'cpu s':>7} {'MiB':>6}")

        def line(name, measured):
            out, seconds, cpu, memory = measured
            print(f"{name:<28} {rows / seconds:>8.0f} {seconds:>7.1f} {cpu:>7.1f} {memory:>6.0f}", flush=True)
            return out

        project = work / "p"
        measure(arguments.hone, "new", project)
        hone = lambda *more: measure(arguments.hone, "-p", project, "pairs", *more)  # noqa: E731
        told = json.loads(line("import jsonl", hone("import", source, "--accept", "--json")))
        assert told["added"] + told["repeated"] == rows and told["faults"] == 0, told
        line("import the same again", hone("import", source, "--json"))
        line("undo", hone("undo"))
        line("redo", hone("redo"))
        size = (project / "store.sqlite").stat().st_size / 1e6
        print(f"store.sqlite {size:.0f} MB")
        for form in arguments.formats.split(","):
            folder = work / form
            line(f"export {form}", hone("export", f"{folder}/", "--format", form))
            [file] = folder.glob("train.*")
            other = work / f"q-{form}"
            measure(arguments.hone, "new", other)
            again = measure(arguments.hone, "-p", other, "pairs", "import", file, "--accept", "--json")
            found = json.loads(line(f"import {form} again", again))
            assert found["added"] == told["added"], (form, found["added"], told["added"], found["problems"][:3])
            subprocess.run(["rm", "-rf", str(other), str(folder)], check=True)


main()
