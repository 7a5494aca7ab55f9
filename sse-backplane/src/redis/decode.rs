//! What the scripts and channels say, read. `None` is something that they never say.

use ::redis::Value;
use bytes::Bytes;
use sse_tower_core::backplane::{
    Answer, Change, Epoch, Head, Loaded, Mark, Position, Record, Topic,
};

/// Reads `epoch position`.
pub(super) fn mark(value: &Value) -> Option<Mark> {
    mark_text(bytes(value)?)
}

pub(super) fn mark_text(text: &[u8]) -> Option<Mark> {
    let (epoch, position) = str::from_utf8(text).ok()?.split_once(' ')?;
    Some(Mark { epoch: Epoch::new(epoch.parse().ok()?), position: self::position(position)? })
}

/// Reads `epoch S1 R2 C`.
pub(super) fn answers(value: &Value) -> Option<(Epoch, Vec<Answer>)> {
    let mut words = text(value)?.split(' ');
    let epoch = Epoch::new(words.next()?.parse().ok()?);
    let answers = words.map(|word| match word.as_bytes().first()? {
        b'S' => Some(Answer::Stored(position(&word[1..])?)),
        b'R' => Some(Answer::Repeated(position(&word[1..])?)),
        b'C' => Some(Answer::Closed),
        _ => None,
    });
    Some((epoch, answers.collect::<Option<_>>()?))
}

/// Reads what the load script answers for these topics.
pub(super) fn loaded(value: Value, topics: &[Topic]) -> Option<Vec<Loaded>> {
    let mut parts = array(value)?.into_iter();
    let epoch = Epoch::new(text(&parts.next()?)?.parse().ok()?);
    let forgotten = position(text(&parts.next()?)?)?;
    let mut loaded = Vec::with_capacity(topics.len());
    for topic in topics {
        let head = match text(&parts.next()?)? {
            "" => None,
            text => Some(head(text)?),
        };
        let newest_first = array(parts.next()?)?;
        let records = newest_first.into_iter().rev().map(|entry| event(topic, entry));
        let records = records.collect::<Option<_>>()?;
        loaded.push(Loaded { topic: topic.clone(), head, records, forgotten, epoch });
    }
    Some(loaded)
}

/// An entry of a stream: `[id, [p, previous, b, body, o, once]]`.
fn event(topic: &Topic, entry: Value) -> Option<Record> {
    let mut entry = array(entry)?.into_iter();
    let id = entry.next()?;
    let (id, _) = text(&id)?.split_once('-')?;
    let mut fields = array(entry.next()?)?.into_iter();
    let previous = position(text(&fields.nth(1)?)?)?;
    let body = match fields.nth(1)? {
        Value::BulkString(body) => Bytes::from(body),
        _ => return None,
    };
    let once = match fields.nth(1) {
        Some(once) => Some(text(&once)?.into()),
        None => None,
    };
    let change = Change::Event { body, once };
    Some(Record { topic: topic.clone(), position: position(id)?, previous, change })
}

/// A head as the append script writes it.
fn head(text: &str) -> Option<Head> {
    let mut numbers = text.split(' ').map(|number| number.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    let newest = Position::new(next()?);
    let completed = Some(Position::new(next()?)).filter(|position| *position > Position::ZERO);
    let disconnected = Position::new(next()?);
    let claimed = Some((Position::new(next()?), next()?)).filter(|(at, _)| *at > Position::ZERO);
    let (_stored, _stays) = (next()?, next()?);
    Some(Head { last: Position::new(next()?), newest, completed, disconnected, claimed })
}

/// What a topic's channel says: the epoch in a line, then records, each a line and what it counts in bytes.
pub(super) fn records(topic: &Topic, message: &[u8], into: &mut Vec<Record>) -> Option<Epoch> {
    let (epoch, mut rest) = line(message)?;
    let epoch = Epoch::new(epoch.parse().ok()?);
    while !rest.is_empty() {
        let (words, behind) = line(rest)?;
        rest = behind;
        let mut words = words.split(' ');
        let letter = words.next()?;
        let (position, previous) = (position(words.next()?)?, position(words.next()?)?);
        let mut number = || words.next()?.parse::<u64>().ok();
        let change = match letter {
            "E" | "O" => {
                // Copied, so that what is kept of it pins nothing else.
                let body = Bytes::copy_from_slice(piece(&mut rest, number()?)?);
                let once = match letter {
                    "O" => Some(str::from_utf8(piece(&mut rest, number()?)?).ok()?.into()),
                    _ => None,
                };
                Change::Event { body, once }
            }
            "C" => Change::Complete,
            "F" => Change::Forget,
            "D" => Change::Disconnect,
            "H" => Change::Claim { holder: number()? },
            _ => return None,
        };
        into.push(Record { topic: topic.clone(), position, previous, change });
    }
    Some(epoch)
}

fn piece<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (piece, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = behind;
    Some(piece)
}

fn line(text: &[u8]) -> Option<(&str, &[u8])> {
    // Head lines are short, so nothing is gained by a faster search.
    let end = text.iter().position(|byte| *byte == b'\n')?;
    Some((str::from_utf8(&text[..end]).ok()?, &text[end + 1..]))
}

pub(super) fn changed(value: Value) -> Option<Vec<(Topic, Position)>> {
    let mut parts = array(value)?.into_iter();
    let mut found = Vec::with_capacity(parts.len() / 2);
    while let (Some(topic), Some(at)) = (parts.next(), parts.next()) {
        found.push((Topic::new(text(&topic)?).ok()?, position(text(&at)?)?));
    }
    Some(found)
}

pub(super) fn position(text: &str) -> Option<Position> {
    text.parse().ok().map(Position::new)
}

pub(super) fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

pub(super) fn text(value: &Value) -> Option<&str> {
    str::from_utf8(bytes(value)?).ok()
}
