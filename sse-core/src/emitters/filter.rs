//! `Filter`: a Bloom filter. It forgets nothing and never grows, and may say that something is in it which is not.

use super::table::SHARDS;

/// How many bits each shard has, which are 128 KiB for all shards, once there is something in them. With 100,000
/// hashes in all of them, one answer in a hundred is wrong.
const BITS: u64 = (1 << 20) / SHARDS as u64;
/// How many bits are set for one hash.
const PROBES: u64 = 4;

/// A Bloom filter of hashes.
#[derive(Debug, Default)]
pub(super) struct Filter {
    bits: Vec<u64>,
}

impl Filter {
    pub(super) fn insert(&mut self, hash: u64) {
        self.bits.resize((BITS / 64) as usize, 0);
        for bit in probes(hash) {
            if let Some(word) = self.bits.get_mut((bit / 64) as usize) {
                *word |= 1 << (bit % 64);
            }
        }
    }

    /// Whether the hash may have been inserted. It is computed only if anything was.
    pub(super) fn may_have(&self, hash: impl FnOnce() -> u64) -> bool {
        !self.bits.is_empty()
            && probes(hash()).all(|bit| {
                self.bits.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 == 1)
            })
    }
}

fn probes(hash: u64) -> impl Iterator<Item = u64> {
    let step = hash.rotate_left(32) | 1;
    (0..PROBES).map(move |probe| hash.wrapping_add(probe.wrapping_mul(step)) % BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_and_nearly_nothing_else() {
        let mut filter = Filter::default();
        let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        assert!(!filter.may_have(|| hash(1)));
        (0..10_000).for_each(|n| filter.insert(hash(n)));
        assert!((0..10_000).all(|n| filter.may_have(|| hash(n))));
        let wrong = (10_000..20_000).filter(|n| filter.may_have(|| hash(*n))).count();
        assert!(wrong < 50, "{wrong}");
    }
}
