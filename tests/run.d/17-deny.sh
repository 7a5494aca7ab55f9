#!/usr/bin/env bash
# Licences, sources, duplicates and, where the database can be had, known faults of the dependencies.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_program cargo-deny 0.20.2

declare -a checks=(licenses sources)
if message=$(timeout 120 cargo deny fetch db 2>&1); then
    checks+=(advisories)
else
    echo "NOT CHECKED: advisories. Their database cannot be fetched here:"
    tail -n 1 <<<"$message"
fi
# What a user of the four crates compiles.
cargo deny --workspace --exclude-dev --exclude-unpublished check bans "${checks[@]}"
# What tests and examples add; there a crate may come in two versions.
cargo deny --workspace check "${checks[@]}"
