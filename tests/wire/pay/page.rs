//! The page: its number, its QR code, and what a request may put into it.

use sse_tower_tests::{Connection, Program, Result, request};

#[tokio::test]
async fn each_visit_is_a_fresh_payment_unless_the_address_names_one() -> Result {
    let pay = Program::start("pay").await?;
    let number = async |target: &str| -> Result<String> {
        let page = request(pay.address(), "GET", target, &[]).await?;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type").as_deref(), Some("text/html; charset=utf-8"));
        let text = page.text();
        let (_, rest) = text.split_once("data-pay-record-id=\"").ok_or("no number in the page")?;
        Ok(rest.split_once('"').ok_or("an attribute without an end")?.0.to_owned())
    };
    assert_ne!(number("/").await?, number("/").await?);
    assert_eq!(number("/?payRecordId=77").await?, "77");
    let bad = request(pay.address(), "GET", "/?payRecordId=x", &[]).await?;
    assert_eq!(bad.status, 400);
    Ok(())
}

#[tokio::test]
async fn the_qr_code_is_for_the_host_that_the_browser_used() -> Result {
    let pay = Program::start("pay").await?;
    let page = async |host: &str| -> Result<String> {
        let mut connection = Connection::open(pay.address()).await?;
        let head = format!("GET /?payRecordId=1 HTTP/1.1\r\nhost: {host}\r\n\r\n");
        connection.write(head.as_bytes()).await?;
        connection.head().await?;
        Ok(String::from_utf8(connection.body().await?)?)
    };
    let here = page("shop.example:8080").await?;
    assert!(here.contains("http://shop.example:8080/pay-callback?payRecordId=1"));
    let code = |page: &str| page.split_once("<path fill").map(|(_, code)| code.to_owned());
    assert_eq!(code(&here), code(&page("shop.example:8080").await?));
    assert_ne!(code(&here), code(&page("shop.example:8081").await?));
    Ok(())
}

#[tokio::test]
async fn a_host_header_can_put_no_markup_into_the_page_and_a_huge_one_is_a_400() -> Result {
    let pay = Program::start("pay").await?;
    let ask = async |host: &str| -> Result<(u16, String)> {
        let mut connection = Connection::open(pay.address()).await?;
        let head = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
        connection.write(head.as_bytes()).await?;
        let head = connection.head().await?;
        Ok((head.status, String::from_utf8(connection.body().await?)?))
    };
    let (status, page) = ask("\"><script>alert(1)</script>").await?;
    assert_eq!(status, 200);
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>alert"));
    let (status, sentence) = ask(&"h".repeat(5000)).await?;
    assert_eq!(
        (status, sentence.as_str()),
        (400, "the address of this page is too long for a QR code")
    );
    Ok(())
}
