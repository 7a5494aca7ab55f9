//! The methods of `ApplicationContext` about its durable listeners.

use std::sync::Arc;

use super::application_context::ApplicationContext;
use crate::durable::{Courier, DeadLetters, Listeners, Shared};

impl ApplicationContext {
    /// The events that the durable listener `id` could not handle, in all processes: to be listed, tried again, or
    /// deleted.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, EventType, Listener, ListenerError}, std::time::Duration};
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Paid { order: u64 }
    /// impl ApplicationEvent for Paid {
    ///     fn event_type() -> EventType<Self> {
    ///         EventType::new().name("order.paid").json()
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mail = Listener::on(|_: &Paid| Err::<(), _>(ListenerError::give_up().because("no address")));
    /// let context = ApplicationContext::bare().listener(mail.durable().id("mail")).build()?;
    /// context.publish_event(Paid { order: 7 }).await?;
    /// tokio::time::sleep(Duration::from_secs(1)).await;
    ///
    /// let letters = context.dead_letters("mail").await?;
    /// assert!(letters[0].error.starts_with("no address"));
    /// assert_eq!(letters[0].body, r#"{"order":7}"#);
    /// assert!(context.dead_letters("mail").discard(letters[0].id).await?);
    /// # Ok(()) }
    /// ```
    pub fn dead_letters(&self, id: &str) -> DeadLetters {
        DeadLetters::new(self.durable(), id)
    }

    /// The durable listeners of all processes: how they stand, and pausing, resuming or retiring them.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, DurableError};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::WiringError> {
    /// let context = ApplicationContext::bare().build()?;
    /// assert!(matches!(context.listeners().await, Err(DurableError::Nowhere)));
    /// # Ok(()) }
    /// ```
    pub fn listeners(&self) -> Listeners {
        Listeners(self.durable())
    }

    pub(super) fn durable(&self) -> Option<Arc<Shared>> {
        let courier = self.bus().carrier()?.as_any().downcast_ref::<Courier>()?;
        Some(Arc::clone(courier.shared()))
    }
}

/// Feature `test-util`: waits until the durable listeners of this context have nothing left to do, including attempts
/// that are due later. A listener that is paused and an event that is a dead letter count as nothing to do.
///
/// # Errors
///
/// [`DurableError`](crate::durable::DurableError) if the store does not answer.
#[cfg(feature = "test-util")]
pub async fn settle_durable(
    context: &ApplicationContext,
) -> Result<(), crate::durable::DurableError> {
    use std::time::Duration;

    use crate::backplane::ListenerState;

    let nodes = context.bus().nodes().iter();
    let own: Vec<&str> =
        nodes.filter(|it| it.profile.durable.is_some()).filter_map(|it| it.profile.id).collect();
    let mut pause = Duration::from_millis(1);
    while !own.is_empty() {
        context.settled().await;
        let stats = context.listeners().await?;
        let busy = stats.iter().any(|it| {
            own.contains(&&*it.listener)
                && it.state == ListenerState::Active
                && it.backlog + it.waiting + it.running > 0
        });
        if !busy {
            break;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(60));
    }
    Ok(())
}
