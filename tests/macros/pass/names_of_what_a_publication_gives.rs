//! Whatever publishing gives has a name in `sse_tower`: for fields, for signatures, and where a task has to be told its error.
use std::error::Error;

use sse_tower::{
    ApplicationContext, ApplicationEvent, BoxError, Commit, CommitError, Failure, Listener,
    ListenerError, Outcome, Publication, PublicationId, PublishError, Publisher, Settlement,
    Transaction,
};

#[derive(ApplicationEvent)]
struct Paid;

#[allow(dead_code)]
struct Desk {
    sent: Publication<Paid>,
    publisher: Publisher<Paid>,
    transaction: Transaction,
    commit: Commit,
    outcome: Result<Outcome, PublishError>,
    settled: Result<Settlement, CommitError>,
    failures: Vec<Failure>,
    id: PublicationId,
}

fn begun(context: &ApplicationContext) -> Publication<Paid> {
    context.publish_event(Paid)
}

async fn carried_on(context: &ApplicationContext) -> Result<Outcome, PublishError> {
    begun(context).first_error().await
}

async fn boxed(context: &ApplicationContext) -> Result<(), Box<dyn Error + Send + Sync>> {
    carried_on(context).await?;
    context.transaction().commit().await?;
    Ok(())
}

async fn in_a_task(context: ApplicationContext) -> Result<(), BoxError> {
    let inner = context.clone();
    let task = async move {
        inner.publish_event(Paid).await?;
        Ok::<(), PublishError>(())
    };
    let stored = async { Ok::<(), BoxError>(()) };
    context.transaction().commit_with(stored).await?;
    tokio::spawn(task).await??;
    Ok(())
}

fn listened() -> Listener {
    Listener::on(|_: &Paid| Ok::<(), ListenerError>(())).into()
}

fn main() {
    let _ = (boxed, in_a_task, listened);
}
