//! A process that ends with its guard.

use std::{
    fs::File,
    io::Read,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tempfile::NamedTempFile;

use crate::Error;

/// A running store. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    log: NamedTempFile,
}

impl Child {
    /// Starts `command`, with what it says kept for [`log`](Self::log).
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, Error> {
        let log = NamedTempFile::with_prefix("engine-log-")?;
        let out = || File::options().append(true).open(log.path());
        let child = command.stdin(Stdio::null()).stdout(out()?).stderr(out()?).spawn()?;
        Ok(Self { child, log })
    }

    /// Sends it a signal: `Signal::KILL`, `Signal::STOP`, `Signal::CONT`.
    ///
    /// # Errors
    /// It is gone already.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// The processes that it started and that are still there.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn children(&self) -> Result<Vec<Pid>, Error> {
        let id = self.child.id();
        let list = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let ids = list.split_ascii_whitespace().filter_map(|id| id.parse().ok());
        Ok(ids.filter_map(Pid::from_raw).collect())
    }

    /// Kills it and waits until it is gone.
    pub fn kill(&mut self) {
        // A process that is gone already is what was wanted; a stopped one is killed as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Has it ended by itself?
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        // Nothing to show if it cannot be read.
        let _ = File::open(self.log.path()).and_then(|mut file| file.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Finds a program: by the variable, on the PATH, in one of `folders`.
///
/// # Errors
/// Names the Debian package and the variable.
pub fn find(
    program: &str,
    variable: &str,
    package: &str,
    folders: &[&str],
) -> Result<PathBuf, Error> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(folders.iter().map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| Path::is_file(file))
        .ok_or_else(|| {
            format!(
                "{program} is missing: `apt-get install {package}`, or name it by {variable}, \
                 or leave this engine out with SSE_TEST_ENGINES"
            )
            .into()
        })
}

/// Is this engine to be exercised? `SSE_TEST_ENGINES` lists those that are; without it all are.
#[must_use]
pub fn wanted(engine: &str) -> bool {
    match std::env::var("SSE_TEST_ENGINES") {
        Ok(list) => list.split(',').any(|one| one.trim() == engine),
        Err(_) => true,
    }
}

/// The first line of a test that needs this engine: `only_with!("redis")` ends the test where `SSE_TEST_ENGINES` leaves it out.
#[macro_export]
macro_rules! only_with {
    ($engine:literal) => {
        if !$crate::wanted($engine) {
            return;
        }
    };
}

/// A port that was free a moment ago: for stores that cannot choose one. Try again if it was taken since.
///
/// # Errors
/// No port is free.
pub fn free_port() -> Result<u16, Error> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named_with_its_package_its_variable_and_the_way_without_it() {
        let error = find("no-such-server", "SSE_TEST_NO_SUCH_SERVER", "its-package", &["/nowhere"]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "no-such-server is missing: `apt-get install its-package`, or name it by \
             SSE_TEST_NO_SUCH_SERVER, or leave this engine out with SSE_TEST_ENGINES"
        );
        assert!(find("sh", "SSE_TEST_NO_SUCH_SERVER", "dash", &[]).is_ok());
    }
}
