//! Cargo accepts `links` only beside a build script. `links` is what makes two versions of this
//! crate in one program a resolver error instead of listeners that silently never run.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
