//! The scripts, and calls of them.

use std::sync::OnceLock;

use ::redis::{Cmd, ToRedisArgs, cmd};

use super::settings::Place;

macro_rules! scripts {
    ($($name:ident = $($file:literal)*,)*) => {
        /// Which script.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Script {
            $($name,)*
        }

        /// In the order of the names. Each begins with what all of them need.
        const TEXTS: &[&str] = &[$(
            concat!(include_str!("lua/common.lua"), $(include_str!(concat!("lua/", $file, ".lua"))),*),
        )*];

        /// All of them.
        pub(super) const ALL: &[Script] = &[$(Script::$name,)*];
    };
}

scripts! {
    Append = "append",
    Load = "load",
    Mark = "mark",
    Hello = "hello",
    Probe = "probe",
    Register = "queue/common" "queue/register",
    Heard = "queue/common" "queue/heard",
    Claim = "queue/common" "queue/claim",
    Settle = "queue/common" "queue/settle",
    Beat = "queue/common" "queue/beat",
    Leave = "queue/common" "queue/leave",
    Reap = "queue/common" "queue/reap",
    Tend = "queue/common" "queue/tend",
    Letters = "queue/common" "queue/letters",
    Revive = "queue/common" "queue/revive",
    Steer = "queue/common" "queue/steer",
    Stats = "queue/common" "queue/stats",
}

impl Script {
    pub(super) fn text(self) -> &'static str {
        TEXTS[self as usize]
    }
}

/// What the server calls them: it says so when they are made known to it, and it is always the same.
#[derive(Debug, Default)]
pub(super) struct Names([OnceLock<String>; ALL.len()]);

impl Names {
    pub(super) fn set(&self, script: Script, name: String) {
        self.0[script as usize].get_or_init(|| name);
    }

    /// A call, to which arguments are added.
    pub(super) fn call(&self, script: Script, place: &Place) -> Call {
        let name = self.0[script as usize].get().map_or("", String::as_str);
        let mut command = cmd("EVALSHA");
        command.arg(name).arg(1).arg([place.prefix.as_bytes(), b"meta"].concat());
        Call { script, command }
    }
}

/// A call of a script.
pub(super) struct Call {
    pub(super) script: Script,
    pub(super) command: Cmd,
}

impl Call {
    pub(super) fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.command.arg(arg);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_text() {
        assert_eq!(TEXTS.len(), ALL.len());
        assert!(Script::Probe.text().contains("local function try"));
        assert!(Script::Append.text().contains("superseded"));
    }
}
