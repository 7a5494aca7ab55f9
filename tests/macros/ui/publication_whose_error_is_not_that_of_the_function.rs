use sse_tower::{ApplicationContext, ApplicationEvent};

#[derive(ApplicationEvent)]
struct Paid;

struct AppError;

async fn pay(context: ApplicationContext) -> Result<(), AppError> {
    context.publish_event(Paid).await?;
    Ok(())
}

fn main() {}
