//! The generated code, checked in, so that a change of it is seen in review.
//!
//! `expansions/<name>.rs` is what a user writes, `expansions/<name>.expanded.rs` what the compiler then sees.
//! `UPDATE_EXPANSIONS=1 cargo test -p sse-tower-macros` writes the second anew.

use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{Attribute, Item, Meta};

type Expand = fn(TokenStream, TokenStream) -> TokenStream;

const ATTRIBUTES: &[(&str, Expand)] = &[
    ("event_listener", crate::event_listener::event_listener),
    ("component", crate::component::component),
    ("sse_endpoint", crate::sse_endpoint::sse_endpoint),
];

#[test]
fn generated_code_is_what_is_checked_in() {
    let inputs = inputs();
    assert!(inputs.len() >= 10, "the directory of expansions is found: {inputs:?}");
    let mut changed = Vec::new();
    for input in inputs {
        let source = std::fs::read_to_string(&input).unwrap();
        let expanded = expand(&source);
        let output = input.with_extension("expanded.rs");
        if std::env::var_os("UPDATE_EXPANSIONS").is_some() {
            std::fs::write(&output, expanded).unwrap();
        } else if std::fs::read_to_string(&output).unwrap_or_default() != expanded {
            changed.push(output);
        }
    }
    assert!(
        changed.is_empty(),
        "generated code changed; look, then UPDATE_EXPANSIONS=1: {changed:?}"
    );
}

#[test]
fn generated_code_names_absolute_paths_only() {
    for input in inputs() {
        let expanded = expand(&std::fs::read_to_string(&input).unwrap());
        for (at, _) in expanded.match_indices("__private") {
            assert!(
                expanded[..at].ends_with("::sse_tower::"),
                "{input:?}: {}",
                &expanded[at..at + 40]
            );
        }
    }
}

fn inputs() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("expansions");
    let mut inputs: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with(".expanded.rs"))
        .collect();
    inputs.sort();
    inputs
}

fn expand(source: &str) -> String {
    let mut file: syn::File = syn::parse_str(source).unwrap();
    let mut tokens = TokenStream::new();
    for mut item in file.items.drain(..) {
        let derived = derives(&item)
            .then(|| crate::application_event::application_event(item.to_token_stream()));
        let attribute = attributes(&mut item).and_then(|attrs| {
            let known = |attr: &Attribute| {
                ATTRIBUTES.iter().find(|(name, _)| crate::tokens::is_attribute(attr, name))
            };
            let (at, expand) =
                attrs.iter().enumerate().find_map(|(at, attr)| Some((at, known(attr)?.1)))?;
            Some((attrs.remove(at), expand))
        });
        match attribute {
            Some((attribute, expand)) => {
                let options = match attribute.meta {
                    Meta::List(list) => list.tokens,
                    _ => TokenStream::new(),
                };
                tokens.extend(expand(options, item.to_token_stream()));
            }
            None => item.to_tokens(&mut tokens),
        }
        tokens.extend(derived);
    }
    prettyplease::unparse(&syn::parse2(tokens).unwrap())
}

fn attributes(item: &mut Item) -> Option<&mut Vec<Attribute>> {
    match item {
        Item::Fn(item) => Some(&mut item.attrs),
        Item::Impl(item) => Some(&mut item.attrs),
        _ => None,
    }
}

fn derives(item: &Item) -> bool {
    let attrs = match item {
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        _ => return false,
    };
    attrs.iter().any(|attr| {
        attr.path().is_ident("derive")
            && attr.to_token_stream().to_string().contains("ApplicationEvent")
    })
}
