//! What a publication does, and what it says of it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod ends;
mod events;
mod failing;
mod order;
mod returned;

use std::sync::{Arc, Mutex};

use sse_tower_core::ApplicationEvent;

#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<&'static str>>>);

impl Journal {
    fn write(&self, line: &'static str) {
        self.0.lock().unwrap().push(line);
    }
    fn lines(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

struct Paid(u64);

impl ApplicationEvent for Paid {}

struct Shipped;

impl ApplicationEvent for Shipped {}

struct Billed;

impl ApplicationEvent for Billed {}

#[derive(Debug, thiserror::Error)]
#[error("card {0} is expired")]
struct CardExpired(u64);
