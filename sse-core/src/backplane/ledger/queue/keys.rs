//! The keys of the queue's rows. Each table is a byte, and names stand behind their length, so that none is the
//! prefix of another.

use crate::backplane::{EventKind, NodeId, Position, ledger::codec::Writer};

pub(super) use crate::backplane::ledger::keys::{end, last_number, number_before};

const META: u8 = 0;
const EVENT: u8 = 1;
const INDEX: u8 = 2;
const LISTENER: u8 = 3;
const HEARS: u8 = 4;
const HEARD: u8 = 5;
const LANE: u8 = 6;
const HELD: u8 = 7;
const DUE: u8 = 8;
const OWNED: u8 = 9;
const NODE: u8 = 10;
const LETTER: u8 = 11;

type Key = Vec<u8>;

fn table(table: u8) -> Writer {
    Writer::default().u8(table)
}

pub(super) fn meta() -> Key {
    table(META).0
}

pub(super) fn events() -> Key {
    table(EVENT).0
}

pub(super) fn event(position: Position) -> Key {
    table(EVENT).u64(position.get()).0
}

pub(super) fn kinds(name: &str) -> Key {
    table(INDEX).bytes(name.as_bytes()).0
}

pub(super) fn index(kind: &EventKind, position: Position) -> Key {
    table(INDEX).kind(kind).u64(position.get()).0
}

pub(super) fn listeners() -> Key {
    table(LISTENER).0
}

pub(super) fn listener(listener: &str) -> Key {
    table(LISTENER).bytes(listener.as_bytes()).0
}

pub(super) fn hears_of(listener: &str) -> Key {
    table(HEARS).bytes(listener.as_bytes()).0
}

pub(super) fn hears(listener: &str, name: &str) -> Key {
    table(HEARS).bytes(listener.as_bytes()).bytes(name.as_bytes()).0
}

pub(super) fn all_heard() -> Key {
    table(HEARD).0
}

pub(super) fn heard_by(name: &str) -> Key {
    table(HEARD).bytes(name.as_bytes()).0
}

pub(super) fn heard(name: &str, listener: &str) -> Key {
    table(HEARD).bytes(name.as_bytes()).bytes(listener.as_bytes()).0
}

pub(super) fn lanes_of(listener: &str) -> Key {
    table(LANE).bytes(listener.as_bytes()).0
}

pub(super) fn lane(listener: &str, kind: &EventKind) -> Key {
    table(LANE).bytes(listener.as_bytes()).kind(kind).0
}

pub(super) fn held_of(listener: &str) -> Key {
    table(HELD).bytes(listener.as_bytes()).0
}

pub(super) fn held(listener: &str, position: Position) -> Key {
    table(HELD).bytes(listener.as_bytes()).u64(position.get()).0
}

pub(super) fn due_of(listener: &str, kind: &EventKind) -> Key {
    table(DUE).bytes(listener.as_bytes()).kind(kind).0
}

pub(super) fn due(listener: &str, kind: &EventKind, due: u64, position: Position) -> Key {
    table(DUE).bytes(listener.as_bytes()).kind(kind).u64(due).u64(position.get()).0
}

pub(super) fn owned_by(node: NodeId) -> Key {
    table(OWNED).u128(node.get()).0
}

pub(super) fn owned(node: NodeId, listener: &str, position: Position) -> Key {
    table(OWNED).u128(node.get()).bytes(listener.as_bytes()).u64(position.get()).0
}

pub(super) fn nodes() -> Key {
    table(NODE).0
}

pub(super) fn node(node: NodeId) -> Key {
    table(NODE).u128(node.get()).0
}

pub(super) fn letters_of(listener: &str) -> Key {
    table(LETTER).bytes(listener.as_bytes()).0
}

pub(super) fn letter(listener: &str, id: u64) -> Key {
    table(LETTER).bytes(listener.as_bytes()).u64(id).0
}
