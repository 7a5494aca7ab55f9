//! Which events some durable listener hears, in whatever program that is.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use super::shared::Shared;
use crate::{backplane::EngineError, observe};

/// It is asked again after this time, and as soon as something changed.
const REFRESH: Duration = Duration::from_secs(10);

/// It is not asked more often than this: the bell rings for every event too.
const SOONEST: Duration = Duration::from_millis(500);

/// The names, as the store said last, and those of this program.
#[derive(Debug, Default)]
pub(super) struct Heard {
    own: HashSet<Arc<str>>,
    known: RwLock<HashSet<Arc<str>>>,
}

impl Heard {
    /// Of a program that hears these itself.
    pub(super) fn new(own: HashSet<Arc<str>>) -> Self {
        Self { own, known: RwLock::default() }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.own.contains(name)
            || self.known.read().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    fn set(&self, names: Vec<Arc<str>>) {
        let names = names.into_iter().collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = names;
    }
}

/// Asks the store once.
pub(super) async fn ask(shared: &Shared) -> Result<(), EngineError> {
    if let Some(queue) = shared.engine().queue() {
        shared.heard().set(queue.heard().await?);
    }
    Ok(())
}

/// Asks the store again and again.
pub(super) async fn keep_asking(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SOONEST).await;
        // Whether it rang or is simply time is all the same.
        let _ = tokio::time::timeout(REFRESH - SOONEST, shared.heard_bell().rung()).await;
        if let Err(error) = ask(&shared).await {
            observe::backplane_trouble("heard", &error);
        }
    }
}
