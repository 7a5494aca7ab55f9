//! From a path to the module that owns what it names.

use std::collections::BTreeSet;

use crate::tree::Tree;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Something that is defined in this module.
    Item(usize),
    Module(usize),
    /// Another crate, or a name that is no module's.
    Elsewhere,
    /// It begins in this crate, and leads nowhere.
    Unknown,
}

/// A resolved path, and whether a name of it was taken from what the crate's root re-exports.
pub(crate) struct Resolved {
    pub(crate) target: Target,
    pub(crate) from_root: bool,
}

pub(crate) fn resolve(tree: &Tree, module: usize, path: &[String]) -> Resolved {
    let mut walk = Walk { tree, seen: BTreeSet::new(), from_root: false };
    let target = walk.resolve(module, path);
    // The root may re-export, and whoever is in it need not write `crate::`.
    let from_root = walk.from_root && module != 0;
    Resolved { target, from_root }
}

struct Walk<'a> {
    tree: &'a Tree,
    /// Names that are being looked up: a `use` may lead back to itself.
    seen: BTreeSet<(usize, String)>,
    from_root: bool,
}

impl Walk<'_> {
    fn resolve(&mut self, module: usize, path: &[String]) -> Target {
        let mut at = module;
        let mut names = path.iter().peekable();
        let mut own = false;
        while let Some(name) = names.peek() {
            match name.as_str() {
                "crate" => at = 0,
                "self" => {}
                "super" => at = self.tree.modules[at].parent.unwrap_or(0),
                _ => break,
            }
            own = true;
            names.next();
        }
        for name in names {
            match self.name(at, name) {
                Some(Target::Module(next)) => at = next,
                Some(target) => return target,
                None if own => return Target::Unknown,
                None => return Target::Elsewhere,
            }
            own = true;
        }
        Target::Module(at)
    }

    /// What a name means in a module.
    fn name(&mut self, module: usize, name: &str) -> Option<Target> {
        if !self.seen.insert((module, name.to_owned())) {
            return None;
        }
        let found = self.unseen(module, name);
        self.seen.remove(&(module, name.to_owned()));
        found
    }

    fn unseen(&mut self, module: usize, name: &str) -> Option<Target> {
        let here = &self.tree.modules[module];
        if let Some(child) = here.children.get(name) {
            return Some(Target::Module(*child));
        }
        if here.items.contains(name) {
            return Some(Target::Item(module));
        }
        for used in here.uses.iter().filter(|used| used.name.as_deref() == Some(name)) {
            let target = self.resolve(module, &used.path);
            if target != Target::Unknown {
                self.from_root |= module == 0;
                return Some(target);
            }
        }
        for used in here.uses.iter().filter(|used| used.name.is_none()) {
            if let Target::Module(all) = self.resolve(module, &used.path)
                && let Some(target) = self.name(all, name)
            {
                self.from_root |= module == 0;
                return Some(target);
            }
        }
        let by_text = self.tree.macros.get(name).map(|owner| Target::Item(*owner));
        // What a macro of its own words defines is its module's.
        by_text.or_else(|| here.has_macro.then_some(Target::Item(module)))
    }
}
