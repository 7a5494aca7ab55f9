//! One fixture for each mistake: its file name is the mistake, its `.stderr` what the user reads.
//!
//! `TRYBUILD=overwrite cargo test -p sse-tower-tests --test macros` writes the answers anew.

use std::path::{Path, PathBuf};

#[test]
fn each_mistake_is_one_error_and_everything_else_compiles() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("macros/ui/*.rs");
    cases.pass("macros/pass/*.rs");
}

#[test]
fn no_mistake_is_reported_twice() {
    let answers = answers();
    assert!(answers.len() >= 40, "the fixtures are found: {}", answers.len());
    for path in answers {
        let answer = std::fs::read_to_string(&path).unwrap();
        let errors = answer.lines().filter(|line| line.starts_with("error")).count();
        assert_eq!(errors, 1, "{}:\n{answer}", path.display());
    }
}

#[test]
fn no_mistake_is_blamed_on_the_attribute_as_a_whole() {
    for path in answers() {
        let answer = std::fs::read_to_string(&path).unwrap();
        assert!(!answer.contains("this error originates in"), "{}:\n{answer}", path.display());
    }
}

fn answers() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("macros/ui");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "stderr")).collect()
}
