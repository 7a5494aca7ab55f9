#!/usr/bin/env bash
# Every test but those in browsers, behind proxies and with clients by others: unit tests, wire, macro diagnostics, documentation examples.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust
need curl curl ca-certificates
# In front of a stream, with its buffering on. As a program, not as a service.
export PATH=$PATH:/usr/sbin
need nginx nginx-light
# Stores for the engines; each test starts one of its own.
need redis-server redis-server
need nats-server nats-server
# Debian keeps the server's programs out of the PATH.
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || need postgres postgresql
cargo test --workspace --all-features --no-fail-fast -- --skip browsers:: --skip proxies:: --skip clients::
# What publishing allocates is a promise of the build without metrics and spans, which allocate too.
cargo test --package sse-tower-core --test allocations
