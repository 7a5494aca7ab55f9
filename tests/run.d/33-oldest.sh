#!/usr/bin/env bash
# The crates and the examples build with the oldest Rust that they claim to support.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust

oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml).0
if ! command -v rustup >/dev/null; then
    echo "NOT CHECKED: \`rustup\`, which has Rust $oldest, is missing: https://rustup.rs"
    exit 0
fi
if ! rustup run "$oldest" rustc --version 2>/dev/null &&
    ! rustup toolchain install "$oldest" --profile minimal --no-self-update; then
    echo "NOT CHECKED: rustup cannot install Rust $oldest here"
    exit 0
fi
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/oldest
rustup run "$oldest" cargo check --quiet --all-features \
    --package sse-tower-core --package sse-tower-macros --package sse-tower --package sse-tower-examples
