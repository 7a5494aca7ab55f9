//! The order of the listeners of one event: the same on every run.

use std::sync::Arc;

use crate::bus::profile::Profile;

/// Listeners that were told to precede one another.
pub(crate) struct Cycle {
    /// Positions of the listeners that wait for each other.
    pub(crate) members: Vec<usize>,
    /// All of them, for want of a better order.
    pub(crate) places: Vec<usize>,
}

/// Positions in the order in which they run: `before` and `after` first, then `order`, module path,
/// line, column, and at last the order of registration.
pub(crate) fn arrange(listeners: &[Arc<Profile>]) -> Result<Vec<usize>, Cycle> {
    let mut places: Vec<usize> = (0..listeners.len()).collect();
    // Stable, hence ties stay in the order of registration.
    places.sort_by_key(|&i| {
        listeners
            .get(i)
            .map(|it| (it.order, it.module, it.declared_at.line(), it.declared_at.column()))
    });
    if listeners.iter().all(|it| it.before.is_empty() && it.after.is_empty()) {
        return Ok(places);
    }
    // predecessors[i]: what has to run before the listener at sorted place i.
    let sorted: Vec<&Arc<Profile>> = places.iter().filter_map(|&i| listeners.get(i)).collect();
    let precedes = |first: &Profile, second: &Profile| {
        first.before.iter().any(|target| second.is_called(target))
            || second.after.iter().any(|target| first.is_called(target))
    };
    let mut waiting: Vec<usize> = (0..sorted.len()).collect();
    let mut arranged = Vec::with_capacity(sorted.len());
    while !waiting.is_empty() {
        // The first, by order, of those that nobody else has to precede.
        let ready = waiting.iter().position(|&i| {
            !waiting.iter().any(|&other| {
                other != i
                    && matches!((sorted.get(other), sorted.get(i)), (Some(a), Some(b)) if precedes(a, b))
            })
        });
        match ready {
            Some(at) => arranged.push(waiting.remove(at)),
            None => {
                let places_of = |list: &[usize]| -> Vec<usize> {
                    list.iter().filter_map(|&i| places.get(i).copied()).collect()
                };
                return Err(Cycle { members: places_of(&waiting), places });
            }
        }
    }
    Ok(arranged.into_iter().filter_map(|i| places.get(i).copied()).collect())
}
