//! `Link`: a connection for commands that is replaced when it breaks.

use std::{sync::Arc, time::Duration};

use ::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, RedisError, ServerErrorKind, Value, cmd,
    from_redis_value,
};
use parking_lot::Mutex;
use sse_tower_core::backplane::EngineError;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    decode,
    error::{closed, explain, garbled, silent},
    script::{ALL, Call, Names, Script},
    settings::{Connection, Place, Settings},
    witness::Witness,
};

/// How long a command may take; after that the connection is taken for dead.
pub(super) const ANSWER: Duration = Duration::from_secs(2);
/// How long making a connection may take, with all that is said on it first.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// How long a call may take in all, with waiting for a connection.
pub(super) const CALL: Duration = Duration::from_millis(2_900);
/// How long a connection may take for an answer while others are silent.
const SUSPECTED: Duration = Duration::from_secs(1);
/// How many commands wait for the socket at once; others wait for their turn.
const COMMANDS: usize = 1_024;

/// How long to wait before another attempt: twice as long each time, from 100 ms to 5 s, shortened at random by up to a half so that
/// not all nodes come at once.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    pub(super) fn new() -> Self {
        Self(Self::FIRST)
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = wait.saturating_mul(2).min(Self::LONGEST);
        wait.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[derive(Clone)]
enum State {
    Connecting,
    Up { generation: u64, connection: Connection },
    Closed,
}

/// One connection for commands. All calls share it; whoever finds it dead says so, once for each generation.
pub(super) struct Link {
    settings: Settings,
    names: Names,
    witness: Arc<Witness>,
    state: watch::Sender<State>,
}

impl Link {
    fn new(settings: Settings, witness: Arc<Witness>) -> Arc<Self> {
        let state = watch::Sender::new(State::Connecting);
        Arc::new(Self { settings, names: Names::default(), witness, state })
    }

    /// Connects, with the reason if that cannot be done.
    pub(super) async fn open(
        settings: Settings,
        witness: Arc<Witness>,
    ) -> Result<Arc<Self>, EngineError> {
        let link = Self::new(settings, witness);
        let connection = link.connect().await?;
        link.state.send_replace(State::Up { generation: 0, connection });
        tokio::spawn(keep(link.clone()));
        Ok(link)
    }

    async fn connect(&self) -> Result<Connection, EngineError> {
        timeout(CONNECT, self.greet()).await.map_err(|_| silent(&self.settings.place))?
    }

    async fn connect_again(&self) -> Connection {
        let mut backoff = Backoff::new();
        loop {
            match self.connect().await {
                Ok(connection) => return connection,
                Err(_) => sleep(backoff.next()).await,
            }
        }
    }

    /// Connects, makes the scripts known, and says what this node knows.
    async fn greet(&self) -> Result<Connection, EngineError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(COMMANDS);
        let explain = |error| explain(&self.settings.place, error);
        let client = &self.settings.client;
        let mut connection =
            client.get_multiplexed_async_connection_with_config(&config).await.map_err(explain)?;
        for script in ALL {
            let name = send(&mut connection, &loading(script)).await.map_err(explain)?;
            let name = from_redis_value(name).map_err(|_| garbled(&self.settings.place))?;
            self.names.set(script, name);
        }
        let hello = self.witness.hello(self.call(Script::Hello));
        let mark = send(&mut connection, &hello.command).await.map_err(explain)?;
        let mark = decode::mark(&mark).ok_or_else(|| garbled(&self.settings.place))?;
        self.witness.mark(mark);
        Ok(connection)
    }

    /// A call of a script, to which arguments are added.
    pub(super) fn call(&self, script: Script) -> Call {
        self.names.call(script, &self.settings.place)
    }

    /// Makes a call of a script.
    pub(super) async fn run(&self, call: Call) -> Result<Value, EngineError> {
        let deadline = Instant::now() + CALL;
        match self.command(&call.command, deadline).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                // Somebody flushed the scripts.
                self.plain(&loading(call.script), deadline).await?;
                self.plain(&call.command, deadline).await
            }
            Err(error) => Err(error.explain(&self.settings.place)),
            Ok(value) => Ok(value),
        }
    }

    /// Makes any other call.
    pub(super) async fn plain(
        &self,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<Value, EngineError> {
        self.command(command, deadline).await.map_err(|failed| failed.explain(&self.settings.place))
    }

    /// Makes any call, and returns its answer or why there is none.
    pub(super) async fn command(&self, command: &Cmd, deadline: Instant) -> Result<Value, Failed> {
        let (generation, mut connection) = self.up(deadline).await?;
        let till = deadline.min(Instant::now() + ANSWER);
        let answer = tokio::select! {
            biased;
            answer = timeout_at(till, send(&mut connection, command)) => answer,
            // Somebody else found it dead.
            () = self.replaced(generation) => return Err(Failed::Silent),
        };
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if is_broken(&error) {
                    self.broke(generation);
                }
                Err(Failed::Said(error))
            }
            Err(_) => {
                self.broke(generation);
                Err(Failed::Silent)
            }
        }
    }

    /// Ends when this connection is not the link's any more. A closed link's connection still is.
    async fn replaced(&self, dead: u64) {
        let gone = |state: &State| match state {
            State::Up { generation, .. } => *generation != dead,
            State::Connecting => true,
            State::Closed => false,
        };
        let mut state = self.state.subscribe();
        if state.wait_for(gone).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Another connection of this node went silent: asks whether this one is still there, for a shorter time than a call has.
    pub(super) async fn check(&self) {
        let _ = self.command(&cmd("PING"), Instant::now() + SUSPECTED).await;
    }

    async fn up(&self, deadline: Instant) -> Result<(u64, Connection), Failed> {
        // Without an await where there is nothing to wait for, so that the call's place is fixed at once.
        if let State::Up { generation, connection } = &*self.state.borrow() {
            return Ok((*generation, connection.clone()));
        }
        let mut state = self.state.subscribe();
        let up = state.wait_for(|state| !matches!(state, State::Connecting));
        match timeout_at(deadline, up).await {
            Ok(Ok(state)) => match &*state {
                State::Up { generation, connection } => Ok((*generation, connection.clone())),
                _ => Err(Failed::Closed),
            },
            _ => Err(Failed::Silent),
        }
    }

    fn broke(&self, dead: u64) {
        self.state.send_if_modified(|state| {
            let same = matches!(state, State::Up { generation, .. } if *generation == dead);
            if same {
                *state = State::Connecting;
            }
            same
        });
    }

    pub(super) fn close(&self) {
        self.state.send_replace(State::Closed);
    }
}

/// A link whose task and connection live on the runtime that it is called from: for what must go on while the program's own
/// runtime stands still. When that runtime has ended, it begins anew on the one that calls next.
pub(super) struct OwnLink {
    settings: Settings,
    witness: Arc<Witness>,
    link: Mutex<Own>,
}

enum Own {
    Unused,
    Open(Arc<Link>, JoinHandle<()>),
    Closed,
}

impl OwnLink {
    pub(super) fn new(settings: Settings, witness: Arc<Witness>) -> Self {
        Self { settings, witness, link: Mutex::new(Own::Unused) }
    }

    /// The link of this moment, perhaps still connecting.
    pub(super) fn link(&self) -> Result<Arc<Link>, EngineError> {
        let mut own = self.link.lock();
        match &*own {
            Own::Closed => return Err(closed()),
            Own::Open(link, task) if !task.is_finished() => return Ok(link.clone()),
            Own::Open(..) | Own::Unused => {}
        }
        let link = Link::new(self.settings.clone(), self.witness.clone());
        *own = Own::Open(link.clone(), tokio::spawn(keep(link.clone())));
        Ok(link)
    }

    pub(super) fn close(&self) {
        let mut own = self.link.lock();
        if let Own::Open(link, _) = std::mem::replace(&mut *own, Own::Closed) {
            link.close();
        }
    }
}

/// Connects again whenever the connection broke, until the link is closed.
async fn keep(link: Arc<Link>) {
    let mut state = link.state.subscribe();
    let mut generation = 0;
    while state.wait_for(|state| !matches!(state, State::Up { .. })).await.is_ok() {
        let closed = async {
            let mut state = link.state.subscribe();
            let _ = state.wait_for(|state| matches!(state, State::Closed)).await;
        };
        let connection = tokio::select! {
            biased;
            () = closed => return,
            connection = link.connect_again() => connection,
        };
        generation += 1;
        link.state.send_if_modified(|state| {
            let wanted = matches!(state, State::Connecting);
            if wanted {
                *state = State::Up { generation, connection };
            }
            wanted
        });
    }
}

fn loading(script: Script) -> Cmd {
    let mut load = cmd("SCRIPT");
    load.arg("LOAD").arg(script.text());
    load
}

async fn send(connection: &mut Connection, command: &Cmd) -> Result<Value, RedisError> {
    connection.send_packed_command(command).await?.extract_error()
}

/// Whether this connection would answer so again, and another may not.
fn is_broken(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_io_error()
        || matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "NOAUTH" | "UNKILLABLE"))
}

/// Why a command has no answer.
pub(super) enum Failed {
    Said(RedisError),
    Silent,
    Closed,
}

impl Failed {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Said(error) => error.kind(),
            Self::Silent | Self::Closed => ErrorKind::Io,
        }
    }

    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Said(error) => error.code(),
            Self::Silent | Self::Closed => None,
        }
    }

    pub(super) fn explain(self, place: &Place) -> EngineError {
        match self {
            Self::Said(error) => explain(place, error),
            Self::Silent => silent(place),
            Self::Closed => closed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_doubles_to_five_seconds_with_jitter() {
        let mut backoff = Backoff::new();
        for whole in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            let wait = backoff.next();
            let whole = Duration::from_millis(whole);
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        }
    }
}
