#!/usr/bin/env bash
# Each feature of each crate alone, and none at all, build without a warning; and the crate's README says what
# each adds. `ALL_BUT_EACH=1 tests/run features` also builds all but each, for twice as long.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_component clippy clippy

# The names in the [features] table of a manifest.
features_of() {
    awk '/^\[/ { inside = ($0 == "[features]") } inside && /^[a-z0-9_-]+ *=/ { print $1 }' "$1"
}

declare -a failed=()
for folder in sse-core sse-tower sse-macros sse-backplane; do
    package=$(awk -F'"' '/^name *=/ { print $2; exit }' "$folder/Cargo.toml")
    declare -a sets=('')
    all=$(features_of "$folder/Cargo.toml")
    for feature in $all; do
        sets+=("$feature")
        if [[ $feature == default ]]; then
            continue
        fi
        if [[ ${ALL_BUT_EACH:-} == 1 ]]; then
            # A feature that another one needs comes back with it, which does no harm.
            sets+=("$(grep -vxF -e "$feature" -e default <<<"$all" | paste -sd, || true)")
        fi
        if ! grep -q "^| \`$feature\` |" "$folder/README.md"; then
            failed+=("$folder/README.md: nothing about the feature \`$feature\`")
        fi
    done
    for features in "${sets[@]}"; do
        echo "--- $package: ${features:-no feature}"
        if ! cargo clippy --quiet --package "$package" --no-default-features --features "$features" -- -D warnings; then
            failed+=("$package does not build: ${features:-no feature}")
        fi
    done
done
if ((${#failed[@]})); then
    printf '%s\n' "${failed[@]}" >&2
    exit 1
fi
