//! A listener may end with a send.

use crate::{
    bus::{
        declare::{EventRef, ListenerOutput},
        listener::{Answer, Call},
    },
    emitter::SendError,
    emitters::Sent,
};

/// What a send did, as the outcome of a listener: a listener that does nothing else is one
/// expression.
///
/// An event that is none is a failure of the listener. That its key is complete is not: a
/// callback that comes twice is answered as the first one was, and the log tells of it.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Emitters, PublishError};
/// # struct Delivered(u64); impl ApplicationEvent for Delivered {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (context, pages) = (ApplicationContext::bare().build()?, Emitters::<u64>::new());
/// let page = pages.clone();
/// context.on(move |parcel: &Delivered| page.send(&parcel.0, "delivered")).forever();
/// context.publish_event(Delivered(7)).await?;
/// # Ok(()) }
/// ```
impl ListenerOutput for Sent {
    fn answer(self, call: &Call<'_>) -> Answer {
        match self.into_error() {
            Some(SendError::Invalid(invalid)) => Err::<(), _>(invalid).answer(call),
            Some(SendError::Closed { .. }) | None => ().answer(call),
        }
    }

    fn published_types(_: &mut Vec<EventRef>) {}
}
