//! The task that asks the store for topics: to be followed, then loaded, then how far it is.

use std::sync::Arc;

use super::{health::Trouble, options::is_mutant, pause::Pause, shared::Shared};
use crate::{backplane::Topic, observe};

/// How many topics are followed in one round trip.
const FOLLOW_AT_ONCE: usize = 2048;
/// How many topics are loaded in one round trip.
const LOAD_AT_ONCE: usize = 512;

pub(super) async fn run(shared: Arc<Shared>) {
    let mut pause = Pause::default();
    loop {
        match round(&shared).await {
            Round::Nothing => {
                shared.trouble(Trouble::Load, false);
                pause.reset();
                shared.to_drive.notified().await;
            }
            Round::Done => pause.reset(),
            Round::Failed => {
                shared.trouble(Trouble::Load, true);
                pause.next().await;
            }
        }
    }
}

enum Round {
    Nothing,
    Done,
    Failed,
}

/// Everything that there is to do now, each in one call: in this order, since what is followed is loaded next, and
/// what is loaded wants a mark that is newer.
async fn round(shared: &Arc<Shared>) -> Round {
    let mut outcome = Round::Nothing;
    let unfollow = shared.with(|table, _, _| table.take_unfollows());
    if !unfollow.is_empty() {
        outcome = Round::Done;
        shared.engine().unfollow(unfollow);
    }
    let follow = shared.with(|table, _, _| table.take_follows(FOLLOW_AT_ONCE));
    if !follow.is_empty() {
        let topics: Vec<Topic> = follow.iter().map(|(topic, _)| topic.clone()).collect();
        if is_mutant!(shared.options(), LoadBeforeFollow) {
            shared.with(|table, _, _| table.have_followed(follow, true, None));
            load(shared).await;
            let _ = shared.engine().follow(topics).await;
            return Round::Done;
        }
        // One after the other begun, and both under way at once.
        let (since, followed) = (shared.engine().mark(), shared.engine().follow(topics));
        let (since, followed) = (since.await.ok(), followed.await);
        shared.with(|table, _, _| table.have_followed(follow, followed.is_ok(), since));
        outcome = Round::Done;
        if let Err(error) = followed {
            observe::backplane_trouble("follow", &error);
            return Round::Failed;
        }
    }
    match load(shared).await {
        Some(true) => outcome = Round::Done,
        Some(false) => return Round::Failed,
        None => {}
    }
    let asking = shared.with(|table, _, _| table.take_asking());
    if let Some(asking) = asking {
        let mark = shared.engine().mark().await;
        outcome = Round::Done;
        let failed = mark.as_ref().err().map(|error| observe::backplane_trouble("mark", error));
        shared.with(|table, _, after| table.have_asked(asking, mark.ok(), after));
        if failed.is_some() {
            return Round::Failed;
        }
    }
    outcome
}

/// Loads what is to be loaded. `None` if there is nothing, `false` if it has to be tried again.
async fn load(shared: &Arc<Shared>) -> Option<bool> {
    let mut load = shared.with(|table, _, _| table.take_load(LOAD_AT_ONCE))?;
    let wants = std::mem::take(&mut load.wants);
    let all = match shared.engine().load(wants).await {
        Ok(found) => shared.with(|table, news, after| table.have_loaded(load, found, news, after)),
        Err(error) => {
            observe::backplane_trouble("load", &error);
            shared.with(|table, _, _| table.not_loaded(load));
            false
        }
    };
    if !all {
        // Of another epoch, perhaps: then the feed is to hear of it.
        let _ = shared.engine().mark().await;
    }
    Some(all)
}
