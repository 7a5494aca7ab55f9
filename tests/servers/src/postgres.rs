//! A PostgreSQL server.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use rustix::process::getuid;
use tempfile::TempDir;

use crate::{Child, Error, Signal, find, free_port};

/// So long a start may take; longer than any that was seen, since it also replays what was not yet in the tables.
const START: Duration = Duration::from_secs(30);
/// So often another port is tried if somebody took the one that was free.
const PORTS: usize = 5;
/// Where Debian puts the programs.
const FOLDERS: [&str; 7] = [
    "/usr/lib/postgresql/18/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
    "/usr/lib/postgresql/14/bin",
    "/usr/lib/postgresql/13/bin",
    "/usr/local/pgsql/bin",
];
/// Names the folder with the programs.
const VARIABLE: &str = "SSE_TEST_POSTGRES";
/// Users that may be there and may do nothing else; the server refuses to run as root.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// A PostgreSQL server in a folder of its own, as it writes with its own settings: each commit waits for the disk. Its superuser is
/// `postgres`, whom everybody on this machine is let in as. Gone with its guard.
#[derive(Debug)]
pub struct Postgres {
    program: PathBuf,
    folder: TempDir,
    /// Whom it runs as, if this process is root.
    user: Option<User>,
    port: u16,
    options: Vec<String>,
    child: Option<Child>,
    /// What it began with, there as long as any server: nothing that is static is ever dropped.
    _template: Arc<TempDir>,
}

#[derive(Clone, Debug)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl Postgres {
    /// Starts one on a free port of this machine. It can be used when this returns.
    ///
    /// # Errors
    /// The programs are missing (`SSE_TEST_POSTGRES` names their folder), or do not start.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(&[])
    }

    /// Starts one with more settings: `["fsync=off"]`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(options: &[&str]) -> Result<Self, Error> {
        let (program, initdb) = (program("postgres")?, program("initdb")?);
        let user = if getuid().is_root() { Some(User::found()?) } else { None };
        let folder = TempDir::with_prefix("postgres-")?;
        give(folder.path(), user.as_ref())?;
        let template = template(&initdb, user.as_ref())?;
        copy(&template.path().join(DATA), &folder.path().join(DATA), user.as_ref())?;
        let options = options.iter().map(ToString::to_string).collect();
        let mut postgres =
            Self { program, folder, user, port: 0, options, child: None, _template: template };
        let mut tries = 1;
        loop {
            postgres.port = free_port()?;
            match postgres.run() {
                Err(_) if tries < PORTS => tries += 1,
                done => return done.map(|()| postgres),
            }
        }
    }

    fn run(&mut self) -> Result<(), Error> {
        let mut command = as_user(&self.program, self.user.as_ref());
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-h", "127.0.0.1"]);
        command.arg("-k").arg(self.folder.path());
        for option in &self.options {
            command.args(["-c", option]);
        }
        let mut child = Child::start(&mut command)?;
        let begun = Instant::now();
        while !self.answers() {
            if child.has_ended() || begun.elapsed() > START {
                return Err(format!("postgres does not start: {}", child.log()).into());
            }
            // A port that refuses cannot be waited for in another way.
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child = Some(child);
        Ok(())
    }

    /// Does it let somebody in? A start-up message, and any answer but an error.
    fn answers(&self) -> bool {
        use std::io::{Read, Write};
        let Ok(mut stream) = TcpStream::connect(self.address()) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        let words = b"\x00\x03\x00\x00user\0postgres\0\0";
        let mut message = u32::try_from(words.len() + 4).unwrap_or(0).to_be_bytes().to_vec();
        message.extend_from_slice(words);
        let mut first = [0];
        stream.write_all(&message).is_ok()
            && stream.read_exact(&mut first).is_ok()
            && first == *b"R"
    }

    /// Where it listens, also after a restart.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// A URL for it, as the superuser.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The same through another address, such as a relay's.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://postgres@{address}/postgres")
    }

    /// What its own client prints for these statements, as the superuser.
    ///
    /// # Errors
    /// `psql` is missing, or the server refuses.
    pub fn execute(&self, sql: &str) -> Result<String, Error> {
        let mut command = Command::new(program("psql")?);
        command.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &self.url(),
            "-c",
            sql,
        ]);
        let output = command.output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }

    /// Its folder, in which `data` is its data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join(DATA)
    }

    /// Adds a line to a file of its data, as whom it runs as: `pg_hba.conf`, `postgresql.conf`. Read at the next start.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn configure(&self, file: &str, text: &str) -> Result<(), Error> {
        let path = self.data().join(file);
        fs::write(&path, text)?;
        // It insists that a key is nobody else's.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        give(&path, self.user.as_ref())
    }

    /// Kills every one of its processes, as the machine's end would, but for the machine's own buffers.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let backends = child.children().unwrap_or_default();
            child.kill();
            for backend in backends {
                // One that has just ended need not be killed.
                let _ = rustix::process::kill_process(backend, Signal::KILL);
            }
        }
    }

    /// Starts it again on the same port and with what it had written.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.kill();
        // Backends that are still ending hold on to what they shared.
        let begun = Instant::now();
        loop {
            match self.run() {
                Err(error) if begun.elapsed() > START => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Sends a signal to all of its processes: `Signal::STOP`, `Signal::CONT`.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        let child = self.child.as_ref().ok_or("postgres does not run")?;
        // Those that it serves with are children of its first process.
        for backend in child.children()? {
            // One that has just ended need not be told.
            let _ = rustix::process::kill_process(backend, signal);
        }
        child.signal(signal)
    }

    /// Stops it, and copies its data: what a backup has.
    ///
    /// # Errors
    /// It does not stop, or the copy cannot be made.
    pub fn backup(&mut self) -> Result<Backup, Error> {
        let child = self.child.as_mut().ok_or("postgres does not run")?;
        // Fast shutdown: a checkpoint, and connections are ended.
        child.signal(Signal::INT)?;
        let begun = Instant::now();
        while !child.has_ended() {
            if begun.elapsed() > START {
                return Err("postgres does not stop".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child = None;
        let folder = TempDir::with_prefix("postgres-backup-")?;
        give(folder.path(), self.user.as_ref())?;
        copy(&self.data(), &folder.path().join(DATA), self.user.as_ref())?;
        Ok(Backup(folder))
    }

    /// Kills it, and puts an older copy of its data in the place of what it has.
    ///
    /// # Errors
    /// The copy cannot be made.
    pub fn restore(&mut self, backup: &Backup) -> Result<(), Error> {
        self.kill();
        fs::remove_dir_all(self.data())?;
        copy(&backup.0.path().join(DATA), &self.data(), self.user.as_ref())
    }

    /// What it wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        self.child.as_ref().map(Child::log).unwrap_or_default()
    }
}

/// A copy of a server's data.
#[derive(Debug)]
pub struct Backup(TempDir);

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

impl User {
    fn found() -> Result<Self, Error> {
        let all = fs::read_to_string("/etc/passwd")?;
        let named = |name: &str| {
            all.lines().find_map(|line| {
                let mut parts = line.split(':');
                let (found, _, uid, gid) =
                    (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
                (found == name).then_some(Self {
                    name: name.into(),
                    uid: uid.parse().ok()?,
                    gid: gid.parse().ok()?,
                })
            })
        };
        let user = USERS.iter().find_map(|name| named(name));
        user.ok_or_else(|| {
            "PostgreSQL does not run as root, and there is no user postgres or nobody".into()
        })
    }
}

/// A program of PostgreSQL.
fn program(name: &str) -> Result<PathBuf, Error> {
    match std::env::var_os(VARIABLE) {
        Some(folder) => Ok(PathBuf::from(folder).join(name)),
        None => find(name, VARIABLE, "postgresql", &FOLDERS),
    }
}

/// The program, as somebody who is not root. It becomes that program, so that its process can be told what to do.
fn as_user(program: &Path, user: Option<&User>) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &user.name, "--regid", &user.gid.to_string(), "--clear-groups"])
        .arg(program);
    command
}

fn give(path: &Path, user: Option<&User>) -> Result<(), Error> {
    if let Some(user) = user {
        chown(path, Some(user.uid), Some(user.gid))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, user: Option<&User>) -> Result<(), Error> {
    done(as_user(Path::new("cp"), user).arg("-a").arg(from).arg(to))
}

fn done(command: &mut Command) -> Result<(), Error> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Where in its folder the data of a server are.
const DATA: &str = "data";

/// Data of a server that was never used. Made for the first of a process; every server begins with a copy.
fn template(initdb: &Path, user: Option<&User>) -> Result<Arc<TempDir>, Error> {
    static MADE: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
    let mut made = MADE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(template) = made.upgrade() {
        return Ok(template);
    }
    let folder = TempDir::with_prefix("postgres-template-")?;
    give(folder.path(), user)?;
    let mut command = as_user(initdb, user);
    command.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D"]);
    done(command.arg(folder.path().join(DATA)))?;
    let template = Arc::new(folder);
    *made = Arc::downgrade(&template);
    Ok(template)
}
