//! What the keys of log and queue have in common.

/// The first key behind all keys that begin with `prefix`.
pub(super) fn end(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if last < u8::MAX {
            prefix.push(last + 1);
            break;
        }
    }
    prefix
}

/// The number that a key ends with.
pub(super) fn last_number(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The number before the last one of a key.
pub(super) fn number_before(key: &[u8]) -> u64 {
    last_number(&key[..key.len().saturating_sub(size_of::<u64>())])
}
