//! Feature `http`: an [`EventStream`](crate::EventStream) is a body, an emitter becomes a response.
