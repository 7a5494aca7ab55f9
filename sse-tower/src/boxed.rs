//! `BoxFuture`: a future without its type.

use std::{future::Future, pin::Pin};

/// A future without its type.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
