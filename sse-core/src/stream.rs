//! The receiving half of a connection: what a body polls.

/// One connection, seen from the body; it is the body. Dropping it is the disconnect.
#[derive(Debug)]
pub struct EventStream {
    _private: (),
}
