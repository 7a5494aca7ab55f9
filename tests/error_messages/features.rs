//! A feature that is not switched on: the compiler says which.

use std::path::Path;
use std::process::{Command, Output};

/// What cargo does with a program that has `sse-tower` without any feature: `text` in `file`, and `manifest` for the rest.
fn cargo(manifest: &str, file: &str, text: &str, arguments: &[&str]) -> Output {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(program.path().join(file), text).unwrap();
    let sse_tower = tests.join("../sse-tower");
    let manifest = format!(
        "{manifest}[dependencies.sse-tower]\npath = {sse_tower:?}\ndefault-features = false\n[workspace]\n"
    );
    write("Cargo.toml", &manifest);
    write("Cargo.lock", &std::fs::read_to_string(tests.join("../Cargo.lock")).unwrap());
    write(file, text);
    Command::new(env!("CARGO"))
        .args([arguments[0], "--quiet", "--offline", "--color", "never"])
        .args(&arguments[1..])
        .current_dir(program.path())
        // A directory of its own: other features would undo the work of the one in use.
        .env("CARGO_TARGET_DIR", tests.join("../target/tests/features"))
        .output()
        .unwrap()
}

#[test]
fn each_item_of_a_feature_names_it() {
    let manifest = "[package]\nname = \"plain\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n";
    let text = "pub fn all() {
        let _ = sse_tower::SseEvent::json(&1);
        let _ = sse_tower::SseEvent::builder().json(&1);
        let _ = sse_tower::serve;
        let _ = sse_tower::endpoints;
    }
    ";
    let output = cargo(manifest, "lib.rs", text, &["check"]);
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

/// A program without any engine, run.
#[test]
fn a_backplane_whose_feature_is_off() {
    let manifest = "[package]\nname = \"engineless\"\nedition = \"2024\"\n\
        [[bin]]\nname = \"engineless\"\npath = \"main.rs\"\n\
        [dependencies.tokio]\nversion = \"1\"\nfeatures = [\"macros\", \"rt\"]\n";
    let text = "#[tokio::main(flavor = \"current_thread\")]
    async fn main() {
        for url in std::env::args().skip(1) {
            println!(\"{}\", sse_tower::backplane::open(url).await.unwrap_err());
        }
    }
    ";
    let urls = [
        "redb:events.redb",
        "redis://app:s3cret@db/",
        "rediss://db/",
        "postgres://app:s3cret@db/shop",
        "nats://db",
        "tls://db",
    ];
    let output = cargo(manifest, "main.rs", text, &[&["run", "--"], &urls[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "`redb:events.redb` needs the feature `redb` of `sse-tower`, which is off\n\
         `redis://***@db/` needs the feature `redis` of `sse-tower`, which is off\n\
         `rediss://db/` needs the feature `redis` of `sse-tower`, which is off\n\
         `postgres://***@db/shop` needs the feature `postgres` of `sse-tower`, which is off\n\
         `nats://db` needs the feature `nats` of `sse-tower`, which is off\n\
         `tls://db` needs the feature `nats` of `sse-tower`, which is off\n"
    );
}
