//! The command line.

use std::{
    io::{self, Error},
    path::PathBuf,
};

use crate::servers::Kind;

pub(crate) const HELP: &str = "\
tests/bench/run [--quick] [--only SCENARIO,…] [--servers NAME,…] [--picture FILE]

  --quick     fewer rounds and connections: a look, not a figure to quote
  --only      of: fan-out, burst, keyed, crowd, stalled, storm, instructions
  --servers   of: floor, axum, axum-make-service, body, direct
  --picture   writes an SVG of the results";

pub(crate) enum Command {
    Help,
    Serve(Kind),
    Run(Args),
}

pub(crate) struct Args {
    pub(crate) quick: bool,
    only: Vec<String>,
    pub(crate) servers: Vec<Kind>,
    pub(crate) picture: Option<PathBuf>,
}

impl Args {
    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == scenario)
    }

    /// The whole number, or the one for a quick look.
    pub(crate) fn or_quick(&self, whole: usize, quick: usize) -> usize {
        if self.quick { quick } else { whole }
    }

    /// The servers to compare, of those that a scenario is about.
    pub(crate) fn servers(&self, of: &[Kind]) -> Vec<Kind> {
        of.iter().copied().filter(|kind| self.servers.contains(kind)).collect()
    }
}

pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> io::Result<Command> {
    let mut args =
        Args { quick: false, only: Vec::new(), servers: Kind::ALL.to_vec(), picture: None };
    while let Some(word) = words.next() {
        let mut value =
            || words.next().ok_or_else(|| Error::other(format!("{word} needs a value\n{HELP}")));
        match word.as_str() {
            "serve" => return Ok(Command::Serve(Kind::parse(&value()?)?)),
            "--quick" => args.quick = true,
            "--only" => args.only = value()?.split(',').map(str::to_owned).collect(),
            "--servers" => {
                args.servers = value()?.split(',').map(Kind::parse).collect::<Result<_, _>>()?;
            }
            "--picture" => args.picture = Some(value()?.into()),
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(Error::other(format!("unknown argument `{word}`\n{HELP}"))),
        }
    }
    Ok(Command::Run(args))
}
