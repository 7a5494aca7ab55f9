//! What is promised for every proxy: the cells of its row.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sse_tower_tests::{Connection, Place, Proxy, Result, eventually, request};

use crate::guide;
use crate::program::Program;

/// What an `EventSource` asks with.
const HEADERS: [(&str, &str); 2] =
    [("accept", "text/event-stream"), ("accept-encoding", "gzip, deflate, br, zstd")];

/// Above all that a proxy which passes events on at once needs on a busy machine, and far below
/// the 200 ms for which some wait for more.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Between two comments of a silent stream, where that is what shows that a client left.
const KEEP_ALIVE: Duration = Duration::from_millis(400);

/// Long enough that nothing but the client's leaving can have ended the stream.
pub(crate) const NEVER: Duration = Duration::from_secs(600);

/// Nothing in it comes twice, so that it is no shorter when it is compressed.
const EVENT: &str = "The five boxing wizards jump quickly; 0123456789";

/// One proxy: its name in the guide, how it is started, and its configuration before a program.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) command: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) configure: fn(Place<'_>, SocketAddr) -> Result<String>,
}

impl Kind {
    /// Starts it before `program`, with its configuration changed by `change`.
    pub(crate) async fn before(
        &self,
        program: &Program,
        change: impl Fn(String) -> String,
    ) -> Result<Proxy> {
        Proxy::start(self.command, self.arguments, |place| {
            Ok(change((self.configure)(place, program.address())?))
        })
        .await
    }

    /// As the guide has it.
    pub(crate) async fn plain(&self, program: &Program) -> Result<Proxy> {
        self.before(program, |text| text).await
    }

    /// The second cell: events pass one by one.
    pub(crate) async fn events_pass_at_once(&self) -> Result {
        let program = Program::start(NEVER).await?;
        let proxy = self.plain(&program).await?;
        let median = median_delay(&program, &proxy).await?;
        println!("{}: an event takes {median:?}", self.name);
        assert!(median < AT_ONCE, "{median:?}");
        Ok(())
    }

    /// The third cell: when the program knows that a client left.
    pub(crate) async fn a_client_that_leaves_is_known_as_the_table_says(&self) -> Result {
        let cell = guide::row(self.name)?[1];
        let keep_alive = if cell == "at once" { NEVER } else { KEEP_ALIVE };
        let program = Program::start(keep_alive).await?;
        let proxy = self.plain(&program).await?;
        let mut client = open(&proxy).await?;
        program.send("hello").await?;
        client.text_through("data:hello\n").await?;
        drop(client);
        let after = program.left().await?;
        println!("{}: a client that left is known after {after:?}", self.name);
        let keep_alives = match cell {
            "at once" => 1,
            "after one or two keep-alives" => 2,
            "after one to three keep-alives" => 3,
            other => return Err(format!("the table says {other:?}").into()),
        };
        // And a moment for the machine.
        assert!(after < keep_alives * KEEP_ALIVE + AT_ONCE, "{after:?}");
        Ok(())
    }

    /// The fourth cell: what a browser is told while the program is away, and that it comes back.
    pub(crate) async fn a_program_that_is_away_is_told_as_the_table_says(&self) -> Result {
        let cell = guide::row(self.name)?[2];
        let mut program = Program::start(NEVER).await?;
        let proxy = self.plain(&program).await?;
        let mut client = open(&proxy).await?;
        program.send("before").await?;
        client.text_through("data:before\n").await?;
        program.go().await?;
        let mut times = BTreeSet::new();
        let asked = if cell.ends_with("spread") { 12 } else { 2 };
        let answers = (0..asked).map(|_| request(proxy.address(), "GET", "/push", &HEADERS));
        for answer in futures_util::future::join_all(answers).await {
            let answer = answer?;
            if cell.starts_with("503") {
                assert_eq!(answer.status, 503);
                continue;
            }
            let kind = answer.header("content-type");
            assert_eq!((answer.status, kind.as_deref()), (200, Some("text/event-stream")));
            let body = answer.text();
            let time = body.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix('\n'));
            times.insert(time.ok_or(body.clone())?.parse::<u64>()?);
        }
        assert!(times.iter().all(|time| (2000..=5000).contains(time)), "{times:?}");
        assert_eq!(times.len() > 1, cell.ends_with("spread"), "{times:?}");
        program.come().await?;
        let back = async || {
            // What the proxy says by itself is an event stream as well.
            let client = open(&proxy).await.map_err(|error| error.to_string());
            Ok(match client {
                Ok(_) if !program.knows_a_client() => Err("it is away".to_owned()),
                client => client,
            })
        };
        let mut client = eventually("the program is back", back).await?;
        program.send("after").await?;
        client.text_through("data:after\n").await?;
        Ok(())
    }

    /// With compression switched on for everything, as `everything` does, events still pass one by
    /// one, as they are.
    pub(crate) async fn compression_leaves_streams_alone(
        &self,
        everything: impl Fn(String) -> String,
    ) -> Result {
        let program = Program::start(NEVER).await?;
        let proxy = self.before(&program, everything).await?;
        let median = median_delay(&program, &proxy).await?;
        assert!(median < AT_ONCE, "{median:?}");
        Ok(())
    }

    /// Changed like this, it compresses a stream in spite of `no-transform`, and passes each event on.
    pub(crate) async fn compresses_each_event(&self, change: impl Fn(String) -> String) -> Result {
        let program = Program::start(NEVER).await?;
        let proxy = self.before(&program, change).await?;
        let mut client = Connection::open(proxy.address()).await?;
        client.ask("GET", "/push", &HEADERS).await?;
        assert_eq!(client.head().await?.header("content-encoding").as_deref(), Some("gzip"));
        program.send(EVENT).await?;
        an_event(&mut client).await
    }

    /// Changed like this, it keeps an event until there is more.
    pub(crate) async fn holds_events(&self, change: impl Fn(String) -> String) -> Result {
        let program = Program::start(NEVER).await?;
        let proxy = self.before(&program, change).await?;
        let mut client = Connection::open(proxy.address()).await?;
        client.ask("GET", "/push", &HEADERS).await?;
        let known =
            async || Ok(if program.knows_a_client() { Ok(()) } else { Err("nobody".to_owned()) });
        eventually("the program has a client", known).await?;
        program.send(EVENT).await?;
        let passes = async {
            client.head().await?;
            an_event(&mut client).await
        };
        let passes = tokio::time::timeout(5 * AT_ONCE, passes).await;
        assert!(passes.is_err(), "it passes anyway, so the guide's line is for nothing");
        Ok(())
    }
}

/// `text`, which must contain `line` once, without it.
pub(crate) fn without(text: &str, line: &str) -> String {
    assert_eq!(text.matches(line).count(), 1, "{line:?} in {text}");
    text.replace(line, "")
}

/// As many bytes as an event has, however they are encoded. What opens the stream is shorter.
async fn an_event(client: &mut Connection) -> Result {
    let mut read = 0;
    while read < EVENT.len() {
        read += client.chunk().await?.len();
    }
    Ok(())
}

/// Opens a stream through `proxy`, which must not be compressed.
async fn open(proxy: &Proxy) -> Result<Connection> {
    let mut client = Connection::open(proxy.address()).await?;
    client.ask("GET", "/push", &HEADERS).await?;
    let head = client.head().await?;
    let kind = head.header("content-type");
    if (head.status, kind.as_deref()) != (200, Some("text/event-stream"))
        || head.header("content-encoding").is_some()
    {
        return Err(format!("no plain event stream: {head:?}").into());
    }
    Ok(client)
}

/// What an event needs, each after a rest: the middle of eleven.
pub(crate) async fn median_delay(program: &Program, proxy: &Proxy) -> Result<Duration> {
    let mut client = open(proxy).await?;
    let mut delays = Vec::new();
    for number in 0..11 {
        let text = format!("event {number}");
        let sent = Instant::now();
        program.send(&text).await?;
        client.text_through(&format!("data:{text}\n")).await?;
        delays.push(sent.elapsed());
    }
    delays.sort_unstable();
    Ok(delays[delays.len() / 2])
}
