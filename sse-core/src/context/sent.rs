//! A listener may end with a send.

use crate::{
    bus::{
        declare::{EventRef, ListenerOutput},
        listener::{Answer, Call, More},
    },
    emitter::SendError,
    emitters::Sent,
};

/// What a send did, as the outcome of a listener: a listener that does nothing else is one
/// expression.
///
/// An event that is none is a failure of the listener. That its key is complete is not: a
/// callback that comes twice is answered as the first one was, and the log tells of it. With a
/// backplane the publication waits until the event is stored, and fails where it is not.
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
        match self.now() {
            Ok(outcome) => answer(outcome, call),
            Err(waits) => {
                let call = call.to_owned();
                let outcome = Box::pin(async move {
                    let outcome = waits.await.map(drop);
                    answer(outcome, &call.call()).into_more().map_or_else(Vec::new, |m| m.failures)
                });
                Answer::of(More { pending: vec![outcome], ..More::default() })
            }
        }
    }

    fn published_types(_: &mut Vec<EventRef>) {}
}

fn answer(outcome: Result<(), SendError>, call: &Call<'_>) -> Answer {
    match outcome {
        Ok(()) | Err(SendError::Closed { .. }) => ().answer(call),
        Err(SendError::Invalid(invalid)) => Err::<(), _>(invalid).answer(call),
        Err(error @ SendError::Backplane { .. }) => Err::<(), _>(error).answer(call),
    }
}
