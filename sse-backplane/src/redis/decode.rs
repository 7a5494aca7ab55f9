//! Decoding what the scripts and channels say. `None` for what they never say.

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

/// Reads `epoch first SSR7;SC`: what was stored has positions one behind the other.
pub(super) fn answers(value: &Value) -> Option<(Epoch, Vec<Answer>)> {
    let mut words = text(value)?.splitn(3, ' ');
    let epoch = Epoch::new(words.next()?.parse().ok()?);
    let mut next = words.next()?.parse::<u64>().ok()?;
    let mut rest = words.next()?;
    let mut answers = Vec::with_capacity(rest.len());
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        answers.push(match letter {
            'S' => {
                next += 1;
                Answer::Stored(Position::new(next - 1))
            }
            'R' => {
                let (at, behind) = rest.split_once(';')?;
                rest = behind;
                Answer::Repeated(position(at)?)
            }
            'C' => Answer::Closed,
            _ => return None,
        });
    }
    Some((epoch, answers))
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
    let (newest, last) = (Position::new(next()?), Position::new(next()?));
    let (_stored, _stays) = (next()?, next()?);
    let completed = Some(Position::new(next()?)).filter(|position| *position > Position::ZERO);
    let disconnected = Position::new(next()?);
    let claimed = Some((Position::new(next()?), next()?)).filter(|(at, _)| *at > Position::ZERO);
    Some(Head { last, newest, completed, disconnected, claimed })
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
            "L" => Change::Event {
                // Copied, so that what is kept of it pins nothing else.
                body: Bytes::copy_from_slice(std::mem::take(&mut rest)),
                once: None,
            },
            "E" | "O" => {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn answers_count_on_from_the_first() {
        let (epoch, found) = answers(&said("9 100 SR7;SCR12;S")).unwrap();
        let (stored, repeated) =
            (|at| Answer::Stored(Position::new(at)), |at| Answer::Repeated(Position::new(at)));
        assert_eq!(epoch, Epoch::new(9));
        let expected =
            [stored(100), repeated(7), stored(101), Answer::Closed, repeated(12), stored(102)];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_last_event_of_a_message_needs_no_length() {
        let (topic, mut found) = (Topic::new("t").unwrap(), Vec::new());
        let message = b"9\nE 5 0 3\na\nbD 6 5 0\nL 7 5\nE 1 2 3\n";
        assert_eq!(records(&topic, message, &mut found), Some(Epoch::new(9)));
        let event = |body: &'static str| Change::Event { body: body.into(), once: None };
        let changes = found.iter().map(|record| (record.position.get(), record.change.clone()));
        let expected = [(5, event("a\nb")), (6, Change::Disconnect), (7, event("E 1 2 3\n"))];
        assert!(changes.eq(expected), "{found:?}");
    }

    #[test]
    fn what_nobody_says_is_nothing_and_no_panic() {
        for text in ["", "9", "9 1", "9 1 X", "9 1 Rü", "9 1 R7", "x 1 S", "9 1 Sü", "-1 1 S"] {
            assert_eq!(answers(&said(text)), None, "{text}");
        }
        let topic = Topic::new("t").unwrap();
        for text in [
            "",
            "9",
            "x\n",
            "9\nE",
            "9\nE 1",
            "9\nL 1\nbody",
            "9\nE 1 0 5\nbody",
            "9\nE 1 0 99999999999999999999\n",
            "9\nO 1 0 1 9\nxy",
            "9\nZ 1 0 0\n",
        ] {
            assert_eq!(records(&topic, text.as_bytes(), &mut Vec::new()), None, "{text:?}");
        }
        assert!(loaded(Value::Nil, std::slice::from_ref(&topic)).is_none());
        let half = Value::Array(vec![said("1"), said("0"), said("1 2"), said("")]);
        assert!(loaded(half, &[topic]).is_none());
    }
}
