#!/usr/bin/env bash
# No circle of files, and no arrow against the floors of ARCHITECTURE.md, in any library crate.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust
cargo run --quiet --package sse-tower-arrows
