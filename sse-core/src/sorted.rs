//! Sorting what is seldom sorted.
//!
//! The standard library's sort is built once more for each type and each order, and takes as long to build as a whole room.
//! This one is built once: it sorts places, and what is at them is swapped.

use std::cmp::Ordering;

/// Sorts by a key, as [`slice::sort_by_key`] does: what is equal stays in its order.
pub(crate) fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

/// Sorts, as [`slice::sort_by`] does: what is equal stays in its order.
pub(crate) fn sort_by<T>(items: &mut [T], order: impl Fn(&T, &T) -> Ordering) {
    let swaps = swaps(items.len(), &|a, b| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => order(a, b),
        _ => Ordering::Equal,
    });
    for (a, b) in swaps {
        items.swap(a, b);
    }
}

/// What to swap, one after the other, so that all of `len` places are in this order.
fn swaps(len: usize, order: &dyn Fn(usize, usize) -> Ordering) -> Vec<(usize, usize)> {
    let mut sorted: Vec<usize> = (0..len).collect();
    sorted.sort_by(|a, b| order(*a, *b));
    let mut goes_to = vec![0; len];
    for (to, from) in sorted.into_iter().enumerate() {
        if let Some(place) = goes_to.get_mut(from) {
            *place = to;
        }
    }
    let mut swaps = Vec::new();
    for at in 0..len {
        // Each swap brings one to its place for good.
        while let Some(&to) = goes_to.get(at).filter(|to| **to != at) {
            swaps.push((at, to));
            goes_to.swap(at, to);
        }
    }
    swaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sorts_as_the_standard_library_does_and_keeps_the_order_of_equals() {
        let mut random = fastrand::Rng::with_seed(7);
        for len in 0..60 {
            let mut items: Vec<(u8, usize)> = (0..len).map(|at| (random.u8(..9), at)).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|it| it.0);
            sort_by_key(&mut items, |it| it.0);
            assert_eq!(items, expected);
        }
    }
}
