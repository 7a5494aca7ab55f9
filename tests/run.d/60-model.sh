#!/usr/bin/env bash
# Every interleaving of the small concurrent parts, by a model checker.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust
# Another configuration of the same crates: in its own folder, so that it throws away no other build.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/model
export RUSTFLAGS="--cfg sse_loom ${RUSTFLAGS:-}"
# Built for seconds of running: what a release gains by more costs minutes here.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
# More preemptions than these find no more in practice and take hours.
export LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-3}
# One at a time: models share the process's clock, and each must run the same every time.
cargo test --release --package sse-tower-core --all-features --lib model -- --test-threads=1
