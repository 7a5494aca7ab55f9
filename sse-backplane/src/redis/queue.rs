//! The queue: structures of our own, since Redis's groups know no attempts to come and no lanes.
//!
//! | key | what |
//! |---|---|
//! | `{ns}:q:s:<version>:<name>` | the events of a kind, their position as id |
//! | `{ns}:q:kinds` | how many events each kind ever had |
//! | `{ns}:q:listeners`, `{ns}:q:hears:<listener>` | state, and the names that it hears with where that began |
//! | `{ns}:q:lane:<listener>` | for each kind the position that it has passed, and how many came before |
//! | `{ns}:q:held:<listener>`, `{ns}:q:order:<listener>` | what runs or waits, and its order in the log |
//! | `{ns}:q:due:<n>:<listener>:<kind>` | what waits, by when it is due |
//! | `{ns}:q:run:<listener>`, `{ns}:q:own:<node>` | who runs how much, and what |
//! | `{ns}:q:nodes`, `{ns}:q:gone:<node>`, `{ns}:q:reaping` | leases, nodes that were reaped, and what is left to take from them |
//! | `{ns}:q:claim:<node>` | its newest claim, so that an answer that was lost takes nothing with it |
//! | `{ns}:q:dead:<listener>`, `{ns}:q:letter:<listener>` | dead letters |

use std::{sync::Arc, time::Duration};

use ::redis::Value;
use bytes::Bytes;
use sse_tower_core::backplane::{
    Beat, Claim, Claimed, DeadLetter, DeadReason, Deliveries, Delivery, EngineError, EngineFuture,
    Epoch, EventKind, Fence, Letters, ListenerState, ListenerStats, NodeId, Queue, QueuedEvent,
    Registration, Since, Steer, Verdict,
};

use super::{
    decode, encode,
    engine::{RedisEngine, Running},
    error::garbled,
    link::Link,
    script::Script,
};

/// How long the name of a listener and of an event may be, in bytes.
const MAX_NAME_BYTES: usize = 1_024;
/// How many bytes of an error are remembered.
const MAX_ERROR_BYTES: usize = 1_024;
/// How many events one claim takes at most.
const MAX_CLAIM: usize = 256;
/// How many letters one run of a script revives or discards.
const LETTERS_AT_ONCE: usize = 256;
/// How long an event stays at least, even if every listener is done with it.
const WINDOW: Duration = Duration::from_secs(60 * 60);
/// How long an event stays at most. Then it is a dead letter of the listeners that have not taken it.
const EXPIRES: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// After which time a listener is retired that no process had.
const UNSEEN: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How long a dead letter is kept.
const LETTER_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl RedisEngine {
    /// Makes a call of a script of the queue, and reads its answer.
    fn ask_queue<T: Send + 'static>(
        &self,
        script: Script,
        args: impl IntoIterator<Item = Vec<u8>>,
        read: impl FnOnce(Value) -> Option<T> + Send + 'static,
    ) -> EngineFuture<'static, T> {
        self.ask_on(|running| Ok(running.loads.clone()), script, args, read)
    }

    /// `ask_queue`, on a connection that the program's runtime cannot hold up.
    fn ask_lease<T: Send + 'static>(
        &self,
        script: Script,
        args: impl IntoIterator<Item = Vec<u8>>,
        read: impl FnOnce(Value) -> Option<T> + Send + 'static,
    ) -> EngineFuture<'static, T> {
        self.ask_on(|running| running.leases.link(), script, args, read)
    }

    fn ask_on<T: Send + 'static>(
        &self,
        link: impl FnOnce(&Running) -> Result<Arc<Link>, EngineError>,
        script: Script,
        args: impl IntoIterator<Item = Vec<u8>>,
        read: impl FnOnce(Value) -> Option<T> + Send + 'static,
    ) -> EngineFuture<'static, T> {
        let place = self.settings.place.clone();
        self.begin(|running| {
            let link = link(running)?;
            // The scripts have the same names on each.
            let call = args.into_iter().fold(running.loads.call(script), |call, arg| call.arg(arg));
            Ok(async move {
                let value = link.run(call).await?;
                read(value).ok_or_else(|| garbled(&place))
            })
        })
    }

    /// Makes a call of leases again and again until the script says that nothing is left.
    fn repeat(
        &self,
        script: Script,
        arg: Vec<u8>,
        read: fn(&Value) -> Option<(usize, bool)>,
    ) -> EngineFuture<'static, usize> {
        let place = self.settings.place.clone();
        self.begin(|running| {
            let (link, loads) = (running.leases.link()?, running.loads.clone());
            Ok(async move {
                let mut sum = 0;
                loop {
                    let value = link.run(loads.call(script).arg(&arg)).await?;
                    let (done, more) = read(&value).ok_or_else(|| garbled(&place))?;
                    sum += done;
                    if !more {
                        return Ok(sum);
                    }
                }
            })
        })
    }

    fn on_letters(
        &self,
        what: &'static str,
        listener: Arc<str>,
        letters: Letters,
    ) -> EngineFuture<'static, usize> {
        let place = self.settings.place.clone();
        self.begin(|running| {
            let loads = running.loads.clone();
            Ok(async move {
                let (which, mut left) = match letters {
                    Letters::One(id) => ("one", id),
                    Letters::Oldest(count) => ("oldest", count as u64),
                };
                let mut sum = 0;
                loop {
                    let most = if which == "one" { left } else { left.min(LETTERS_AT_ONCE as u64) };
                    let call =
                        loads.call(Script::Revive).arg(&*listener).arg(what).arg(which).arg(most);
                    let done = loads.run(call).await?;
                    let done = number(&done).ok_or_else(|| garbled(&place))?;
                    sum += done;
                    left = left.saturating_sub(done);
                    if which == "one" || done < most || left == 0 {
                        return Ok(usize::try_from(sum).unwrap_or(usize::MAX));
                    }
                }
            })
        })
    }
}

impl Queue for RedisEngine {
    fn register(&self, listeners: Vec<Registration>) -> EngineFuture<'_, ()> {
        let place = self.settings.place.clone();
        self.begin(|running| {
            let loads = running.loads.clone();
            let mut call = loads.call(Script::Register).arg(Epoch::random().get());
            for Registration { listener, hears, since } in &listeners {
                if hears.iter().chain([listener]).any(|name| name.len() > MAX_NAME_BYTES) {
                    return Err(EngineError::refused(format!(
                        "the name of a listener or event is over {MAX_NAME_BYTES} bytes"
                    )));
                }
                let since = match since {
                    Since::Now => "N",
                    Since::Earliest => "E",
                };
                call = call.arg(&**listener).arg(since).arg(hears.len());
                call = hears.iter().fold(call, |call, name| call.arg(&**name));
            }
            Ok(async move {
                match decode::text(&loads.run(call).await?) {
                    Some("done") => Ok(()),
                    Some("full") => {
                        Err(EngineError::refused("there are too many listeners: retire some"))
                    }
                    _ => Err(garbled(&place)),
                }
            })
        })
    }

    fn heard(&self) -> EngineFuture<'_, Vec<Arc<str>>> {
        self.ask_queue(Script::Heard, [], names)
    }

    fn claim(&self, node: NodeId, claims: Vec<Claim>) -> EngineFuture<'_, Claimed> {
        let place = self.settings.place.clone();
        self.begin(|running| {
            let (loads, turns) = (running.loads.clone(), running.claims.clone());
            let turn = turns.turn();
            Ok(async move {
                let _turn = turn.await;
                let (number, answered) = turns.next();
                let mut call = loads.call(Script::Claim);
                call = call.arg(node.to_string()).arg(number).arg(answered);
                for Claim { listener, kinds, count, ordered } in &claims {
                    call = call.arg(&**listener).arg((*count).min(MAX_CLAIM));
                    call = call.arg(u8::from(*ordered)).arg(kinds.len());
                    call = kinds.iter().fold(call, |call, kind| call.arg(encode::kind(kind)));
                }
                let claimed = loads.run(call).await?;
                let claimed = claimed_from(claimed).ok_or_else(|| garbled(&place))?;
                turns.answered(number);
                Ok(claimed)
            })
        })
    }

    fn settle(&self, verdicts: Vec<(Fence, Verdict)>) -> EngineFuture<'_, Vec<bool>> {
        if verdicts.is_empty() {
            return self.begin(|_| Ok(std::future::ready(Ok(Vec::new()))));
        }
        let mut args = Vec::with_capacity(verdicts.len() * 8);
        for (fence, verdict) in &verdicts {
            let (letter, error, more) = match verdict {
                Verdict::Finished => ("X", "", String::new()),
                Verdict::Failed { error, again } => ("F", &**error, micros(*again)),
                Verdict::Dead { error, reason } => ("D", &**error, letter_of(*reason).to_owned()),
                Verdict::Released => ("R", "", String::new()),
                _ => {
                    let unknown = EngineError::refused("this verdict is newer than this engine");
                    return Box::pin(std::future::ready(Err(unknown)));
                }
            };
            args.extend([
                fence.listener.as_bytes().to_vec(),
                fence.position.to_string().into_bytes(),
                fence.owner.to_string().into_bytes(),
                fence.failures.to_string().into_bytes(),
                fence.losses.to_string().into_bytes(),
                letter.into(),
                cut(error).into(),
                more.into_bytes(),
            ]);
        }
        self.ask_queue(Script::Settle, args, |value| {
            Some(decode::bytes(&value)?.iter().map(|fits| *fits == b'1').collect())
        })
    }

    fn beat(&self, node: NodeId, lease: Duration) -> EngineFuture<'_, Beat> {
        let args = [node.to_string().into_bytes(), micros(lease).into_bytes()];
        self.ask_lease(Script::Beat, args, |value| match decode::text(&value)? {
            "A" => Some(Beat::Alive),
            "R" => Some(Beat::Reaped),
            _ => None,
        })
    }

    fn reap(&self, again: Duration) -> EngineFuture<'_, usize> {
        let ages = [WINDOW, EXPIRES, UNSEEN, LETTER_AGE].map(|age| micros(age).into_bytes());
        // On its own: whether anything was too old is nobody's concern here.
        drop(self.ask_lease(Script::Tend, ages, |_| Some(())));
        self.repeat(Script::Reap, micros(again).into_bytes(), |value| {
            let Value::Array(parts) = value else { return None };
            Some((usize::try_from(number(parts.first()?)?).ok()?, number(parts.get(1)?)? > 0))
        })
    }

    fn leave(&self, node: NodeId) -> EngineFuture<'_, ()> {
        let left = self.repeat(Script::Leave, node.to_string().into_bytes(), |value| {
            Some((0, number(value)? > 0))
        });
        Box::pin(async move { left.await.map(drop) })
    }

    fn dead(
        &self,
        listener: Arc<str>,
        after: u64,
        limit: usize,
    ) -> EngineFuture<'_, Vec<DeadLetter>> {
        let limit = limit.min(i32::MAX as usize);
        let args = [
            listener.as_bytes().to_vec(),
            after.to_string().into_bytes(),
            limit.to_string().into_bytes(),
        ];
        self.ask_queue(Script::Letters, args, move |value| {
            decode::array(value)?.into_iter().map(|parts| dead_letter(&listener, parts)).collect()
        })
    }

    fn revive(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize> {
        self.on_letters("revive", listener, letters)
    }

    fn discard(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize> {
        self.on_letters("discard", listener, letters)
    }

    fn steer(&self, listener: Arc<str>, how: Steer) -> EngineFuture<'_, bool> {
        let state = match how {
            Steer::Pause => "P",
            Steer::Resume => "A",
            Steer::Retire => "R",
        };
        let args = [listener.as_bytes().to_vec(), state.into()];
        self.ask_queue(Script::Steer, args, |value| Some(number(&value)? == 1))
    }

    fn stats(&self) -> EngineFuture<'_, Vec<ListenerStats>> {
        self.ask_queue(Script::Stats, [], |value| {
            decode::array(value)?.into_iter().map(stats_of).collect()
        })
    }
}

fn micros(duration: Duration) -> String {
    // A hundred years, which the scripts can still add to a date.
    let longest = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    duration.min(longest).as_micros().to_string()
}

fn cut(error: &str) -> &str {
    if error.len() <= MAX_ERROR_BYTES {
        return error;
    }
    let end = (0..=MAX_ERROR_BYTES).rev().find(|end| error.is_char_boundary(*end));
    &error[..end.unwrap_or(0)]
}

fn letter_of(reason: DeadReason) -> &'static str {
    match reason {
        DeadReason::GivenUp => "G",
        DeadReason::Expired => "E",
        _ => "A",
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        value => decode::text(value)?.parse().ok(),
    }
}

fn small(value: &Value) -> Option<u32> {
    u32::try_from(number(value)?).ok()
}

fn size(value: &Value) -> Option<usize> {
    usize::try_from(number(value)?).ok()
}

fn names(value: Value) -> Option<Vec<Arc<str>>> {
    decode::array(value)?.iter().map(|name| decode::text(name).map(Arc::from)).collect()
}

fn owned(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        _ => None,
    }
}

fn claimed_from(value: Value) -> Option<Claimed> {
    let mut parts = decode::array(value)?.into_iter();
    if decode::text(&parts.next()?)? == "R" {
        return Some(Claimed::Reaped);
    }
    let next = match decode::text(&parts.next()?)? {
        "" => None,
        text => Some(Duration::from_micros(text.parse().ok()?)),
    };
    let mut now = Vec::with_capacity(parts.len() / 8);
    while let Some(listener) = parts.next() {
        now.push(Delivery {
            listener: decode::text(&listener)?.into(),
            position: decode::position(decode::text(&parts.next()?)?)?,
            failures: small(&parts.next()?)?,
            losses: small(&parts.next()?)?,
            event: queued_event(&mut parts)?,
        });
    }
    Some(Claimed::Deliveries(Deliveries { now, next }))
}

/// Kind, id, head, body.
fn queued_event(parts: &mut impl Iterator<Item = Value>) -> Option<QueuedEvent> {
    let kind = parts.next()?;
    let (version, name) = decode::text(&kind)?.split_once(':')?;
    let kind = EventKind { name: name.into(), version: version.parse().ok()? };
    let id = u128::from_str_radix(decode::text(&parts.next()?)?, 16).ok()?;
    Some(QueuedEvent { kind, id, head: owned(parts.next()?)?, body: owned(parts.next()?)? })
}

fn dead_letter(listener: &Arc<str>, value: Value) -> Option<DeadLetter> {
    let mut parts = decode::array(value)?.into_iter();
    let id = number(&parts.next()?)?;
    let (failures, losses) = (small(&parts.next()?)?, small(&parts.next()?)?);
    let reason = match decode::text(&parts.next()?)? {
        "G" => DeadReason::GivenUp,
        "E" => DeadReason::Expired,
        _ => DeadReason::Attempts,
    };
    let age = Duration::from_micros(number(&parts.next()?)?);
    let event = queued_event(&mut parts)?;
    let errors = names(parts.next()?)?;
    let listener = listener.clone();
    Some(DeadLetter { id, listener, event, failures, losses, errors, reason, age })
}

fn stats_of(value: Value) -> Option<ListenerStats> {
    let mut parts = decode::array(value)?.into_iter();
    Some(ListenerStats {
        listener: decode::text(&parts.next()?)?.into(),
        state: match decode::text(&parts.next()?)? {
            "A" => ListenerState::Active,
            "P" => ListenerState::Paused,
            _ => ListenerState::Retired,
        },
        backlog: size(&parts.next()?)?,
        waiting: size(&parts.next()?)?,
        running: size(&parts.next()?)?,
        dead: size(&parts.next()?)?,
        oldest: match decode::text(&parts.next()?)? {
            "" => None,
            age => Some(Duration::from_micros(age.parse().ok()?)),
        },
        hears: names(parts.next()?)?,
        only_elsewhere: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"ü".repeat(600)).len(), 1_024);
        assert_eq!(cut(&format!("x{}", "ü".repeat(600))).len(), 1_023);
    }

    #[test]
    fn a_time_without_end_is_a_hundred_years() {
        assert_eq!(micros(Duration::MAX), "3153600000000000");
    }
}
