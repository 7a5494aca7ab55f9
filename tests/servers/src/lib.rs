//! Real stores for tests: started in a temporary folder on a free port, and gone with their guard.
//!
//! A program is found by its variable (`SSE_TEST_REDIS_SERVER`; `SSE_TEST_POSTGRES` is the folder of several), else on
//! the PATH, else where Debian puts it. One that is missing fails the test, with the package's name.
//! `SSE_TEST_ENGINES=memory,redb` is the explicit way to do without the others.

#![deny(missing_docs)]

mod child;
mod nats;
mod postgres;
mod redis;
mod relay;

pub use child::{Child, Signal, find, free_port, wanted};
pub use nats::Nats;
pub use postgres::{Backup, Postgres};
pub use redis::Redis;
pub use relay::Relay;

/// Whatever went wrong while starting a store.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
