//! Boxed futures and boxed errors, by one name each.

use std::{error::Error, future::Future, pin::Pin};

/// Any future that can move between threads.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Something that can go wrong in the program.
pub type BoxError = Box<dyn Error + Send + Sync>;
