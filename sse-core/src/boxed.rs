//! Boxed futures and boxed errors, by one name each, and tasks without their types.

use std::{error::Error, future::Future, pin::Pin};

use tokio::{runtime::Handle, task::JoinHandle};

/// Any future that can move between threads.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Something that can go wrong in the program.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Spawns what is not spawned often.
///
/// In a box: every type of future that is given to tokio has a copy of tokio's task of its own in the program, which takes
/// longer to build than most of what is spawned.
pub(crate) fn spawn(
    runtime: &Handle,
    task: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let task: BoxFuture<()> = Box::pin(task);
    runtime.spawn(task)
}
