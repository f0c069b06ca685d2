#!/usr/bin/env bash
# Drafts from a real llama.cpp server: starts one on a free loopback port, runs the ignored test
# `real_server` against it, and stops it.
#
# usage: tests/llama_server.sh MODEL.gguf
#   HONE_LLAMA_PYTHON          python that has llama-cpp-python[server] (default: python3)
#   HONE_LLAMA_ARGS            more arguments for the server
#   HONE_TEST_EXPECT_DRAFTS=1  fail where a passage gives no draft (for models that can)
# Skips, with exit status 0 and a message, where the model, python or llama_cpp is not there.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { echo "skipped: $*"; exit 0; }

python=${HONE_LLAMA_PYTHON:-python3}
model=${1:-}
[ -n "$model" ] || skip "no model given (usage: tests/llama_server.sh MODEL.gguf)"
[ -f "$model" ] || skip "no model at $model"
command -v "$python" >/dev/null || skip "no $python"
"$python" -c 'import importlib.util, sys
sys.exit(any(importlib.util.find_spec(name) is None for name in ("llama_cpp", "uvicorn", "fastapi")))' \
  || skip "$python has no llama_cpp with its server"

# Built before the server runs, so that the two do not compete for the processor.
cargo test --test it --no-run

port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
log=$(mktemp)
# shellcheck disable=SC2086 # HONE_LLAMA_ARGS is a list of words
"$python" -m llama_cpp.server --model "$model" --host 127.0.0.1 --port "$port" --n_ctx 4096 \
  ${HONE_LLAMA_ARGS:-} >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -f "$log"' EXIT

up() {
  "$python" - "$port" <<'PY' 2>/dev/null
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
opener.open(f"http://127.0.0.1:{sys.argv[1]}/v1/models", timeout=2).read()
PY
}
for _ in $(seq 1 120); do
  up && break
  kill -0 "$server" 2>/dev/null || { tail -n 20 "$log"; echo "the server ended at once" >&2; exit 1; }
  sleep 0.5
done
up || { tail -n 20 "$log"; echo "the server did not come up in a minute" >&2; exit 1; }

HONE_TEST_ENDPOINT="http://127.0.0.1:$port/v1" HONE_TEST_MODEL="$(basename "$model" .gguf)" \
  cargo test --test it -- --ignored --nocapture real_server
