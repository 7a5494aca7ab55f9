//! The order of the listeners of one event: the same on every run.

use std::sync::Arc;

use crate::bus::profile::Profile;

/// Listeners that were told to precede one another.
pub(crate) struct Cycle {
    /// Positions of the listeners that wait for each other.
    pub(crate) members: Vec<usize>,
    /// All listeners, in the order that they have without `before` and `after`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::event::{ApplicationEvent, EventKey};

    struct Paid;
    impl ApplicationEvent for Paid {}

    #[track_caller]
    fn listener(name: &'static str, declare: impl FnOnce(&mut Profile)) -> Arc<Profile> {
        let mut profile = Profile::test(name, EventKey::of::<Paid>());
        declare(&mut profile);
        Arc::new(profile)
    }

    fn names(listeners: &[Arc<Profile>], places: &[usize]) -> Vec<&'static str> {
        places.iter().map(|&place| listeners[place].name).collect()
    }

    #[track_caller]
    fn assert_order(listeners: &[Arc<Profile>], expected: &[&str]) {
        let places = arrange(listeners).unwrap_or_else(|cycle| cycle.places);
        assert_eq!(names(listeners, &places), expected);
    }

    #[test]
    fn a_lower_order_runs_earlier() {
        assert_order(
            &[
                listener("a", |it| it.order = 1),
                listener("b", |_| ()),
                listener("c", |it| it.order = -1),
            ],
            &["c", "b", "a"],
        );
    }

    #[test]
    fn of_one_order_the_module_path_decides_and_then_the_line() {
        let second = listener("b", |_| ());
        let first = listener("a", |_| ());
        let later = listener("later", |it| it.module = "a");
        assert_order(&[second, later, first], &["a", "later", "b"]);
    }

    #[test]
    fn what_nothing_tells_apart_runs_in_the_order_of_registration() {
        let twin = listener("a", |it| it.module = "m");
        let other = Profile { name: "b", ..*twin };
        assert_order(&[Arc::new(other), twin], &["b", "a"]);
    }

    #[test]
    fn before_and_after_are_stronger_than_order() {
        let mail = listener("mail", |it| it.order = -10);
        let audit = listener("audit", |it| it.before = &["mail"]);
        let sorry = listener("sorry", |it| (it.order, it.after) = (-20, &["mail"]));
        assert_order(&[mail, audit, sorry], &["audit", "mail", "sorry"]);
    }

    #[test]
    fn a_listener_is_meant_by_its_id_and_by_the_end_of_its_path_but_not_by_half_a_segment() {
        let b = listener("shop::mail::send", |it| (it.module, it.id) = ("b", Some("mailer")));
        for (target, expected) in [
            ("mailer", ["first", "shop::mail::send"]),
            ("mail::send", ["first", "shop::mail::send"]),
            ("ail::send", ["shop::mail::send", "first"]),
        ] {
            let targets: &'static [&'static str] = Vec::leak(vec![target]);
            let first = listener("first", |it| (it.module, it.before) = ("c", targets));
            assert_order(&[Arc::clone(&b), first], &expected);
        }
    }

    #[test]
    fn a_cycle_says_who_waits_for_whom_and_orders_all_of_them_nevertheless() {
        let a = listener("a", |it| it.before = &["b"]);
        let b = listener("b", |it| it.before = &["a"]);
        let listeners = [a, b, listener("0", |_| ())];
        let cycle = arrange(&listeners).err().unwrap();
        assert_eq!(names(&listeners, &cycle.members), ["a", "b"]);
        assert_eq!(names(&listeners, &cycle.places), ["0", "a", "b"]);
    }
}
