//! `Few`: a list that mostly has one member, in two words where a member has two.

use std::{
    iter::Chain,
    ops::{Deref, DerefMut},
    option, slice, vec,
};

/// A list that mostly has one member, which needs no block of its own then. For members such as a `Box<dyn _>`: the
/// list is as large as one of them.
#[derive(Debug)]
pub(crate) enum Few<T> {
    One(T),
    #[expect(clippy::box_collection, reason = "a list is three words, and few have any")]
    Others(Option<Box<Vec<T>>>),
}

impl<T> Few<T> {
    pub(crate) const fn new() -> Self {
        Self::Others(None)
    }

    pub(crate) fn push(&mut self, member: T) {
        *self = match std::mem::take(self) {
            Self::Others(None) => Self::One(member),
            Self::One(first) => Self::Others(Some(Box::new(vec![first, member]))),
            Self::Others(Some(mut others)) => {
                others.push(member);
                Self::Others(Some(others))
            }
        };
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::One(one) => slice::from_ref(one),
            Self::Others(others) => others.as_deref().map_or(&[], Vec::as_slice),
        }
    }
}

impl<T> DerefMut for Few<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::One(one) => slice::from_mut(one),
            Self::Others(others) => others.as_deref_mut().map_or(&mut [], Vec::as_mut_slice),
        }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, members: I) {
        members.into_iter().for_each(|member| self.push(member));
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = Chain<option::IntoIter<T>, vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        let (first, others) = match self {
            Self::One(one) => (Some(one), Vec::new()),
            Self::Others(others) => (None, others.map(|others| *others).unwrap_or_default()),
        };
        first.into_iter().chain(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stay_in_their_order_however_many_there_are() {
        for count in 0..4 {
            let mut few = Few::new();
            few.extend(0..count);
            few.iter_mut().for_each(|member| *member *= 10);
            let all: Vec<_> = (0..count).map(|member| member * 10).collect();
            assert_eq!(*few, all);
            assert_eq!(few.into_iter().collect::<Vec<_>>(), all);
        }
    }

    #[test]
    fn it_is_as_large_as_one_member() {
        assert_eq!(size_of::<Few<Box<dyn Send>>>(), size_of::<Box<dyn Send>>());
    }
}
