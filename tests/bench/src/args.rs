//! The command line.

use std::{
    fmt::Write as _,
    io::{self, Error},
    path::PathBuf,
};

use crate::{
    scenario::{self, Scenario},
    servers::Kind,
};

/// What can be asked for.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "\
tests/bench/run [--quick] [--only SCENARIO,…] [--servers NAME,…] [--picture FILE]

  --quick     fewer rounds and connections: a look, not a figure to quote
  --picture   writes an SVG of the results
  --only      of these, without it all that are not said to need it:
",
    );
    for Scenario { name, about, usual, .. } in scenario::ALL {
        let needs = if usual { "" } else { "; needs `--only`" };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "    {name:13} {about}{needs}");
    }
    let names = Kind::ALL.map(Kind::name).join(", ");
    let _ = write!(text, "  --servers   of: {names}");
    text
}

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
    pub(crate) fn wants(&self, scenario: &Scenario) -> bool {
        if self.is_whole() {
            scenario.usual
        } else {
            self.only.iter().any(|name| name == scenario.name)
        }
    }

    /// Nothing was chosen.
    pub(crate) fn is_whole(&self) -> bool {
        self.only.is_empty()
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
        let mut value = || {
            words.next().ok_or_else(|| Error::other(format!("{word} needs a value\n{}", help())))
        };
        match word.as_str() {
            "serve" => return Ok(Command::Serve(Kind::parse(&value()?)?)),
            "--quick" => args.quick = true,
            "--only" => {
                args.only = value()?.split(',').map(str::to_owned).collect();
                let known = |name: &String| scenario::ALL.iter().any(|one| one.name == *name);
                if let Some(name) = args.only.iter().find(|name| !known(name)) {
                    return Err(Error::other(format!("there is no scenario `{name}`\n{}", help())));
                }
            }
            "--servers" => {
                args.servers = value()?.split(',').map(Kind::parse).collect::<Result<_, _>>()?;
            }
            "--picture" => args.picture = Some(value()?.into()),
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(Error::other(format!("unknown argument `{word}`\n{}", help()))),
        }
    }
    Ok(Command::Run(args))
}
