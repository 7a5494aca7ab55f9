#!/usr/bin/env bash
# The four crates can be packaged, hold what they should and nothing else, and a program outside
# the repository works with the packages alone.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust

readonly crates=(sse-tower-core sse-tower-macros sse-tower-backplane sse-tower)
# Shared by the runs: what the program needs beside the packages is built once.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/package-check
CARGO_TARGET_DIR=$(mkdir -p "$CARGO_TARGET_DIR" && cd "$CARGO_TARGET_DIR" && pwd)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

declare -a named=()
for crate in "${crates[@]}"; do
    named+=(--package "$crate")
done
rm -rf -- "$CARGO_TARGET_DIR/package"
# Dirty is what a change is before it is committed. The program below builds what is packaged;
# cargo's own build would take a package of the last run, of the same version, for this one's.
cargo package --quiet --no-verify --allow-dirty "${named[@]}"

cp -R tests/package/. "$work"
cp Cargo.lock "$work"
declare -a failed=()
for crate in "${crates[@]}"; do
    folder=$work/packages/$crate
    mkdir -p "$folder"
    tar -xzf "$CARGO_TARGET_DIR/package/$crate"-[0-9]*.crate --strip-components=1 -C "$folder"
    for file in README.md LICENSE-APACHE LICENSE-MIT; do
        # A link would be one to nowhere.
        if [[ ! -s $folder/$file || -L $folder/$file ]]; then
            failed+=("$crate: no $file")
        fi
    done
    others=$(cd "$folder" && find . -type f | sed 's,^\./,,' | grep -vE \
        '^(Cargo\.toml|Cargo\.toml\.orig|Cargo\.lock|\.cargo_vcs_info\.json|README\.md|LICENSE-(MIT|APACHE)|build\.rs|(src|expansions)/.*\.rs|src/.*\.(sql|lua)|docs/.*\.md)$' || true)
    if [[ -n $others ]]; then
        failed+=("$crate: ships what nobody needs: ${others//$'\n'/ }")
    fi
done
if ((${#failed[@]})); then
    printf '%s\n' "${failed[@]}" >&2
    exit 1
fi

cargo run --quiet --manifest-path "$work/Cargo.toml"
