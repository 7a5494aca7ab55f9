//! The payment page before two nodes, of which the one that holds it is killed; and before one that comes back.

use engine_servers::{Nats, Postgres, Redis, wanted};
use sse_tower_tests::{Browser, Program, Proxy, Result, Tab, in_chromium, request};

async fn state(tab: &Tab<'_>, state: &str) -> Result {
    let dataset = "({...document.body.dataset, log: document.getElementById('log').textContent})";
    tab.until(&format!("document.body.dataset.state === '{state}'"), dataset).await
}

async fn calls_back(pay: &Program, id: u64) -> Result {
    let target = format!("/pay-callback?payRecordId={id}");
    assert_eq!(request(pay.address(), "POST", &target, &[]).await?.status, 200);
    Ok(())
}

/// nginx before two nodes, with its defaults but that everybody goes to the first while it is there.
async fn nginx(first: &Program, second: &Program) -> Result<Proxy> {
    let (first, second) = (first.address(), second.address());
    Proxy::start("nginx", &["-e", "stderr", "-p", "{folder}", "-c", "{}"], |place| {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", place.path(kind)));
        Ok(format!(
            "daemon off;\nmaster_process off;\npid {};\nevents {{}}\nhttp {{\naccess_log off;\n{}\
             upstream nodes {{ server {first}; server {second} backup; }}\n\
             server {{ listen 127.0.0.1:{}; location / {{ proxy_pass http://nodes; }} }}\n}}\n",
            place.path("pid"),
            temporary.concat(),
            place.port,
        ))
    })
    .await
}

/// The page hangs on the first of two nodes. It is killed, as by `kill -9`, and the provider calls the second.
async fn the_node_that_holds_the_page_is_killed(browser: &Browser, url: &str) -> Result {
    let options = ["--backplane", url];
    let mut first = Program::start_with("pay", &options).await?;
    let second = Program::start_with("pay", &options).await?;
    let nginx = nginx(&first, &second).await?;
    let page = browser.open(&format!("http://{}/?payRecordId=77", nginx.address())).await?;
    state(&page, "waiting").await?;
    page.value::<bool>("window.notReloaded = true").await?;
    first.kill().await?;
    calls_back(&second, 77).await?;
    state(&page, "paid").await?;
    page.text("title", "支付成功").await?;
    assert!(page.value::<bool>("window.notReloaded === true").await?);
    // It waited at the node that was killed, and dialled again since.
    let log: String = page.value("document.getElementById('log').textContent").await?;
    assert!(log.contains("dropped") || log.contains("closed"), "{log}");
    Ok(())
}

#[tokio::test]
async fn on_redis_a_page_whose_node_was_killed_shows_the_payment_that_the_other_was_told_of()
-> Result {
    if !wanted("redis") {
        return Ok(());
    }
    let server = Redis::start()?;
    in_chromium(async |browser| {
        the_node_that_holds_the_page_is_killed(browser, &server.url()).await
    })
    .await
}

#[tokio::test]
async fn on_postgres_a_page_whose_node_was_killed_shows_the_payment_that_the_other_was_told_of()
-> Result {
    if !wanted("postgres") {
        return Ok(());
    }
    let server = Postgres::start()?;
    in_chromium(async |browser| {
        the_node_that_holds_the_page_is_killed(browser, &server.url()).await
    })
    .await
}

#[tokio::test]
async fn on_nats_a_page_whose_node_was_killed_shows_the_payment_that_the_other_was_told_of()
-> Result {
    if !wanted("nats") {
        return Ok(());
    }
    let server = Nats::start().await?;
    in_chromium(async |browser| {
        the_node_that_holds_the_page_is_killed(browser, &server.url()).await
    })
    .await
}

#[tokio::test]
async fn with_a_file_a_payment_outlives_the_process_that_was_told_of_it() -> Result {
    let folder = tempfile::tempdir()?;
    let url = format!("redb:{}", folder.path().join("pay.redb").display());
    in_chromium(async |browser| {
        let mut pay = Program::start_with("pay", &["--backplane", &url]).await?;
        let network = sse_tower_tests::Relay::to(pay.address()).await?;
        let page = format!("http://{}/?payRecordId=78", network.address());
        let page = browser.open(&page).await?;
        state(&page, "waiting").await?;
        page.value::<bool>("window.notReloaded = true").await?;
        // The page is away when the callback comes, and the process is killed before it is back.
        network.cut();
        state(&page, "dropped").await?;
        calls_back(&pay, 78).await?;
        pay.kill().await?;
        pay.start_again().await?;
        network.mend();
        state(&page, "paid").await?;
        page.text("title", "支付成功").await?;
        assert!(page.value::<bool>("window.notReloaded === true").await?);
        Ok(())
    })
    .await
}
