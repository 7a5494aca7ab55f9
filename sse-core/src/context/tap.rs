//! Feature `test-util`: seeing everything that is published in one context, heard or not.

use super::application_context::ApplicationContext;
use crate::bus::tap::{Tap, Tapped};

/// Calls `hook` with each event of `context` before its listeners run: whoever published it, and
/// also if there are none. An event of a transaction is seen at the commit.
pub fn tap(context: &ApplicationContext, hook: impl Fn(Tapped) + Send + Sync + 'static) -> Tap {
    context.bus().tap(hook)
}
