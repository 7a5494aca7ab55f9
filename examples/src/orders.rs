//! The orders of `shop`: rows of PostgreSQL, or a list.

use std::sync::{Mutex as StdMutex, PoisonError};

use serde::Serialize;
use sse_tower::{ApplicationContext, ApplicationEvent, EventMeta};
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls, Row};

/// Whatever a store of orders can fail with.
pub type OrdersError = Box<dyn std::error::Error + Send + Sync>;

/// Its table. Two programs may start at the same time, hence the lock.
const TABLE: &str = "begin; select pg_advisory_xact_lock(7270); create table if not exists shop_order (\
    id bigint generated always as identity primary key, address text not null, \
    attempts int not null default 0, mails int not null default 0); commit";

/// One order.
#[derive(Clone, Debug, Serialize)]
pub struct Order {
    /// Its number, from 1.
    pub id: i64,
    /// Whom the mail is for.
    pub address: String,
    /// How often a mail was tried.
    pub attempts: i32,
    /// How many mails it had: never more than 1.
    pub mails: i32,
}

/// All orders. With PostgreSQL every program of this shop has the same.
#[derive(Debug)]
pub struct Orders(Store);

#[derive(Debug)]
enum Store {
    Memory(StdMutex<Vec<Order>>),
    Postgres(Mutex<Client>),
}

impl Orders {
    /// Those of the database, if `url` is one, else none so far.
    ///
    /// # Errors
    /// A database that cannot be reached. A real program takes a pool, and TLS.
    pub async fn open(url: &str) -> Result<Self, tokio_postgres::Error> {
        if !url.starts_with("postgres") {
            return Ok(Self(Store::Memory(StdMutex::default())));
        }
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("database: {error}");
            }
        });
        client.batch_execute(TABLE).await?;
        Ok(Self(Store::Postgres(Mutex::new(client))))
    }

    /// What keeps them, for people.
    #[must_use]
    pub fn store(&self) -> &'static str {
        match self.0 {
            Store::Memory(_) => "memory",
            Store::Postgres(_) => "PostgreSQL",
        }
    }

    /// Places an order, and publishes what `placed` makes of its number: both or neither.
    ///
    /// # Errors
    /// Neither happened, or, after the commit, a listener of this process failed.
    pub async fn place<E: ApplicationEvent>(
        &self,
        context: &ApplicationContext,
        address: String,
        placed: impl FnOnce(i64) -> E,
    ) -> Result<Order, OrdersError> {
        match &self.0 {
            Store::Memory(orders) => {
                let order = {
                    let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
                    let id = i64::try_from(orders.len())? + 1;
                    orders.push(Order { id, address, attempts: 0, mails: 0 });
                    orders[orders.len() - 1].clone()
                };
                context.publish_event(placed(order.id)).await?;
                Ok(order)
            }
            Store::Postgres(client) => {
                let mut client = client.lock().await;
                let mut tx = client.transaction().await?;
                let insert = "insert into shop_order (address) values ($1) returning *";
                let order = read(&tx.query_one(insert, &[&address]).await?);
                let events = context.transaction();
                events.publish_event(placed(order.id));
                events.store_in(&mut tx).await?;
                tx.commit().await?;
                // A process that dies here has lost nothing: another one delivers.
                events.commit().await?;
                Ok(order)
            }
        }
    }

    /// Notes an attempt, and gives the order.
    ///
    /// # Errors
    /// There is no such order, or the database says so.
    pub async fn tried(&self, id: i64, attempt: u32) -> Result<Order, OrdersError> {
        let attempts = i32::try_from(attempt)?;
        match &self.0 {
            Store::Memory(_) => self.change(id, |order| order.attempts = attempts),
            Store::Postgres(client) => {
                let update = "update shop_order set attempts = $2 where id = $1 returning *";
                Ok(read(&client.lock().await.query_one(update, &[&id, &attempts]).await?))
            }
        }
    }

    /// Notes the mail: once for each event, however often the listener runs.
    ///
    /// # Errors
    /// There is no such order, or the database says so.
    pub async fn mailed(&self, id: i64, meta: EventMeta) -> Result<(), OrdersError> {
        match &self.0 {
            Store::Memory(_) => self.change(id, |order| order.mails = 1).map(drop),
            Store::Postgres(client) => {
                let mut client = client.lock().await;
                let mut tx = client.transaction().await?;
                if meta.once_in(&mut tx).await? {
                    let update = "update shop_order set mails = mails + 1 where id = $1";
                    tx.execute(update, &[&id]).await?;
                }
                Ok(tx.commit().await?)
            }
        }
    }

    /// Gives an order an address that works.
    ///
    /// # Errors
    /// There is no such order, or the database says so.
    pub async fn mend(&self, id: i64) -> Result<(), OrdersError> {
        const ADDRESS: &str = "mended@example.org";
        match &self.0 {
            Store::Memory(_) => self.change(id, |order| order.address = ADDRESS.into()).map(drop),
            Store::Postgres(client) => {
                let update = "update shop_order set address = $2 where id = $1";
                client.lock().await.execute(update, &[&id, &ADDRESS]).await?;
                Ok(())
            }
        }
    }

    /// The newest hundred, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list(&self) -> Result<Vec<Order>, OrdersError> {
        match &self.0 {
            Store::Memory(orders) => {
                let orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(orders.iter().rev().take(100).cloned().collect())
            }
            Store::Postgres(client) => {
                let newest = "select * from shop_order order by id desc limit 100";
                Ok(client.lock().await.query(newest, &[]).await?.iter().map(read).collect())
            }
        }
    }

    fn change(&self, id: i64, change: impl FnOnce(&mut Order)) -> Result<Order, OrdersError> {
        let Store::Memory(orders) = &self.0 else { return Err("orders are elsewhere".into()) };
        let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
        let order = orders.iter_mut().find(|it| it.id == id).ok_or("there is no such order")?;
        change(order);
        Ok(order.clone())
    }
}

fn read(row: &Row) -> Order {
    Order {
        id: row.get("id"),
        address: row.get("address"),
        attempts: row.get("attempts"),
        mails: row.get("mails"),
    }
}
