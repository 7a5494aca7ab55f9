//! The page of the topics: subscribe on the left, publish on the right.

use sse_tower_tests::{Program, Result, Tab, in_browsers, request};

use crate::{fill, state};

async fn subscribe(page: &Tab<'_>, topic: &str) -> Result {
    fill(page, "topic", topic).await?;
    page.value::<Option<bool>>("document.getElementById('subscribe').requestSubmit()").await?;
    state(page, "open").await
}

/// The text of the messages on the left, the newest first.
const MESSAGES: &str =
    "[...document.querySelectorAll('#message li')].map((line) => line.firstChild?.data ?? '')";

#[tokio::test]
async fn what_is_published_on_the_right_appears_at_subscribers_of_that_topic() -> Result {
    in_browsers(async |browser| {
        let topics = Program::start("topics").await?;
        let reader = browser.open(&topics.url("/")).await?;
        subscribe(&reader, "天气 & more").await?;
        let other = browser.open(&topics.url("/")).await?;
        subscribe(&other, "other").await?;
        let writer = browser.open(&topics.url("/")).await?;
        fill(&writer, "pub_topic", "天气 & more").await?;
        fill(&writer, "pub_content", "50% = sun?#&").await?;
        writer.click("send").await?;
        reader.until(&format!("{MESSAGES}[0] === '50% = sun?#&'"), MESSAGES).await?;
        let sent = "document.getElementById('pub_message').innerText";
        writer.until(&format!("{sent}.includes('50% = sun?#&')"), sent).await?;
        assert_eq!(other.value::<Vec<String>>(MESSAGES).await?, Vec::<String>::new());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_others_write_never_runs_as_script() -> Result {
    in_browsers(async |browser| {
        let topics = Program::start("topics").await?;
        let page = browser.open(&topics.url("/")).await?;
        subscribe(&page, "news").await?;
        let evil = "<img src=x onerror=\"window.ran=1\"><script>window.ran=1</script>";
        let escaped: String = evil.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let target = format!("/publish?topic=news&content={escaped}");
        request(topics.address(), "POST", &target, &[]).await?;
        request(topics.address(), "POST", "/publish?topic=news&content=after", &[]).await?;
        page.until(&format!("{MESSAGES}[0] === 'after'"), MESSAGES).await?;
        assert_eq!(page.value::<Vec<String>>(MESSAGES).await?[1], evil);
        let markup = "document.querySelectorAll('#message img, #message script').length";
        assert_eq!(page.value::<u64>(markup).await?, 0);
        assert!(page.value::<bool>("window.ran === undefined").await?);
        // What this page itself publishes, too.
        fill(&page, "pub_content", evil).await?;
        page.click("send").await?;
        let own = "document.querySelectorAll('#pub_message li').length";
        page.until(&format!("{own} === 1"), own).await?;
        assert!(
            page.value::<bool>("!document.querySelector('ul img') && window.ran === undefined")
                .await?
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_second_subscription_ends_the_first() -> Result {
    in_browsers(async |browser| {
        let topics = Program::start("topics").await?;
        let page = browser.open(&topics.url("/")).await?;
        subscribe(&page, "a").await?;
        page.value::<Option<bool>>("(window.first = stream, null)").await?;
        subscribe(&page, "b").await?;
        assert_eq!(page.value::<u8>("first.readyState").await?, 2);
        request(topics.address(), "POST", "/publish?topic=a&content=1", &[]).await?;
        request(topics.address(), "POST", "/publish?topic=b&content=2", &[]).await?;
        page.until(&format!("{MESSAGES}[0] === '2'"), MESSAGES).await?;
        assert_eq!(page.value::<Vec<String>>(MESSAGES).await?, ["2"]);
        Ok(())
    })
    .await
}
