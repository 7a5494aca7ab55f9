#!/usr/bin/env bash
# Each direct dependency has its reason in CONTRIBUTING.md, and nothing else has.
set -euo pipefail
used=$(awk '/^\[/ { inside = ($0 == "[workspace.dependencies]") } inside && /^[a-z0-9_-]+ *=/ && !/path *=/ { print $1 }' Cargo.toml | sort)
explained=$(awk '/^## / { inside = ($0 == "## Dependencies") } inside && /^\| `/ { split($0, cell, "|"); gsub(/[`, ]+/, "\n", cell[2]); print cell[2] }' CONTRIBUTING.md | sed '/^$/d' | sort)
if ! diff <(echo "$used") <(echo "$explained"); then
    echo "< is used in Cargo.toml without a reason in CONTRIBUTING.md; > has a reason there and is not used" >&2
    exit 1
fi
