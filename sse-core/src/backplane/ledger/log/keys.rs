//! The keys of the log's rows. The tables of the queue have lower bytes.

use crate::backplane::{NodeId, Position, Topic, ledger::codec::Writer};

pub(super) use crate::backplane::ledger::keys::{end, last_number, number_before};

const META: u8 = 32;
const TOPIC: u8 = 33;
const RECORD: u8 = 34;
const LOOK: u8 = 35;
const ONCE: u8 = 36;
const LEFT: u8 = 37;
const BATCH: u8 = 38;
const ORDER: u8 = 39;

type Key = Vec<u8>;

fn table(table: u8) -> Writer {
    Writer::default().u8(table)
}

pub(super) fn meta() -> Key {
    table(META).0
}

pub(super) fn topic(topic: &Topic) -> Key {
    table(TOPIC).bytes(topic.as_str().as_bytes()).0
}

pub(super) fn records(number: u64) -> Key {
    table(RECORD).u64(number).0
}

pub(super) fn record(number: u64, position: Position) -> Key {
    table(RECORD).u64(number).position(position).0
}

pub(super) fn looks() -> Key {
    table(LOOK).0
}

pub(super) fn look(time: u64, number: u64) -> Key {
    table(LOOK).u64(time).u64(number).0
}

pub(super) fn once_of(number: u64) -> Key {
    table(ONCE).u64(number).0
}

pub(super) fn once(number: u64, key: &str) -> Key {
    table(ONCE).u64(number).bytes(key.as_bytes()).0
}

pub(super) fn left_of(number: u64) -> Key {
    table(LEFT).u64(number).0
}

pub(super) fn left(number: u64, time: u64, position: Position) -> Key {
    table(LEFT).u64(number).u64(time).position(position).0
}

pub(super) fn batch(node: NodeId) -> Key {
    table(BATCH).u128(node.get()).0
}

pub(super) fn orders() -> Key {
    table(ORDER).0
}

pub(super) fn order(stored: u64) -> Key {
    table(ORDER).u64(stored).0
}
