//! The floors of each crate, as ARCHITECTURE.md lists them.
//!
//! Under the heading "Floors" stands a block, from the ground up. A line without indentation names a crate's
//! folder; each indented line below it is one floor: its rooms, separated by commas, and after two spaces
//! what is in them. A room is a path under `src`: `event` is `event.rs` or everything in `event/`, and the longest
//! name that fits a file is its room.

use std::{collections::BTreeSet, path::Path};

/// The rooms of one crate, with the floor of each.
pub(crate) struct Floors(Vec<(String, usize)>);

/// Each crate with its floors.
pub(crate) fn of(text: &str) -> Result<Vec<(String, Floors)>, String> {
    let section = text.split("\n## Floors\n").nth(1).ok_or("ARCHITECTURE.md has no `## Floors`")?;
    let block = section.split("```").nth(1).ok_or("`## Floors` has no block of floors")?;
    let mut crates: Vec<(String, Floors)> = Vec::new();
    // The first line is the block's language.
    for line in block.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        if !line.starts_with(' ') {
            crates.push((line.trim().to_owned(), Floors(Vec::new())));
            continue;
        }
        let (_, floors) = crates.last_mut().ok_or("a floor stands above the first crate's name")?;
        let floor = floors.0.last().map_or(0, |(_, floor)| floor + 1);
        let rooms = line.trim().split("  ").next().unwrap_or_default();
        for room in rooms.split(',') {
            floors.0.push((room.trim().to_owned(), floor));
        }
    }
    Ok(crates)
}

impl Floors {
    /// The room of this file, and its floor.
    pub(crate) fn room(&self, file: &Path) -> Option<(&str, usize)> {
        let fits = self.0.iter().filter(|(room, _)| is_in(file, room));
        fits.max_by_key(|(room, _)| room.len()).map(|(room, floor)| (room.as_str(), *floor))
    }

    /// Rooms in which none of these files is.
    pub(crate) fn empty(&self, files: &BTreeSet<&Path>) -> Vec<&str> {
        let rooms = self.0.iter().map(|(room, _)| room.as_str());
        rooms.filter(|room| !files.iter().any(|file| is_in(file, room))).collect()
    }
}

fn is_in(file: &Path, room: &str) -> bool {
    let mut path = file.with_extension("");
    if path.file_name().is_some_and(|name| name == "mod") {
        path.pop();
    }
    path.starts_with(room)
}
