//! What it costs to build: the README's program, beside the same with axum alone, each into an empty target folder.

use std::{
    fs,
    io::{self, Error},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use tempfile::TempDir;

use crate::{
    args::Args,
    report::{Measure, Outcome},
    servers::Kind,
};

const README: &str = include_str!("../../../../README.md");
/// How the README's program begins.
const PROGRAM: &str = "```rust,test_harness,standalone_crate\n";
const PLAIN: &str = include_str!("../../programs/plain_axum.rs");
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// What both need.
const MANIFEST: &str = "\
[package]
name = \"program\"
version = \"0.0.0\"
edition = \"2024\"

[workspace]

[dependencies]
axum = \"0.8\"
tokio = { version = \"1\", features = [\"macros\", \"net\", \"rt-multi-thread\"] }
";

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let over = &[Kind::Axum];
    let mut seconds = Measure::new("building the README's program, seconds", "s").over(over);
    let mut crates = Measure::new("building the README's program, crates", "").over(over);
    let program = README.split_once(PROGRAM).and_then(|(_, rest)| rest.split_once("\n```"));
    let (program, _) = program.ok_or_else(|| Error::other("the README has no program"))?;
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let own = format!("sse-tower = {{ path = {:?} }}", checkout.join("sse-tower"));
    let folder = TempDir::with_prefix("sse-tower-build-")?;
    let sides = [(Kind::Axum, "tokio-stream = \"0.1\"", PLAIN), (Kind::Direct, &own, program)];
    let mut projects = Vec::new();
    for (kind, dependency, text) in sides {
        projects.push((kind, project(&folder.path().join(kind.name()), dependency, text)?));
    }
    for _ in 0..args.or_quick(3, 1) {
        fastrand::shuffle(&mut projects);
        for (kind, project) in &projects {
            let (took, count) = build(project)?;
            seconds.push(*kind, took);
            crates.push(*kind, count as f64);
        }
    }
    Ok(Outcome { measures: vec![seconds, crates], ..Outcome::default() })
}

/// A project with this program, everything for it fetched.
fn project(folder: &Path, dependency: &str, program: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), format!("{MANIFEST}{dependency}\n"))?;
    // The same versions for both.
    fs::write(folder.join("Cargo.lock"), LOCK)?;
    fs::write(folder.join("src/main.rs"), program)?;
    let fetched = Command::new("cargo").arg("fetch").arg("-q").current_dir(folder).status()?;
    if fetched.success() {
        return Ok(folder.to_owned());
    }
    Err(Error::other("what a program needs could not be fetched"))
}

/// How long it took, and how many crates it was.
fn build(project: &Path) -> io::Result<(f64, usize)> {
    let target = TempDir::new_in(project)?;
    let mut command = Command::new("cargo");
    command.arg("build").arg("--target-dir").arg(target.path()).current_dir(project);
    let began = Instant::now();
    let output = command.output()?;
    let took = began.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(Error::other(format!("a program does not build: {text}")));
    }
    let crates = text.lines().filter(|line| line.trim_start().starts_with("Compiling "));
    Ok((took, crates.count()))
}
