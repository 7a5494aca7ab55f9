#!/usr/bin/env bash
# Any bytes into the encoder and the reader of `Last-Event-ID`, guided by coverage, for a bounded
# time. libFuzzer through the flags of stable Rust: no nightly, no further tool.
# `FUZZ_SECONDS=3600 tests/run fuzz` looks longer.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust
need c++ g++

seconds=${FUZZ_SECONDS:-20}
host=$(rustc -vV | sed -n 's/^host: //p')
# Other flags than anything else: in its own folder. With a target named, build scripts go without.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/fuzz
CARGO_TARGET_DIR=$(mkdir -p "$CARGO_TARGET_DIR" && cd "$CARGO_TARGET_DIR" && pwd)
export RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares ${RUSTFLAGS:-}"
CARGO_PROFILE_RELEASE_LTO=off cargo build --release --target "$host" --manifest-path tests/fuzz/Cargo.toml

for name in encoder last_event_id; do
    echo "fuzzing $name for $seconds s"
    # What is found that is new stays here between runs; the seeds are only read.
    corpus=$CARGO_TARGET_DIR/corpus/$name
    mkdir -p "$corpus"
    if ! "$CARGO_TARGET_DIR/$host/release/$name" -max_total_time="$seconds" -max_len=600 \
        -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$CARGO_TARGET_DIR/$name-" "$corpus" "tests/fuzz/seeds/$name" \
        >"$CARGO_TARGET_DIR/$name.log" 2>&1; then
        tail -n 40 "$CARGO_TARGET_DIR/$name.log" >&2
        exit 1
    fi
    grep -E '^(Done|stat::number_of_executed_units)' "$CARGO_TARGET_DIR/$name.log"
    grep -oE 'cov: [0-9]+' "$CARGO_TARGET_DIR/$name.log" | tail -n 1
done
