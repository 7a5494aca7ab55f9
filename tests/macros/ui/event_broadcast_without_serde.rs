use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
#[event(name = "article.repriced", broadcast)]
struct Repriced {
    article: u64,
}

fn main() {
    drop(Repriced { article: 7 }.article);
}
