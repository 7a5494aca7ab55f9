//! The arrows of one crate, and what is wrong with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    floors::Floors,
    resolve::{Target, resolve},
    tree::Tree,
};

/// From a file to another, with the line and the path of the first such arrow.
type Arrows = BTreeMap<PathBuf, BTreeMap<PathBuf, (usize, String)>>;

/// All that is wrong, each as `file:line: what`.
pub(crate) fn check(tree: &Tree, floors: &Floors) -> Vec<String> {
    let mut faults = BTreeSet::new();
    let files: BTreeSet<&Path> = tree.modules.iter().map(|module| module.file.as_path()).collect();
    for room in floors.empty(&files) {
        faults.insert(format!("{room}: is a room of ARCHITECTURE.md, and there is no such file"));
    }
    let arrows = arrows(tree, &mut faults);
    upward(&arrows, floors, &mut faults);
    let mut faults: Vec<String> = faults.into_iter().collect();
    faults.extend(circles(&arrows));
    faults
}

fn arrows(tree: &Tree, faults: &mut BTreeSet<String>) -> Arrows {
    let mut arrows = Arrows::new();
    for (at, module) in tree.modules.iter().enumerate() {
        let declares = module.introduces();
        let uses = module.uses.iter().filter(|used| !(declares && used.exported));
        let uses = uses.map(|used| (&used.path, used.line));
        let paths = module.paths.iter().map(|named| (&named.path, named.line));
        for (path, line) in uses.chain(paths) {
            let resolved = resolve(tree, at, path);
            let (here, written) = (module.file.display(), path.join("::"));
            let owner = match resolved.target {
                Target::Item(owner) => owner,
                // Whose names were taken says each path that goes through it.
                Target::Module(owner) if !tree.modules[owner].introduces() => owner,
                Target::Module(_) | Target::Elsewhere => continue,
                Target::Unknown => {
                    faults.insert(format!("{here}:{line}: `{written}` leads nowhere"));
                    continue;
                }
            };
            let there = &tree.modules[owner].file;
            if *there == module.file {
                continue;
            }
            // A path that begins with an imported name was told at that import.
            let direct = ["crate", "super"].contains(&path[0].as_str());
            if resolved.from_root && direct {
                faults.insert(format!(
                    "{here}:{line}: takes `{written}` from the crate's root; take it from {}",
                    there.display(),
                ));
            }
            let from_here = arrows.entry(module.file.clone()).or_default();
            from_here.entry(there.clone()).or_insert((line, written));
        }
    }
    arrows
}

fn upward(arrows: &Arrows, floors: &Floors, faults: &mut BTreeSet<String>) {
    let files = arrows.iter().flat_map(|(from, to)| to.keys().chain([from]));
    for file in files.filter(|file| floors.room(file).is_none()) {
        faults.insert(format!("{}:1: stands on no floor of ARCHITECTURE.md", file.display()));
    }
    for (from, (to, (line, path))) in
        arrows.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)))
    {
        let (Some((low, floor)), Some((high, above))) = (floors.room(from), floors.room(to)) else {
            continue;
        };
        if above > floor {
            faults.insert(format!(
                "{}:{line}: `{path}` is of {}, and `{high}` stands above `{low}`",
                from.display(),
                to.display(),
            ));
        }
    }
}

/// One circle for each file that is in one and was not named yet.
fn circles(arrows: &Arrows) -> Vec<String> {
    let mut told = BTreeSet::new();
    let mut faults = Vec::new();
    for start in arrows.keys() {
        if told.contains(start) {
            continue;
        }
        let Some(circle) = way_back(arrows, start) else { continue };
        told.extend(circle.iter().map(|file| file.to_path_buf()));
        let line = arrows[start][circle[1]].0;
        let names: Vec<_> = circle.iter().map(|file| file.display().to_string()).collect();
        faults.push(format!("{}:{line}: a circle: {}", start.display(), names.join(" -> ")));
    }
    faults
}

/// The shortest way from a file back to itself.
fn way_back<'a>(arrows: &'a Arrows, start: &'a Path) -> Option<Vec<&'a Path>> {
    let mut came: BTreeMap<&Path, &Path> = BTreeMap::new();
    let mut next = vec![start];
    while !next.is_empty() {
        let mut after = Vec::new();
        for file in next {
            for to in arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
                if to == start {
                    let mut way = vec![start, file];
                    while way[way.len() - 1] != start {
                        way.push(came[way[way.len() - 1]]);
                    }
                    way.reverse();
                    return Some(way);
                }
                if !came.contains_key(to.as_path()) {
                    came.insert(to, file);
                    after.push(to.as_path());
                }
            }
        }
        next = after;
    }
    None
}
