//! What the tests that cross crates share: built programs, raw sockets, real browsers.
//!
//! Nothing here sleeps to be in step with something else: each wait names a condition and has a
//! deadline, and says what it saw last when the deadline passes.

mod browser;
mod connection;
mod group;
mod program;
mod proxy;
mod relay;
mod server;
mod site;
mod stream;
mod wait;

pub use browser::{Browser, Tab, in_browsers, in_chromium};
pub use connection::{Answer, Connection, request};
pub use program::{Exit, Program};
pub use proxy::{Place, Proxy};
pub use relay::Relay;
pub use server::Server;
pub use site::Site;
pub use stream::{EventText, Stream};
pub use wait::{DEADLINE, eventually, within};

/// What tests return, so that every step in them can end in `?`.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The program of the README compiles as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
