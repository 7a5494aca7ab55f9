//! The attributes, seen from outside: what compiles, what does not and in which words, and what it does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod behaviour;
mod components;
mod diagnostics;
mod durable;
mod endpoints;
mod linking;
