#!/usr/bin/env bash
# Reverse proxies of the system, each set up as the guide says: what its table promises.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust

# As programs, not as services.
export PATH=$PATH:/usr/sbin
need nginx nginx-light
need haproxy haproxy
need caddy caddy
need apache2 apache2
# It compiles its configuration.
need varnishd varnish gcc libc6-dev
need lighttpd lighttpd
# Each test measures: not more of them at a time than the machine can do beside each other.
cargo test --workspace --all-features --test proxies -- --test-threads=4
