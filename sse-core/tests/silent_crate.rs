//! `listeners_from!` for crates that declare nothing. Alone in its program, since it spoils the
//! linked context of every test in it.

#![allow(missing_docs)]

use sse_tower_core::{ApplicationContext, WiringFault, listeners_from};

listeners_from![bytes, tokio];

#[test]
fn a_named_crate_that_declares_nothing_is_reported_with_its_place() {
    let error = ApplicationContext::builder().build().unwrap_err();
    let mut names: Vec<_> = error
        .faults()
        .iter()
        .map(|fault| match fault {
            WiringFault::SilentCrate { name, named_at } => {
                (*name, named_at.file(), named_at.line())
            }
            other => panic!("{other}"),
        })
        .collect();
    names.sort_unstable();
    assert_eq!(names, [("bytes", file!(), 8), ("tokio", file!(), 8)]);
    assert!(ApplicationContext::bare().build().is_ok());
}
