//! An event as it travels: attributes with the names of CloudEvents, apart from the body.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

use super::trace::EventTrace;
use crate::{
    backplane::NodeId,
    bus::{carrier::Parcel, event::EventUid},
};

/// What ends the attributes where the body follows them. JSON written here has no line break.
const END_OF_HEAD: u8 = b'\n';

/// The attributes of an event that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: EventUid,
    pub(super) source: NodeId,
    pub(super) name: String,
    pub(super) version: u32,
    /// When it was published, by its publisher's clock.
    pub(super) time: Option<String>,
    causation: Option<EventUid>,
    correlation: Option<EventUid>,
    traceparent: Option<String>,
}

impl Head {
    pub(super) fn trace(&self) -> EventTrace {
        EventTrace::read(self.id, self.causation, self.correlation, self.traceparent.as_deref())
    }
}

/// The attributes of an event that leaves.
pub(super) fn head(parcel: &Parcel, source: NodeId, trace: &EventTrace) -> Bytes {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut head = json!({
        "specversion": "1.0",
        "id": parcel.id.to_string(),
        "source": source.to_string(),
        "type": parcel.name,
        "dataversion": parcel.version,
        "time": rfc3339(since),
        "datacontenttype": "application/json",
        "correlationid": trace.correlation.to_string(),
    });
    if let Some(causation) = trace.causation {
        head["causationid"] = causation.to_string().into();
    }
    if let Some(traceparent) = &trace.traceparent {
        head["traceparent"] = (**traceparent).into();
    }
    head.to_string().into()
}

/// Attributes and body in one.
pub(super) fn whole(head: &Bytes, body: &Bytes) -> Bytes {
    let mut whole = BytesMut::with_capacity(head.len() + 1 + body.len());
    whole.put_slice(head);
    whole.put_u8(END_OF_HEAD);
    whole.put_slice(body);
    whole.freeze()
}

/// [`whole`] taken apart. `None` for what no node of this version has written.
pub(super) fn split(whole: &Bytes) -> Option<(Head, Bytes)> {
    let end = memchr::memchr(END_OF_HEAD, whole)?;
    let head = read(whole.get(..end)?)?;
    Some((head, whole.slice(end + 1..)))
}

/// Reads attributes. More than those that are known may be there.
pub(super) fn read(head: &[u8]) -> Option<Head> {
    let head: Value = serde_json::from_slice(head).ok()?;
    let text = |name: &str| head.get(name)?.as_str();
    let id = |name: &str| u128::from_str_radix(&text(name)?.replace('-', ""), 16).ok();
    let id_of = |name: &str| id(name).map(EventUid::new);
    let source = u128::from_str_radix(text("source")?, 16).ok()?;
    Some(Head {
        id: id_of("id")?,
        source: NodeId::new(source),
        name: text("type")?.to_owned(),
        version: u32::try_from(head.get("dataversion")?.as_u64()?).ok()?,
        time: text("time").map(str::to_owned),
        causation: id_of("causationid"),
        correlation: id_of("correlationid"),
        traceparent: text("traceparent").map(str::to_owned),
    })
}

/// A moment as RFC 3339 writes it, in UTC, to the millisecond.
fn rfc3339(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, so that the leap day is a year's last.
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let millis = since_1970.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel() -> Parcel {
        Parcel {
            name: "order.paid",
            version: 3,
            id: EventUid::new(0x0190_5d0b_9c1e_7000_8000_0000_0000_0001),
            broadcast: true,
            stored: false,
            body: Bytes::from_static(b"{\n\"order\": 7}"),
        }
    }

    #[test]
    fn an_event_is_read_as_it_was_written_and_its_body_to_the_byte() {
        let parcel = parcel();
        let source = NodeId::new(0xabc);
        let trace = EventTrace::read(
            parcel.id,
            Some(EventUid::new(5)),
            Some(EventUid::new(6)),
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        );
        let whole = whole(&head(&parcel, source, &trace), &parcel.body);
        let (head, body) = split(&whole).unwrap();
        assert_eq!((head.id, head.source, head.version), (parcel.id, source, 3));
        assert_eq!(head.trace(), trace);
        assert_eq!((head.name.as_str(), body), ("order.paid", parcel.body));
    }

    #[test]
    fn attributes_have_the_names_of_cloudevents() {
        let head: Value =
            serde_json::from_slice(&head(&parcel(), NodeId::new(1), &EventTrace::of(parcel().id)))
                .unwrap();
        for (name, value) in [("specversion", "1.0"), ("type", "order.paid")] {
            assert_eq!(head[name], value);
        }
        assert_eq!(head["id"], "01905d0b-9c1e-7000-8000-000000000001");
        assert_eq!(head["correlationid"], head["id"]);
        assert!(head["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn what_nobody_wrote_is_passed_over() {
        for bytes in ["", "\n", "{}\n{}", "[]\n{}", "{\"id\":\"xyz\",\"source\":\"1\"}\n{}"] {
            assert_eq!(split(&Bytes::from(bytes)), None, "{bytes:?}");
        }
    }

    #[test]
    fn moments_are_written_as_rfc_3339_says() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_000_000_500, "2026-11-18T11:06:40.500Z"),
        ] {
            assert_eq!(rfc3339(Duration::from_millis(millis)), text);
        }
    }
}
