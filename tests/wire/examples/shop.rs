//! `shop`: an order, the event that tells of it, and a listener that fails twice.

use engine_servers::{Postgres, wanted};
use rustix::process::Signal;
use serde_json::{Value, json};
use sse_tower_tests::{EventText, Program, Result, Stream, eventually, request};

async fn post(shop: &Program, target: &str) -> Result<Value> {
    let answer = request(shop.address(), "POST", target, &[]).await?;
    assert_eq!(answer.status, 200, "{}", shop.log()?);
    Ok(serde_json::from_str(&answer.text())?)
}

async fn state(shop: &Program) -> Result<Value> {
    let answer = request(shop.address(), "GET", "/state", &[]).await?;
    assert_eq!(answer.status, 200, "{}", shop.log()?);
    Ok(serde_json::from_str(&answer.text())?)
}

/// Waits until the orders and the dead letters are these.
async fn becomes(shop: &Program, orders: Value, letters: Value) -> Result {
    eventually("orders and letters", async || {
        let state = state(shop).await?;
        let is = state["orders"] == orders && state["letters"] == letters;
        Ok(if is { Ok(()) } else { Err(state.to_string()) })
    })
    .await
}

fn order(id: u32, address: &str, attempts: u32, mails: u32) -> Value {
    json!({ "id": id, "address": address, "attempts": attempts, "mails": mails })
}

/// What the example says of itself, whatever keeps its orders.
async fn fails_twice_and_loses_nothing(shop: &Program) -> Result {
    let mut changes = Stream::open(shop, "/changes").await?;
    let placed = post(shop, "/orders?address=ann@example.org").await?;
    assert_eq!(placed, order(1, "ann@example.org", 0, 0));
    becomes(shop, json!([order(1, "ann@example.org", 3, 1)]), json!([])).await?;
    let mut told = Vec::new();
    while told.last().is_none_or(|last| last != "mailed") {
        told.push(changes.event().await?.field("data").unwrap_or_default().to_owned());
    }
    told.sort(); // the first attempt may be before the answer to who ordered
    assert_eq!(told, ["mailed", "placed", "tried", "tried", "tried"]);

    post(shop, "/orders?address=nobody").await?;
    let ann = order(1, "ann@example.org", 3, 1);
    eventually("a dead letter", async || {
        let letters = state(shop).await?["letters"].clone();
        let error = letters[0]["error"].as_str().unwrap_or_default();
        let is = letters[0]["order"] == 2 && error.starts_with("no such address");
        Ok(if is { Ok(()) } else { Err(letters.to_string()) })
    })
    .await?;
    assert_eq!(state(shop).await?["orders"], json!([order(2, "nobody", 1, 0), ann]));
    assert_eq!(post(shop, "/letters/retry").await?, json!(1));
    let mended = order(2, "mended@example.org", 3, 1);
    becomes(shop, json!([mended, ann]), json!([])).await
}

#[tokio::test]
async fn a_mail_fails_twice_and_goes_out_once_and_a_dead_letter_is_mended_in_memory() -> Result {
    let shop = Program::start("shop").await?;
    assert_eq!(state(&shop).await?, json!({ "store": "memory", "orders": [], "letters": [] }));
    fails_twice_and_loses_nothing(&shop).await
}

#[tokio::test]
async fn with_postgresql_it_is_the_same_and_another_process_goes_on_when_one_is_killed() -> Result {
    if !wanted("postgres") {
        return Ok(());
    }
    let server = Postgres::start()?;
    let url = server.url();
    let options = ["--backplane", url.as_str()];
    let mut shop = Program::start_with("shop", &options).await?;
    assert_eq!(state(&shop).await?["store"], "PostgreSQL");
    fails_twice_and_loses_nothing(&shop).await?;
    // It is killed right after the customer was told that the order is there.
    let placed = post(&shop, "/orders?address=bob@example.org").await?;
    shop.signal(Signal::KILL).await?;
    let other = Program::start_with("shop", &options).await?;
    eventually("the mail", async || {
        let state = state(&other).await?;
        let bob = state["orders"][0].clone();
        let is = bob["id"] == placed["id"] && bob["mails"] == 1;
        Ok(if is { Ok(()) } else { Err(state.to_string()) })
    })
    .await
}
