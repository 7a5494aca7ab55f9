#!/usr/bin/env bash
# Every test but those in browsers, behind proxies, with clients by others and of faults: unit tests, wire, macro diagnostics, documentation examples.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust
need curl curl ca-certificates
need_nginx
need_stores
cargo test --workspace --all-features --no-fail-fast -- --skip browsers:: --skip proxies:: --skip clients:: --skip real_faults:: --skip several_nodes:: --skip crashes::
# These wait for leases to end, most of the time: more at once than there are cores.
cargo test --workspace --all-features --test durable --no-fail-fast -- --test-threads=5 crashes::
# What publishing allocates is a promise of the build without metrics and spans, which allocate too.
cargo test --package sse-tower-core --test allocations
