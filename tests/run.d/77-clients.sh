#!/usr/bin/env bash
# Clients of npm, PyPI and crates.io that other people wrote: each gets all, and nothing else.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust
need node nodejs
need npm npm
need python3 python3

# Installed once, in exactly the versions of the lock files, and again when those change.
packages=${CARGO_TARGET_DIR:-target}/clients
mkdir -p "$packages"
packages=$(cd "$packages" && pwd)
locks=$(cat tests/clients/package-lock.json tests/clients/requirements.txt | sha256sum)
if [[ $(cat "$packages/installed" 2>/dev/null) != "$locks" ]]; then
    rm -rf -- "$packages"
    mkdir -p "$packages/node"
    cp tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc "$packages/node"
    npm ci --prefix "$packages/node" --ignore-scripts
    python3 -m venv "$packages/python" || {
        install_packages "\`python3 -m venv\` is missing" python3-venv
        python3 -m venv "$packages/python"
    }
    "$packages/python/bin/python" -m pip install --quiet --disable-pip-version-check \
        --require-hashes --only-binary :all: --requirement tests/clients/requirements.txt
    echo "$locks" >"$packages/installed"
fi
cargo test --workspace --all-features --test clients
