//! The payment page: a person looks at it, somebody else pays.

use rustix::process::Signal;
use sse_tower_tests::{Browser, Program, Relay, Result, Tab, in_browsers, request};

const STATE: &str = "document.body.dataset.state";

async fn open<'a>(browser: &'a Browser, pay: &Program, id: u64) -> Result<Tab<'a>> {
    browser.open(&pay.url(&format!("/?payRecordId={id}"))).await
}

async fn state(tab: &Tab<'_>, state: &str) -> Result {
    let dataset = "({...document.body.dataset, log: document.getElementById('log').textContent})";
    tab.until(&format!("{STATE} === '{state}'"), dataset).await
}

async fn provider_calls_back(pay: &Program, id: u64) -> Result {
    let target = format!("/pay-callback?payRecordId={id}");
    let answer = request(pay.address(), "POST", &target, &[]).await?;
    assert_eq!((answer.status, answer.text().as_str()), (200, "請到監聽處查看消息"));
    Ok(())
}

#[tokio::test]
async fn a_waiting_page_shows_the_payment_without_a_reload() -> Result {
    in_browsers(async |browser| {
        let pay = Program::start("pay").await?;
        let page = open(browser, &pay, 123).await?;
        state(&page, "waiting").await?;
        page.text("number", "123").await?;
        page.value::<bool>("window.notReloaded = true").await?;
        provider_calls_back(&pay, 123).await?;
        state(&page, "paid").await?;
        page.text("title", "支付成功").await?;
        assert!(page.value::<bool>("window.notReloaded === true").await?);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_button_of_the_page_calls_the_callback() -> Result {
    in_browsers(async |browser| {
        let pay = Program::start("pay").await?;
        let page = browser.open(&pay.url("/")).await?;
        state(&page, "waiting").await?;
        page.click("pay").await?;
        state(&page, "paid").await?;
        page.text("title", "支付成功").await
    })
    .await
}

#[tokio::test]
async fn a_payment_after_the_server_crashed_and_came_back_reaches_the_page() -> Result {
    in_browsers(async |browser| {
        let mut pay = Program::start("pay").await?;
        let page = open(browser, &pay, 7).await?;
        state(&page, "waiting").await?;
        pay.kill().await?;
        state(&page, "dropped").await?;
        pay.start_again().await?;
        state(&page, "waiting").await?;
        provider_calls_back(&pay, 7).await?;
        state(&page, "paid").await?;
        page.text("title", "支付成功").await
    })
    .await
}

#[tokio::test]
async fn a_payment_after_the_server_was_restarted_reaches_the_page() -> Result {
    in_browsers(async |browser| {
        let mut pay = Program::start("pay").await?;
        let page = open(browser, &pay, 6).await?;
        state(&page, "waiting").await?;
        // This one says goodbye, and with it when to dial again.
        assert_eq!(pay.signal(Signal::TERM).await?.status.code(), Some(0));
        state(&page, "dropped").await?;
        pay.start_again().await?;
        state(&page, "waiting").await?;
        provider_calls_back(&pay, 6).await?;
        state(&page, "paid").await
    })
    .await
}

#[tokio::test]
async fn a_payment_while_the_page_is_disconnected_reaches_it_when_it_is_back() -> Result {
    in_browsers(async |browser| {
        let mut pay = Program::start("pay").await?;
        let page = open(browser, &pay, 8).await?;
        state(&page, "waiting").await?;
        pay.kill().await?;
        state(&page, "dropped").await?;
        pay.start_again().await?;
        // The page cannot be back before its next dial, three seconds after the drop.
        provider_calls_back(&pay, 8).await?;
        state(&page, "paid").await
    })
    .await
}

#[tokio::test]
async fn a_payment_before_the_page_was_opened_is_shown_at_once() -> Result {
    in_browsers(async |browser| {
        let pay = Program::start("pay").await?;
        provider_calls_back(&pay, 55).await?;
        let page = open(browser, &pay, 55).await?;
        state(&page, "paid").await?;
        page.text("title", "支付成功").await
    })
    .await
}

#[tokio::test]
async fn two_tabs_on_one_payment_both_learn_and_a_third_payment_does_not() -> Result {
    in_browsers(async |browser| {
        let pay = Program::start("pay").await?;
        let first = open(browser, &pay, 9).await?;
        let second = open(browser, &pay, 9).await?;
        let other = open(browser, &pay, 10).await?;
        for tab in [&first, &second, &other] {
            state(tab, "waiting").await?;
        }
        provider_calls_back(&pay, 9).await?;
        state(&first, "paid").await?;
        state(&second, "paid").await?;
        assert_eq!(other.value::<String>(STATE).await?, "waiting");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_browser_of_a_finished_payment_gets_204_and_dials_no_more() -> Result {
    in_browsers(async |browser| {
        let pay = Program::start("pay").await?;
        let network = Relay::to(pay.address()).await?;
        let page = format!("http://{}/?payRecordId=204", network.address());
        let page = browser.open(&page).await?;
        state(&page, "waiting").await?;
        provider_calls_back(&pay, 204).await?;
        // Closed is final for an EventSource, and this page closes none itself.
        let stream = "document.body.dataset.stream";
        page.until(&format!("{stream} === 'closed'"), stream).await?;
        state(&page, "paid").await?;
        let dials = network.passed("GET /push");
        assert_eq!(dials.len(), 2, "{dials:?}");
        assert_eq!(network.passed("HTTP/1.1 204").len(), 1, "{:?}", network.passed("HTTP/1.1"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_paid_page_stays_paid_when_the_server_has_forgotten_the_payment() -> Result {
    in_browsers(async |browser| {
        let mut pay = Program::start("pay").await?;
        let network = Relay::to(pay.address()).await?;
        let page = format!("http://{}/?payRecordId=12", network.address());
        let page = browser.open(&page).await?;
        state(&page, "waiting").await?;
        provider_calls_back(&pay, 12).await?;
        state(&page, "paid").await?;
        network.refuse();
        pay.kill().await?;
        pay.start_again().await?;
        network.mend();
        // It comes back with the id of a payment that this life of the server knows nothing of.
        let log = "document.getElementById('log').textContent";
        page.until(&format!("{log}.includes('stream-reset')"), log).await?;
        state(&page, "paid").await?;
        page.text("title", "支付成功").await
    })
    .await
}

#[tokio::test]
async fn a_payment_while_the_network_is_cut_reaches_the_page_when_it_is_mended() -> Result {
    in_browsers(async |browser| {
        let pay = Program::start("pay").await?;
        let network = Relay::to(pay.address()).await?;
        let page = format!("http://{}/?payRecordId=42", network.address());
        let page = browser.open(&page).await?;
        state(&page, "waiting").await?;
        network.cut();
        state(&page, "dropped").await?;
        provider_calls_back(&pay, 42).await?;
        network.mend();
        state(&page, "paid").await
    })
    .await
}

#[tokio::test]
async fn the_page_fits_a_phone_and_takes_nothing_from_elsewhere() -> Result {
    in_browsers(async |browser| {
        let pay = Program::start("pay").await?;
        let page = open(browser, &pay, 390).await?;
        state(&page, "waiting").await?;
        page.resize(390, true).await?;
        let shown = "document.documentElement.scrollWidth";
        let room = "document.documentElement.clientWidth";
        page.until(&format!("{shown} === {room}"), &format!("[{shown}, {room}]")).await?;
        let foreign = "performance.getEntriesByType('resource')
            .filter((entry) => new URL(entry.name).origin !== location.origin).map((entry) => entry.name)";
        assert_eq!(page.value::<Vec<String>>(foreign).await?, Vec::<String>::new());
        Ok(())
    })
    .await
}
