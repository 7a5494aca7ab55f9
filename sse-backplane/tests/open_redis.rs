//! What is said when a Redis cannot be used, each provoked, and that nothing secret is among it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

mod refusals;

use engine_servers::Redis;
use refusals::{Certificates, SECRET, tells_no_secret};
use sse_tower_backplane::redis::RedisEngine;
use sse_tower_core::backplane::{
    Batch, Change, Engine, EngineError, EngineErrorKind, Entry, Feed, Keep, NodeId, Topic,
};

async fn refused(url: &str) -> EngineError {
    let engine = RedisEngine::new(url, "open").unwrap();
    let error = engine.start(Feed::new(|_| {})).await.unwrap_err();
    tells_no_secret(&error);
    assert!(!format!("{engine:?}").contains(SECRET));
    error
}

fn url(redis: &Redis, user: &str) -> String {
    format!("redis://{user}@{}/", redis.address())
}

#[tokio::test]
async fn nobody_listens() {
    engine_servers::only_with!("redis");
    let port = engine_servers::free_port().unwrap();
    let error = refused(&format!("redis://:{SECRET}@127.0.0.1:{port}/")).await;
    assert_eq!(error.kind(), EngineErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        format!(
            "Redis at 127.0.0.1:{port} cannot be reached, nobody listens there: is it running, are host and port right?"
        )
    );
}

#[tokio::test]
async fn a_server_that_takes_connections_and_is_silent_is_not_waited_for_long() {
    engine_servers::only_with!("redis");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let begun = std::time::Instant::now();
    let error = refused(&format!("redis://{address}/")).await;
    assert_eq!(error.to_string(), format!("Redis at {address} did not answer in time"));
    assert!(begun.elapsed() < std::time::Duration::from_secs(4));
}

#[tokio::test]
async fn a_password_is_missing_or_wrong() {
    engine_servers::only_with!("redis");
    let redis = Redis::start_with(&["--requirepass", SECRET]).unwrap();
    let at = redis.address();
    let error = refused(&redis.url()).await;
    assert_eq!(error.kind(), EngineErrorKind::Refused);
    assert_eq!(
        error.to_string(),
        format!(
            "Redis at {at} wants a password: redis://:password@host/ or redis://user:password@host/"
        )
    );
    let error = refused(&url(&redis, &format!("anna:{SECRET}"))).await;
    assert_eq!(error.kind(), EngineErrorKind::Refused);
    assert_eq!(
        error.to_string(),
        format!(
            "Redis at {at} does not take the user and password of the URL; characters that mean something in a URL have \
             to be written as %40 and so on"
        )
    );
    let engine = RedisEngine::new(&url(&redis, &format!(":{SECRET}")), "open").unwrap();
    engine.start(Feed::new(|_| {})).await.unwrap();
    assert!(!format!("{engine:?}").contains(SECRET));
}

#[tokio::test]
async fn a_right_is_missing() {
    engine_servers::only_with!("redis");
    let enough = "~{open}:* &{open}:* +@read +@write +@scripting +@pubsub +@connection +time";
    let user = |name: &str, rules: &str| format!("{name} on >{SECRET} {rules}");
    let users = [
        user("enough", enough),
        user("keys", &enough.replace("~{open}:* ", "~other:* ")),
        user("channels", &enough.replace("&{open}:* ", "&other:* ")),
        user("listen", &format!("{enough} -subscribe")),
        user("streams", &format!("{enough} -xadd")),
        user("scripts", &format!("{enough} -evalsha")),
    ];
    let mut options = Vec::new();
    for user in &users {
        options.push("--user");
        options.extend(user.split(' '));
    }
    let redis = Redis::start_with(&options).unwrap();
    for name in ["keys", "channels", "listen", "streams", "scripts"] {
        let error = refused(&url(&redis, &format!("{name}:{SECRET}"))).await;
        assert_eq!(error.kind(), EngineErrorKind::Refused, "{name}: {error:?}");
        let text = error.to_string();
        assert!(text.contains(" lets this user in, but a right is missing: "), "{name}: {text}");
        assert!(text.contains("It needs `~{open}:* &{open}:*`, and `+@read "), "{name}: {text}");
    }
    let error = refused(&url(&redis, &format!("streams:{SECRET}"))).await.to_string();
    assert!(error.contains(" missing: XADD: "), "it names the command: {error}");

    // And with exactly what the error asks for everything works, without INFO and CONFIG too.
    let engine = RedisEngine::new(&url(&redis, &format!("enough:{SECRET}")), "open").unwrap();
    engine.start(Feed::new(|_| {})).await.unwrap();
    engine.append(batch("x")).await.unwrap();
    assert_eq!(
        engine.durability(),
        "Redis keeps what it stores as its settings say, which this user may not read; what it lost is noticed, and told \
         to every connection"
    );
}

#[tokio::test]
async fn a_replica_takes_no_writes() {
    engine_servers::only_with!("redis");
    let primary = Redis::start().unwrap();
    let of = primary.address().port().to_string();
    let redis = Redis::start_with(&["--replicaof", "127.0.0.1", &of]).unwrap();
    let error = refused(&redis.url()).await;
    assert_eq!(error.kind(), EngineErrorKind::Unavailable);
    assert!(
        error
            .to_string()
            .ends_with(" is a replica, which takes no writes: name the primary in the URL"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_without_memory_stores_nothing_and_says_so() {
    engine_servers::only_with!("redis");
    let redis = Redis::start().unwrap();
    let engine = RedisEngine::new(&redis.url(), "open").unwrap();
    engine.start(Feed::new(|_| {})).await.unwrap();
    let client = redis::Client::open(redis.url()).unwrap();
    let mut other = client.get_multiplexed_async_connection().await.unwrap();
    let _: () =
        redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).query_async(&mut other).await.unwrap();
    let error = engine.append(batch("x")).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Unavailable, "{error:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "Redis at {} has no memory left, nothing was stored: raise its `maxmemory`, or keep less history",
            redis.address()
        )
    );
    let _: () =
        redis::cmd("CONFIG").arg(&["SET", "maxmemory", "0"]).query_async(&mut other).await.unwrap();
    // The same batch again: it was not stored, so it is now.
    engine.append(batch("x")).await.unwrap();
    let length: usize = redis::cmd("XLEN").arg("{open}:s:t").query_async(&mut other).await.unwrap();
    assert_eq!(length, 1);
}

#[tokio::test]
async fn how_long_it_keeps_its_word_is_said() {
    engine_servers::only_with!("redis");
    for (options, said) in [
        (
            &["--appendfsync", "always"][..],
            "Redis has on its disk what it stores before it says so",
        ),
        (
            &[],
            "Redis keeps what it stores over a restart; of the last second before a power cut it may lose something, which is noticed, and told to every connection",
        ),
        (
            &["--appendonly", "no", "--save", "60 1"],
            "Redis forgets with its end what it stored since its last snapshot, which is noticed, and told to every connection: set `appendonly yes`",
        ),
        (
            &["--appendonly", "no"],
            "Redis has nothing on a disk and forgets everything with its end, which is noticed, and told to every connection: set `appendonly yes`",
        ),
    ] {
        let redis = Redis::start_with(options).unwrap();
        let engine = RedisEngine::new(&redis.url(), "open").unwrap();
        engine.start(Feed::new(|_| {})).await.unwrap();
        assert_eq!(engine.durability(), said);
    }
}

#[tokio::test]
async fn an_engine_is_started_once_and_first() {
    engine_servers::only_with!("redis");
    let redis = Redis::start().unwrap();
    let engine = RedisEngine::new(&redis.url(), "open").unwrap();
    let error = engine.append(batch("x")).await.unwrap_err();
    assert_eq!(error.to_string(), "this engine was not started");
    engine.start(Feed::new(|_| {})).await.unwrap();
    let error = engine.start(Feed::new(|_| {})).await.unwrap_err();
    assert_eq!(error.to_string(), "this engine was started before");
    engine.mark().await.unwrap();
}

#[tokio::test]
async fn what_is_encrypted_is_verified() {
    engine_servers::only_with!("redis");
    let Certificates { cert, key, other, .. } = &Certificates::new();
    let port = engine_servers::free_port().unwrap();
    let _redis = Redis::start_with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        cert,
        "--tls-key-file",
        key,
        "--tls-auth-clients",
        "no",
    ])
    .unwrap();
    let at = |host: &str, ca: &str| format!("rediss://:{SECRET}@{host}:{port}/{ca}");
    let trusted = |host: &str| at(host, &format!("?ca={cert}")).replace(&format!(":{SECRET}@"), "");
    let engine = RedisEngine::new(&trusted("localhost"), "open").unwrap();
    engine.start(Feed::new(|_| {})).await.unwrap();
    engine.append(batch("x")).await.unwrap();
    for url in [trusted("127.0.0.1"), at("localhost", &format!("?ca={other}")), at("localhost", "")]
    {
        let error = refused(&url).await;
        assert_eq!(error.kind(), EngineErrorKind::Refused, "{url}: {error:?}");
        let text = error.to_string();
        assert!(text.starts_with("no TLS with Redis at ") && text.contains("`ca="), "{text}");
    }
    // Not encrypted, where it should be, and the other way around.
    let error = RedisEngine::new(&format!("redis://h/?ca={cert}"), "open").unwrap_err();
    assert!(error.to_string().starts_with("`ca=` is for TLS, and so for rediss://"), "{error}");
    let error = RedisEngine::new("rediss://h/?ca=/nowhere.pem", "open").unwrap_err();
    assert_eq!(error.to_string(), "the file of `ca=/nowhere.pem` cannot be read");
}

fn batch(body: &'static str) -> Batch {
    let keep = Keep { events: 9, bytes: 999, age: std::time::Duration::from_secs(60) };
    let change = Change::Event { body: body.into(), once: None };
    let entry = Entry { topic: Topic::new("t").unwrap(), change, keep };
    Batch { node: NodeId::new(1), number: 1, entries: [entry].into() }
}
