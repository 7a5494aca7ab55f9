#!/usr/bin/env bash
# The documentation of the four crates builds; no link in it is broken.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust
RUSTDOCFLAGS="-D warnings ${RUSTDOCFLAGS:-}" cargo doc --no-deps --all-features \
    --package sse-tower-core --package sse-tower-macros --package sse-tower-backplane --package sse-tower
