//! Whatever is sent, a parser by other people reads the same, and nothing that a client says breaks
//! anything.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use proptest::{collection::vec, prelude::*, sample::select};
use sse_stream::{Sse, SseByteStream};
use sse_tower_core::{
    Emitters, EventId, EventName, InvalidEvent, LastEventId, SseEvent, SseEventBuilder,
};

/// What goes into an event.
#[derive(Clone, Debug)]
enum Field {
    Name(String),
    Id(String),
    Retry(Duration),
    Comment(String),
    Data(String),
}

/// Text with everything that has a meaning in an event stream.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(vec![
            "\n",
            "\r",
            "\r\n",
            "\n\n",
            "\0",
            " ",
            "  ",
            "\u{feff}",
            ":",
            "data:",
            "event:x",
            "id: 7",
            "retry:1",
            "",
            "支付成功",
            "🦀",
            "\t",
            "\u{b}",
            "\u{2028}",
            "\u{85}",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        "[a-z]{0,5}",
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// The same without what a name must not have.
fn name() -> impl Strategy<Value = String> {
    text()
        .prop_map(|text| text.replace(['\n', '\r'], ""))
        .prop_filter("a name is not empty", |text| !text.is_empty())
}

/// The same without what an id must not have.
fn id() -> impl Strategy<Value = String> {
    text()
        .prop_map(|text| {
            text.replace(|c: char| c.is_ascii_control(), "").trim_matches(' ').to_owned()
        })
        .prop_filter("an id is not empty, and not too long", |text| {
            !text.is_empty() && text.len() <= EventId::MAX_BYTES
        })
}

fn fields() -> impl Strategy<Value = Vec<Field>> {
    let field = prop_oneof![
        name().prop_map(Field::Name),
        id().prop_map(Field::Id),
        any::<Duration>().prop_map(Field::Retry),
        text().prop_map(Field::Comment),
        text().prop_map(Field::Data),
    ];
    vec(field, 1..8)
}

fn builder(fields: &[Field]) -> SseEventBuilder {
    fields.iter().fold(SseEvent::builder(), |event, field| match field {
        Field::Name(name) => event.name(name.as_str()),
        Field::Id(id) => event.id(id.as_str()),
        Field::Retry(retry) => event.retry(*retry),
        Field::Comment(text) => event.comment(text),
        Field::Data(text) => event.data(text),
    })
}

fn normalised(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// What a client has to make of it; `None` for comments alone.
fn expected(fields: &[Field]) -> Option<Sse> {
    let mut event = Sse::default();
    for field in fields {
        match field {
            Field::Name(name) => event.event = Some(name.clone()),
            Field::Id(id) => event.id = Some(id.clone()),
            Field::Retry(retry) => {
                event.retry = Some(retry.as_millis().min(i32::MAX as u128) as u64);
            }
            Field::Comment(_) => {}
            Field::Data(text) => {
                let before = event.data.take().map(|data| data + "\n").unwrap_or_default();
                event.data = Some(before + &normalised(text));
            }
        }
    }
    (event != Sse::default()).then_some(event)
}

/// What a client has to make of them: comments and `retry` alone belong to the event after them.
fn expected_of_all(events: &[Vec<Field>]) -> Vec<Sse> {
    let (mut all, mut fields) = (Vec::new(), Vec::new());
    for event in events {
        fields.extend_from_slice(event);
        if !event.iter().all(|field| matches!(field, Field::Retry(_) | Field::Comment(_))) {
            all.extend(expected(&std::mem::take(&mut fields)));
        }
    }
    all
}

/// The events that the parser finds in `wire` when it comes in pieces cut at `cuts`.
fn parsed(wire: &[u8], cuts: &[prop::sample::Index]) -> Vec<Sse> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
    at.extend([0, wire.len()]);
    at.sort_unstable();
    let pieces = at.windows(2).map(|pair| Bytes::copy_from_slice(&wire[pair[0]..pair[1]]));
    let pieces: Vec<_> = pieces.map(Ok::<_, Infallible>).collect();
    let events = SseByteStream::new(stream::iter(pieces)).map(|event| event.expect("an event"));
    events.collect().now_or_never().expect("nothing to wait for")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_parser_reads_what_was_put_in(events in vec(fields(), 1..6), cuts in vec(any::<prop::sample::Index>(), 0..12)) {
        let mut wire = Vec::new();
        for fields in &events {
            let event = builder(fields).build().unwrap();
            let length = event.encoded_len();
            let bytes = event.encode();
            prop_assert_eq!(length, bytes.len());
            // What a blank line would make an empty event of, for some clients, has none.
            let is_event = !bytes.split(|byte| *byte == b'\n').all(|line| {
                line.is_empty() || line.starts_with(b":") || line.starts_with(b"retry:")
            });
            prop_assert!(bytes.ends_with(b"\n") && !bytes.starts_with(b"\n"));
            prop_assert_eq!(bytes.ends_with(b"\n\n"), is_event);
            prop_assert!(!bytes[..bytes.len() - 2].windows(2).any(|pair| pair == b"\n\n"));
            wire.extend_from_slice(&bytes);
        }
        prop_assert_eq!(parsed(&wire, &cuts), expected_of_all(&events));
    }

    #[test]
    fn what_a_keyed_log_adds_is_an_id_and_nothing_else(fields in fields()) {
        let emitters = Emitters::<u8>::new();
        let receipt = emitters.send(&1, builder(&fields)).now_or_never().unwrap().unwrap();
        let mut stream = emitters.connect(1, LastEventId::default()).into_stream();
        let wire = stream.next().now_or_never().flatten().unwrap();
        let mut expected = expected(&fields).unwrap_or_default();
        expected.id = Some(receipt.id.as_str().to_owned());
        prop_assert_eq!(parsed(&wire, &[]), [expected]);
    }

    #[test]
    fn bad_names_and_ids_are_errors_and_nothing_panics(text in text()) {
        let bad_name = text.is_empty() || text.contains(['\n', '\r']);
        prop_assert_eq!(EventName::try_from(text.as_str()).is_err(), bad_name);
        prop_assert_eq!(SseEvent::builder().data("x").name(text.as_str()).build().is_err(), bad_name);
        let bad_id = text.is_empty()
            || text.contains(|c: char| c.is_ascii_control())
            || text.starts_with(' ')
            || text.ends_with(' ')
            || text.len() > EventId::MAX_BYTES;
        prop_assert_eq!(EventId::try_from(text.as_str()).is_err(), bad_id);
        prop_assert_eq!(SseEvent::builder().data("x").id(text.as_str()).build().is_err(), bad_id);
    }

    #[test]
    fn any_last_event_id_is_answered(value in vec(any::<u8>(), 0..64)) {
        let last = LastEventId::read(&value);
        if let Some(id) = last.id() {
            prop_assert_eq!(id.as_str().as_bytes(), &value[..]);
        }
        let emitters = Emitters::<u8>::new();
        emitters.send(&1, "x").now_or_never().unwrap().unwrap();
        let wire = emitters.connect(1, last).into_stream().next().now_or_never().flatten();
        let first = parsed(&wire.unwrap(), &[]).remove(0);
        if value.is_empty() {
            prop_assert_eq!(first.data.as_deref(), Some("x"));
        } else {
            prop_assert_eq!(first.event.as_deref(), Some("stream-reset"));
        }
    }

    #[test]
    fn a_token_that_was_touched_is_another_or_none(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let emitters = Emitters::<u8>::new();
        let id = emitters.send(&1, "x").now_or_never().unwrap().unwrap().id;
        let mut touched = id.as_str().as_bytes().to_vec();
        let at = at.index(touched.len());
        prop_assume!(touched[at] != byte);
        touched[at] = byte;
        // Never everything again, as if it had said nothing; never a panic.
        let last = LastEventId::read(&touched);
        let wire = emitters.connect(1, last).into_stream().next().now_or_never().flatten();
        let events = wire.map(|wire| parsed(&wire, &[])).unwrap_or_default();
        if let Some(first) = events.first() {
            let earlier = touched < id.as_str().as_bytes().to_vec() && first.data.as_deref() == Some("x");
            prop_assert!(earlier || first.event.is_some(), "{first:?}");
        }
    }
}

#[test]
fn a_position_is_read_back_as_itself() {
    let emitters = Emitters::<u8>::new();
    for _ in 0..1000 {
        let id = emitters.send(&1, "x").now_or_never().unwrap().unwrap().id;
        assert_eq!(LastEventId::read(id.as_str().as_bytes()), LastEventId::from(id.clone()));
        let next = emitters.connect(1, id.into()).into_stream().next().now_or_never();
        assert_eq!(next.flatten().unwrap(), ":\n", "nothing came after it");
    }
}

#[test]
fn a_token_costs_no_preflight() {
    let id = Emitters::<u8>::new().position();
    assert!(id.as_str().len() < 64);
    assert!(id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)));
}

#[test]
fn an_event_that_is_too_large_is_an_error() {
    let text = "x".repeat(sse_tower_core::MAX_EVENT_BYTES);
    assert!(matches!(SseEvent::builder().data(&text).build(), Err(InvalidEvent::TooLarge { .. })));
    let emitters = Emitters::<u8>::new();
    assert!(emitters.send(&1, text).now_or_never().unwrap().is_err());
    let next = emitters.connect(1, LastEventId::default()).into_stream().next().now_or_never();
    assert_eq!(next.flatten().unwrap(), ":\n");
}
