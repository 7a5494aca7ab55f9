//! Which file of a library crate imports which, and whether all of these arrows point down.
//!
//! Called in the repository's folder by `tests/run.d/12-arrows.sh`. Three things are refused:
//!
//! * a circle of files. A name counts for the file that owns it, however many `pub use` it was taken through; so a
//!   `mod.rs` that re-exports declares, and does not import;
//! * an arrow from a lower floor to a higher one. The floors stand in ARCHITECTURE.md, under "Floors": see [`floors`];
//! * a name of the crate's own that is taken from its root (`use crate::EventId`) and not from the room that owns it,
//!   since such a line does not show where its arrow goes.
//!
//! Code that is compiled for tests or for the documentation alone is left out. What cannot be resolved is a
//! fault, too: an arrow that this program does not understand is not one that it has checked.

mod check;
mod floors;
mod paths;
mod resolve;
mod tree;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The source files of one crate, by their path under `src`.
type Sources = BTreeMap<PathBuf, String>;

fn main() -> ExitCode {
    match run(Path::new(".")) {
        Ok(faults) if faults.is_empty() => ExitCode::SUCCESS,
        Ok(faults) => {
            for fault in &faults {
                eprintln!("{fault}");
            }
            eprintln!("{} arrows are not as ARCHITECTURE.md has them", faults.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(repository: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(repository.join("ARCHITECTURE.md"))
        .map_err(|error| format!("ARCHITECTURE.md: {error}"))?;
    let crates = floors::of(&text)?;
    let mut faults = Vec::new();
    for name in libraries(repository).map_err(|error| error.to_string())? {
        if !crates.iter().any(|(listed, _)| *listed == name) {
            faults.push(format!("{name}: has no floors in ARCHITECTURE.md"));
        }
    }
    for (name, floors) in crates {
        let folder = repository.join(&name).join("src");
        let mut sources = Sources::new();
        read(&folder, Path::new(""), &mut sources)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let tree = tree::Tree::of(&sources).map_err(|error| format!("{name}: {error}"))?;
        let found = check::check(&tree, &floors);
        faults.extend(found.into_iter().map(|fault| format!("{name}/src/{fault}")));
    }
    Ok(faults)
}

/// The folders of the repository that are library crates.
fn libraries(repository: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(repository)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("sse-") && entry.path().join("src/lib.rs").exists() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read(folder: &Path, under: &Path, sources: &mut Sources) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), under.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            read(&path, &name, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.insert(name, fs::read_to_string(&path)?);
        }
    }
    Ok(())
}
