#!/usr/bin/env bash
# The four crates build with the lowest versions of their dependencies that the manifests allow.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust

readonly folders=(sse-core sse-macros sse-backplane sse-tower)
target=${CARGO_TARGET_DIR:-target}/minimal
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(mkdir -p "$target" && cd "$target" && pwd)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# A copy of the crates, without what only their tests need: that asks for newer versions.
cp -R Cargo.lock "${folders[@]}" "$work"
sed 's/^members = .*/members = ["sse-*"]/' Cargo.toml >"$work/Cargo.toml"
for folder in "${folders[@]}"; do
    awk '/^\[/ { skip = /dev-dependencies\]$|^\[\[(test|bench)\]\]$/ } !skip' "$folder/Cargo.toml" >"$work/$folder/Cargo.toml"
done
cd "$work"

# Direct dependencies go down to the lowest; what they need in turn moves only where it must, so
# that no release of somebody else's changes what is checked here. On stable Rust the flag needs
# the variable; it touches the resolver alone.
direct=$(cargo tree --quiet --workspace --all-features --target all --edges normal,build --depth 1 --prefix none --no-dedupe |
    awk '$1 != "" && $1 !~ /^sse-tower/ { print $1 "@" substr($2, 2) }' | sort -u)
# shellcheck disable=SC2086
RUSTC_BOOTSTRAP=1 cargo update --quiet -Z direct-minimal-versions $direct
cargo tree --workspace --all-features --edges normal,build --depth 1 --prefix none --no-dedupe |
    awk '$1 != "" && $1 !~ /^sse-tower/ { print $1, $2 }' | sort -u | xargs -n 8 echo
cargo check --quiet --workspace --all-features
