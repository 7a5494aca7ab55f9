#[event_listener(timeout = "5s", spawn)]
async fn mail(event: &PayCompleted, mailer: Component<Mailer>) -> Result<Mailed, MailError> {
    mailer.send(event.id).await?;
    Ok(Mailed)
}
