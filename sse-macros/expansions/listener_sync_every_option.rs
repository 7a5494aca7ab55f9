/// Writes the audit log.
#[event_listener(
    order = -10,
    before = "app::mail",
    after = ["first", "second"],
    id = "audit",
    condition = |event: &PayCompleted| event.amount > 100,
    phase = "after-commit",
    fallback
)]
#[cfg(feature = "audit")]
pub(crate) fn audit(
    PayCompleted { amount, .. }: &PayCompleted,
    log: &Component<AuditLog>,
    out: Publisher<Audited>,
    meta: EventMeta,
) -> Option<Audited> {
    log.write(*amount, meta).then_some(Audited)
}
