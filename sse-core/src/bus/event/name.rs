//! `EventDescription`: the name of an event type, and what else is said of it. Plain data.

/// The version of a type of which none is said.
const FIRST_VERSION: u32 = 1;

/// The part of an `EventType` that does not depend on the type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventDescription {
    pub(crate) type_name: &'static str,
    pub(crate) name: Option<&'static str>,
    pub(crate) version: Option<u32>,
    /// Every node hears it.
    pub(crate) broadcast: bool,
    /// It is stored whoever hears it.
    pub(crate) stored: bool,
    /// Nobody need hear it: not counted as unheard.
    pub(crate) optional: bool,
}

impl EventDescription {
    /// The name for people: the stable one, else Rust's without its path.
    pub(crate) fn label(&self) -> String {
        match self.name {
            Some(name) => name.to_owned(),
            None => short_name(self.type_name),
        }
    }

    /// The version as it travels.
    pub(crate) fn wire_version(&self) -> u32 {
        self.version.unwrap_or(FIRST_VERSION)
    }

    /// Whether it leaves its process also where no durable listener is known.
    pub(crate) fn travels_by_itself(&self) -> bool {
        self.broadcast || self.stored
    }
}

/// What stands between two paths in the name of a type.
const AROUND_PATHS: [char; 11] = ['<', '>', ',', ' ', '(', ')', '&', '[', ']', ';', '+'];

/// `app::pay::Paid<app::Card>` → `Paid<Card>`: Rust's paths say too much for a sentence.
pub(crate) fn short_name(type_name: &str) -> String {
    let mut out = String::with_capacity(type_name.len());
    for part in type_name.split_inclusive(AROUND_PATHS) {
        out.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    out
}

/// `app::Paid<core::option::Option<u8>>` → `app::Paid<Option<u8>>`: without the private paths of
/// libraries, which nobody has written, but with the program's own, which tell two types apart.
pub(crate) fn readable_name(type_name: &str) -> String {
    const PRIVATE: [&str; 5] = ["alloc::", "core::", "std::", "sse_tower_core::", "sse_tower::"];
    let mut out = String::with_capacity(type_name.len());
    for part in type_name.split_inclusive(AROUND_PATHS) {
        let private = PRIVATE.iter().any(|path| part.starts_with(path));
        out.push_str(if private { part.rsplit("::").next().unwrap_or(part) } else { part });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{readable_name, short_name};

    #[test]
    fn readable_names_keep_the_paths_of_the_program() {
        assert_eq!(
            readable_name(
                "app::Paid<sse_tower_core::emitters::handle::Emitters<alloc::string::String>>"
            ),
            "app::Paid<Emitters<String>>"
        );
    }

    #[test]
    fn short_names_lose_every_path() {
        assert_eq!(short_name("app::pay::Paid"), "Paid");
        assert_eq!(
            short_name("app::Paid<app::Card, core::option::Option<u8>>"),
            "Paid<Card, Option<u8>>"
        );
        assert_eq!(short_name("dyn app::Auditable"), "dyn Auditable");
    }
}
