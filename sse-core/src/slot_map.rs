//! `SlotMap`: values by keys that are never given twice, although a slot is used again.

use slab::Slab;

/// How many slots are kept free when values leave.
const KEPT_SLOTS: usize = 1024;
/// Memory is given back when there are so many times more slots than values.
const TOO_MANY: usize = 8;

/// Values, each in a slot.
pub(crate) struct SlotMap<T> {
    slots: Slab<(u64, T)>,
    next: u64,
}

/// Where a value is. Another value may have its slot later, but not its number. Keys are in the order of insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SlotKey {
    number: u64,
    slot: u32,
}

impl SlotKey {
    /// A map has never as many slots as would not fit.
    const fn new(number: u64, slot: usize) -> Self {
        Self { number, slot: slot as u32 }
    }
}

impl<T> Default for SlotMap<T> {
    fn default() -> Self {
        Self { slots: Slab::new(), next: 0 }
    }
}

impl<T> SlotMap<T> {
    pub(crate) fn insert(&mut self, value: T) -> SlotKey {
        let number = self.next;
        self.next += 1;
        SlotKey::new(number, self.slots.insert((number, value)))
    }

    pub(crate) fn get(&self, key: SlotKey) -> Option<&T> {
        let (number, value) = self.slots.get(key.slot as usize)?;
        (*number == key.number).then_some(value)
    }

    pub(crate) fn remove(&mut self, key: SlotKey) -> Option<T> {
        self.get(key)?;
        let (_, value) = self.slots.remove(key.slot as usize);
        let len = self.slots.len();
        // At powers of two only: slots before one that is in use cannot be given back, and trying costs a walk.
        let is_time = len & len.wrapping_sub(1) == 0;
        if is_time && self.slots.capacity() > (TOO_MANY * len).max(KEPT_SLOTS) {
            self.slots.shrink_to_fit();
        }
        Some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Each value with its key, in the order of their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SlotKey, &T)> {
        let slots = self.slots.iter();
        slots.map(|(slot, (number, value))| (SlotKey::new(*number, slot), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_nothing_once_its_slot_has_another_value() {
        let mut map = SlotMap::default();
        let first = map.insert('a');
        assert_eq!(map.remove(first), Some('a'));
        let second = map.insert('b');
        assert_eq!(map.get(first), None);
        assert_eq!(map.remove(first), None);
        assert_eq!((map.get(second), map.len()), (Some(&'b'), 1));
    }

    #[test]
    fn keys_are_in_the_order_of_insertion_whatever_slots_they_have() {
        let mut map = SlotMap::default();
        let (a, _, _) = (map.insert(0), map.insert(1), map.insert(2));
        map.remove(a);
        map.insert(3);
        let mut all: Vec<_> = map.iter().map(|(key, value)| (key, *value)).collect();
        all.sort_unstable();
        assert_eq!(all.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn memory_is_given_back() {
        let mut map = SlotMap::default();
        let keys: Vec<_> = (0..100_000).map(|value| map.insert(value)).collect();
        for key in keys {
            map.remove(key);
        }
        assert!(map.slots.capacity() <= KEPT_SLOTS);
    }
}
