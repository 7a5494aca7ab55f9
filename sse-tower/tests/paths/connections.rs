//! The connection before and after its stream.

use std::time::Duration;

use sse_tower::Emitters;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{common, on_both};

const PLAIN: &str = "GET /plain HTTP/1.1\r\nHost: test\r\n\r\n";
const STREAM: &str = "GET /events?key=1 HTTP/1.1\r\nHost: test\r\n\r\n";

on_both! {
    async fn a_connection_serves_requests_before_and_after_a_stream(path) {
        let app = path.start().await;
        let mut client = common::Wire::send(app.server.address, PLAIN).await;
        client.until("plain").await;
        for round in 0..3 {
            client.again(STREAM).await;
            client.until("\r\n\r\n").await;
            app.send(1, &format!("round{round}")).await;
            client.until(&format!("data:round{round}\n")).await;
            app.emitters.complete(&1);
            client.at_body_end().await;
            app.emitters.forget(&1);
            client.again(PLAIN).await;
            client.until("plain").await;
        }
    }
}

on_both! {
    async fn a_request_that_came_before_its_time_is_answered_after_the_stream(path) {
        let app = path.start().await;
        let mut client = app.open(1).await;
        client.again(PLAIN).await;
        app.send(1, "event").await;
        client.until("data:event\n").await;
        app.emitters.complete(&1);
        client.at_body_end().await;
        client.until("\r\n\r\nplain").await;
    }
}

on_both! {
    async fn a_request_in_the_same_packet_as_the_one_before_is_answered_after_the_stream(path) {
        let app = path.start().await;
        let both = format!("{STREAM}{PLAIN}");
        let mut client = common::Wire::send(app.server.address, &both).await;
        client.until("\r\n\r\n").await;
        app.send(1, "event").await;
        client.until("data:event\n").await;
        app.emitters.complete(&1);
        client.at_body_end().await;
        client.until("\r\n\r\nplain").await;
    }
}

on_both! {
    async fn a_connection_that_says_nothing_after_its_stream_is_hung_up_on(path) {
        let soon = Duration::from_millis(50);
        let app =
            path.start_with(Emitters::new(), |r| r, |l| l, |s| s.header_timeout(soon)).await;
        let mut client = app.open(1).await;
        app.emitters.complete(&1);
        client.at_body_end().await;
        client.at_end().await;
    }
}

on_both! {
    async fn a_connection_counts_until_it_is_closed(path) {
        let app = path.start_with(Emitters::new(), |r| r, |l| l, |s| s.max_connections(1)).await;
        let mut client = app.open(1).await;
        let mut next = common::Wire::send(app.server.address, PLAIN).await;
        app.send(1, "event").await;
        client.until("data:event\n").await;
        assert!(next.got.is_empty());
        drop(client);
        next.until("plain").await;
    }
}

on_both! {
    async fn the_end_of_what_a_client_says_is_its_end(path) {
        // As with hyper's own connections, and as browsers do it: nobody who reads on says so.
        let app = path.start().await;
        let mut client = TcpStream::connect(app.server.address).await.unwrap();
        client.write_all(STREAM.as_bytes()).await.unwrap();
        common::open(&app.context, 1).await;
        client.shutdown().await.unwrap();
        common::open(&app.context, 0).await;
    }
}
