//! Clients that other people wrote: all that was sent, nothing that was not, through every end.
//!
//! Each scenario in a module of its own, run with each client.

mod clients {
    mod fields;
    mod resuming;
    mod stopping;
}
mod client;
mod library;
mod script;

/// Makes one test for each client of a scenario `async fn scenario(kind: Kind) -> Result`.
macro_rules! with_each_client {
    ($($scenario:ident),+ $(,)?) => {$(
        mod $scenario {
            use crate::client::Kind;
            use sse_tower_tests::Result;

            #[tokio::test]
            async fn eventsource_of_npm() -> Result {
                super::$scenario(Kind::EventSource).await
            }

            #[tokio::test]
            async fn fetch_event_source() -> Result {
                super::$scenario(Kind::FetchEventSource).await
            }

            #[tokio::test]
            async fn httpx_sse() -> Result {
                super::$scenario(Kind::HttpxSse).await
            }

            #[tokio::test]
            async fn reqwest_eventsource() -> Result {
                super::$scenario(Kind::ReqwestEventsource).await
            }

            #[tokio::test]
            async fn eventsource_client() -> Result {
                super::$scenario(Kind::EventsourceClient).await
            }
        }
    )+};
}
pub(crate) use with_each_client;
