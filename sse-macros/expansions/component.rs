#[component]
impl Desk<u8> {
    const LIMIT: u64 = 100;

    fn new() -> Self {
        Self::default()
    }

    /// Tells who waits.
    #[sse_tower::event_listener(condition = |event: &Paid| event.amount < Self::LIMIT)]
    pub fn tell(&self, event: &Paid) {
        self.emitters.send(&event.id, "paid");
    }

    #[event_listener(order = 1)]
    async fn follow(&self, event: &Self::Event, this: Component<Self>) -> Vec<Followed> {
        self.find(event, this).await
    }
}
