//! The queue on a real Redis: what runs on several nodes while the server is killed, frozen and cut off, and what time does to what
//! nobody takes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

mod oracle;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use engine_servers::{Redis, Relay, Signal};
use oracle::KEEP;
use redis::AsyncCommands;
use sse_tower_backplane::redis::RedisEngine;
use sse_tower_core::backplane::{
    Batch, Beat, Change, Claim, Claimed, DeadReason, Deliveries, Engine, EngineErrorKind, Entry,
    EventKind, Feed, Fence, ListenerState, NodeId, Queue, QueuedEvent, Registration, Since, Topic,
    Verdict,
};
use tokio::{task::JoinHandle, time::sleep};

const LEASE: Duration = Duration::from_secs(20);

fn engine(address: impl std::fmt::Display) -> Arc<RedisEngine> {
    Arc::new(RedisEngine::new(&format!("redis://{address}/"), "queue").unwrap())
}

async fn started(address: impl std::fmt::Display) -> Arc<RedisEngine> {
    let engine = engine(address);
    engine.start(Feed::new(|_| {})).await.unwrap();
    engine
}

async fn other(redis: &Redis) -> redis::aio::MultiplexedConnection {
    redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

fn kind() -> EventKind {
    EventKind { name: "paid".into(), version: 1 }
}

fn claim(count: usize) -> Claim {
    Claim { listener: "mail".into(), kinds: vec![kind()], count, ordered: false }
}

async fn register(engine: &RedisEngine) {
    let hears = vec!["paid".into()];
    let mail = Registration { listener: "mail".into(), hears, since: Since::Now };
    engine.register(vec![mail]).await.unwrap();
}

/// Queues one event in a batch of its own, and tries again until it is.
async fn publish(engine: &RedisEngine, node: NodeId, number: u64) {
    let event =
        QueuedEvent { kind: kind(), id: u128::from(number), head: "{}".into(), body: "x".into() };
    let topic = Topic::new("unused").unwrap();
    let entry = Entry { topic, change: Change::Enqueue(event), keep: KEEP };
    let batch = Batch { node, number, entries: [entry].into() };
    persist(|| engine.append(batch.clone())).await;
}

/// Makes a call until the store answers.
async fn persist<T, F>(mut call: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, sse_tower_core::backplane::EngineError>>,
{
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) if error.kind() == EngineErrorKind::Unavailable => {
                sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// How often each event was done, by all workers.
type Done = Arc<Mutex<BTreeMap<u128, usize>>>;

/// A node that claims, does and settles, and beats.
fn work(engine: Arc<RedisEngine>, done: Done, stop: Arc<AtomicBool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let node = NodeId::random();
        assert_eq!(persist(|| engine.beat(node, LEASE)).await, Beat::Alive);
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(persist(|| engine.beat(node, LEASE)).await, Beat::Alive);
            let Ok(Claimed::Deliveries(Deliveries { now, .. })) =
                engine.claim(node, vec![claim(16)]).await
            else {
                // An answer that never came took nothing.
                continue;
            };
            if now.is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
            let verdicts: Vec<_> = now
                .iter()
                .map(|delivery| {
                    *done.lock().unwrap().entry(delivery.event.id).or_default() += 1;
                    let fence = Fence {
                        listener: delivery.listener.clone(),
                        position: delivery.position,
                        owner: node,
                        failures: delivery.failures,
                        losses: delivery.losses,
                    };
                    (fence, Verdict::Finished)
                })
                .collect();
            persist(|| engine.settle(verdicts.clone())).await;
        }
    })
}

/// Events are published and done, on two nodes each, while something happens; each is done, and exactly once, since no node died.
async fn under_load(
    redis: &mut Redis,
    writes: Vec<Arc<RedisEngine>>,
    works: Vec<Arc<RedisEngine>>,
    fault: impl AsyncFnOnce(&mut Redis),
) {
    register(&writes[0]).await;
    let (done, stop) = (Done::default(), Arc::<AtomicBool>::default());
    let workers: Vec<_> =
        works.into_iter().map(|engine| work(engine, done.clone(), stop.clone())).collect();
    let ended = Arc::<AtomicBool>::default();
    let writers: Vec<_> = writes
        .iter()
        .enumerate()
        .map(|(index, engine)| {
            let (engine, ended) = (engine.clone(), ended.clone());
            tokio::spawn(async move {
                let (node, first) = (NodeId::random(), (index as u64) << 32);
                let mut number = first;
                while !ended.load(Ordering::Relaxed) {
                    number += 1;
                    publish(&engine, node, number).await;
                    sleep(Duration::from_millis(1)).await;
                }
                (first + 1, number)
            })
        })
        .collect();
    fault(redis).await;
    ended.store(true, Ordering::Relaxed);
    let mut expected = BTreeMap::new();
    for writer in writers {
        let (first, last) = writer.await.unwrap();
        expected.extend((first..=last).map(|id| (u128::from(id), 1)));
    }
    let all = async {
        while done.lock().unwrap().len() < expected.len() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let within = tokio::time::timeout(oracle::HEALED, all).await;
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let done = done.lock().unwrap();
    assert!(within.is_ok(), "{} of {} are done", done.len(), expected.len());
    assert!(*done == expected, "some were done twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_no_work_and_does_none_twice() {
    engine_servers::only_with!("redis");
    // `everysec` puts its writes off for up to two seconds while the disk is busy, and answers all the same.
    let mut redis = Redis::start_with(&["--appendfsync", "always"]).unwrap();
    let at = redis.address();
    let (writes, works) =
        (vec![started(at).await, started(at).await], vec![started(at).await, started(at).await]);
    under_load(&mut redis, writes, works, async |redis| {
        for _ in 0..2 {
            sleep(Duration::from_millis(400)).await;
            redis.kill();
            sleep(Duration::from_millis(200)).await;
            redis.restart().unwrap();
        }
        sleep(Duration::from_millis(400)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_loses_no_work_and_does_none_twice() {
    engine_servers::only_with!("redis");
    let mut redis = Redis::start().unwrap();
    let at = redis.address();
    let (writes, works) =
        (vec![started(at).await, started(at).await], vec![started(at).await, started(at).await]);
    under_load(&mut redis, writes, works, async |redis| {
        sleep(Duration::from_millis(300)).await;
        redis.signal(Signal::STOP).unwrap();
        sleep(Duration::from_secs(4)).await;
        redis.signal(Signal::CONT).unwrap();
        sleep(Duration::from_millis(500)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_and_silent_connections_lose_no_work_and_do_none_twice() {
    engine_servers::only_with!("redis");
    let mut redis = Redis::start().unwrap();
    let relay = Relay::start(redis.address()).await.unwrap();
    let at = relay.address();
    let (writes, works) =
        (vec![started(at).await, started(at).await], vec![started(at).await, started(at).await]);
    under_load(&mut redis, writes, works, async |_| {
        for round in 0..20 {
            relay.cut_after(1_000 + round * 97);
            while relay.will_cut() {
                sleep(Duration::from_millis(2)).await;
            }
            sleep(Duration::from_millis(20)).await;
        }
        relay.silence();
        sleep(Duration::from_millis(2_500)).await;
    })
    .await;
}

#[tokio::test]
async fn what_nobody_needs_goes_and_what_falls_off_is_a_dead_letter() {
    engine_servers::only_with!("redis");
    let redis = Redis::start().unwrap();
    let engine = started(redis.address()).await;
    register(&engine).await;
    let node = NodeId::random();
    engine.beat(node, LEASE).await.unwrap();
    let mut other = other(&redis).await;
    // As if they had been published long ago: the lane stands before them.
    let stream = "{queue}:q:s:1:paid";
    for (position, id) in [(1_000, 1), (2_000, 2)] {
        let id = format!("{id:032x}");
        let mut add = redis::cmd("XADD");
        add.arg(stream).arg(position).arg(&["n", "1", "i", &id, "h", "head", "b", "body"]);
        let _: String = add.query_async(&mut other).await.unwrap();
        let _: i64 = other.hincr("{queue}:q:kinds", "1:paid", 1).await.unwrap();
    }
    publish(&engine, node, 1).await;
    let tend = async |other: &mut redis::aio::MultiplexedConnection| {
        let _: () = other.del("{queue}:q:tended").await.unwrap();
        engine.reap(Duration::ZERO).await.unwrap();
        // A call behind it, on the same connection.
        engine.heard().await.unwrap();
        redis::cmd("XLEN").arg(stream).query_async::<usize>(other).await.unwrap()
    };
    assert_eq!(tend(&mut other).await, 1, "what is too old went, what is young stayed");
    let letters = engine.dead("mail".into(), 0, 9).await.unwrap();
    let told: Vec<_> = letters.iter().map(|letter| (letter.event.id, letter.reason)).collect();
    assert_eq!(told, [(1, DeadReason::Expired), (2, DeadReason::Expired)]);
    assert_eq!(&letters[0].event.body[..], b"body");
    let Claimed::Deliveries(deliveries) = engine.claim(node, vec![claim(9)]).await.unwrap() else {
        panic!()
    };
    assert_eq!(deliveries.now.len(), 1);

    // A letter and a listener that nobody has looked at for too long.
    let _: () = other.hset("{queue}:q:listeners", "mail", "A 1").await.unwrap();
    tend(&mut other).await;
    let stats = engine.stats().await.unwrap();
    assert_eq!((stats[0].state, stats[0].running), (ListenerState::Retired, 0));
    assert_eq!(stats[0].dead, 2, "its letters stay");
    assert!(engine.heard().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_that_was_lost_takes_nothing_with_it() {
    engine_servers::only_with!("redis");
    let redis = Redis::start().unwrap();
    let relay = Relay::start(redis.address()).await.unwrap();
    let (writer, worker) = (started(redis.address()).await, started(relay.address()).await);
    register(&writer).await;
    let (writing, node) = (NodeId::random(), NodeId::random());
    worker.beat(node, LEASE).await.unwrap();
    for number in 1..=3 {
        publish(&writer, writing, number).await;
    }
    // The claim is carried out, and nothing of its answer comes.
    relay.cut_after(0);
    worker.claim(node, vec![claim(2)]).await.unwrap_err();
    let claimed = persist(|| worker.claim(node, vec![claim(9)])).await;
    let Claimed::Deliveries(deliveries) = claimed else { panic!("{claimed:?}") };
    let ids: Vec<_> = deliveries.now.iter().map(|d| (d.event.id, d.failures, d.losses)).collect();
    assert_eq!(ids, [(1, 0, 0), (2, 0, 0), (3, 0, 0)]);
    assert_eq!(writer.stats().await.unwrap()[0].running, 3);
}
