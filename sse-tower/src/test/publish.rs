//! `publish`: publishes an event, and expects others.

use std::{fmt, sync::Arc};

use sse_tower_core::{__private::event_label, ApplicationContext, ApplicationEvent, Publication};

use super::{
    recorder::Recorder,
    unmet::Cause,
    wait::{DEFAULT_DEADLINE, Wait},
};

/// Waits until nothing is left to do in `context`: neither work that was started and that nobody waits for, nor
/// events of durable listeners, attempts that are due later included. Under a paused clock a retry after an hour
/// takes a moment.
///
/// Paused listeners, and dead letters, are nothing to do.
///
/// # Panics
/// If the store does not answer.
///
/// ```
/// # use {sse_tower::{ApplicationContext, ApplicationEvent, EventMeta, event_listener, test::settle_durable}};
/// #[derive(serde::Serialize, serde::Deserialize, ApplicationEvent)]
/// #[event(name = "paid")]
/// struct Paid;
///
/// #[event_listener(durable, id = "mail", backoff = "1h")]
/// fn mail(_: &Paid, meta: EventMeta) -> Result<(), &'static str> {
///     if meta.attempt() == 1 { Err("the mail server is away") } else { Ok(()) }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::bare().listener(mail::LISTENER).build()?;
/// context.publish_event(Paid).await?;
/// settle_durable(&context).await;
/// assert!(context.dead_letters("mail").await?.is_empty());
/// # Ok(()) }
/// ```
pub async fn settle_durable(context: &ApplicationContext) {
    context.settled().await;
    #[cfg(feature = "json")]
    if let Err(error) = sse_tower_core::__private::settle_durable(context).await {
        assert!(
            matches!(error, crate::DurableError::Nowhere),
            "durable listeners do not settle: {error:?}"
        );
    }
}

/// Publishes `event` in `context`, and looks at what is published because of it.
///
/// ```
/// # use sse_tower::{ApplicationContext, ApplicationEvent, test::publish};
/// # #[derive(ApplicationEvent)] struct Paid { order: u64 }
/// # #[derive(ApplicationEvent)] struct Shipped { order: u64 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::bare().build()?;
/// context.on(|paid: &Paid| Shipped { order: paid.order }).forever();
///
/// let shipped = publish(&context, Paid { order: 7 }).then_expect::<Shipped>().await;
/// assert_eq!(shipped.order, 7);
/// # Ok(()) }
/// ```
#[track_caller]
pub fn publish<E: ApplicationEvent>(context: &ApplicationContext, event: E) -> Published<E> {
    // Before publishing: synchronous listeners run in the call.
    let recorder = Recorder::new(context);
    Published { publication: context.publish_event(event), recorder, context: context.clone() }
}

/// An event that was published for what comes of it. Made by [`publish`].
#[must_use = "say what comes of it with `.then_expect::<X>().await`"]
pub struct Published<E: ApplicationEvent> {
    publication: Publication<E>,
    recorder: Recorder,
    context: ApplicationContext,
}

impl<E: ApplicationEvent> Published<E> {
    /// Waits until every listener has run and the context has
    /// [settled](ApplicationContext::settled), durable listeners and their later attempts among them, then gives the first `X` that was published since,
    /// by whomever.
    ///
    /// # Panics
    /// Where it is awaited: if none was published, with a list of what was; if a listener failed;
    /// or if the context does not settle in time.
    ///
    /// ```
    /// # use sse_tower::{ApplicationContext, ApplicationEvent, test::{Cause, publish}};
    /// # #[derive(ApplicationEvent)] struct Paid;
    /// # #[derive(Debug, ApplicationEvent)] struct Shipped;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower::WiringError> {
    /// let context = ApplicationContext::bare().build()?; // in which nobody ships
    /// let unmet = publish(&context, Paid).then_expect::<Shipped>().result().await.unwrap_err();
    /// assert!(matches!(unmet.cause(), Cause::NotPublished));
    /// # Ok(()) }
    /// ```
    pub fn then_expect<X: ApplicationEvent>(self) -> Wait<'static, Arc<X>> {
        let Self { publication, recorder, context } = self;
        let recorder = Arc::new(recorder);
        let shown = recorder.clone();
        let expected = format!("`{}` after `{}`", event_label::<X>(), event_label::<E>());
        Wait::new(expected, DEFAULT_DEADLINE, move || shown.report(), async move {
            let outcome = publication.await.map_err(Cause::ListenersFailed)?;
            settle_durable(&context).await;
            recorder.first_but(outcome.id()).ok_or(Cause::NotPublished)
        })
    }
}

impl<E: ApplicationEvent> fmt::Debug for Published<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published").field("recorder", &self.recorder).finish_non_exhaustive()
    }
}
