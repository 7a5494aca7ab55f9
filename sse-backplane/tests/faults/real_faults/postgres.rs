//! PostgreSQL.

use std::{net::SocketAddr, sync::Arc};

use engine_servers::{Backup, Postgres as Server, Signal};
use sse_tower_backplane::postgres::Postgres;
use sse_tower_core::backplane::{Engine, Position};
use tokio_postgres::NoTls;

use super::{scenarios::faults, store::Store};

/// With each commit on the disk: it is killed, and nothing that it stored may be gone.
struct OnPostgres(Server);

impl OnPostgres {
    /// As a client of the application itself.
    async fn execute(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.0.url(), NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    }
}

impl Store for OnPostgres {
    type Past = Backup;

    async fn start() -> Self {
        Self(Server::start().unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    async fn engine(address: SocketAddr) -> Arc<dyn Engine> {
        let url = format!("postgres://postgres@{address}/postgres");
        Arc::new(Postgres::new(&url, "faults").unwrap())
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    async fn restart(&mut self) {
        self.0.restart().unwrap();
    }

    fn signal(&self, signal: Signal) {
        self.0.signal(signal).unwrap();
    }

    async fn remember(&mut self) -> Backup {
        let backup = self.0.backup().unwrap();
        self.0.restart().unwrap();
        backup
    }

    async fn go_back(&mut self, past: Backup) {
        self.0.restore(&past).unwrap();
        self.0.restart().unwrap();
    }

    async fn forget_everything(&mut self) {
        self.execute("drop schema \"sse_faults\" cascade").await;
    }

    async fn be_ahead(&self, newest: Position) -> bool {
        let sql = "insert into \"sse_faults\".batch (pos, answers) values";
        self.execute(&format!("{sql} ({}, '{{}}')", newest.get())).await;
        true
    }
}

faults!(OnPostgres, "postgres");
