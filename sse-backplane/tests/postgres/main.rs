//! The engine on a real server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
mod log;
mod support;
