//! A program with all that it starts.

use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::Result;

/// A process group of our own. Dropping it kills the group, and nobody else.
#[derive(Debug)]
pub(crate) struct Group(Child);

impl Group {
    /// Starts `command` as the first of its group. A command that is missing is installed by the
    /// step of `tests/run` that is named.
    pub(crate) fn spawn(command: &mut Command, step: &str) -> Result<Self> {
        // The first one's pid names the group.
        let child = command.process_group(0).kill_on_drop(true).spawn();
        let program = command.as_std().get_program().to_string_lossy();
        Ok(Self(
            child.map_err(|error| format!("{program}: {error}; `tests/run {step}` installs it"))?,
        ))
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// Its standard output, once.
    pub(crate) fn stdout(&mut self) -> Result<ChildStdout> {
        Ok(self.0.stdout.take().ok_or("no standard output")?)
    }

    /// Its standard error, once.
    pub(crate) fn stderr(&mut self) -> Result<ChildStderr> {
        Ok(self.0.stderr.take().ok_or("no standard error")?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = self.0.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
