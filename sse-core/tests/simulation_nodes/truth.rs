//! What the store was told, as a node without faults hears it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sse_tower_core::backplane::{
    Change, Engine, Epoch, Feed, FeedItem, MemoryEngine, MemoryStore, Position, Topic,
};

pub(crate) const NAME: &str = "sim";
pub(crate) const KEYS: u8 = 4;

/// One event as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// `None` for one to all keys.
    pub(crate) key: Option<u8>,
    pub(crate) text: String,
    /// The store lost its tail with it: who got it got it, and nobody has to.
    lost: bool,
}

#[derive(Default)]
struct Heard {
    head: Option<(Epoch, Position)>,
    epochs: Vec<(Epoch, BTreeMap<Position, Event>)>,
}

/// The store's own story, epoch by epoch.
pub(crate) struct Truth {
    engine: MemoryEngine,
    heard: Arc<Mutex<Heard>>,
}

impl Truth {
    pub(crate) async fn of(store: &MemoryStore) -> Self {
        let engine = store.engine();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let feed = Feed::new({
            let heard = heard.clone();
            move |item| heard.lock().unwrap().take(item)
        });
        let mark = engine.start(feed).await.unwrap();
        {
            let mut heard = heard.lock().unwrap();
            heard.enter(mark.epoch);
            heard.head = Some((mark.epoch, mark.position));
        }
        let mut topics = vec![Topic::new(NAME).unwrap()];
        topics.extend((0..KEYS).map(|key| Topic::new(format!("{NAME}/{key}")).unwrap()));
        engine.follow(topics).await.unwrap();
        Self { engine, heard }
    }

    /// Where the store stands now.
    pub(crate) async fn head(&self) -> (Epoch, Position) {
        if let Ok(mark) = self.engine.mark().await {
            self.heard.lock().unwrap().head = Some((mark.epoch, mark.position));
        }
        // While it is away nothing is stored.
        self.heard.lock().unwrap().head.unwrap()
    }

    /// What stands at this position.
    pub(crate) fn at(&self, epoch: Epoch, position: Position) -> Option<Event> {
        let heard = self.heard.lock().unwrap();
        heard.of(epoch).and_then(|events| events.get(&position).cloned())
    }

    /// What these keys were told after `from` and before `to`.
    pub(crate) fn between(
        &self,
        epoch: Epoch,
        keys: &[u8],
        from: Position,
        to: Position,
    ) -> Vec<(Position, Event)> {
        let heard = self.heard.lock().unwrap();
        let Some(events) = heard.of(epoch) else { return Vec::new() };
        let is_theirs =
            |event: &Event| !event.lost && event.key.is_none_or(|key| keys.contains(&key));
        let between =
            events.iter().filter(|(at, event)| **at > from && **at < to && is_theirs(event));
        between.map(|(at, event)| (*at, event.clone())).collect()
    }

    /// The store has lost what came after this.
    pub(crate) fn lose_after(&self, (epoch, position): (Epoch, Position)) {
        let mut heard = self.heard.lock().unwrap();
        let events = heard.epochs.iter_mut().find(|(of, _)| *of == epoch);
        let events = events.into_iter().flat_map(|(_, events)| events.iter_mut());
        events.filter(|(at, _)| **at > position).for_each(|(_, event)| event.lost = true);
    }

    /// Did the store lose one with this text with its tail?
    pub(crate) fn has_lost(&self, text: &str) -> bool {
        let heard = self.heard.lock().unwrap();
        let mut events = heard.epochs.iter().flat_map(|(_, events)| events.values());
        events.any(|event| event.lost && event.text == text)
    }

    /// Was this epoch over before the other one?
    pub(crate) fn is_older(&self, epoch: Epoch, than: Epoch) -> bool {
        let heard = self.heard.lock().unwrap();
        let place = |epoch| heard.epochs.iter().position(|(of, _)| *of == epoch);
        place(epoch) < place(than)
    }

    /// How often this was stored within one epoch: a store that lost its past has lost that it had it.
    pub(crate) fn count(&self, text: &str) -> usize {
        let heard = self.heard.lock().unwrap();
        let count = |(_, events): &(Epoch, BTreeMap<Position, Event>)| {
            events.values().filter(|event| !event.lost && event.text == text).count()
        };
        heard.epochs.iter().map(count).max().unwrap_or(0)
    }
}

impl Heard {
    fn of(&self, epoch: Epoch) -> Option<&BTreeMap<Position, Event>> {
        self.epochs.iter().find(|(of, _)| *of == epoch).map(|(_, events)| events)
    }

    fn enter(&mut self, epoch: Epoch) {
        if self.epochs.last().is_none_or(|(last, _)| *last != epoch) {
            self.epochs.push((epoch, BTreeMap::new()));
        }
    }

    fn take(&mut self, item: FeedItem) {
        match item {
            FeedItem::Records { epoch, records } => {
                self.enter(epoch);
                let (_, events) = self.epochs.last_mut().unwrap();
                for record in records {
                    let Change::Event { body, .. } = record.change else { continue };
                    let body = String::from_utf8_lossy(&body);
                    let (_, text) = body.rsplit_once("data:").unwrap();
                    let key = record.topic.as_str().split_once('/');
                    let key = key.map(|(_, key)| key.parse().unwrap());
                    let event = Event { key, text: text.trim_end().to_owned(), lost: false };
                    events.insert(record.position, event);
                }
            }
            FeedItem::Mark(mark) => self.enter(mark.epoch),
            _ => {}
        }
    }
}
