//! One fixture for each mistake: its file name is the mistake, its `.stderr` what the user reads.
//!
//! `TRYBUILD=overwrite cargo test -p sse-tower-macro-tests` writes the answers anew.

use std::path::{Path, PathBuf};

#[test]
fn each_mistake_is_one_error_and_everything_else_compiles() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
    cases.pass("pass/*.rs");
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
fn every_mistake_is_shown_where_it_is_not_where_the_attribute_begins() {
    for path in answers() {
        let answer = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        // Here the attribute itself is the mistake; and `use` takes the whole of a macro's call.
        let excused = name.contains("given_twice")
            || name.contains("on_a_constant")
            || name.starts_with("listeners_from");
        let shown = answer.split_once("--> ").unwrap().1.lines().next().unwrap();
        let mut place = shown.rsplitn(3, ':');
        let column: usize = place.next().unwrap().parse().unwrap();
        let line: usize = place.next().unwrap().parse().unwrap();
        let source = std::fs::read_to_string(path.with_extension("rs")).unwrap();
        let blamed = &source.lines().nth(line - 1).unwrap()[column - 1..];
        assert!(excused || !blamed.starts_with("#["), "{name}: {blamed}");
    }
}

fn answers() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "stderr")).collect()
}
