//! See the crate page.
mod drain;
pub use drain::{
    Drain, Draining, MAX_OPEN_STREAMS, OpenStream, OpenStreams, Phase, RegisterError, StreamOrder,
};

/// Stub until the context arrives.
#[derive(Clone, Debug, Default)]
pub struct ApplicationContext {
    streams: OpenStreams,
}
impl ApplicationContext {
    pub(crate) fn streams(&self) -> &OpenStreams {
        &self.streams
    }
}
