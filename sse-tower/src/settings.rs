//! `LayerSettings`: what every service of one layer goes by.

use std::{fmt, sync::Arc, time::Duration};

use http::Request;
use sse_tower_core::ApplicationContext;

use crate::{
    admission::{Refusal, Table, Why},
    lease::Lease,
};

/// What is set on a [`SseLayer`](crate::SseLayer). Cheap to clone.
#[derive(Clone)]
pub(crate) struct LayerSettings {
    pub(crate) context: ApplicationContext,
    pub(crate) keep_alive: Duration,
    pub(crate) limits: Arc<Table>,
    pub(crate) refusal: Refusal,
    pub(crate) lease: Option<LeaseOf>,
}

pub(crate) type LeaseOf = Arc<dyn Fn(&Request<()>) -> Option<Lease> + Send + Sync>;

impl LayerSettings {
    /// Whether something of the program's is to see a request's head.
    pub(crate) fn asks_for_head(&self) -> bool {
        self.lease.is_some() || self.limits.asks_for_head() || self.refusal.asks_for_head()
    }

    /// Why a stream could not be taken now, if so: what is asked before a handler runs.
    pub(crate) fn closed_to(&self, keys: &[Option<String>]) -> Option<Why> {
        if !self.context.is_ready() {
            return Some(Why::not_ready(&self.context));
        }
        self.limits.full_for(keys)
    }
}

impl fmt::Debug for LayerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerSettings")
            .field("keep_alive", &self.keep_alive)
            .field("limits", &self.limits)
            .field("refusal", &self.refusal)
            .finish_non_exhaustive()
    }
}
