#!/usr/bin/env bash
# The code is formatted.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_component fmt rustfmt
cargo fmt --all --check
