//! `explain`: what the server says, as what somebody can do about it.

use ::redis::{ErrorKind, RedisError};
use sse_tower_core::backplane::{EngineError, EngineErrorKind};

use super::settings::Place;
use crate::causes;

/// The error for people. Its cause holds no secret: the crate redacts what it knows of the URL.
pub(super) fn explain(place: &Place, error: RedisError) -> EngineError {
    let redis = format!("Redis at {}", place.address);
    let said = error.detail().unwrap_or_default().to_owned();
    let explained = match error.code().unwrap_or_default() {
        _ if error.kind() == ErrorKind::AuthenticationFailed => not_let_in(&redis, &error),
        "NOAUTH" | "WRONGPASS" => not_let_in(&redis, &error),
        "NOPERM" => no_right(place, &said),
        // Both end as soon as somebody makes room, and until then the store is away for whatever is to be stored.
        "OOM" => EngineError::unavailable(format!(
            "{redis} has no memory left, nothing was stored: raise its `maxmemory`, or keep less history"
        )),
        "MISCONF" => EngineError::unavailable(format!(
            "{redis} takes no writes, since it cannot save to its disk: make room there ({said})"
        )),
        "READONLY" => EngineError::unavailable(format!(
            "{redis} is a replica, which takes no writes: name the primary in the URL"
        )),
        "MOVED" | "ASK" | "CROSSSLOT" => EngineError::refused(format!(
            "{redis} is part of a cluster, and other nodes have the keys of the namespace: name the primary of their slot, \
             which is that of `CLUSTER KEYSLOT {}meta`, or use a Redis without a cluster",
            place.prefix
        )),
        "LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "NOREPLICAS"
        | "UNKILLABLE" => EngineError::unavailable(format!("{redis} is busy: {said}")),
        "" if error.is_connection_refusal() => EngineError::unavailable(format!(
            "{redis} cannot be reached, nobody listens there: is it running, are host and port right?"
        )),
        "" => match causes::tls(&error) {
            Some(why) => EngineError::refused(format!(
                "no TLS with {redis} ({why}): its certificate has to be trusted here, so name the file with the one that \
                 signed it by `ca=` in the URL, and the host as the certificate has it"
            )),
            None => EngineError::unavailable(format!("the connection to {redis} failed")),
        },
        code => EngineError::refused(format!("{redis} refused: {code} {said}")),
    };
    explained.with_source(error)
}

fn not_let_in(redis: &str, error: &RedisError) -> EngineError {
    // Without a password in the URL the crate's AUTH is never sent, and the first command is answered so.
    if error.code() == Some("NOAUTH") {
        return EngineError::refused(format!(
            "{redis} wants a password: redis://:password@host/ or redis://user:password@host/"
        ));
    }
    EngineError::refused(format!(
        "{redis} does not take the user and password of the URL; characters that mean something in a URL \
         have to be written as %40 and so on"
    ))
}

/// The error for a missing right. The server's text names the command, key or channel.
pub(super) fn no_right(place: &Place, said: &str) -> EngineError {
    EngineError::refused(format!(
        "Redis at {} lets this user in, but a right is missing: {said}. It needs `~{1}* &{1}*`, and \
         `+@read +@write +@scripting +@pubsub +@connection +time`; `+info` as well, or nothing is said of settings that lose events",
        place.address, place.prefix,
    ))
}

pub(super) fn silent(place: &Place) -> EngineError {
    EngineError::unavailable(format!("Redis at {} did not answer in time", place.address))
}

pub(super) fn garbled(place: &Place) -> EngineError {
    EngineError::unavailable(format!(
        "Redis at {} answered with something else than expected",
        place.address
    ))
}

pub(super) fn closed() -> EngineError {
    EngineError::new(EngineErrorKind::Closed, "this engine was closed")
}
