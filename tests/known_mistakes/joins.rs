//! Threads that join, leave and publish at one key, all at once.

use std::pin::pin;
use std::sync::Barrier;
use std::thread;

use futures_util::StreamExt;
use sse_tower::{Emitters, EventStream, History, LastEventId};
use sse_tower_tests::{Result, within};

const THREADS: usize = 8;
/// Each begins for all threads at once, so that joins fall between events whoever is faster.
const ROUNDS: usize = 25;
/// Of each thread in each round.
const JOINS: usize = 5;
/// In each round; the history holds those of all rounds.
const EVENTS: usize = 20;

#[tokio::test]
async fn a_thousand_who_join_while_others_leave_and_events_are_published_get_every_event() -> Result
{
    let history = History::events(ROUNDS * EVENTS + 1);
    let emitters: Emitters<u64> = Emitters::builder().history(history).build();
    let begin = Barrier::new(THREADS + 1);
    let join = || {
        let mut streams = Vec::new();
        for _ in 0..ROUNDS {
            begin.wait();
            for _ in 0..JOINS {
                drop(emitters.connect(1, LastEventId::default()).into_stream());
                streams.push(emitters.connect(1, LastEventId::default()).into_stream());
            }
        }
        streams
    };
    let streams = thread::scope(|scope| {
        let joins: Vec<_> = (0..THREADS).map(|_| scope.spawn(join)).collect();
        for round in 0..ROUNDS {
            begin.wait();
            for n in round * EVENTS..(round + 1) * EVENTS {
                drop(emitters.send(&1, n.to_string()));
            }
        }
        let streams = joins.into_iter().map(|thread| thread.join());
        streams.collect::<std::result::Result<Vec<_>, _>>()
    });
    let streams = streams.map_err(|_| "a thread that joined panicked")?;
    let streams: Vec<EventStream> = streams.into_iter().flatten().collect();
    assert_eq!((streams.len(), emitters.len()), (1000, 1000));
    assert_eq!(emitters.send(&1, "last").await?.receivers, 1000);
    emitters.complete(&1);
    let every: Vec<String> =
        (0..ROUNDS * EVENTS).map(|n| n.to_string()).chain(["last".to_owned()]).collect();
    for stream in streams {
        let mut stream = pin!(stream);
        let mut text = Vec::new();
        while let Some(bytes) = within("the next event", stream.next()).await? {
            text.extend_from_slice(&bytes);
        }
        let text = String::from_utf8(text)?;
        let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data:")).collect();
        assert_eq!(data, every);
    }
    Ok(())
}
