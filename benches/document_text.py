#!/usr/bin/env python3
"""Text of PDF files by hone, pdftotext and PyMuPDF beside each other, against known text.

    pip install pymupdf rapidfuzz            # and pdftotext (poppler-utils)
    cargo build --release
    python benches/document_text.py FOLDER [--hone target/release/hone] [--tools hone,pdftotext,pymupdf]
                                    [--long FILE ...] [--rounds 3] [--out FOLDER]

FOLDER holds NAME.pdf and NAME.txt, its text: a line a paragraph or table row, cells separated by tabs. A password is
given to files named *pw-WORD-*. Before characters are compared, both texts are brought to NFC, ligatures are unfolded
and blanks taken out. Cells are CER / block / space in percent:

  CER    edit distance in document order over the truth's length: order, headers left in and lost text count
  block  each line or cell of the truth of at least 12 characters, matched anywhere: decoding alone
  space  blanks that differ between matched characters, per blank of the truth; a line break is a blank
  rows   table rows whose cells follow one another; in brackets those that are a line of their own

Files on which hone asks for OCR, or where tesseract is installed reads them by it (its flags), are left out of every tool's means: no text can be
had from them. Means cap CER at 100 % a file. --long measures CPU (user and system, the whole process tree, median of
--rounds) and peak memory of each process on further files.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
from pathlib import Path

from rapidfuzz.distance import Levenshtein

LIGATURES = {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st"}
PYMUPDF = """
import json, sys, pymupdf
file = pymupdf.open(sys.argv[1])
if file.needs_pass:
    file.authenticate(sys.argv[2])
sys.stdout.write("[")
for number, page in enumerate(file):
    sys.stdout.write("," * (number > 0) + json.dumps(page.get_text()))
sys.stdout.write("]")
"""


def command(tool, hone, file, password):
    if tool == "hone":
        return [hone, "document", "text", str(file), "--json"] + (["--password", password] if password else [])
    if tool == "pdftotext":
        return ["pdftotext"] + (["-upw", password] if password else []) + [str(file), "-"]
    return [sys.executable, "-c", PYMUPDF, str(file), password or ""]


def pages_of(tool, output):
    """Texts of the pages, and the flags that hone gave."""
    text = output.decode("utf-8", "replace")
    if tool == "hone":
        pages = json.loads(text)["pages"] if text.strip() else []
        return [page["text"] for page in pages], {flag for page in pages for flag in page["flags"]}
    if tool == "pymupdf":
        return json.loads(text) if text.endswith("]") else [], set()
    return text.split("\f")[:-1], set()


def descendants(root):
    """The process and all its children's children, by asking the system."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    parents.setdefault(int(stat.read().rsplit(")", 1)[1].split()[1]), []).append(int(entry))
            except OSError:
                pass
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += parents.get(pid, [])
    return found


def run(arguments, watch=False):
    """Output, seconds of CPU of the whole tree, and, if watched, peak MiB of the parent and of its largest child."""
    peaks, over = {}, threading.Event()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

        def look():
            while not over.is_set():
                for pid in descendants(process.pid):
                    try:
                        with open(f"/proc/{pid}/status") as status:
                            peak = re.search(r"VmHWM:\s+(\d+)", status.read())
                        if peak:
                            peaks[pid] = int(peak[1]) / 1024
                    except OSError:
                        pass
                time.sleep(0.02)

        watcher = threading.Thread(target=look)
        if watch:
            watcher.start()
        _, _, usage = os.wait4(process.pid, 0)
        over.set()
        if watch:
            watcher.join()
        output.seek(0)
        data = output.read()
    parent = peaks.pop(process.pid, 0.0)
    return data, usage.ru_utime + usage.ru_stime, parent, max(peaks.values(), default=0.0)


def level(text):
    text = unicodedata.normalize("NFC", text)
    return "".join(LIGATURES.get(character, character) for character in text)


def solid(text):
    return "".join(level(text).split())


def infix_distance(pattern, text):
    """Least edit distance of the pattern to any part of the text (Myers' bit vectors)."""
    masks = {}
    for place, character in enumerate(pattern):
        masks[character] = masks.get(character, 0) | 1 << place
    full, last = (1 << len(pattern)) - 1, 1 << len(pattern) - 1
    positive, negative, score = full, 0, len(pattern)
    best = score
    for character in text:
        equal = masks.get(character, 0)
        vertical = equal | negative
        horizontal = (((equal & positive) + positive) ^ positive) | equal
        up = negative | (full & ~(horizontal | positive))
        down = positive & horizontal
        score += bool(up & last) - bool(down & last)
        best = min(best, score)
        up = up << 1 & full
        positive = (down << 1 & full) | (full & ~(vertical | up))
        negative = up & vertical
    return best


def spaced(text):
    """Characters without blanks, and whether a blank follows each."""
    characters, after = [], []
    for character in level(text):
        if not character.isspace():
            characters.append(character)
            after.append(False)
        elif after:
            after[-1] = True
    return "".join(characters), after


def measure(text, truth):
    found, found_after = spaced(text)
    wanted, wanted_after = spaced(truth)
    cer = min(1.0, Levenshtein.distance(found, wanted) / len(wanted))
    cells = [solid(cell) for cell in re.split(r"[\t\n]", truth)]
    cells = [cell for cell in cells if len(cell) >= 12]
    block = sum(infix_distance(cell, found) for cell in cells) / sum(map(len, cells))
    wrong = 0
    for part in Levenshtein.opcodes(wanted, found):
        if part.tag == "equal":
            for i, j in zip(range(part.src_start, part.src_end), range(part.dest_start, part.dest_end)):
                last = i + 1 == len(wanted) or j + 1 == len(found)
                wrong += not last and wanted_after[i] != found_after[j]
    rows = [solid(line) for line in truth.splitlines() if "\t" in line]
    lines = {solid(line) for line in text.splitlines()}
    return {
        "cer": cer,
        "block": block,
        "space": min(1.0, wrong / sum(wanted_after)) if found else 1.0,
        "rows": sum(row in found for row in rows),
        "lines": sum(row in lines for row in rows),
        "of": len(rows),
    }


def password_of(name):
    found = re.search(r"-pw-([a-z]+)-", name)
    return found and found[1]


def table(tools, folder, hone, out):
    results, readable = {}, []
    files = sorted(file for file in folder.glob("*.pdf") if file.with_suffix(".txt").exists())
    print(f"{'file':32}" + "".join(f"{tool:>24}" for tool in tools))
    for file in files:
        truth = file.with_suffix(".txt").read_text()
        row, unreadable = [], False
        for tool in tools:
            data, *_ = run(command(tool, hone, file, password_of(file.stem)))
            pages, flags = pages_of(tool, data)
            text = "\n".join(pages)
            if out:
                (out / f"{file.stem}.{tool}.txt").write_text(text)
            unreadable |= tool == "hone" and ("needs-ocr" in flags or "ocr" in flags)
            result = results[file.stem, tool] = measure(text, truth)
            cell = f"{100 * result['cer']:.2f}/{100 * result['block']:.2f}/{100 * result['space']:.1f}"
            cell += f" {result['rows']}({result['lines']})" if result["of"] else ""
            row.append("needs-ocr" if "needs-ocr" in flags else "ocr " + cell if "ocr" in flags else cell)
        if not unreadable:
            readable.append(file.stem)
        print(f"{file.stem:32}" + "".join(f"{cell:>24}" for cell in row), flush=True)
    if not readable:
        return
    print(f"\nmeans of the {len(readable)} files with readable text")
    for tool in tools:
        of = [results[name, tool] for name in readable]
        mean = {key: 100 * statistics.mean(result[key] for result in of) for key in ("cer", "block", "space")}
        print(
            f"{tool:10} CER {mean['cer']:6.2f}  block {mean['block']:6.2f}  space {mean['space']:6.2f}"
            f"  CER <= 3 %: {sum(r['cer'] <= 0.03 for r in of)}/{len(of)}"
            f"  rows {sum(r['rows'] for r in of)} ({sum(r['lines'] for r in of)}) of {sum(r['of'] for r in of)}"
        )


def cost(tools, files, hone, rounds):
    print(f"\n{'CPU and memory':40}{'tool':>10}{'pages':>7}{'CPU s':>9}{'ms/page':>9}{'MiB parent':>12}{'worker':>8}")
    for file in files:
        for tool in tools:
            seconds, parents, workers = [], [], []
            for _ in range(rounds):
                # Looking on costs the watched nothing, but the machine; memory is taken in a run of its own.
                data, used, *_ = run(command(tool, hone, file, None))
                seconds.append(used)
            _, _, parent, worker = run(command(tool, hone, file, None), watch=True)
            parents.append(parent)
            workers.append(worker)
            pages = len(pages_of(tool, data)[0])
            median = statistics.median(seconds)
            print(
                f"{file.name:40}{tool:>10}{pages:>7}{median:9.2f}{1000 * median / max(pages, 1):9.2f}"
                f"{max(parents):12.1f}{max(workers):8.1f}",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--hone", default="target/release/hone")
    parser.add_argument("--tools", default="hone,pdftotext,pymupdf")
    parser.add_argument("--long", type=Path, nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder for the texts found")
    options = parser.parse_args()
    tools = options.tools.split(",")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    if options.folder:
        table(tools, options.folder, options.hone, options.out)
    cost(tools, options.long, options.hone, options.rounds)


if __name__ == "__main__":
    main()
