//! The servers that are compared. Each answers the same four requests:
//!
//! * `GET /events`: a stream of everything that is published;
//! * `POST /publish`: its body is the data of one event for all of them;
//! * `GET /push?pay_record_id=N`: a stream that waits for one event;
//! * `GET /pay-callback?pay_record_id=N`: sends that event and ends that stream.

mod axum_sse;
mod floor;
mod ours;

use std::{
    io::{self, Error, Write as _},
    net::SocketAddr,
};

use serde::Deserialize;
use tokio::net::TcpListener;

use crate::process;

/// A server to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One `send` of prepared bytes for each subscriber, from an epoll loop: what no server can do without.
    Floor,
    /// `axum::response::Sse` with a tokio broadcast channel, and a map of mpsc channels.
    Axum,
    /// The same, with `into_make_service()`.
    AxumMakeService,
    /// Ours under `axum::serve`: the stream is the response's body.
    Body,
    /// Ours under `sse_tower::serve`.
    Direct,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Floor, Self::Axum, Self::AxumMakeService, Self::Body, Self::Direct];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Axum => "axum",
            Self::AxumMakeService => "axum-make-service",
            Self::Body => "body",
            Self::Direct => "direct",
        }
    }

    /// Does a client that comes back get what it missed?
    pub(crate) const fn replays(self) -> bool {
        !matches!(self, Self::Axum | Self::AxumMakeService)
    }

    pub(crate) fn parse(name: &str) -> io::Result<Self> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| Error::other(format!("there is no server `{name}`")))
    }
}

/// Runs a server until it is ended from outside.
pub(crate) fn serve(kind: Kind) -> io::Result<()> {
    process::pin(process::SERVER_CORE);
    process::raise_file_limit();
    process::end_with_parent();
    if kind == Kind::Floor {
        return floor::serve(announce);
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // In a task, because the thread that blocks here is not the runtime's worker.
    let served = runtime.block_on(runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(listener.local_addr()?)?;
        match kind {
            Kind::Floor => Ok(()),
            Kind::Axum => axum_sse::serve(listener, false).await,
            Kind::AxumMakeService => axum_sse::serve(listener, true).await,
            Kind::Body => ours::serve_with_axum(listener).await,
            Kind::Direct => ours::serve(listener).await,
        }
    }));
    served?
}

fn announce(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{address}")?;
    stdout.flush()
}

/// The query of the keyed requests.
#[derive(Clone, Copy, Debug, Deserialize)]
struct PayRecord {
    pay_record_id: u64,
}
