//! `Rooms`: values that are found again by a place that is never given twice.

use slab::Slab;

/// For how many values room is kept when others have left.
const ROOM: usize = 1024;
/// Room is given back when it is so many times what is needed.
const TOO_MUCH: usize = 8;

/// Values, each in a room of its own.
pub(crate) struct Rooms<T> {
    rooms: Slab<(u64, T)>,
    next: u64,
}

/// Where a value is. Its room may be another's later; its number is not. In the order of their coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    number: u64,
    room: usize,
}

impl<T> Default for Rooms<T> {
    fn default() -> Self {
        Self { rooms: Slab::new(), next: 0 }
    }
}

impl<T> Rooms<T> {
    pub(crate) fn insert(&mut self, value: T) -> Place {
        let number = self.next;
        self.next += 1;
        Place { number, room: self.rooms.insert((number, value)) }
    }

    pub(crate) fn get(&self, place: Place) -> Option<&T> {
        let (number, value) = self.rooms.get(place.room)?;
        (*number == place.number).then_some(value)
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<T> {
        self.get(place)?;
        let (_, value) = self.rooms.remove(place.room);
        let len = self.rooms.len();
        // Now and then: what stands in front of one that stays cannot be given back.
        if len & len.wrapping_sub(1) == 0 && self.rooms.capacity() > (TOO_MUCH * len).max(ROOM) {
            self.rooms.shrink_to_fit();
        }
        Some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// In the order of their rooms.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        let rooms = self.rooms.iter();
        rooms.map(|(room, (number, value))| (Place { number: *number, room }, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_not_found_again_when_its_room_is_anothers() {
        let mut rooms = Rooms::default();
        let first = rooms.insert('a');
        assert_eq!(rooms.remove(first), Some('a'));
        let second = rooms.insert('b');
        assert_eq!(rooms.get(first), None);
        assert_eq!(rooms.remove(first), None);
        assert_eq!((rooms.get(second), rooms.len()), (Some(&'b'), 1));
    }

    #[test]
    fn places_are_in_the_order_of_coming_whatever_rooms_they_have() {
        let mut rooms = Rooms::default();
        let (a, _, _) = (rooms.insert(0), rooms.insert(1), rooms.insert(2));
        rooms.remove(a);
        rooms.insert(3);
        let mut all: Vec<_> = rooms.iter().map(|(place, value)| (place, *value)).collect();
        all.sort_unstable();
        assert_eq!(all.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn room_is_given_back() {
        let mut rooms = Rooms::default();
        let places: Vec<_> = (0..100_000).map(|value| rooms.insert(value)).collect();
        for place in places {
            rooms.remove(place);
        }
        assert!(rooms.rooms.capacity() <= ROOM);
    }
}
