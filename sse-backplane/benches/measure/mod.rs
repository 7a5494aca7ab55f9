//! What the benches say figures with.

/// As `cargo test` runs a bench, to see that it works, once is enough.
pub(crate) fn rounds(all: usize) -> usize {
    if std::env::args().any(|arg| arg == "--bench") { all } else { 1 }
}

pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The median of each side, and of the rounds' ratios with the least and the most of them.
pub(crate) fn report(what: &str, pairs: &[(f64, f64)]) {
    let ratios: Vec<f64> = pairs.iter().map(|pair| pair.0 / pair.1).collect();
    println!(
        "{what}: {:.0}, {:.0}; ratio {:.2} ({:.2} to {:.2})",
        median(pairs.iter().map(|pair| pair.0).collect()),
        median(pairs.iter().map(|pair| pair.1).collect()),
        median(ratios.clone()),
        ratios.iter().copied().fold(f64::INFINITY, f64::min),
        ratios.iter().copied().fold(0.0, f64::max),
    );
}
