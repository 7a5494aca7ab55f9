//! What is measured.

mod build;
mod carried;
mod crowd;
mod duel;
mod fan_out;
mod hop;
mod instructions;
mod keyed;
mod moved;
mod nchan;
mod nodes;
mod silent;
mod snapshot;
mod stalled;
mod stores;
mod storm;

use std::io;

use crate::{args::Args, report::Outcome};

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Args) -> io::Result<Outcome>,
    /// What it measures.
    pub(crate) about: &'static str,
    /// Is it part of a run without `--only`?
    pub(crate) usual: bool,
}

const fn usual(
    name: &'static str,
    run: fn(&Args) -> io::Result<Outcome>,
    about: &'static str,
) -> Scenario {
    Scenario { name, run, about, usual: true }
}

pub(crate) const ALL: [Scenario; 17] = [
    usual("fan-out", fan_out::steady, "one event to 1,000 streams"),
    usual("burst", fan_out::burst, "50 events at once to 500 streams"),
    usual(
        "keyed",
        keyed::in_turn,
        "a payment, servers driven in turn; lean, and in a whole program",
    ),
    usual("alone", keyed::alone, "the same, each server alone and warm"),
    usual("instructions", instructions::run, "user-space instructions and allocations (valgrind)"),
    usual("crowd", crowd::run, "10,000 connections: idle memory, and a publish to them"),
    usual("stalled", stalled::run, "clients that stop reading"),
    usual("storm", storm::run, "2,000 clients come back, with what they missed"),
    usual("snapshot", snapshot::run, "10,000 clients come back to one key, and get its state"),
    usual("memory", nodes::in_memory, "fan-out through a backplane in memory"),
    usual("redis", nodes::on_redis, "fan-out across nodes over Redis, and nginx + nchan"),
    usual("hop", hop::run, "send on one node to byte on another's socket"),
    usual("moved", moved::run, "2,000 clients of 1,000 keys move to a fresh node"),
    usual("http2", carried::http2, "10,000 streams over 100 connections of HTTP/2"),
    usual("tls", carried::tls, "1,000 connections with TLS"),
    Scenario {
        name: "silent",
        run: silent::run,
        about: "2,000 clients that never read, and when they are gone",
        usual: false,
    },
    Scenario {
        name: "build",
        run: build::run,
        about: "crates and seconds of the README's program, in empty folders",
        usual: false,
    },
];

/// The size of an event's data where nothing else is said.
const DATA: usize = 100;
