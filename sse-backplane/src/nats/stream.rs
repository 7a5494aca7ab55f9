//! `Names`: what is asked of JetStream, for one namespace.

use std::time::Duration;

use async_nats::jetstream::{
    self, Context, ErrorCode,
    consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, push},
    context::{PublishError, PublishErrorKind},
    object_store::{self, ObjectMetadata, ObjectStore},
    stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream},
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use sse_tower_core::backplane::{EngineError, EngineErrorKind};
use tokio::io::AsyncReadExt;

use super::replica::Replica;

/// How much the stream may hold before it takes nothing more, in bytes: 1 GiB. It is cut long before that, and once more
/// where it is full.
const MAX_STREAM_BYTES: i64 = 1 << 30;
/// How many copies of the ledger are kept.
const COPIES: usize = 2;
/// What JetStream says where there is no room: in the stream, or in what the account or the server may store.
const FULL: [ErrorCode; 4] = [
    ErrorCode::STREAM_STORE_FAILED,
    ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
];
/// In what pieces a copy is stored, in bytes, where the server takes them.
const CHUNK: usize = 128 * 1024;
/// How often the server says that it is there when there is nothing else to say.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The stream of one namespace, and where copies are kept.
#[derive(Clone, Debug)]
pub(super) struct Names {
    stream: String,
    pub(super) subject: String,
    bucket: String,
    replicas: usize,
}

impl Names {
    pub(super) fn new(namespace: &str, replicas: usize) -> Self {
        let name = encode(namespace);
        Self {
            stream: format!("sse_{name}"),
            subject: format!("sse.{name}.log"),
            bucket: format!("sse_{name}"),
            replicas,
        }
    }

    /// The stream, made if it is not there.
    pub(super) async fn open(&self, context: &Context) -> Result<(Stream, Info), EngineError> {
        let config = Config {
            name: self.stream.clone(),
            subjects: vec![self.subject.clone()],
            storage: StorageType::File,
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::New,
            max_bytes: MAX_STREAM_BYTES,
            num_replicas: self.replicas,
            ..Config::default()
        };
        let stream = context.get_or_create_stream(config).await.map_err(|error| {
            use async_nats::jetstream::context::CreateStreamErrorKind as Kind;
            let kind = match error.kind() {
                Kind::JetStreamUnavailable | Kind::JetStream(_) => EngineErrorKind::Refused,
                _ => EngineErrorKind::Unavailable,
            };
            let full = matches!(error.kind(), Kind::JetStream(said) if FULL.contains(&said.error_code()));
            let message = if full {
                format!(
                    "NATS has no room for the stream `{}` of 1 GiB: raise what JetStream may store (`max_file_store`, or the \
                     account's limit), or make the stream beforehand with less, for the subject `{}` and with `discard` \
                     `new`",
                    self.stream, self.subject
                )
            } else {
                format!(
                    "the JetStream stream `{}` cannot be opened: does the server run with JetStream (`-js`), and may this \
                     user create streams and consumers?",
                    self.stream
                )
            };
            EngineError::new(kind, message).with_source(error)
        })?;
        let info = stream.get_info().await.map_err(unavailable)?;
        Ok((stream, info))
    }

    /// The newest copy of the ledger that belongs to this stream.
    pub(super) async fn newest_copy(
        &self,
        context: &Context,
        info: &Info,
    ) -> Result<Option<Replica>, EngineError> {
        let store = self.copies(context).await?;
        let created = info.created.unix_timestamp_nanos();
        for name in names(&store).await?.into_iter().rev() {
            // One that cannot be read is being written, or being deleted by who wrote a newer one.
            let Ok(mut object) = store.get(&name).await else { continue };
            let mut bytes = Vec::new();
            if object.read_to_end(&mut bytes).await.is_err() {
                continue;
            }
            let copy = postcard::from_bytes::<Replica>(&bytes).ok();
            let copy = copy
                .filter(|copy| copy.created == created && copy.applied <= info.state.last_sequence);
            if copy.is_some() {
                return Ok(copy);
            }
        }
        Ok(None)
    }

    /// Keeps a copy of the ledger, then deletes what of the stream is in it.
    pub(super) async fn keep_copy(
        &self,
        context: &Context,
        replica: &Replica,
    ) -> Result<(), EngineError> {
        let bytes = postcard::to_stdvec(replica).map_err(|error| {
            EngineError::refused("the ledger cannot be written down").with_source(error)
        })?;
        let store = self.copies(context).await?;
        let name = format!("{:020}", replica.applied);
        let chunk_size = Some(CHUNK.min(context.client().max_payload()));
        let meta = ObjectMetadata { name, chunk_size, ..ObjectMetadata::default() };
        store.put(meta, &mut bytes.as_slice()).await.map_err(unavailable)?;
        let stream = context.get_stream(&self.stream).await.map_err(unavailable)?;
        stream.purge().sequence(replica.applied + 1).await.map_err(unavailable)?;
        let names = names(&store).await?;
        for old in names.iter().rev().skip(COPIES) {
            // Another node may have deleted it.
            let _ = store.delete(old).await;
        }
        Ok(())
    }

    /// Whether copies can be kept. A server says nothing at all to who may not; and without copies the stream is full one day.
    pub(super) async fn may_copy(&self, context: &Context) -> Result<(), EngineError> {
        self.copies(context).await?;
        let subject = format!("$O.{}.C.may-be-kept", self.bucket);
        let kept = context.publish(subject.clone(), Bytes::new()).await.map_err(unavailable)?.await;
        if let Err(error) = kept
            && error.kind() == PublishErrorKind::TimedOut
        {
            let message = format!(
                "the JetStream stream `{}` cannot be copied: may this user publish to `$O.{}.>`?",
                self.stream, self.bucket
            );
            return Err(EngineError::refused(message).with_source(error));
        }
        if let Ok(stream) = context.get_stream(format!("OBJ_{}", self.bucket)).await {
            // It is empty, and harms nobody.
            let _ = stream.purge().filter(subject).await;
        }
        Ok(())
    }

    /// What a stream without room, or a server without it, says.
    pub(super) fn full(&self, error: PublishError) -> EngineError {
        EngineError::unavailable(format!(
            "NATS has no room left for the stream `{}`: raise what JetStream may store, or keep less history",
            self.stream
        ))
        .with_source(error)
    }

    async fn copies(&self, context: &Context) -> Result<ObjectStore, EngineError> {
        let config = object_store::Config {
            bucket: self.bucket.clone(),
            storage: StorageType::File,
            num_replicas: self.replicas,
            ..object_store::Config::default()
        };
        match context.get_object_store(&self.bucket).await {
            Ok(store) => Ok(store),
            Err(_) => context.create_object_store(config).await.map_err(unavailable),
        }
    }
}

async fn names(store: &ObjectStore) -> Result<Vec<String>, EngineError> {
    let list = store.list().await.map_err(unavailable)?;
    let mut names: Vec<String> =
        list.map_ok(|object| object.name).try_collect().await.map_err(unavailable)?;
    names.sort();
    Ok(names)
}

/// Whether the last message that was applied is still in the stream, and is the same.
pub(super) async fn continues(
    stream: &Stream,
    info: &Info,
    replica: (i128, u64, i128),
) -> Result<bool, EngineError> {
    let (created, applied, at) = replica;
    if info.created.unix_timestamp_nanos() != created || info.state.last_sequence < applied {
        return Ok(false);
    }
    if applied == 0 {
        return Ok(info.state.first_sequence <= 1);
    }
    if info.state.first_sequence > applied {
        // Cut up to here or further. If exactly up to here there is nothing to compare, and the copy tells.
        return Ok(false);
    }
    match stream.get_raw_message(applied).await {
        Ok(message) => Ok(message.time.unix_timestamp_nanos() == at),
        Err(error) => {
            use async_nats::jetstream::stream::RawMessageErrorKind as Kind;
            match error.kind() {
                Kind::NoMessageFound => Ok(false),
                _ => Err(unavailable(error)),
            }
        }
    }
}

/// The messages after `applied`, each once, in order, with a sign of life in between.
pub(super) async fn read_after(
    context: &Context,
    stream: &Stream,
    applied: u64,
) -> Result<push::Messages, EngineError> {
    let config = push::Config {
        deliver_subject: context.client().new_inbox(),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: applied + 1 },
        ack_policy: AckPolicy::None,
        replay_policy: ReplayPolicy::Instant,
        max_deliver: 1,
        flow_control: true,
        idle_heartbeat: HEARTBEAT,
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: Duration::from_secs(30),
        ..push::Config::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(unavailable)?;
    consumer.messages().await.map_err(unavailable)
}

/// Was it not stored for want of room?
pub(super) fn is_full(error: &PublishError) -> bool {
    let said = std::error::Error::source(error).and_then(|it| it.downcast_ref());
    said.is_some_and(|said: &jetstream::Error| FULL.contains(&said.error_code()))
}

pub(super) fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::unavailable("NATS did not answer").with_source(error)
}

/// A namespace as a name that streams, subjects and buckets may have: other characters as `_` and two hexadecimal digits
/// for each byte.
fn encode(namespace: &str) -> String {
    use std::fmt::Write as _;
    let mut name = String::with_capacity(namespace.len());
    for byte in namespace.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(name, "_{byte:02x}");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn no_namespace_is_a_wildcard_or_another_one() {
        assert_eq!(encode("shop-1"), "shop-1");
        assert_eq!(encode("a.b"), "a_2eb");
        assert_eq!(encode("a_2eb"), "a_5f2eb");
        assert_eq!(encode("*> "), "_2a_3e_20");
    }
}
