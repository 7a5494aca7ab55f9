//! What every example needs and no reader comes for: command line, listening address, page, error. And the
//! orders of `shop`.

#![deny(missing_docs)]

mod announced;
mod arguments;
mod failure;
mod orders;
mod page;
mod qr;

pub use announced::Announced;
pub use arguments::{ArgumentError, Arguments};
pub use failure::Failure;
pub use orders::{Order, Orders, OrdersError};
pub use page::Page;
pub use qr::{QrError, qr_svg};
