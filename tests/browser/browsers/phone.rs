//! Every page fits a phone, takes nothing from elsewhere, and is as wide as it should be.

use std::path::Path;

use sse_tower_tests::{Program, Result, in_browsers};

/// Each program with its options, what a person does at its page, and what is then to be seen there.
const PAGES: [(&str, &[&str], &str, &str); 9] = [
    ("ticker", &["--every", "100ms"], "", "document.body.dataset.state === 'done'"),
    ("order", &[], "at('pay').click()", "document.body.dataset.state === 'done'"),
    (
        "topics",
        &[],
        "at('subscribe').requestSubmit();
        at('pub_content').value = '<b>雨</b> ' + 'and a long line '.repeat(8);
        stream.addEventListener('open', () => at('publish').requestSubmit())",
        "at('message').childElementCount === 1 && at('pub_message').childElementCount === 1",
    ),
    (
        "users",
        &[],
        "at('connect').requestSubmit(); stream.addEventListener('message', () => {
            at('message').value = 'hello'; at('send').requestSubmit(); }, { once: true });
        const other = setInterval(() => { if (at('messages').childElementCount === 0) return;
            clearInterval(other); new EventSource('connect?userId=1'); }, 20)",
        "at('sent').childElementCount === 1 && document.body.dataset.state === 'replaced'",
    ),
    ("feed", &["--every", "100ms", "--timeout", "1s"], "", "document.querySelector('.late')"),
    (
        "existing-axum",
        &[],
        "at('name').value = 'ann'; at('login').requestSubmit(); setTimeout(() => {
            at('to').value = 'ann'; at('text').value = 'a note to myself';
            at('write').requestSubmit(); }, 500)",
        "at('notes').childElementCount === 1",
    ),
    (
        "fleet",
        &["--every", "100ms"],
        "at('text').value = '<b>雨</b> ' + 'and a long line '.repeat(8); at('say').requestSubmit()",
        "document.body.dataset.state === 'open' && at('said').innerText.includes('long line')
            && document.querySelectorAll('[data-health=up] .tabs b').length > 0",
    ),
    ("tower-only", &[], "at('ring').click()", "at('heard').textContent === '1'"),
    (
        "llm-stream",
        &["--every", "20ms"],
        "at('ask').requestSubmit(document.querySelector('#ask button'))",
        "Number(at('tokens').textContent) > 30",
    ),
];

/// English words on a Chinese page outside an element that says so, or mixed with Chinese. What
/// comes from the stream and from people is not looked at, nor are names of fields and functions.
const UNMARKED: &str = "(() => {
    if (document.documentElement.lang === 'en') return [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walk.nextNode()) {
        const [text, parent] = [walk.currentNode.data, walk.currentNode.parentElement];
        if (parent.closest('script, style, ul, ol, code, dd')) continue;
        if (!/[A-Za-z]{3,}/.test(text)) continue;
        if (parent.closest('[lang]').lang !== 'en' || /[\\u4e00-\\u9fff]/.test(text)) found.push(text);
    }
    return found;
})()";

#[tokio::test]
async fn every_page_fits_a_phone_and_takes_nothing_from_elsewhere() -> Result {
    // A folder for pictures of all pages, for whoever wants to look at them.
    let pictures = std::env::var_os("PAGE_PICTURES");
    in_browsers(async |browser| {
        for (name, options, act, seen) in PAGES {
            let program = Program::start_with(name, options).await?;
            let page = browser.open(&program.url("/")).await?;
            page.until("document.readyState === 'complete'", "document.readyState").await?;
            page.value::<Option<bool>>(&format!("(() => {{ {act}; return null; }})()")).await?;
            page.until(seen, "({...document.body.dataset, text: document.body.innerText})").await?;
            for (width, mobile) in [(1100, false), (390, true)] {
                page.resize(width, mobile).await?;
                let shown = "document.documentElement.scrollWidth";
                let room = "document.documentElement.clientWidth";
                let fits = format!("{shown} === {room}");
                page.until(&fits, &format!("[{name:?}, {shown}, {room}]")).await?;
                if let Some(folder) = &pictures {
                    page.picture(
                        &Path::new(folder).join(format!("{name}-{width}-{}.png", page.browser())),
                    )
                    .await?;
                }
            }
            let unmarked: Vec<String> = page.value(UNMARKED).await?;
            assert_eq!(unmarked, Vec::<String>::new(), "{name}: not marked as English");
            let foreign = "performance.getEntriesByType('resource')
                .filter((entry) => new URL(entry.name).origin !== location.origin)
                .map((entry) => entry.name)";
            assert_eq!(page.value::<Vec<String>>(foreign).await?, Vec::<String>::new(), "{name}");
        }
        Ok(())
    })
    .await
}
