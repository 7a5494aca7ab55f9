#!/usr/bin/env bash
# Faults of real stores and of real nodes before them: killed, frozen, cut off, set back, restarted one after the other. Nothing
# that was stored is lost or doubled, and each is over within seconds.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust
need_stores
readonly BUILD_SECONDS=900 FAULT_SECONDS=420
declare -a tests=(--workspace --all-features --test faults --test several_nodes)
timeout --foreground "$BUILD_SECONDS" cargo test "${tests[@]}" --no-run
# Few at a time: each has its servers, and some measure how long something takes.
timeout --foreground "$FAULT_SECONDS" cargo test "${tests[@]}" --no-fail-fast -- --test-threads=3
