//! What is said when a NATS server cannot be used, each provoked, and that nothing secret is among it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

mod refusals;

use engine_servers::{Nats, only_with};
use refusals::{Certificates, SECRET, tells_no_secret};
use sse_tower_backplane::nats::connect;
use sse_tower_core::backplane::{Engine, EngineError, EngineErrorKind, Feed};
use tempfile::NamedTempFile;

async fn refused(url: &str) -> EngineError {
    let error = match connect(url, "open").await {
        Ok(engine) => engine.start(Feed::new(|_| {})).await.unwrap_err(),
        Err(error) => error,
    };
    tells_no_secret(&error);
    error
}

/// A server with these lines in its configuration.
async fn configured(lines: &str) -> (Nats, NamedTempFile) {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    let path = file.path().display().to_string();
    (Nats::start_with(&["-c", &path]).await.unwrap(), file)
}

#[tokio::test]
async fn a_password_is_missing_or_wrong() {
    only_with!("nats");
    let server = Nats::start_with(&["--user", "app", "--pass", SECRET]).await.unwrap();
    let at = server.address();
    for user in ["", "app:wrong@", &format!("stranger:{SECRET}@")] {
        let error = refused(&format!("nats://{user}{at}")).await;
        assert_eq!(error.kind(), EngineErrorKind::Refused, "{user}: {error:?}");
        assert_eq!(
            error.to_string(),
            format!(
                "NATS at {at} refuses this user: look at user, password and credentials in the URL"
            )
        );
    }
    let engine = connect(&format!("nats://app:{SECRET}@{at}"), "open").await.unwrap();
    engine.start(Feed::new(|_| {})).await.unwrap();
    assert!(!format!("{engine:?}").contains(SECRET));
    // Whatever is in it, and as a token.
    let server = Nats::start_with(&["--user", "app", "--pass", "a@b/c"]).await.unwrap();
    connect(&format!("nats://app:a%40b%2Fc@{}", server.address()), "open").await.unwrap();
    let server = Nats::start_with(&["--auth", SECRET]).await.unwrap();
    connect(&format!("nats://{SECRET}@{}", server.address()), "open").await.unwrap();
}

#[tokio::test]
async fn a_right_or_jetstream_is_missing() {
    only_with!("nats");
    let weak = format!(
        "authorization {{ users = [ {{ user: app, password: {SECRET}, permissions: {{ publish: \"sse.>\" }} }} ] }}"
    );
    let without = format!("accounts {{ A: {{ users: [ {{ user: app, password: {SECRET} }} ] }} }}");
    for lines in [weak, without] {
        let (server, _file) = configured(&lines).await;
        let error = refused(&format!("nats://app:{SECRET}@{}", server.address())).await;
        assert_eq!(
            error.to_string(),
            "the JetStream stream `sse_open` cannot be opened: does the server run with JetStream (`-js`), and may this user \
             create streams and consumers?"
        );
    }
}

/// What a server does not say to who may not is found when this is opened, and not when the stream is to be cut.
#[tokio::test]
async fn the_right_to_keep_copies_is_missing() {
    only_with!("nats");
    let may = |more: &str| {
        format!(
            "authorization {{ users = [ {{ user: app, password: {SECRET}, permissions: {{ subscribe: \"_INBOX.>\", publish: [ \
             \"sse.>\", \"$JS.API.>\"{more} ] }} }} ] }}"
        )
    };
    let (server, _file) = configured(&may("")).await;
    let error = refused(&format!("nats://app:{SECRET}@{}", server.address())).await;
    assert_eq!(
        error.to_string(),
        "the JetStream stream `sse_open` cannot be copied: may this user publish to `$O.sse_open.>`?"
    );
    let (server, _file) = configured(&may(", \"$O.sse_open.>\"")).await;
    let url = format!("nats://app:{SECRET}@{}", server.address());
    connect(&url, "open").await.unwrap().start(Feed::new(|_| {})).await.unwrap();
    let client = async_nats::ConnectOptions::with_user_and_password("app".into(), SECRET.into());
    let context = async_nats::jetstream::new(client.connect(server.address()).await.unwrap());
    let copies = context.get_stream("OBJ_sse_open").await.unwrap().get_info().await.unwrap();
    assert_eq!(copies.state.messages, 0, "nothing is left of the trial");
}

#[tokio::test]
async fn room_or_a_payload_is_missing() {
    only_with!("nats");
    let (server, _file) = configured("jetstream { max_file_store: 3MB }").await;
    assert_eq!(
        refused(&server.url()).await.to_string(),
        "NATS has no room for the stream `sse_open` of 1 GiB: raise what JetStream may store (`max_file_store`, or the \
         account's limit), or make the stream beforehand with less, for the subject `sse.open.log` and with `discard` `new`"
    );
    let (server, _file) = configured("max_payload: 4096").await;
    let at = server.address();
    assert_eq!(
        refused(&server.url()).await.to_string(),
        format!(
            "NATS at {at} takes messages of 4096 bytes, and 16384 are needed: raise its `max_payload`"
        )
    );
}

#[tokio::test]
async fn a_url_or_an_option_that_is_none() {
    for (url, said) in [
        (
            "nats://h/?certificate=/x".to_owned(),
            "a NATS URL has no option `certificate`: there are `credentials`, `ca` and `replicas`",
        ),
        ("nats://h?replicas=9".to_owned(), "`replicas` in a NATS URL is a number from 1 to 5"),
        (
            "nats://h?credentials=/nowhere.creds".to_owned(),
            "the credentials file `/nowhere.creds` cannot be read",
        ),
        (
            format!("nats://app:{SECRET}@h:99999"),
            "a NATS URL looks like `nats://user:password@host:4222`, this one cannot be read",
        ),
    ] {
        let error = refused(&url).await;
        assert_eq!((error.kind(), error.to_string().as_str()), (EngineErrorKind::Refused, said));
    }
}

#[tokio::test]
async fn what_is_encrypted_is_verified() {
    only_with!("nats");
    let Certificates { cert, key, other, .. } = &Certificates::new();
    let options = ["--user", "app", "--pass", SECRET, "--tls", "--tlscert", cert, "--tlskey", key];
    let server = Nats::start_with(&options).await.unwrap();
    let address = server.address();
    let (_, port) = address.split_once(':').unwrap();
    let url = |host: &str, ca: &str| format!("tls://app:{SECRET}@{host}:{port}{ca}");
    let engine = connect(&url("localhost", &format!("?ca={cert}")), "open").await.unwrap();
    engine.start(Feed::new(|_| {})).await.unwrap();
    for url in [
        url("127.0.0.1", &format!("?ca={cert}")),
        url("localhost", &format!("?ca={other}")),
        url("localhost", ""),
    ] {
        let error = refused(&url).await;
        assert_eq!(error.kind(), EngineErrorKind::Refused, "{url}: {error:?}");
        let text = error.to_string();
        assert!(text.starts_with("no TLS with NATS at ") && text.contains("`ca=`"), "{text}");
    }
    // Who asks for TLS gets none without.
    let plain = Nats::start().await.unwrap();
    let error = refused(&format!("tls://{}?ca={cert}", plain.address())).await;
    assert!(error.to_string().contains("TLS"), "{error:?}");
}
