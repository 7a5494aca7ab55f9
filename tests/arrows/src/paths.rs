//! The paths that stand in code: in `use` lines, and in between.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::{Item, ItemUse, UseTree, Visibility, visit::Visit};

/// One name that a `use` brings in.
pub(crate) struct Used {
    pub(crate) path: Vec<String>,
    /// What it is called here; `None` for `*`.
    pub(crate) name: Option<String>,
    /// Others can take it from here.
    pub(crate) exported: bool,
    pub(crate) line: usize,
}

/// A path of two names or more.
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// All `use` lines of an item, also those within functions.
pub(crate) fn uses(item: &Item, uses: &mut Vec<Used>) {
    struct Visitor<'a>(&'a mut Vec<Used>);
    impl<'ast> Visit<'ast> for Visitor<'_> {
        fn visit_item_use(&mut self, item: &'ast ItemUse) {
            if item.leading_colon.is_none() {
                let exported = !matches!(item.vis, Visibility::Inherited);
                branch(&item.tree, &mut Vec::new(), exported, self.0);
            }
        }
    }
    Visitor(uses).visit_item(item);
}

fn branch(tree: &UseTree, path: &mut Vec<String>, exported: bool, uses: &mut Vec<Used>) {
    let mut leaf = |path: &[String], last: &syn::Ident, name: Option<String>| {
        let line = last.span().start().line;
        // `use room::{self}` is `use room`.
        let own = (last != "self").then(|| last.to_string());
        let path = path.iter().cloned().chain(own).collect();
        uses.push(Used { path, name, exported, line });
    };
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            branch(&tree.tree, path, exported, uses);
            path.pop();
        }
        UseTree::Name(tree) => {
            let name = if tree.ident == "self" {
                path.last().cloned()
            } else {
                Some(tree.ident.to_string())
            };
            leaf(path, &tree.ident, name);
        }
        UseTree::Rename(tree) => leaf(path, &tree.ident, Some(tree.rename.to_string())),
        UseTree::Glob(tree) => {
            let line = tree.star_token.spans[0].start().line;
            uses.push(Used { path: path.clone(), name: None, exported, line });
        }
        UseTree::Group(tree) => {
            for tree in &tree.items {
                branch(tree, path, exported, uses);
            }
        }
    }
}

/// Paths of two names or more, wherever they stand in code: in types, in expressions, in macros.
pub(crate) fn named(tokens: TokenStream, found: &mut Vec<Named>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                if !is_visibility(&tokens, at) {
                    named(group.stream(), found);
                }
                at += 1;
            }
            // Looked at by `uses`.
            TokenTree::Ident(word) if word == "use" => {
                while at < tokens.len() && !is_punct(&tokens, at, ';') {
                    at += 1;
                }
            }
            TokenTree::Ident(first) => {
                let begins = !follows_something(&tokens, at);
                let mut path = vec![first.to_string()];
                let line = first.span().start().line;
                at += 1;
                while is_colons(&tokens, at)
                    && let Some(TokenTree::Ident(next)) = tokens.get(at + 2)
                {
                    path.push(next.to_string());
                    at += 3;
                }
                if begins && path.len() > 1 {
                    found.push(Named { path, line });
                }
            }
            _ => at += 1,
        }
    }
}

/// What a macro's input defines, as far as it looks like items.
pub(crate) fn defined_in_macro(tokens: TokenStream) -> Vec<String> {
    const ITEMS: [&str; 7] = ["struct", "enum", "fn", "trait", "static", "const", "type"];
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let pairs = tokens.windows(2).filter_map(|pair| match pair {
        [TokenTree::Ident(kind), TokenTree::Ident(name)]
            if ITEMS.iter().any(|item| kind == item) =>
        {
            Some(name.to_string())
        }
        _ => None,
    });
    pairs.collect()
}

/// The `(in crate::room)` of `pub(in crate::room)`.
fn is_visibility(tokens: &[TokenTree], at: usize) -> bool {
    matches!(at.checked_sub(1).map(|before| &tokens[before]), Some(TokenTree::Ident(word)) if word == "pub")
}

/// Whether what stands here is no beginning of a path: a method, a part of one that begins with `::`, a
/// variable of `quote!`, a name of whoever uses a macro.
fn follows_something(tokens: &[TokenTree], at: usize) -> bool {
    let Some(TokenTree::Punct(before)) = at.checked_sub(1).map(|before| &tokens[before]) else {
        return false;
    };
    match before.as_char() {
        '.' => !(at >= 2 && is_punct(tokens, at - 2, '.')),
        '#' | '$' => true,
        ':' => at >= 2 && is_colons(tokens, at - 2),
        '\'' => true,
        _ => false,
    }
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(one)) if one.as_char() == ':' && one.spacing() == Spacing::Joint)
        && is_punct(tokens, at + 1, ':')
}

fn is_punct(tokens: &[TokenTree], at: usize, which: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == which)
}
