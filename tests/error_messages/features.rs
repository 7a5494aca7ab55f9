//! A feature that is not switched on: the compiler says which.

use std::path::Path;
use std::process::Command;

#[test]
fn each_item_of_a_feature_names_it() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(program.path().join(file), text).unwrap();
    let sse_tower = tests.join("../sse-tower");
    write(
        "Cargo.toml",
        &format!(
            "[package]\nname = \"plain\"\nedition = \"2024\"\n[workspace]\n[lib]\npath = \"lib.rs\"\n\
             [dependencies]\nsse-tower = {{ path = {sse_tower:?}, default-features = false }}\n"
        ),
    );
    write("Cargo.lock", &std::fs::read_to_string(tests.join("../Cargo.lock")).unwrap());
    write(
        "lib.rs",
        "pub fn all() {\n    \
             let _ = sse_tower::SseEvent::json(&1);\n    \
             let _ = sse_tower::SseEvent::builder().json(&1);\n    \
             let _ = sse_tower::serve;\n    \
             let _ = sse_tower::endpoints;\n\
         }\n",
    );
    let output = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--color", "never"])
        .current_dir(program.path())
        // A directory of its own: other features would undo the work of the one in use.
        .env("CARGO_TARGET_DIR", tests.join("../target/tests/features"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said.matches("error[E0277]: JSON data needs the feature `json` of sse-tower").count(),
        2,
        "{said}"
    );
    let cure =
        "note: add `features = [\"json\"]` to sse-tower in Cargo.toml, or give text to `data`";
    assert_eq!(said.matches(cure).count(), 2, "{said}");
    for feature in ["serve", "axum"] {
        let gate = format!("the item is gated behind the `{feature}` feature");
        assert!(said.contains(&gate), "{said}");
    }
}
