//! The event graph as a document.
