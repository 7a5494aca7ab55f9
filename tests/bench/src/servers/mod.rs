//! The servers that are compared. Each answers at least some of these:
//!
//! * `GET /events`: a stream of everything that is published;
//! * `POST /publish`: its body is the data of one event for all of them;
//! * `GET /push?pay_record_id=N`: a stream that waits for one event;
//! * `GET /pay-callback?pay_record_id=N`: sends that event and ends that stream.

mod axum_sse;
mod counted;
mod floor;
mod hyper_alone;
mod kind;
mod node;
mod ours;
mod program;
mod state;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

use serde::Deserialize;
use tokio::net::TcpListener;

pub(crate) use self::{kind::Kind, node::KEYS, node::STORE};
use crate::process;

/// Runs a server until it is ended from outside.
pub(crate) fn serve(kind: Kind) -> io::Result<()> {
    process::pin(process::core_of_this_server());
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
            Kind::Floor | Kind::Nchan => Ok(()),
            Kind::Axum => axum_sse::serve(listener, false).await,
            Kind::AxumMakeService => axum_sse::serve(listener, true).await,
            Kind::Body => ours::serve_with_axum(listener, true).await,
            Kind::BodyAlone => ours::serve_with_axum(listener, false).await,
            Kind::Direct => ours::serve(listener).await,
            Kind::DirectTls => ours::serve_with_tls(listener).await,
            Kind::AxumProgram => program::serve_plain_axum(listener).await,
            Kind::BodyProgram => program::serve_with_axum(listener).await,
            Kind::DirectProgram => program::serve(listener).await,
            Kind::History => state::serve(listener, false).await,
            Kind::Snapshot => state::serve(listener, true).await,
            Kind::Memory => node::serve_in_memory(listener).await,
            Kind::Redis => node::serve_on_redis(listener).await,
            Kind::Hyper => hyper_alone::serve(listener).await,
            Kind::HyperTls => hyper_alone::serve_with_tls(listener).await,
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
