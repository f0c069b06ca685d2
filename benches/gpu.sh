#!/bin/sh
# Training on the GPU of this machine, whole: the engine's tests against the processor, then the step at the shapes of
# docs/benchmarks.md, each with all the memory there is and with little. Arguments: the program `hone`, and the test binary of the
# library (`cargo test --lib --no-run` names it) or nothing.
set -eu
hone=$1
if [ $# -gt 1 ]; then
    "$2" engine::cuda --test-threads=1 --nocapture
fi
"$hone" doctor
measure() {
    "$hone" bench train --device cuda --random-weights qwen2.5-1.5b --optimizer adamw8bit --json "$@"
}
measure --shape 1x512 --steps 20
measure --shape 1x1024 --steps 20
measure --shape 4x1024 --steps 10
measure --shape 8x2048 --steps 5
measure --shape 1x512 --steps 20 --device-memory 1500MiB
measure --shape 1x1024 --steps 20 --device-memory 1550MiB
measure --shape 4x1024 --steps 10 --micro-tokens 2048 --device-memory 1900MiB
measure --shape 8x2048 --steps 5 --micro-tokens 4096 --device-memory 3500MiB
measure --shape 4x1024 --steps 10 --device-memory 1900MiB
measure --shape 8x2048 --steps 5 --device-memory 3500MiB
measure --shape 8x2048 --steps 5 --device-memory 1800MiB
measure --shape 1x2048 --steps 10 --device-memory 4GiB
