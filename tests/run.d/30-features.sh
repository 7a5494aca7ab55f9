#!/usr/bin/env bash
# Each feature of each crate alone, and none at all, builds without a warning.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_component clippy clippy

# The names in the [features] table of a manifest.
features_of() {
    awk '/^\[/ { inside = ($0 == "[features]") } inside && /^[a-z0-9_-]+ *=/ { print $1 }' "$1"
}

declare -a failed=()
for folder in sse-core sse-tower sse-macros; do
    package=$(awk -F'"' '/^name *=/ { print $2; exit }' "$folder/Cargo.toml")
    for feature in '' $(features_of "$folder/Cargo.toml"); do
        echo "--- $package: ${feature:-no feature}"
        if ! cargo clippy --quiet --package "$package" --no-default-features --features "$feature" -- -D warnings; then
            failed+=("$package: ${feature:-no feature}")
        fi
    done
done
if ((${#failed[@]})); then
    printf 'does not build: %s\n' "${failed[@]}" >&2
    exit 1
fi
