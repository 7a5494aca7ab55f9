//! Where and with what it was measured.

use std::{fs, process::Command};

const LOCK: &str = include_str!("../../../../Cargo.lock");

pub(super) struct Machine {
    pub(super) date: String,
    processor: String,
    kernel: String,
    rustc: String,
}

impl Machine {
    pub(super) fn look() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let models: Vec<_> =
            cpu.lines().filter_map(|line| line.strip_prefix("model name\t: ")).collect();
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        // The number alone: what follows names the machine's owner.
        let release = release.trim().split('-').next().unwrap_or_default().to_owned();
        Self {
            date: says("date", &["-u", "+%Y-%m-%d"]),
            processor: format!("{} x {}", models.len(), models.first().unwrap_or(&"unknown")),
            kernel: release,
            rustc: says("rustc", &["--version"])
                .split(' ')
                .nth(1)
                .unwrap_or("rustc is not here")
                .to_owned(),
        }
    }

    pub(super) fn lines(&self) -> [String; 2] {
        let of = version_of;
        [
            format!("{}, {}, Linux {}, loopback", self.date, self.processor, self.kernel),
            format!(
                "rustc {}, axum {}, hyper {}, tokio {}, sse-tower {}",
                self.rustc,
                of("axum"),
                of("hyper"),
                of("tokio"),
                env!("CARGO_PKG_VERSION")
            ),
        ]
    }
}

fn says(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn version_of(package: &str) -> &'static str {
    let name = format!("name = \"{package}\"\nversion = \"");
    // The newest is the last; an older one is some test's.
    let rest = LOCK.rsplit_once(&name).map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default()
}
