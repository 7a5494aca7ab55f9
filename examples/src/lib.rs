//! What every example needs and no reader comes for: command line, listening address, page, error.

#![deny(missing_docs)]

mod arguments;
mod failure;
mod page;
mod qr;

pub use arguments::Arguments;
pub use failure::Failure;
pub use page::Page;
pub use qr::{QrError, qr_svg};
