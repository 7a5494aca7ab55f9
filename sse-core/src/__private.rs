//! The only items that generated code may name, and what `sse-tower` and its test kit are made of. Not public API: no
//! stability is promised.

pub use inventory::submit;

pub use crate::{
    bus::{
        ApplicationEvent, Binder, Call, Declaration, ErasedHandler, EventRef, EventType, Form,
        Handler, Inject, IsForm, Json, JsonIfSerde, Listener, ListenerOutput, MaybeShared, NoForm,
        NoJson, OwnedCall, Phase, ScheduledRun, Timetable, WithForm, caught, here, json, travels,
    },
    component::{Component, ComponentRef, ErasedComponent},
    context::{EndpointInfo, EndpointNeeds, LinkedCrate, LinkedEvent, LinkedListener, LinkedOffer},
};

/// Everything that `item` collected, for `sse-tower`.
pub use inventory::iter as linked;

pub use crate::emitter::{
    Configure, Ending, EndpointOptions, IntoStreamError, Request, beside, decided,
};

/// What `sse-tower` does as this crate does it.
pub use crate::{
    event::{KEEP_ALIVE_COMMENT, encode_with_id},
    panics::{contain, discard},
    spread::{A_DAY, at_most, jittered},
    stream::{Blocked, Window},
    timer::later,
};

#[cfg(feature = "test-util")]
pub use crate::{
    bus::tap::{Tap, Tapped, event_label},
    context::tap,
};

#[cfg(all(feature = "json", feature = "test-util"))]
pub use crate::context::settle_durable;
