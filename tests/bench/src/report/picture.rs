//! The results as an SVG: bars to one scale in each panel, readable on a light and a dark page.

use std::fmt::Write as _;

use super::{
    Report,
    goals::GOALS,
    measure::{Measure, number},
};
use crate::servers::Kind;

const WIDTH: usize = 860;
const COLUMNS: usize = 2;
const PANEL: usize = WIDTH / COLUMNS;
/// Where bars begin and how long the longest is.
const LEFT: usize = 160;
const LONGEST: f64 = 156.0;
const TOP: usize = 76;
const ROW: usize = 21;
const TITLE: usize = 40;
const GAP: usize = 22;

/// One measure, and the servers whose bars are shown for it.
struct Panel {
    /// How the measure's name begins.
    measure: &'static str,
    title: &'static str,
    unit: &'static str,
    /// Whose bars, from above: those that do the same here.
    shown: &'static [Kind],
    /// What ratios are to.
    base: Kind,
}

const FOUR: &[Kind] = &[Kind::Floor, Kind::Axum, Kind::Body, Kind::Direct];

const fn panel(measure: &'static str, title: &'static str, unit: &'static str) -> Panel {
    Panel { measure, title, unit, shown: FOUR, base: Kind::Axum }
}

const PANELS: &[Panel] = &[
    panel("fan-out to 1,000", "Fan-out to 1,000 clients", "µs of CPU per delivered event"),
    panel("bursts", "Bursts of 50 events to 500", "µs of CPU per delivered event"),
    panel(
        "user-space instructions per delivered",
        "Instructions in user space",
        "per delivered event",
    ),
    panel("keyed flow, CPU", "A payment", "µs of CPU: connect, callback, event, end"),
    panel("process memory per idle", "Idle connection, of 10,000", "bytes of process memory"),
    Panel {
        // The floor answers after it has written to everybody.
        shown: &[Kind::Axum, Kind::Body, Kind::Direct],
        ..panel("publish to 10,000", "Publish to 10,000", "ms until it is answered")
    },
    panel("process + kernel", "Client that stops reading", "KB of process and kernel memory"),
    Panel {
        // axum replays nothing.
        shown: &[Kind::Floor, Kind::Body, Kind::Direct],
        base: Kind::Floor,
        ..panel(
            "reconnect storm",
            "Reconnect storm of 2,000",
            "µs of CPU per client, 100 events each",
        )
    },
    Panel {
        shown: &[Kind::AxumProgram, Kind::BodyProgram, Kind::DirectProgram],
        base: Kind::AxumProgram,
        ..panel("keyed flow in a whole program", "A payment in a whole program", "µs of CPU")
    },
    Panel {
        shown: &[Kind::Direct, Kind::Redis, Kind::Nchan],
        base: Kind::Nchan,
        ..panel(
            "across nodes over Redis, fan-out",
            "Across nodes over Redis",
            "µs of CPU per delivered event",
        )
    },
    Panel {
        shown: &[Kind::Direct, Kind::Memory],
        base: Kind::Direct,
        ..panel(
            "backplane in memory, fan-out",
            "Backplane in memory",
            "µs of CPU per delivered event",
        )
    },
    Panel {
        shown: &[Kind::History, Kind::Snapshot],
        base: Kind::History,
        ..panel("return to one key", "10,000 return to one key", "µs of CPU per client")
    },
    Panel {
        shown: &[Kind::Hyper, Kind::Direct],
        base: Kind::Hyper,
        ..panel("HTTP/2, CPU", "HTTP/2, 100 streams each", "µs of CPU per delivered event")
    },
    Panel {
        shown: &[Kind::HyperTls, Kind::DirectTls],
        base: Kind::HyperTls,
        ..panel("TLS, CPU", "TLS", "µs of CPU per delivered event")
    },
];

const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}\
.h{font-weight:600;font-size:14px}.t{font-weight:600;font-size:17px}.s{fill:#59636e;font-size:12px}\
.e{text-anchor:end}.o{font-weight:600}\
.floor{fill:#afb8c1}.axum{fill:#6e7781}.body{fill:#2f81f7}.direct{fill:#1a7f37}\
.aim{stroke:#cf222e;stroke-width:1.5;stroke-dasharray:3 2}.line{stroke:#d1d9e0}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.floor{fill:#484f58}\
.axum{fill:#8b949e}.body{fill:#58a6ff}.direct{fill:#3fb950}.aim{stroke:#ff7b72}.line{stroke:#3d444d}}";

/// The class of a bar, and the words before it.
const fn label(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Floor => ("floor", "bare send"),
        Kind::Axum | Kind::AxumMakeService | Kind::AxumProgram => ("axum", "axum Sse"),
        Kind::Body | Kind::BodyAlone | Kind::BodyProgram => ("body", "under axum::serve"),
        Kind::Direct | Kind::DirectProgram | Kind::DirectTls => ("direct", "sse_tower::serve"),
        Kind::History => ("floor", "history"),
        Kind::Snapshot => ("direct", "shared snapshot"),
        Kind::Memory => ("direct", "through memory:"),
        Kind::Redis => ("direct", "through redis://"),
        Kind::Nchan => ("axum", "nginx + nchan"),
        Kind::Hyper | Kind::HyperTls => ("floor", "hyper alone"),
    }
}

pub(super) fn draw(report: &Report) -> String {
    let panels: Vec<_> =
        PANELS.iter().filter_map(|panel| Some((report.find(panel.measure)?, panel))).collect();
    // Panels beside each other are as high as the higher one.
    let mut tops = vec![TOP];
    for pair in panels.chunks(COLUMNS) {
        let rows = pair.iter().map(|(_, panel)| panel.shown.len()).max().unwrap_or(0);
        tops.push(tops.last().unwrap_or(&TOP) + TITLE + rows * ROW + GAP);
    }
    let height = tops.last().unwrap_or(&TOP) + 30;
    let lines = report.machine.lines();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"t\">\
         <title id=\"t\">What delivery costs, {date}</title><style>{STYLE}</style>\n\
         <text class=\"t\" x=\"16\" y=\"26\">What delivery costs: shorter is better</text>\n\
         <text class=\"s\" x=\"16\" y=\"45\">{}</text>\n<text class=\"s\" x=\"16\" y=\"61\">{}</text>\n",
        escape(&lines[0]),
        escape(&lines[1]),
        date = report.machine.date,
    );
    for (index, (measure, panel)) in panels.into_iter().enumerate() {
        panel.draw(&mut svg, (index % COLUMNS * PANEL, tops[index / COLUMNS]), measure);
    }
    // Writing to a `String` cannot fail, here and below.
    let _ = writeln!(
        svg,
        "<text class=\"s\" x=\"16\" y=\"{}\">Medians; ×: within a round, to axum Sse, or to what has no × in \
         its panel. Dashed: what is aimed at.</text></svg>",
        height - 12
    );
    svg
}

impl Panel {
    /// Draws the heading, and a row for each server that was measured.
    fn draw(&self, svg: &mut String, (x, y): (usize, usize), measure: &Measure) {
        let _ = writeln!(
            svg,
            "<g transform=\"translate({x} {y})\">\
             <text class=\"h\" x=\"16\" y=\"16\">{}</text>\
             <text class=\"s\" x=\"16\" y=\"32\">{}</text>",
            self.title, self.unit
        );
        let shown = self.shown.iter().copied();
        let spreads: Vec<_> =
            shown.filter_map(|kind| Some((kind, measure.spread(kind)?))).collect();
        let longest =
            spreads.iter().map(|(_, spread)| spread.high).fold(f64::MIN_POSITIVE, f64::max);
        for (row, (kind, spread)) in spreads.into_iter().enumerate() {
            let row = Row { y: TITLE + row * ROW, kind, longest };
            let ratio = measure.ratio(kind, self.base).filter(|_| kind != self.base);
            row.draw_bar(svg, spread.median, ratio.map(|ratio| ratio.median));
            let aims = GOALS.iter().filter(|it| it.measure == self.measure && it.kind == kind);
            for aim in aims {
                let base = match aim.to {
                    Some(to) => measure.spread(to).map(|spread| spread.median),
                    None => Some(1.0),
                };
                if let Some(base) = base {
                    row.draw_aim(svg, aim.at_most * base);
                }
            }
        }
        svg.push_str("</g>\n");
    }
}

/// The line of one server in a panel.
struct Row {
    y: usize,
    kind: Kind,
    /// The value that the longest bar of the panel stands for.
    longest: f64,
}

impl Row {
    fn at(&self, value: f64) -> f64 {
        LONGEST * value / self.longest
    }

    /// Draws the server's name, the bar, the value and its ratio to the panel's base.
    fn draw_bar(&self, svg: &mut String, value: f64, ratio: Option<f64>) {
        let (class, words) = label(self.kind);
        let own = if self.kind.is_ours() { " o" } else { "" };
        let length = self.at(value).max(1.0);
        let _ = write!(
            svg,
            "<text class=\"e{own}\" x=\"{}\" y=\"{}\">{words}</text>\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{}\" width=\"{length:.1}\" height=\"14\" rx=\"2\"/>",
            LEFT - 8,
            self.y + 12,
            self.y + 1,
        );
        let ratio = ratio.map_or_else(String::new, |ratio| {
            format!("<tspan class=\"s\">  {} ×</tspan>", number(ratio))
        });
        let _ = writeln!(
            svg,
            "<text class=\"{}\" x=\"{:.1}\" y=\"{}\" xml:space=\"preserve\">{}{ratio}</text>",
            own.trim_start(),
            LEFT as f64 + length + 6.0,
            self.y + 12,
            number(value),
        );
    }

    /// Draws a dashed line at what is aimed at, if the panel reaches so far.
    fn draw_aim(&self, svg: &mut String, value: f64) {
        if value <= self.longest {
            let x = LEFT as f64 + self.at(value);
            let _ = writeln!(
                svg,
                "<line class=\"aim\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>",
                self.y - 1,
                self.y + 17
            );
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
