use sse_tower::{ApplicationContext, ApplicationEvent};

#[derive(ApplicationEvent)]
struct Paid;

fn later(context: ApplicationContext) {
    tokio::spawn(async move {
        context.publish_event(Paid).await?;
        Ok(())
    });
}

fn main() {}
