//! Which crates' listeners a program hears: those that something names.
//!
//! Each test builds a small program of several crates, since what it asks is up to the linker.

use std::path::Path;
use std::process::{Command, Output};

#[test]
fn a_crate_that_only_listeners_from_names_is_heard_in_dev() {
    assert_eq!(run("names_one_crate", "dev"), "billed\nran 1\n");
}

#[test]
fn a_crate_that_only_listeners_from_names_is_heard_in_release_with_fat_lto() {
    assert_eq!(run("names_one_crate", "release"), "billed\nran 1\n");
}

#[test]
fn a_named_crate_without_listeners_is_reported_when_the_context_is_built() {
    let said = run("names_a_silent_crate", "dev");
    assert!(
        said.contains("fixture_silent") && said.contains("names_a_silent_crate.rs:5"),
        "{said}"
    );
    assert!(!said.contains("fixture_billing"), "{said}");
}

#[test]
fn a_crate_that_nobody_names_is_reported_by_the_compiler() {
    let output = cargo(&["rustc", "-p", "fixture-app", "--bin", "names_one_crate", "--"])
        .args(["-W", "unused-crate-dependencies"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("`fixture_mail` is unused"), "{said}");
    assert!(!said.contains("`fixture_billing` is unused"), "{said}");
}

fn run(program: &str, profile: &str) -> String {
    let output =
        cargo(&["run", "--quiet", "-p", "fixture-app", "--bin", program, "--profile", profile])
            .env("CARGO_PROFILE_RELEASE_LTO", "fat")
            .output()
            .unwrap();
    succeeded(&output);
    String::from_utf8(output.stdout).unwrap()
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn cargo(arguments: &[&str]) -> Command {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(env!("CARGO"));
    // A directory of its own: the one in use is locked while its tests are built, and other flags would undo its work.
    command
        .args(arguments)
        .current_dir(tests)
        .env("CARGO_TARGET_DIR", tests.join("../../target/tests/linking"));
    command
}
