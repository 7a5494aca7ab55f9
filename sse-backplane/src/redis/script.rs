//! `Script` and `Call`: the scripts, and calls of them.

use std::sync::OnceLock;

use ::redis::{Cmd, ToRedisArgs, cmd};

use super::settings::Place;

/// Which script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Append,
    Load,
    Mark,
    Hello,
    Probe,
    Register,
    Heard,
    Claim,
    Settle,
    Beat,
    Leave,
    Reap,
    Tend,
    Letters,
    Revive,
    Steer,
    Stats,
}

/// All of them, in the order of the names.
pub(super) const ALL: [Script; 17] = [
    Script::Append,
    Script::Load,
    Script::Mark,
    Script::Hello,
    Script::Probe,
    Script::Register,
    Script::Heard,
    Script::Claim,
    Script::Settle,
    Script::Beat,
    Script::Leave,
    Script::Reap,
    Script::Tend,
    Script::Letters,
    Script::Revive,
    Script::Steer,
    Script::Stats,
];

/// Each begins with what all of them need.
macro_rules! text {
    ($($file:literal)*) => {
        concat!(include_str!("lua/common.lua"), $(include_str!(concat!("lua/", $file, ".lua"))),*)
    };
}

impl Script {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Append => text!("append"),
            Self::Load => text!("load"),
            Self::Mark => text!("mark"),
            Self::Hello => text!("hello"),
            Self::Probe => text!("probe"),
            Self::Register => text!("queue/common" "queue/register"),
            Self::Heard => text!("queue/common" "queue/heard"),
            Self::Claim => text!("queue/common" "queue/claim"),
            Self::Settle => text!("queue/common" "queue/settle"),
            Self::Beat => text!("queue/common" "queue/beat"),
            Self::Leave => text!("queue/common" "queue/leave"),
            Self::Reap => text!("queue/common" "queue/reap"),
            Self::Tend => text!("queue/common" "queue/tend"),
            Self::Letters => text!("queue/common" "queue/letters"),
            Self::Revive => text!("queue/common" "queue/revive"),
            Self::Steer => text!("queue/common" "queue/steer"),
            Self::Stats => text!("queue/common" "queue/stats"),
        }
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
    fn each_script_has_its_place_and_its_own_text() {
        for (place, script) in ALL.into_iter().enumerate() {
            assert_eq!(script as usize, place);
            assert!(script.text().contains("local function sweep"), "{script:?}");
            let same = ALL.into_iter().filter(|other| other.text() == script.text()).count();
            assert_eq!(same, 1, "{script:?}");
        }
    }
}
