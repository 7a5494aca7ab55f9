use sse_tower::{ApplicationContext, ApplicationEvent, PublishError};

#[derive(ApplicationEvent)]
struct Paid;

async fn pay(context: ApplicationContext) -> Result<(), PublishError> {
    context.publish_event(Paid)?;
    Ok(())
}

fn main() {}
