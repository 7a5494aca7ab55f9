//! `adopt`: takes on a stream that no layer has.

use http::Response;
use sse_tower_core::{
    ApplicationContext, DEFAULT_KEEP_ALIVE, RegisterError, StreamControl, StreamHandle, StreamOrder,
};

use super::{permit::Permit, refusal::Why, ticket::DrainLast};

/// Takes on a stream of ours that came past every [`SseLayer`](crate::SseLayer), because its route was added after
/// the layer: so the drain of the server's context ends it. It has no limits and no lease.
pub(crate) fn adopt<B>(
    context: &ApplicationContext,
    response: &mut Response<B>,
) -> Result<(), Why> {
    let extensions = response.extensions_mut();
    let Some(control) = extensions.get::<StreamControl>().cloned() else { return Ok(()) };
    if control.is_admitted() {
        return Ok(());
    }
    let Some(handle) = control.handle() else { return Ok(()) };
    let last = extensions.get::<DrainLast>().is_some();
    let order = if last { StreamOrder::Last } else { StreamOrder::InTurn };
    let open = match context.streams().register(handle, order) {
        Ok(open) => open,
        Err(RegisterError::Draining) => return Err(refused(&control, Why::Draining)),
        Err(_) => return Err(refused(&control, Why::Total)),
    };
    let permit = Permit::new(open, None, Box::default());
    control.default_keep_alive(DEFAULT_KEEP_ALIVE);
    control.on_completion(move |reason| permit.over(reason));
    control.admit();
    Ok(())
}

fn refused(control: &StreamControl, why: Why) -> Why {
    control.end(sse_tower_core::CloseReason::Refused, None);
    why
}
