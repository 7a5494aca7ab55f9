//! `order`: a payment for a page from any origin.

use sse_tower_tests::{EventText, Program, Result, Stream, eventually, request};

const PAID: &str = "data:用户支付成功\n\n";
const FINISH: &str = "event:finish\nid:6666\ndata:哈哈\n\n";

async fn pay(order: &Program, method: &str, id: u64) -> Result {
    let answer = request(order.address(), method, &format!("/payback?payid={id}"), &[]).await?;
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    Ok(())
}

fn is_whole(events: &[String]) {
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[0].without_id(), PAID);
    assert!(events[0].field("id").is_some_and(|id| id.starts_with("1.")), "{events:?}");
    assert_eq!(events[1], FINISH);
}

#[tokio::test]
async fn the_message_comes_then_finish_then_the_end_for_get_and_post() -> Result {
    let order = Program::start("order").await?;
    for (id, method) in [(1, "GET"), (2, "POST")] {
        let mut stream = Stream::open(&order, &format!("/orderpay?payid={id}")).await?;
        pay(&order, method, id).await?;
        is_whole(&stream.rest().await?);
    }
    Ok(())
}

#[tokio::test]
async fn a_second_payback_is_answered_like_the_first_and_sent_to_nobody() -> Result {
    let order = Program::start("order").await?;
    let mut stream = Stream::open(&order, "/orderpay?payid=1").await?;
    pay(&order, "POST", 1).await?;
    pay(&order, "POST", 1).await?;
    is_whole(&stream.rest().await?);
    is_whole(&Stream::open(&order, "/orderpay?payid=1").await?.rest().await?);
    Ok(())
}

#[tokio::test]
async fn a_payback_before_the_page_waits_for_it() -> Result {
    let order = Program::start("order").await?;
    pay(&order, "GET", 77).await?;
    is_whole(&Stream::open(&order, "/orderpay?payid=77").await?.rest().await?);
    Ok(())
}

#[tokio::test]
async fn a_page_that_has_seen_finish_is_told_never_to_come_back() -> Result {
    let order = Program::start("order").await?;
    pay(&order, "GET", 5).await?;
    is_whole(&Stream::open(&order, "/orderpay?payid=5").await?.rest().await?);
    let seen = [("last-event-id", "6666")];
    let answer = request(order.address(), "GET", "/orderpay?payid=5", &seen).await?;
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    Ok(())
}

#[tokio::test]
async fn a_page_that_missed_finish_gets_it_alone() -> Result {
    let order = Program::start("order").await?;
    let mut stream = Stream::open(&order, "/orderpay?payid=5").await?;
    pay(&order, "GET", 5).await?;
    let first = stream.event().await?;
    let id = first.field("id").ok_or("an event without an id")?;
    let headers = [("last-event-id", id)];
    let mut again = Stream::open_with(&order, "/orderpay?payid=5", &headers).await?;
    assert_eq!(again.rest().await?, [FINISH]);
    Ok(())
}

#[tokio::test]
async fn a_client_that_left_is_no_error_for_the_payment_system_and_is_let_go() -> Result {
    let order = Program::start("order").await?;
    for id in 1..=3 {
        drop(Stream::open(&order, &format!("/orderpay?payid={id}")).await?);
        pay(&order, "POST", id).await?;
        pay(&order, "POST", id).await?;
    }
    eventually("the sockets of those who left are closed", async || {
        let open = order.connections()?;
        Ok(if open == 0 { Ok(()) } else { Err(format!("{open} are open")) })
    })
    .await
}

#[tokio::test]
async fn an_unknown_number_is_fine_and_a_missing_or_bad_one_is_a_400_with_a_sentence() -> Result {
    let order = Program::start("order").await?;
    pay(&order, "GET", 404).await?;
    for path in ["/orderpay", "/payback"] {
        for query in ["", "?payid=", "?payid=abc", "?payid=-1", "?payid=18446744073709551616"] {
            let answer = request(order.address(), "GET", &format!("{path}{query}"), &[]).await?;
            assert_eq!(answer.status, 400, "{path}{query}");
            assert!(answer.text().contains("payid"), "{path}{query}: {}", answer.text());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_wait_that_is_over_ends_properly_also_if_nothing_was_sent() -> Result {
    let order = Program::start_with("order", &["--timeout", "50ms"]).await?;
    let mut stream = Stream::open(&order, "/orderpay?payid=1").await?;
    assert_eq!(stream.rest_of_its_time().await?, Vec::<String>::new());
    // The browser dials again, and the payment is not lost.
    pay(&order, "POST", 1).await?;
    is_whole(&Stream::open(&order, "/orderpay?payid=1").await?.rest().await?);
    Ok(())
}

#[tokio::test]
async fn the_end_of_an_old_wait_takes_nothing_from_a_newer_one() -> Result {
    let order = Program::start_with("order", &["--timeout", "1500ms"]).await?;
    let mut old = Stream::open(&order, "/orderpay?payid=1").await?;
    let old = tokio::spawn(async move { old.rest_of_its_time().await });
    // The newest is a moment old when the oldest ends.
    let mut newest = Stream::open(&order, "/orderpay?payid=1").await?;
    while !old.is_finished() {
        newest = Stream::open(&order, "/orderpay?payid=1").await?;
    }
    assert_eq!(old.await??, Vec::<String>::new());
    pay(&order, "POST", 1).await?;
    is_whole(&newest.rest().await?);
    Ok(())
}

#[tokio::test]
async fn every_page_of_one_order_learns_of_it_and_no_page_of_another() -> Result {
    let order = Program::start("order").await?;
    let mut first = Stream::open(&order, "/orderpay?payid=1").await?;
    let mut second = Stream::open(&order, "/orderpay?payid=1").await?;
    let mut other = Stream::open(&order, "/orderpay?payid=2").await?;
    pay(&order, "POST", 1).await?;
    let events = first.rest().await?;
    is_whole(&events);
    assert_eq!(second.rest().await?, events);
    pay(&order, "POST", 2).await?;
    is_whole(&other.rest().await?);
    Ok(())
}

#[tokio::test]
async fn any_origin_may_read_and_ask_beforehand() -> Result {
    let order = Program::start("order").await?;
    let origin = ("origin", "http://shop.example");
    let stream = Stream::open_with(&order, "/orderpay?payid=1", &[origin]).await?;
    assert_eq!(stream.head.header("access-control-allow-origin").as_deref(), Some("*"));
    assert_eq!(stream.head.header("access-control-allow-credentials"), None);
    for method in ["GET", "POST"] {
        let asked = [
            origin,
            ("access-control-request-method", method),
            ("access-control-request-headers", "last-event-id"),
        ];
        let answer = request(order.address(), "OPTIONS", "/payback?payid=1", &asked).await?;
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("*"));
        for header in ["access-control-allow-methods", "access-control-allow-headers"] {
            assert_eq!(answer.header(header).as_deref(), Some("*"), "{method}");
        }
    }
    Ok(())
}
