//! Rules of bodies: any bytes, up to the limit.

use super::{
    Harness, KEEP, Node, event,
    node::{body, error},
    topic,
};
use crate::backplane::EngineErrorKind;

/// No byte, line breaks, zeros, no UTF-8: loaded and heard as they were stored.
pub async fn any_bytes_come_back_as_they_were<H: Harness>(harness: H) {
    let topic = topic("bytes");
    let node = Node::following(&harness, std::slice::from_ref(&topic)).await;
    let every: Vec<u8> = (0..=255).collect();
    let bodies: [&[u8]; 9] = [
        b"",
        b"\0",
        b"\r\n",
        b"a\r\nb\n\rc\r",
        b"\xff\xfe\xc3\x28",
        b"$5\r\nhello\r\n",
        b"'; drop table log; --",
        "\u{feff}\u{2028}ü".as_bytes(),
        &every,
    ];
    node.store(bodies.map(|body| (topic.clone(), event(body)))).await;
    node.barrier().await;
    let loaded = node.load(&topic).await.records;
    assert_eq!(loaded.iter().map(body).collect::<Vec<_>>(), bodies);
    assert_eq!(node.records(&topic), loaded);
}

/// The limit is exact.
pub async fn the_largest_body_fits_and_one_byte_more_does_not<H: Harness>(harness: H) {
    let topic = topic("largest");
    let node = Node::following(&harness, std::slice::from_ref(&topic)).await;
    let most = harness.max_body();
    let largest: Vec<u8> = (0..most).map(|index| (index % 251) as u8).collect();
    node.send(&topic, &largest).await;
    let batch = node.batch([(topic.clone(), event(vec![0; most + 1]))], KEEP);
    let error = error(node.engine.append(batch).await);
    assert_eq!(error.kind(), EngineErrorKind::Refused, "{error}");
    node.barrier().await;
    let heard = node.records(&topic);
    assert_eq!(heard.len(), 1);
    assert!(body(&heard[0]) == largest, "heard as it was stored");
    assert_eq!(node.load(&topic).await.records, heard);
}
