//! `construct`: makes components, each after what it takes, whatever the order in which they were given. All
//! functions run at once, as one future.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use super::{
    building::{Building, Site},
    given::{Collected, Maker},
    hooks::panicked,
    wiring::WiringFault,
};
use crate::{boxed::BoxFuture, bus::listener::caught};

/// Makes the components, notes their order, and says which could not be made.
pub(super) async fn construct(collected: &mut Collected, faults: &mut Vec<WiringFault>) {
    let makers = std::mem::take(&mut collected.makers);
    let site = Site::new(
        std::mem::take(&mut collected.components),
        makers.iter().map(|it| (it.of, it.given_at)),
        std::mem::take(&mut collected.offers),
    );
    let each = makers.into_iter().enumerate();
    let mut running: Vec<BoxFuture<()>> = each
        .map(|(me, maker)| -> BoxFuture<()> { Box::pin(make(site.clone(), me, maker)) })
        .collect();
    poll_fn(|cx| {
        running.retain_mut(|it| it.as_mut().poll(cx).is_pending());
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let mut made = site.finish();
    let given = collected.order.len();
    for (place, keys) in made.order.into_iter().enumerate() {
        collected.order.extend(keys.into_iter().map(|key| (key, given + place)));
    }
    faults.append(&mut made.faults);
    collected.components = made.components;
}

async fn make(site: Arc<Site>, me: usize, maker: Maker) {
    let building = Building::new(&site, me);
    let outcome = {
        // Its own panic counts like its future's.
        let running = pin!(async { (maker.make)(building).await });
        caught(running).await
    };
    let outcome = outcome.unwrap_or_else(|panic| Err(panicked(&panic)));
    site.settle(me, (maker.of, maker.given_at), outcome);
}

/// Notes components that cannot be made because nobody waits for them, as if they were there.
pub(super) fn promise(collected: &mut Collected) {
    for maker in &collected.makers {
        collected.components.promise(maker.of);
    }
    for (maker, offer) in &collected.offers {
        let name = collected.makers.get(*maker).map_or("", |it| it.of.name);
        collected.components.promise(offer.offered.called(name));
    }
}
