#!/usr/bin/env bash
# Nothing to warn of, in any target.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_component clippy clippy
cargo clippy --workspace --all-targets --all-features -- -D warnings
