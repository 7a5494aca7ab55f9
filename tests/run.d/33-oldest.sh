#!/usr/bin/env bash
# The crates and the examples build with the oldest Rust that they claim to support. Three features
# need what is newer, and say so in their README: `redb` 1.90, `nats` 1.89, `sqlx` 1.94.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust

oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml).0
if ! command -v rustup >/dev/null; then
    echo "NOT CHECKED: \`rustup\`, which has Rust $oldest, is missing: https://rustup.rs"
    exit 0
fi
if ! rustup run "$oldest" rustc --version 2>/dev/null &&
    ! rustup toolchain install "$oldest" --profile minimal --no-self-update; then
    echo "NOT CHECKED: rustup cannot install Rust $oldest here"
    exit 0
fi
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/oldest
declare -a packages=() features=()
for folder in sse-core sse-macros sse-backplane sse-tower examples; do
    package=$(awk -F'"' '/^name *=/ { print $2; exit }' "$folder/Cargo.toml")
    packages+=(--package "$package")
    # One by one, since some of those of the examples are on by default.
    for feature in $(awk '/^\[/ { inside = ($0 == "[features]") } inside && /^[a-z0-9_-]+ *=/ { print $1 }' "$folder/Cargo.toml" |
        grep -vxE 'default|redb|nats|sqlx'); do
        features+=("$package/$feature")
    done
done
rustup run "$oldest" cargo check --quiet --no-default-features "${packages[@]}" --features "$(IFS=, && echo "${features[*]}")"
