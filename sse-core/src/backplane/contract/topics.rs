//! Rules of topics' names: they are bytes, none is a pattern, and none is another's.

use super::{Harness, Node, event, node::body, topic};
use crate::backplane::{MAX_TOPIC_BYTES, Topic};

/// Wildcards, separators, blanks, control characters, prefixes, cases, forms of Unicode, the longest names: each is one
/// topic, and hears nothing of another.
pub async fn names_are_bytes_and_nothing_more<H: Harness>(harness: H) {
    let names = names();
    let node = Node::following(&harness, &names).await;
    let other = Node::join(&harness).await;
    let text = |index: usize| format!("of {index}");
    let changes = names.iter().enumerate().map(|(i, name)| (name.clone(), event(text(i))));
    other.store(changes.collect::<Vec<_>>()).await;
    node.barrier().await;
    for (index, name) in names.iter().enumerate() {
        let heard = node.records(name);
        assert_eq!(heard.len(), 1, "{name:?}");
        assert_eq!(body(&heard[0]), text(index).as_bytes(), "{name:?}");
        assert_eq!(node.load(name).await.records, heard, "{name:?}");
    }
    // One who follows a name that looks like a pattern hears its own topic alone.
    let some: Vec<_> = ["*", ">", "a.*", "a.>", "?", "[ab]", "%", "_"].map(topic).into();
    let narrow = Node::following(&harness, &some).await;
    other.store(names.iter().map(|name| (name.clone(), event("again")))).await;
    narrow.barrier().await;
    for name in &some {
        assert_eq!(narrow.records(name).len(), 1, "{name:?}");
    }
}

fn names() -> Vec<Topic> {
    let mut names: Vec<String> = [
        "*",
        ">",
        "a",
        "a.b",
        "a.*",
        "a.>",
        "a.b.c",
        "ab",
        "A",
        "?",
        "[ab]",
        "%",
        "_",
        "a_",
        "a%",
        "\\",
        "/",
        "a/b",
        "../a",
        ":",
        "a:",
        "a:b",
        ":a",
        "{a}",
        "{}",
        "}",
        "-",
        "--",
        "+",
        "#",
        "$",
        "$5",
        "@",
        "&",
        "=",
        "a=b",
        "\"",
        "'",
        "';--",
        "`",
        " ",
        "  ",
        " a",
        "a ",
        "a b",
        "\t",
        "\n",
        "\r\n",
        "a\nb",
        "\0",
        "a\0",
        "a\0b",
        "\u{1}",
        "\u{7f}",
        "ü",
        "u\u{308}",
        "\u{feff}",
        "\u{202e}",
        "\u{10ffff}",
        "日本語",
        "🦀",
        "0",
        "00",
        "1",
        "-1",
        "null",
        "NULL",
        "a%00",
        "a%2e",
        "a.",
        ".a",
        ".",
        "..",
        "a..b",
        "ß",
        "SS",
        "İ",
        "i\u{307}",
    ]
    .map(String::from)
    .into();
    names.push("x".repeat(500));
    names.push("x".repeat(501));
    names.push(format!("{}y", "x".repeat(499)));
    names.push("ü".repeat(250));
    names.push("*".repeat(500));
    names.push("m".repeat(MAX_TOPIC_BYTES));
    names.push(format!("{}n", "m".repeat(MAX_TOPIC_BYTES - 1)));
    names.iter().map(|name| topic(name)).collect()
}
