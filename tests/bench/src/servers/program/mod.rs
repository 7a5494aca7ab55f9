//! A program as people write them, around the same payment: a dozen routes, state of several parts, extractors of its
//! own and others'. With plain axum and with ours, and but for the two routes of the payment the same.

mod ours;
mod plain;
mod shop;

pub(super) use self::{
    ours::{serve, serve_with_axum},
    plain::serve as serve_plain_axum,
};
