#!/usr/bin/env python3
"""Reads every PDF file below some folders with each engine, and counts how that ended.

    pip download --no-binary :all: --no-deps pypdf pdfminer.six && npm pack pdf-parse pdf-merger-js ...   # and unpack
    cargo build --release
    python benches/document_robust.py FOLDER ... [--hone target/release/hone] [--engines hayro,pdf-extract] [--seconds 60]

  ok       exit status 0, every page read
  partly   exit status 0, a page is marked as failed
  error    exit status 1 with a message: locked, damaged, not a PDF file
  crash    any other exit status, or no JSON where JSON was due
  timeout  not done in time

Prints each file that did not end with ok or error, and exits with 1 if one crashed or timed out.
"""
import argparse
import collections
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def outcome(hone, engine, file, seconds):
    arguments = [hone, "document", "text", str(file), "--engine", engine, "--json"]
    try:
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return "timeout", ""
    message = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if done.returncode == 1 and message:
        return "error", next((line for line in message if line.startswith("error")), message[-1])
    try:
        pages = json.loads(done.stdout)["pages"]
    except (ValueError, KeyError):
        return "crash", f"exit status {done.returncode}: {message[-1:]}"
    if done.returncode:
        return "crash", f"exit status {done.returncode}"
    failed = [page["number"] for page in pages if "failed" in page["flags"]]
    return ("partly", f"{len(failed)} of {len(pages)} pages failed") if failed else ("ok", "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--hone", default="target/release/hone")
    parser.add_argument("--engines", default="hayro,pdf-extract")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--errors", action="store_true", help="print files that ended with an error, too")
    options = parser.parse_args()
    files = sorted({file for folder in options.folders for file in folder.rglob("*") if file.suffix.lower() == ".pdf"})
    bad = False
    for engine in options.engines.split(","):
        with ThreadPoolExecutor(options.jobs) as pool:
            found = list(pool.map(lambda file: outcome(options.hone, engine, file, options.seconds), files))
        counts = collections.Counter(kind for kind, _ in found)
        for file, (kind, why) in zip(files, found):
            if kind not in ("ok", "error") or (options.errors and kind == "error"):
                print(f"  {kind:8}{file.name}: {why}")
        print(f"{engine}: {len(files)} files: " + ", ".join(f"{kind} {counts[kind]}" for kind in ("ok", "partly", "error", "crash", "timeout")))
        bad |= bool(counts["crash"] or counts["timeout"])
    sys.exit(bad)


if __name__ == "__main__":
    main()
