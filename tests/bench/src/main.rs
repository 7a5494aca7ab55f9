//! What delivery costs, beside what it must cost and what it costs with axum alone.

mod args;
mod certificate;
mod load;
mod process;
mod report;
mod scenario;
mod servers;

use std::{io, process::ExitCode, time::Instant};

use crate::{
    args::{Args, Command},
    report::Report,
    servers::Kind,
};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<ExitCode> {
    match args::parse(std::env::args().skip(1))? {
        Command::Help => println!("{}", args::help()),
        Command::Serve(kind) => servers::serve(kind)?,
        Command::Run(args) => return measure(&args),
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Args) -> io::Result<ExitCode> {
    process::pin(process::GENERATOR_CORE);
    process::raise_file_limit();
    let mut report = Report::new();
    print!("{}", report.heading());
    for scenario in scenario::ALL {
        if args.wants(&scenario) {
            let began = Instant::now();
            // Printed at once: what was measured is not lost if a later one fails.
            print!("{}", report.add((scenario.run)(args)?));
            eprintln!("{}: {:.0} s", scenario.name, began.elapsed().as_secs_f64());
        }
    }
    print!("{}", report.summary(args.is_whole()));
    if let Some(path) = &args.picture {
        std::fs::write(path, report.picture())?;
    }
    // Speed is for a reader to judge; a lost event is not.
    let ours = Kind::ALL.into_iter().filter(|kind| kind.is_ours());
    let faults: u64 = ours.map(|kind| report.faults(kind)).sum();
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
