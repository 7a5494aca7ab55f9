//! The provider's side: whatever the browsers do, it gets its answer.

use sse_tower_tests::{Connection, Program, Result, request};

const ANSWER: (u16, &str) = (200, "請到監聽處查看消息");

async fn call(pay: &Program, method: &str, id: u64) -> Result<(u16, String)> {
    let target = format!("/pay-callback?payRecordId={id}");
    let answer = request(pay.address(), method, &target, &[]).await?;
    Ok((answer.status, answer.text()))
}

fn is_fine(answer: &(u16, String)) {
    assert_eq!((answer.0, answer.1.as_str()), ANSWER);
}

#[tokio::test]
async fn an_unknown_payment_is_no_crash_and_no_error_for_the_provider() -> Result {
    let pay = Program::start("pay").await?;
    is_fine(&call(&pay, "GET", 404).await?);
    is_fine(&call(&pay, "POST", u64::MAX).await?);
    is_fine(&call(&pay, "POST", 0).await?);
    Ok(())
}

#[tokio::test]
async fn a_second_callback_is_answered_like_the_first() -> Result {
    let pay = Program::start("pay").await?;
    let mut stream = Connection::open(pay.address()).await?;
    stream.ask("GET", "/push?payRecordId=1", &[]).await?;
    stream.head().await?;
    is_fine(&call(&pay, "GET", 1).await?);
    is_fine(&call(&pay, "GET", 1).await?);
    let body = String::from_utf8(stream.body().await?)?;
    assert_eq!(body.matches("data:支付成功").count(), 1, "{body:?}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_left_costs_the_provider_nothing() -> Result {
    let pay = Program::start("pay").await?;
    for _ in 0..3 {
        let mut stream = Connection::open(pay.address()).await?;
        stream.ask("GET", "/push?payRecordId=2", &[]).await?;
        stream.head().await?;
        drop(stream);
        is_fine(&call(&pay, "POST", 2).await?);
    }
    Ok(())
}

#[tokio::test]
async fn other_methods_are_refused_by_name() -> Result {
    let pay = Program::start("pay").await?;
    for (method, target) in
        [("DELETE", "/pay-callback?payRecordId=1"), ("POST", "/push?payRecordId=1")]
    {
        let answer = request(pay.address(), method, target, &[("content-length", "0")]).await?;
        assert_eq!(answer.status, 405, "{method} {target}");
        assert!(answer.header("allow").is_some(), "{method} {target}");
    }
    Ok(())
}
