use crate::{Sources, check, floors, tree::Tree};

const FLOORS: &str = "
## Floors

```text
house
    ground  what everybody stands on
    room
    roof, chimney
```
";

/// What is wrong with these files, besides that some of the rooms are empty.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let mut faults = all_faults(files);
    faults.retain(|fault| !fault.ends_with("no such file"));
    faults
}

fn all_faults(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Sources =
        files.iter().map(|(file, text)| (file.into(), (*text).to_owned())).collect();
    let (name, floors) = floors::of(FLOORS).unwrap().remove(0);
    assert_eq!(name, "house");
    check::check(&Tree::of(&sources).unwrap(), &floors)
}

const LIB: &str = "mod ground; mod room; mod roof; pub use roof::Roof; pub use ground::Stone;";

#[test]
fn arrows_that_point_down_are_fine() {
    let clean = faults(&[
        ("lib.rs", LIB),
        ("ground.rs", "use std::fmt; pub struct Stone;"),
        (
            "room/mod.rs",
            "mod wall; mod door; pub(crate) use wall::Wall; pub(crate) use door::Door;",
        ),
        ("room/wall.rs", "use crate::ground::Stone; pub struct Wall(Stone);"),
        ("room/door.rs", "use super::wall::Wall; pub struct Door(Wall);"),
        (
            "roof.rs",
            "use crate::{ground::Stone, room::{Door, Wall}}; pub struct Roof(Wall, Door, Stone);",
        ),
    ]);
    assert_eq!(clean, [""; 0]);
}

#[test]
fn an_arrow_that_points_up_is_refused_with_its_line() {
    let up = faults(&[
        ("lib.rs", LIB),
        ("ground.rs", "\nuse crate::room::Wall;\npub struct Stone(Wall);"),
        ("room.rs", "pub struct Wall;"),
        ("roof.rs", "pub struct Roof;"),
    ]);
    assert_eq!(
        up,
        ["ground.rs:2: `crate::room::Wall` is of room.rs, and `room` stands above `ground`"]
    );
}

#[test]
fn an_arrow_between_two_words_of_code_counts_as_one_in_a_use_line() {
    for code in [
        "fn up() { let _ = crate::roof::Roof; }",
        "fn up() -> Vec<crate::roof::Roof> { vec![crate::roof::Roof] }",
        "use crate::roof; fn up() { roof::Roof; }",
        "fn up() { use crate::roof::*; Roof; }",
        "fn up() { assert!(true, \"{:?}\", crate::roof::Roof) }",
        "wrapped! { struct Up { up: crate::roof::Roof } }",
    ] {
        let up = faults(&[
            ("lib.rs", LIB),
            ("ground.rs", "pub struct Stone;"),
            ("room.rs", code),
            ("roof.rs", "pub struct Roof;"),
        ]);
        assert_eq!(up.len(), 1, "{code}: {up:?}");
        assert!(up[0].contains("`roof` stands above `room`"), "{code}: {up:?}");
    }
}

#[test]
fn an_arrow_is_not_hidden_by_a_re_export() {
    // `roof` is asked for at the floor where `room` re-exports it.
    let up = faults(&[
        ("lib.rs", LIB),
        ("ground.rs", "pub struct Stone;"),
        ("room/mod.rs", "mod wall; pub use crate::roof::Roof as Cover;"),
        ("room/wall.rs", "use super::Cover; struct Wall(Cover);"),
        ("roof.rs", "pub struct Roof;"),
    ]);
    assert_eq!(
        up,
        ["room/wall.rs:1: `super::Cover` is of roof.rs, and `roof` stands above `room`"]
    );
}

#[test]
fn a_circle_of_files_is_refused_once() {
    let circle = faults(&[
        ("lib.rs", LIB),
        ("ground.rs", "pub struct Stone;"),
        ("room/mod.rs", "mod wall; mod door; mod lock;"),
        ("room/wall.rs", "use super::door::Door; pub struct Wall(Door);"),
        ("room/door.rs", "use super::lock::Lock; pub struct Door(Lock);"),
        ("room/lock.rs", "fn wall(_: &super::wall::Wall) {} pub struct Lock;"),
        ("roof.rs", "pub struct Roof;"),
    ]);
    assert_eq!(
        circle,
        ["room/door.rs:1: a circle: room/door.rs -> room/lock.rs -> room/wall.rs -> room/door.rs"]
    );
}

#[test]
fn a_circle_through_re_exports_and_macros_is_found() {
    let circle = faults(&[
        ("lib.rs", LIB),
        ("ground.rs", "pub struct Stone;"),
        ("room/mod.rs", "mod wall; mod door; pub use wall::*; pub use self::door::Door;"),
        ("room/wall.rs", "use super::Door; pin_project! { pub struct Wall { door: Door } }"),
        ("room/door.rs", "use crate::room::Wall; pub struct Door(Wall);"),
        ("roof.rs", "pub struct Roof;"),
    ]);
    assert_eq!(circle, ["room/door.rs:1: a circle: room/door.rs -> room/wall.rs -> room/door.rs"]);
}

#[test]
fn a_mod_rs_declares_what_it_re_exports_and_imports_what_it_uses() {
    let with = |mod_rs| {
        faults(&[
            ("lib.rs", LIB),
            ("ground.rs", "pub struct Stone;"),
            ("room/mod.rs", mod_rs),
            ("room/wall.rs", "use super::Plan; pub struct Wall(Plan);"),
            ("roof.rs", "pub struct Roof;"),
        ])
    };
    assert_eq!(with("mod wall; pub use wall::Wall; pub struct Plan;"), [""; 0]);
    let circle = ["room/mod.rs:1: a circle: room/mod.rs -> room/wall.rs -> room/mod.rs"];
    assert_eq!(with("mod wall; use wall::Wall; pub struct Plan; fn wall(_: Wall) {}"), circle);
    assert_eq!(with("mod wall; pub struct Plan; fn wall(_: wall::Wall) {}"), circle);
}

#[test]
fn a_name_is_taken_from_its_room_and_not_from_the_root() {
    for line in
        ["use crate::Stone;", "use crate::{Stone};", "use super::Stone;", "type A = crate::Stone;"]
    {
        let root = faults(&[
            ("lib.rs", LIB),
            ("ground.rs", "pub struct Stone;"),
            ("room.rs", line),
            ("roof.rs", "pub struct Roof;"),
        ]);
        assert_eq!(root.len(), 1, "{line}: {root:?}");
        assert!(
            root[0].ends_with("from the crate's root; take it from ground.rs"),
            "{line}: {root:?}"
        );
    }
}

#[test]
fn tests_and_what_is_written_into_others_do_not_count() {
    let clean = faults(&[
        ("lib.rs", LIB),
        ("ground.rs", "#[cfg(test)] mod tests { use crate::{Roof, roof}; } pub struct Stone;"),
        (
            "room.rs",
            "pub(in crate::roof) struct Wall; fn code() { quote!(::house::roof::Roof #roof::Roof) }",
        ),
        ("roof.rs", "pub struct Roof;"),
    ]);
    assert_eq!(clean, [""; 0]);
}

#[test]
fn a_file_without_a_floor_and_a_path_that_leads_nowhere_are_faults() {
    let odd = faults(&[
        ("lib.rs", "mod ground; mod cellar;"),
        ("ground.rs", "pub struct Stone;"),
        ("cellar.rs", "use crate::ground::{Stone, Gravel}; struct Cellar(Stone, Gravel);"),
    ]);
    assert_eq!(
        odd,
        [
            "cellar.rs:1: `crate::ground::Gravel` leads nowhere",
            "cellar.rs:1: stands on no floor of ARCHITECTURE.md",
        ]
    );
}

#[test]
fn what_a_macro_defines_in_words_of_its_own_is_its_modules() {
    let up = faults(&[
        ("lib.rs", LIB),
        ("ground.rs", "use crate::room::Wall; pub struct Stone(Wall);"),
        ("room.rs", "walls! { Wall: high, Fence: low }"),
        ("roof.rs", "pub struct Roof;"),
    ]);
    assert_eq!(
        up,
        ["ground.rs:1: `crate::room::Wall` is of room.rs, and `room` stands above `ground`"]
    );
}

#[test]
fn rooms_of_one_floor_may_know_each_other_one_way() {
    let two = |roof, chimney| {
        faults(&[("lib.rs", "mod roof; mod chimney;"), ("roof.rs", roof), ("chimney.rs", chimney)])
    };
    assert_eq!(
        two("pub struct Roof;", "use crate::roof::Roof; pub struct Chimney(Roof);"),
        [""; 0]
    );
    let circle = two(
        "use crate::chimney::Chimney; pub struct Roof(Chimney);",
        "use crate::roof::Roof; pub struct Chimney(Roof);",
    );
    assert_eq!(circle, ["chimney.rs:1: a circle: chimney.rs -> roof.rs -> chimney.rs"]);
}

#[test]
fn a_room_without_a_file_is_a_fault() {
    let odd =
        all_faults(&[("lib.rs", "mod ground; mod roof;"), ("ground.rs", ""), ("roof.rs", "")]);
    let empty = |room| format!("{room}: is a room of ARCHITECTURE.md, and there is no such file");
    assert_eq!(odd, [empty("chimney"), empty("room")]);
}
