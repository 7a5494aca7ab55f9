//! A backplane that cannot be opened: what `backplane::open` says of each reason, and that no secret is among it.

use std::net::SocketAddr;
use std::time::Duration;

use engine_servers::{Nats, Postgres, Redis, Relay, free_port, only_with};
use sse_tower::backplane::{Backplane, OpenError, open};

use crate::heard::{everything_logged, listen_to_everything, says};

/// The password of every URL here.
const SECRET: &str = "s3cret-pass";

async fn refused(url: &str) -> OpenError {
    let error = open(url).await.map(drop).unwrap_err();
    let mut shown = format!("{error:?} {:?}", Backplane::builder(url));
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        shown.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    assert!(!shown.contains(SECRET), "{shown}");
    error
}

/// Everything that was logged while these URLs were tried, by whatever crate, at whatever level, has no secret in it.
async fn tells_no_secret(urls: &[String]) {
    listen_to_everything();
    for url in urls {
        // One that can be opened may log something as well.
        if let Ok(backplane) = open(url.as_str()).await {
            assert!(!format!("{backplane:?}").contains(SECRET));
            backplane.close().await;
        }
    }
    let logged = everything_logged();
    assert!(!logged.contains(SECRET), "{logged}");
}

#[tokio::test]
async fn what_is_no_url() {
    says(
        &refused(&format!("mysql://app:{SECRET}@db/shop")).await,
        "`mysql://***@db/shop` is no backplane; URLs begin with `memory:`, `redb:`, `redis://`, `rediss://`, \
         `postgres://`, `nats://` or `tls://`",
    );
}

#[tokio::test]
async fn what_is_no_namespace() {
    let error = Backplane::builder("memory:").namespace("my shop").open().await.map(drop);
    says(
        &error.unwrap_err(),
        "`my shop` is no namespace; use 1 to 64 letters, digits, `-` and `_`",
    );
}

#[tokio::test]
async fn urls_that_an_engine_cannot_read() {
    says(
        &refused(&format!("redis://app:{SECRET}@h:99999/")).await,
        "backplane `redis://***@h:99999/` cannot be opened: this URL of a Redis cannot be read (are special characters of \
         the password written as %40 and so on?): redis://host/, redis://user:password@host:6379/0, rediss://host/ for \
         TLS, or redis+unix:///path/of/socket",
    );
    says(
        &refused(&format!("nats://app:{SECRET}@h:99999")).await,
        "backplane `nats://***@h:99999` cannot be opened: a NATS URL looks like `nats://user:password@host:4222`, this one \
         cannot be read",
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_had() {
    says(
        &refused("redb:/nowhere/events.redb").await,
        "backplane `redb:/nowhere/events.redb` cannot be opened: /nowhere/events.redb: its folder does not exist: make it: \
         I/O error: No such file or directory (os error 2)",
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.redb");
    let url = format!("redb:{}", path.display());
    let first = open(url.as_str()).await.unwrap();
    let error = refused(&url).await;
    let text = format!("{error:?}");
    assert!(text.contains("a file belongs to one process at a time: end the other one"), "{text}");
    first.close().await;
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let port = free_port().unwrap();
    says(
        &refused(&format!("redis://app:{SECRET}@127.0.0.1:{port}/")).await,
        &format!(
            "backplane `redis://***@127.0.0.1:{port}/` cannot be opened: Redis at 127.0.0.1:{port} cannot be reached, nobody \
             listens there: is it running, are host and port right?: Connection refused (os error 111): Connection refused \
             (os error 111)"
        ),
    );
    says(
        &refused(&format!("postgres://app:{SECRET}@127.0.0.1:{port}/shop")).await,
        &format!(
            "backplane `postgres://***@127.0.0.1:{port}/shop` cannot be opened: PostgreSQL at 127.0.0.1:{port} does not \
             answer (Connection refused (os error 111)): is it running, and can it be reached from here?"
        ),
    );
    says(
        &refused(&format!("nats://app:{SECRET}@127.0.0.1:{port}")).await,
        &format!(
            "backplane `nats://***@127.0.0.1:{port}` cannot be opened: no NATS server answers at 127.0.0.1:{port}: is it \
             running, and reachable from here?: IO error: Connection refused (os error 111): Connection refused (os error 111)"
        ),
    );
}

#[tokio::test]
async fn a_redis_that_wants_another_password_or_lacks_a_right() {
    only_with!("redis");
    let enough = "on >s3cret-pass ~{sse}:* &{sse}:* +@read +@write +@scripting +@pubsub +@connection +time -xadd";
    let mut options = vec!["--requirepass", "another", "--user", "app"];
    options.extend(enough.split(' '));
    let server = Redis::start_with(&options).unwrap();
    let at = server.address();
    says(
        &refused(&format!("redis://:{SECRET}@{at}/")).await,
        &format!(
            "backplane `redis://***@{at}/` cannot be opened: Redis at {at} does not take the user and password of the URL; \
             characters that mean something in a URL have to be written as %40 and so on: Password authentication failed - \
             AuthenticationFailed"
        ),
    );
    says(
        &refused(&format!("redis://app:{SECRET}@{at}/")).await,
        &format!(
            "backplane `redis://***@{at}/` cannot be opened: Redis at {at} lets this user in, but a right is missing: XADD: \
             ERR The user executing the script can't run this command or subcommand. It needs `~{{sse}}:* &{{sse}}:*`, and \
             `+@read +@write +@scripting +@pubsub +@connection +time`; `+info` as well, or nothing is said of settings that \
             lose events"
        ),
    );
    let urls = [format!("redis://:{SECRET}@{at}/"), format!("redis://app:{SECRET}@{at}/")];
    tells_no_secret(&urls).await;
}

#[tokio::test]
async fn a_postgres_that_wants_another_password_or_lacks_a_right() {
    only_with!("postgres");
    let mut server = Postgres::start_with(&["fsync=off"]).unwrap();
    let at = server.address();
    server.execute("create role app login password 'another'; create role weak login password 's3cret-pass'; revoke create on database postgres from public").unwrap();
    let rules =
        "host all app,weak 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n";
    server.configure("pg_hba.conf", rules).unwrap();
    server.restart().unwrap();
    says(
        &refused(&format!("postgres://app:{SECRET}@{at}/postgres")).await,
        &format!(
            "backplane `postgres://***@{at}/postgres` cannot be opened: PostgreSQL at {at} does not let app in: password \
             authentication failed for user \"app\". Look at user, password and sslmode in the URL, and at pg_hba.conf"
        ),
    );
    says(
        &refused(&format!("postgres://weak:{SECRET}@{at}/postgres")).await,
        &format!(
            "backplane `postgres://***@{at}/postgres` cannot be opened: weak lacks a right in database postgres: permission \
             denied for database postgres. Either let it make the schema (grant create on database postgres to weak), or run \
             backplane::postgres::schema as the owner and grant usage on schema sse and select, insert, update, delete on \
             all its tables"
        ),
    );
    let urls = ["app", "weak"].map(|user| format!("postgres://{user}:{SECRET}@{at}/postgres"));
    tells_no_secret(&urls).await;
}

#[tokio::test]
async fn a_nats_that_wants_another_password_or_has_no_jetstream() {
    only_with!("nats");
    let server = Nats::start_with(&["--user", "app", "--pass", "another"]).await.unwrap();
    let at = server.address();
    says(
        &refused(&format!("nats://app:{SECRET}@{at}")).await,
        &format!(
            "backplane `nats://***@{at}` cannot be opened: NATS at {at} refuses this user: look at user, password and \
             credentials in the URL: authorization violation: nats: authorization violation: nats: authorization violation"
        ),
    );
    tells_no_secret(&[format!("nats://app:{SECRET}@{at}")]).await;
}

/// A server that says that it has this version, where it says another one: both as long.
async fn aged(server: SocketAddr, own: &[u8], old: &[u8]) -> Relay {
    let relay = Relay::start(server).await.unwrap();
    relay.replace(own, old);
    relay
}

#[tokio::test]
async fn a_redis_that_is_too_old() {
    only_with!("redis");
    let server = Redis::start().unwrap();
    let relay = aged(server.address(), b"redis_version:7", b"redis_version:5").await;
    let at = relay.address();
    let text = format!("{:?}", refused(&format!("redis://{at}/")).await);
    let begin = format!("backplane `redis://{at}/` cannot be opened: Redis at {at} has version 5.");
    assert!(text.starts_with(&begin), "{text}");
    assert!(text.ends_with(", and 6.2 or newer is needed (or any Valkey)"), "{text}");
}

#[tokio::test]
async fn a_nats_that_is_too_old() {
    only_with!("nats");
    let server = Nats::start().await.unwrap();
    let relay =
        aged(server.address().parse().unwrap(), b"\"version\":\"2.", b"\"version\":\"1.").await;
    let at = relay.address();
    let text = format!("{:?}", refused(&format!("nats://{at}")).await);
    let begin = format!("backplane `nats://{at}` cannot be opened: NATS at {at} has version 1.");
    assert!(text.starts_with(&begin), "{text}");
    assert!(text.ends_with(", and 2.9 or newer is needed, with JetStream"), "{text}");
}

#[tokio::test]
async fn a_postgres_that_is_too_old() {
    only_with!("postgres");
    let server = Postgres::start_with(&["fsync=off"]).unwrap();
    let number: i32 = server.execute("show server_version_num").unwrap().trim().parse().unwrap();
    let relay = aged(server.address(), &number.to_be_bytes(), &120_022_i32.to_be_bytes()).await;
    let at = relay.address();
    says(
        &refused(&server.url_at(at)).await,
        &format!(
            "backplane `postgres://***@{at}/postgres` cannot be opened: PostgreSQL at {at} is too old (12): 13 or newer is \
             needed"
        ),
    );
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    for url in
        [format!("redis://{at}/"), format!("postgres://app@{at}/shop"), format!("nats://{at}")]
    {
        let waited = tokio::time::timeout(Duration::from_secs(5), refused(&url));
        let text = format!("{:?}", waited.await.unwrap());
        assert!(text.contains(&format!(" at {at}")), "{text}");
    }
}
