//! A server in a process of its own, and what it costs.

use std::{
    fs,
    io::{self, BufRead, BufReader, Error},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{
        Pid, Resource, Rlimit, Signal, getrlimit, kill_process, set_parent_process_death_signal,
        setrlimit,
    },
    thread::{CpuSet, sched_setaffinity},
};

use crate::servers::Kind;

/// The core that servers run on; the generator takes the next.
const SERVER_CORE: usize = 0;
pub(crate) const GENERATOR_CORE: usize = 1;
/// The variable of a server that runs beside the generator, because it is another that is measured.
const BESIDE: &str = "SSE_BENCH_BESIDE";

/// Bytes, ways and bytes of a line: of instructions, of data, and behind both.
const CACHES: [&str; 3] = ["--I1=32768,8,64", "--D1=32768,8,64", "--LL=8388608,16,64"];

const START: Duration = Duration::from_secs(60);

/// A running server. Ended when dropped.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Server {
    pub(crate) fn start(kind: Kind) -> io::Result<Self> {
        Self::start_with(kind, &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn start_with(kind: Kind, variables: &[(&str, &str)]) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", kind.name()]).envs(variables.iter().copied());
        Self::spawn(kind, &mut command)
    }

    /// The same on the generator's core: its own costs are not asked for.
    pub(crate) fn start_beside(kind: Kind, variables: &[(&str, &str)]) -> io::Result<Self> {
        Self::start_with(kind, &[variables, &[(BESIDE, "1")]].concat())
    }

    /// Somebody else's server, which listens at `address` as soon as it can.
    pub(crate) fn foreign(
        kind: Kind,
        command: &mut Command,
        address: SocketAddr,
        measured: bool,
    ) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut server = Self { kind, address, child };
        if measured {
            let pid = i32::try_from(server.child.id()).ok().and_then(Pid::from_raw);
            pin_process(pid, SERVER_CORE);
        }
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline || server.child.try_wait()?.is_some() {
                return Err(Error::other(format!("{} does not start", kind.name())));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// Counts its instructions, and what it misses in first-level caches as most processors have them, and writes that to
    /// `output` when it ends.
    pub(crate) fn start_under_callgrind(kind: Kind, output: &Path) -> io::Result<Self> {
        let mut file = std::ffi::OsString::from("--callgrind-out-file=");
        file.push(output);
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "-q", "--log-file=/dev/null", "--cache-sim=yes"])
            .args(CACHES)
            .arg(file);
        Self::spawn(kind, command.arg(std::env::current_exe()?).args(["serve", kind.name()]))
    }

    fn spawn(kind: Kind, command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| Error::other("no standard output"))?;
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let address = line.trim().parse();
        let server = |address| Self { kind, address, child };
        match (read, address) {
            (Ok(_), Ok(address)) => Ok(server(address)),
            (read, address) => Err(Error::other(format!(
                "the server `{}` did not say where it listens: {read:?}, {address:?}",
                kind.name()
            ))),
        }
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.child.id()))
    }

    /// Time on a processor, user and system, of all threads.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(self.folder().join("task"))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += first_number(&text).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// [`cpu`](Self::cpu) once the server has nothing left to do.
    pub(crate) fn settled_cpu(&self) -> io::Result<Duration> {
        let mut before = self.cpu()?;
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            thread::sleep(Duration::from_micros(300));
            let now = self.cpu()?;
            if now == before || Instant::now() > deadline {
                return Ok(now);
            }
            before = now;
        }
    }

    /// How many descriptors it holds, its connections among them.
    pub(crate) fn descriptors(&self) -> io::Result<usize> {
        Ok(fs::read_dir(self.folder().join("fd"))?.count())
    }

    /// Waits until it holds at most so many.
    pub(crate) fn until_descriptors(&self, most: usize) -> io::Result<()> {
        let deadline = Instant::now() + START;
        while self.descriptors()? > most {
            if Instant::now() > deadline {
                return Err(Error::other("a server did not close its connections"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// User time and system time in clock ticks.
    pub(crate) fn ticks(&self) -> io::Result<(u64, u64)> {
        let text = fs::read_to_string(self.folder().join("stat"))?;
        let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let field = |index: usize| {
            after_name.split_whitespace().nth(index).and_then(|text| text.parse().ok())
        };
        Ok((field(11).unwrap_or(0), field(12).unwrap_or(0)))
    }

    /// Proportional set size, in bytes.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.folder().join("smaps_rollup"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        Ok(line.and_then(first_number).unwrap_or(0) * 1024)
    }

    /// How many files it has open, sockets among them.
    pub(crate) fn files(&self) -> io::Result<usize> {
        Ok(fs::read_dir(self.folder().join("fd"))?.count())
    }

    /// Ends it and waits until it has written what it has to write.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let deadline = Instant::now() + START;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(Error::other("a server did not end"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Memory that the kernel holds for TCP, in bytes, of the whole machine.
pub(crate) fn kernel_memory() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/net/sockstat")?;
    let tcp = text.lines().find_map(|line| line.strip_prefix("TCP:"));
    let pages =
        tcp.and_then(|line| line.split_once("mem")).and_then(|(_, rest)| first_number(rest));
    Ok(pages.unwrap_or(0) * 4096)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Keeps this process on one core.
pub(crate) fn pin(core: usize) {
    pin_process(None, core);
}

fn pin_process(process: Option<Pid>, core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    // Fewer cores than that, or no right to choose: the scheduler decides.
    let _ = sched_setaffinity(process, &set);
}

/// Where this server runs.
pub(crate) fn core_of_this_server() -> usize {
    if std::env::var_os(BESIDE).is_some() { GENERATOR_CORE } else { SERVER_CORE }
}

/// A generator that is killed takes its servers along.
pub(crate) fn end_with_parent() {
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
}

/// As many open files as this process may have.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
