//! Encoding batches and wants as arguments of the scripts.

use std::{collections::HashMap, time::Duration};

use ::redis::RedisWrite;
use sse_tower_core::backplane::{
    Batch, Change, EngineError, Entry, Epoch, EventKind, Keep, MAX_RECORD_BYTES, Topic, Want,
};

use super::script::Call;

/// The longest age that is kept, whatever is asked for: ten years, which the scripts' numbers can still add to a
/// date.
const OLDEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// The largest count that is passed on.
const MOST: usize = 1 << 40;

/// Adds a batch to a call of the append script.
pub(super) fn batch(call: Call, batch: &Batch) -> Result<Call, EngineError> {
    // What the last entry of a topic keeps is what counts. Mostly all of them keep the same.
    let mut topics = Vec::<(&Topic, usize)>::new();
    let mut numbers = HashMap::<&Topic, usize>::new();
    let mut keeps = Vec::<Keep>::new();
    for Entry { topic, change, keep } in batch.entries.iter() {
        refuse(change)?;
        if matches!(change, Change::Enqueue(_)) {
            continue;
        }
        let kept = keeps.iter().rposition(|kept| kept == keep).unwrap_or_else(|| {
            keeps.push(*keep);
            keeps.len() - 1
        });
        let number = *numbers.entry(topic).or_insert(topics.len());
        match topics.get_mut(number) {
            Some((_, settings)) => *settings = kept,
            None => topics.push((topic, kept)),
        }
    }
    let mut call = call
        .arg(Epoch::random().get())
        .arg(batch.node.to_string())
        .arg(batch.number)
        .arg(keeps.len())
        .arg(topics.len());
    let several = keeps.len() > 1;
    let sizes = |entry: &Entry| [entry.topic.as_str().len(), entry.change.bytes(), 8];
    call.command.reserve_space_for_args(batch.entries.iter().flat_map(sizes));
    for keep in keeps {
        let age = u64::try_from(keep.age.min(OLDEST).as_micros()).unwrap_or(u64::MAX);
        call = call.arg(keep.events.min(MOST)).arg(keep.bytes.min(MOST)).arg(age);
    }
    for (topic, settings) in topics {
        call = call.arg(topic.as_str());
        if several {
            call = call.arg(settings + 1);
        }
    }
    for entry in batch.entries.iter() {
        let number = numbers.get(&entry.topic).map_or(0, |number| number + 1);
        call = change(call, number, &entry.change)?;
    }
    Ok(call)
}

fn refuse(change: &Change) -> Result<(), EngineError> {
    let bytes = change.bytes();
    if bytes > MAX_RECORD_BYTES {
        return Err(EngineError::refused(format!(
            "an event of {bytes} bytes is more than {MAX_RECORD_BYTES}"
        )));
    }
    Ok(())
}

fn change(call: Call, topic: usize, change: &Change) -> Result<Call, EngineError> {
    Ok(match change {
        Change::Event { body, once: None } => call.arg(topic).arg(&body[..]),
        Change::Event { body, once: Some(once) } => {
            call.arg(format!("O{topic}")).arg(&body[..]).arg(&once[..])
        }
        Change::Complete => call.arg(format!("C{topic}")),
        Change::Forget => call.arg(format!("F{topic}")),
        Change::Disconnect => call.arg(format!("D{topic}")),
        Change::Claim { holder } => call.arg(format!("H{topic}")).arg(*holder),
        Change::Enqueue(event) => call
            .arg("Q0")
            .arg(kind(&event.kind))
            .arg(format!("{:032x}", event.id))
            .arg(&event.head[..])
            .arg(&event.body[..]),
        _ => return Err(EngineError::refused("this change is newer than this engine")),
    })
}

/// A kind as keys and fields have it: the version first, since it has no colon.
pub(super) fn kind(kind: &EventKind) -> String {
    format!("{}:{}", kind.version, kind.name)
}

/// Adds what is wanted to a call of the load script.
pub(super) fn wants(call: Call, wants: &[Want]) -> Call {
    wants.iter().fold(call.arg(Epoch::random().get()), |call, want| {
        call.arg(want.topic.as_str())
            .arg(want.after.get().saturating_add(1))
            .arg(want.events.min(MOST))
            .arg(want.bytes.min(MOST))
    })
}
