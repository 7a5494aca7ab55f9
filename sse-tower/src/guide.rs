//! The guide, chapter by chapter. The [crate page](crate) has the first program and its test; each type's
//! page has its own promises and bounds.
//!
//! | to know | read |
//! |---|---|
//! | how an event gets to a browser, and what is promised on the way | [`delivery`] |
//! | how much of everything, and where that is set | [`limits`] |
//! | how a server with open streams ends | [`shutdown`] |
//! | what nginx and others do to streams; HTTP/2; six connections | [`proxies`] |
//! | what more than one process means | [`nodes`] |
//! | events for every process, and listeners that survive one | [`durable`] |
//! | values from files and the environment | [`configuration`] |
//! | what is said against event buses, and what this one does about it | [`bus`] |
//! | what a name in Spring is called here, and what differs | [`spring`] |

use crate::*;

#[doc = include_str!("../docs/delivery.md")]
pub mod delivery {}

#[doc = include_str!("../docs/limits.md")]
pub mod limits {}

#[doc = include_str!("../docs/shutdown.md")]
pub mod shutdown {}

#[doc = include_str!("../docs/proxies.md")]
pub mod proxies {}

#[doc = include_str!("../docs/nodes.md")]
pub mod nodes {}

#[doc = include_str!("../docs/durable.md")]
pub mod durable {}

#[doc = include_str!("../docs/configuration.md")]
pub mod configuration {}

#[doc = include_str!("../docs/bus.md")]
pub mod bus {}

#[doc = include_str!("../docs/spring.md")]
pub mod spring {}
