//! The modules of one crate: what each declares, what it uses, and in which file it stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use quote::ToTokens;
use syn::{Attribute, Item};

use crate::{
    Sources,
    paths::{self, Named, Used},
};

/// All modules of a crate; the first is its root.
pub(crate) struct Tree {
    pub(crate) modules: Vec<Module>,
    /// `macro_rules!` of the crate by name, which are in scope by text and not by path.
    pub(crate) macros: BTreeMap<String, usize>,
}

#[derive(Default)]
pub(crate) struct Module {
    /// Where it stands, under `src`.
    pub(crate) file: PathBuf,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    /// A macro stands here as an item, and may define anything.
    pub(crate) has_macro: bool,
    /// The names of what is defined here.
    pub(crate) items: BTreeSet<String>,
    pub(crate) uses: Vec<Used>,
    /// Paths in its code, besides `use`.
    pub(crate) paths: Vec<Named>,
}

impl Module {
    /// Whether this is a file that introduces others: what it re-exports it does not import.
    pub(crate) fn introduces(&self) -> bool {
        self.file.file_name().is_some_and(|name| name == "mod.rs" || name == "lib.rs")
    }
}

impl Tree {
    pub(crate) fn of(sources: &Sources) -> Result<Self, String> {
        let mut tree = Self { modules: Vec::new(), macros: BTreeMap::new() };
        tree.file(sources, Path::new("lib.rs"), Path::new(""), None)?;
        Ok(tree)
    }

    /// Adds the module of a file, whose child modules have their files in `folder`.
    fn file(
        &mut self,
        sources: &Sources,
        file: &Path,
        folder: &Path,
        parent: Option<usize>,
    ) -> Result<usize, String> {
        let text = sources.get(file).ok_or_else(|| format!("no file {}", file.display()))?;
        let parsed = syn::parse_file(text).map_err(|error| {
            format!("{}:{}: {error}", file.display(), error.span().start().line)
        })?;
        self.module(sources, file, folder, parent, &parsed.items)
    }

    fn module(
        &mut self,
        sources: &Sources,
        file: &Path,
        folder: &Path,
        parent: Option<usize>,
        items: &[Item],
    ) -> Result<usize, String> {
        let this = self.modules.len();
        self.modules.push(Module { file: file.to_owned(), parent, ..Module::default() });
        for item in items {
            if is_apart(attributes(item)) {
                continue;
            }
            if let Item::Mod(module) = item {
                let name = module.ident.to_string();
                let inner = folder.join(&name);
                let child = match &module.content {
                    Some((_, items)) => self.module(sources, file, &inner, Some(this), items)?,
                    None => {
                        let one = folder.join(format!("{name}.rs"));
                        let file =
                            if sources.contains_key(&one) { one } else { inner.join("mod.rs") };
                        self.file(sources, &file, &inner, Some(this))?
                    }
                };
                self.modules[this].children.insert(name, child);
                continue;
            }
            let module = &mut self.modules[this];
            module.items.extend(defined(item));
            if let Item::Macro(item) = item {
                match &item.ident {
                    Some(name) => drop(self.macros.insert(name.to_string(), this)),
                    None => module.has_macro = true,
                }
            }
            paths::uses(item, &mut module.uses);
            paths::named(item.to_token_stream(), &mut module.paths);
        }
        Ok(this)
    }
}

/// Whether this is compiled for tests or for the documentation alone.
fn is_apart(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let condition = attribute.meta.to_token_stream().to_string().replace(' ', "");
        ["test", "doctest", "doc"].iter().any(|only| {
            let alone = format!("cfg({only})");
            let among = format!("cfg(all({only},");
            condition == alone || condition.starts_with(&among)
        })
    })
}

/// The names that an item brings into its module.
fn defined(item: &Item) -> Vec<String> {
    let one = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        // `pin_project! { pub struct Body { .. } }` and the like.
        Item::Macro(item) => return paths::defined_in_macro(item.mac.tokens.clone()),
        _ => return Vec::new(),
    };
    vec![one.to_string()]
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
