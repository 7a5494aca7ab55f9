//! Errors that say what to do, and tell no secret.

use std::time::{Duration, Instant};

use engine_servers::{Postgres as Server, Relay};
use sse_tower_backplane::postgres::Postgres;
use sse_tower_core::backplane::{Engine, EngineError, EngineErrorKind, Feed, Registration, Since};

use crate::support::{Node, client, event, server, until};

async fn refused(url: &str) -> EngineError {
    let engine = Postgres::new(url, "sse").unwrap();
    let error = engine.start(Feed::new(|_| {})).await.unwrap_err();
    for text in [format!("{error}"), format!("{error:?}"), format!("{engine:?}")] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    error
}

#[track_caller]
fn says(error: &EngineError, kind: EngineErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error:?}");
    for word in words {
        assert!(error.to_string().contains(word), "no {word:?} in {error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    engine_servers::only_with!("postgres");
    let port = engine_servers::free_port().unwrap();
    let error = refused(&format!("postgres://app:s3cret@127.0.0.1:{port}/shop")).await;
    says(
        &error,
        EngineErrorKind::Unavailable,
        &["does not answer", "is it running", &port.to_string()],
    );
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing() {
    engine_servers::only_with!("postgres");
    let server = server();
    let relay = Relay::start(server.address()).await.unwrap();
    relay.silence_all();
    let begun = Instant::now();
    let error = refused(&server.url_at(relay.address())).await;
    says(&error, EngineErrorKind::Unavailable, &["does not answer within 2 s"]);
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_wrong_password_or_none_or_another_database() {
    engine_servers::only_with!("postgres");
    let mut server = server();
    client(&server.url())
        .await
        .batch_execute("create role app login password 'right'")
        .await
        .unwrap();
    let hba = "host all app 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n";
    server.configure("pg_hba.conf", hba).unwrap();
    server.restart().unwrap();
    let at = server.address();
    let error = refused(&format!("postgres://app:s3cret@{at}/postgres")).await;
    says(&error, EngineErrorKind::Refused, &["does not let app in", "password"]);
    let error = refused(&format!("postgres://app@{at}/postgres")).await;
    says(&error, EngineErrorKind::Refused, &["does not let app in", "password"]);
    let error = refused(&format!("postgres://postgres:s3cret@{at}/nowhere")).await;
    says(&error, EngineErrorKind::Refused, &["no database nowhere", "createdb nowhere"]);
    let error = refused(&format!("postgres://stranger:s3cret@{at}/postgres")).await;
    says(&error, EngineErrorKind::Refused, &["does not let stranger in", "pg_hba.conf"]);
}

#[tokio::test]
async fn a_right_that_is_missing_and_the_least_that_is_needed() {
    engine_servers::only_with!("postgres");
    let server = server();
    let owner = client(&server.url()).await;
    owner
        .batch_execute("create role app login; revoke create on database postgres from public")
        .await
        .unwrap();
    let url = server.url().replace("postgres@", "app:s3cret@");
    let error = refused(&url).await;
    says(
        &error,
        EngineErrorKind::Refused,
        &["app lacks a right", "grant create on database postgres to app"],
    );
    owner.batch_execute(sse_tower_backplane::postgres::SCHEMA).await.unwrap();
    let error = refused(&url).await;
    says(&error, EngineErrorKind::Refused, &["app lacks a right", "grant usage on schema sse"]);
    owner
        .batch_execute(
            "grant usage on schema sse to app; grant select, insert, update, delete on all tables in schema sse to app",
        )
        .await
        .unwrap();
    let node = Node::start(&url).await;
    node.follow(&["x"]).await;
    node.append(vec![event("x", "1")]).await;
    until(crate::support::SOON, "the event", || !node.records().is_empty()).await;
    for step in ["trim", "prune", "bury_topics"] {
        let app = client(&url).await;
        app.query_one(&format!("select sse.{step}(10)"), &[]).await.unwrap();
    }
}

#[tokio::test]
async fn how_long_it_keeps_its_word_is_said() {
    engine_servers::only_with!("postgres");
    for (options, words) in [
        (&["fsync=on"][..], "PostgreSQL has on its disk what it stores before it says so; "),
        (&["fsync=on", "synchronous_commit=off"], "set `synchronous_commit = on`, "),
        (&["fsync=off"], "and may lose everything with the machine's end: set `fsync = on`"),
    ] {
        let server = Server::start_with(options).unwrap();
        let node = Node::start(&server.url()).await;
        assert!(node.engine.durability().contains(words), "{}", node.engine.durability());
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_program() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    node.engine.close().await.unwrap();
    let newer =
        "create or replace function sse.version() returns int language sql immutable as 'select 2'";
    client(&server.url()).await.batch_execute(newer).await.unwrap();
    says(
        &refused(&server.url()).await,
        EngineErrorKind::Refused,
        &["version 2", "update the program"],
    );
}

#[tokio::test]
async fn a_database_that_cannot_keep_every_text() {
    engine_servers::only_with!("postgres");
    let server = server();
    let make = |name: &str, encoding: &str| {
        let sql = format!(
            "create database {name} encoding '{encoding}' lc_collate 'C' lc_ctype 'C' template template0"
        );
        server.execute(&sql).unwrap();
        format!("postgres://postgres@{}/{name}", server.address())
    };
    says(
        &refused(&make("old", "LATIN1")).await,
        EngineErrorKind::Refused,
        &["database old", "LATIN1", "UTF8"],
    );
    let node = Node::start(&make("bytes", "SQL_ASCII")).await;
    let hears = vec!["支付 ✓".into()];
    let registration = Registration { listener: "支付 ✓".into(), hears, since: Since::Now };
    let queue = node.engine.queue().unwrap();
    queue.register(vec![registration]).await.unwrap();
    assert_eq!(*queue.heard().await.unwrap()[0], *"支付 ✓");
}

/// Locks are taken in one statement, and what they guard is read in the next, which has to see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_whose_transactions_are_isolated_more_by_default() {
    engine_servers::only_with!("postgres");
    let server = server();
    server.execute("alter role postgres set default_transaction_isolation = serializable").unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = server.url();
        tasks.spawn(async move {
            let node = Node::start(&url).await;
            for n in 0..50 {
                node.engine.append(node.batch(vec![event("x", n.to_string())])).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn many_nodes_that_begin_at_once_make_one_schema() {
    engine_servers::only_with!("postgres");
    let server = server();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let url = server.url();
        tasks.spawn(async move {
            let node = Node::start(&url).await;
            // It is in use while others find it.
            for n in 0..20 {
                node.engine.append(node.batch(vec![event("x", n.to_string())])).await.unwrap();
            }
            node.first.epoch
        });
    }
    let epochs = tasks.join_all().await;
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
}

/// A server with a certificate for `localhost`, and the file with the one that signed it.
fn encrypted() -> (Server, tempfile::NamedTempFile, tempfile::NamedTempFile) {
    let authority = rcgen::generate_simple_self_signed(vec!["authority".into()]).unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let mut server = server();
    server.configure("server.crt", &own.cert.pem()).unwrap();
    server.configure("server.key", &own.signing_key.serialize_pem()).unwrap();
    let conf = "ssl = on\n";
    server.configure("postgresql.auto.conf", conf).unwrap();
    server.restart().unwrap();
    let file = |pem: String| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pem).unwrap();
        file
    };
    (server, file(own.cert.pem()), file(authority.cert.pem()))
}

#[tokio::test]
async fn what_is_encrypted_is_verified() {
    engine_servers::only_with!("postgres");
    let (server, trusted, other) = encrypted();
    let port = server.address().port();
    let url =
        |host: &str, options: &str| format!("postgres://postgres@{host}:{port}/postgres?{options}");
    let with = |host: &str, file: &tempfile::NamedTempFile| {
        url(host, &format!("sslmode=verify-full&sslrootcert={}", file.path().display()))
    };
    let node = Node::start(&with("localhost", &trusted)).await;
    node.append(vec![event("x", "1")]).await;
    let sql = client(&server.url()).await;
    let plain = "select count(*) from pg_stat_ssl s join pg_stat_activity a using (pid) \
                 where a.application_name = 'sse-tower' and not s.ssl";
    assert_eq!(sql.query_one(plain, &[]).await.unwrap().get::<_, i64>(0), 0);
    says(
        &refused(&with("localhost", &other)).await,
        EngineErrorKind::Refused,
        &["not trusted", "sslrootcert="],
    );
    says(&refused(&with("127.0.0.1", &trusted)).await, EngineErrorKind::Refused, &["not trusted"]);
    let error = Postgres::new(&url("localhost", "sslmode=require&sslrootcert=/nowhere"), "sse")
        .unwrap_err();
    says(&error, EngineErrorKind::Refused, &["/nowhere", "PEM file"]);
    let plain = crate::support::server();
    let error = refused(&format!(
        "postgres://postgres@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}",
        plain.address().port(),
        trusted.path().display(),
    ))
    .await;
    says(&error, EngineErrorKind::Refused, &["offers no encryption", "sslmode=disable"]);
}
