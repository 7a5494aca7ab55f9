//! SIGTERM and SIGINT end the program at once and cleanly, whoever listens.

use std::time::Duration;

use rustix::process::Signal;
use sse_tower_tests::{Connection, Program, Result};

/// "At once", with room for a machine that compiles beside the test.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn ends_at_once(signal: Signal) -> Result {
    let mut pay = Program::start("pay").await?;
    let mut streams = Vec::new();
    for id in 0..20 {
        let mut stream = Connection::open(pay.address()).await?;
        stream.ask("GET", &format!("/push?payRecordId={id}"), &[]).await?;
        stream.head().await?;
        streams.push(stream);
    }
    // One that never said what it wants: it must not hold up the others.
    let _silent = Connection::open(pay.address()).await?;
    let exit = pay.signal(signal).await?;
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    assert!(exit.after < AT_ONCE, "{exit:?}");
    for mut stream in streams {
        let rest = String::from_utf8(stream.rest().await?)?;
        assert!(rest.ends_with("0\r\n\r\n"), "a stream was cut, not ended: {rest:?}");
        assert!(rest.contains("event:stream-bye\n"), "no goodbye: {rest:?}");
    }
    Ok(())
}

#[tokio::test]
async fn sigterm_says_goodbye_to_open_streams_and_exits_with_zero() -> Result {
    ends_at_once(Signal::TERM).await
}

#[tokio::test]
async fn sigint_does_the_same() -> Result {
    ends_at_once(Signal::INT).await
}

#[tokio::test]
async fn without_streams_it_ends_as_well() -> Result {
    let mut pay = Program::start("pay").await?;
    let exit = pay.signal(Signal::TERM).await?;
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    assert!(exit.after < AT_ONCE, "{exit:?}");
    Ok(())
}
