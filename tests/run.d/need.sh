#!/usr/bin/env bash
# Sourced by the steps: `need COMMAND PACKAGE...` makes sure that COMMAND is there.

TMPDIR=${TMPDIR:-/tmp}

# May this user install packages, and how?
as_root=none
if [[ $(id -u) == 0 ]]; then
    as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root='sudo -n'
fi

need() {
    local command=$1
    shift
    command -v "$command" >/dev/null && return
    install_packages "\`$command\` is missing" "$@"
    command -v "$command" >/dev/null
}

# install_packages WHY PACKAGE...
install_packages() {
    local why=$1
    shift
    if [[ $as_root == none ]] || ! command -v apt-get >/dev/null; then
        echo "$why. Install it, on Debian with: apt-get install $*" >&2
        return 1
    fi
    echo "$why: installing $*"
    local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
    # Once in a run; the lists of a fresh machine are empty or old.
    if [[ ! -e $TMPDIR/lists-are-new ]]; then
        $as_root "${apt[@]}" update
        touch "$TMPDIR/lists-are-new"
    fi
    # Programs, not services: nothing starts to listen because it was installed.
    local policy=/usr/sbin/policy-rc.d made= code=0
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod +x "$policy"
        made=yes
    fi
    $as_root "${apt[@]}" install --yes --no-install-recommends "$@" || code=$?
    if [[ -n $made ]]; then
        $as_root rm -f "$policy"
    fi
    return "$code"
}

need_rust() {
    if ! command -v cargo >/dev/null; then
        echo "\`cargo\` is missing. Install Rust with rustup: https://rustup.rs" >&2
        return 1
    fi
    # Crates with C parts, and every link, need a C compiler.
    need cc gcc libc6-dev
}

# need_component COMMAND COMPONENT: a part of the toolchain.
need_component() {
    need_rust
    cargo "$1" --version >/dev/null 2>&1 && return
    if command -v rustup >/dev/null && rustup component add "$2"; then
        return
    fi
    echo "\`cargo $1\` is missing. Install it with: rustup component add $2" >&2
    return 1
}

# need_program CRATE VERSION: a program from crates.io, built once, in the target folder. Its folder
# of programs comes first in PATH afterwards.
need_program() {
    local root=${CARGO_TARGET_DIR:-target}/tools/$1-$2
    if [[ ! -x $root/bin/$1 ]]; then
        need_rust
        echo "\`$1\` $2 is missing in ${root%/*}: building it"
        mkdir -p "$root"
        # Not optimised: it runs for seconds and would take minutes to build.
        CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --locked --debug --root "$root" \
            --target-dir "$root/build" "$1@$2" || return
        rm -rf -- "$root/build"
    fi
    PATH=$(cd "$root/bin" && pwd):$PATH
}

# In front of a stream, with its buffering on. As a program, not as a service.
need_nginx() {
    export PATH=$PATH:/usr/sbin
    need nginx nginx-light
}

# Stores for the engines that are exercised; each test starts one of its own.
need_stores() {
    local engines=,${SSE_TEST_ENGINES-memory,redb,redis,postgres,nats}, engine
    engines=${engines// /}
    for engine in ${engines//,/ }; do
        if [[ ,memory,redb,redis,postgres,nats, != *,$engine,* ]]; then
            echo "SSE_TEST_ENGINES: there is no engine \`$engine\`" >&2
            return 1
        fi
    done
    export PATH=$PATH:/usr/sbin
    echo "engines that are exercised:${engines//,/ }"
    if [[ $engines == *,redis,* ]]; then
        need redis-server redis-server
    fi
    if [[ $engines == *,nats,* ]]; then
        need nats-server nats-server
    fi
    # Debian keeps the server's programs out of the PATH.
    if [[ $engines == *,postgres,* ]] && ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
        need postgres postgresql
    fi
}
