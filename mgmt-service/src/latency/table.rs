//! The latency matrix as text (paper, figure 3): who asks down, who is asked across. The paper draws wider
//! arrows for longer times; here a bar before each time grows with it.

use std::collections::BTreeSet;
use std::fmt;

use overlay::PeerId;

use super::{Latency, LatencyMatrix};
use crate::limits::{MATRIX_COLUMNS_MAX, MATRIX_LINES_MAX, MATRIX_NAME_CHARS_MAX};
use crate::summary::milliseconds;

impl fmt::Display for LatencyMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<_> = self.pairs().collect();
        let dests: BTreeSet<PeerId> = pairs.iter().map(|(_, dest, _)| *dest).collect();
        if pairs.is_empty() {
            writeln!(f, "no record yet")?;
        } else if dests.len() <= MATRIX_COLUMNS_MAX {
            self.write_square(f, &pairs, &self.by_name(dests))?;
        } else {
            self.write_list(f, pairs)?;
        }
        let overall = self.overall();
        let Latency { response, failed, unfinished, .. } = &overall;
        write!(f, "all: {response} · {} answered, {failed} failed", response.count)?;
        if *unfinished > 0 {
            write!(f, ", {unfinished} unfinished")?;
        }
        if self.pairs_beyond > 0 {
            write!(f, " · {} records of pairs beyond the bound", self.pairs_beyond)?;
        }
        writeln!(f)
    }
}

impl LatencyMatrix {
    fn write_square(
        &self,
        f: &mut fmt::Formatter<'_>,
        pairs: &[(PeerId, PeerId, Latency)],
        dests: &[PeerId],
    ) -> fmt::Result {
        let slowest = slowest_us(pairs);
        writeln!(f, "mean ± σ in ms, (failed); rows ask, columns answer")?;
        write!(f, "{:NAME_WIDTH$}", "")?;
        for dest in dests {
            write!(f, " {:>CELL_WIDTH$}", self.shown_name(dest))?;
        }
        writeln!(f)?;
        let peers = self.by_name(pairs.iter().map(|(peer, ..)| *peer).collect());
        for peer in peers {
            write!(f, "{:NAME_WIDTH$}", self.shown_name(&peer))?;
            for dest in dests {
                let latency = pairs.iter().find(|(from, to, _)| *from == peer && to == dest);
                let cell = latency.map_or_else(|| "·".to_owned(), |(.., latency)| cell(latency, slowest));
                write!(f, " {cell:>CELL_WIDTH$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    /// Slowest first; pairs without any answer before all others.
    fn write_list(
        &self,
        f: &mut fmt::Formatter<'_>,
        mut pairs: Vec<(PeerId, PeerId, Latency)>,
    ) -> fmt::Result {
        let key =
            |latency: &Latency| if latency.response.count == 0 { f64::MAX } else { latency.response.mean_us };
        pairs.sort_by(|(.., a), (.., b)| key(b).total_cmp(&key(a)));
        let slowest = slowest_us(&pairs);
        writeln!(f, "mean ± σ in ms, (failed); slowest first")?;
        for (peer, dest, latency) in pairs.iter().take(MATRIX_LINES_MAX) {
            let (peer, dest) = (self.shown_name(peer), self.shown_name(dest));
            writeln!(f, "{peer:NAME_WIDTH$} → {dest:NAME_WIDTH$} {:>CELL_WIDTH$}", cell(latency, slowest))?;
        }
        match pairs.len().saturating_sub(MATRIX_LINES_MAX) {
            0 => Ok(()),
            more => writeln!(f, "… and {more} faster pairs"),
        }
    }

    fn by_name(&self, peers: BTreeSet<PeerId>) -> Vec<PeerId> {
        let mut peers: Vec<_> = peers.into_iter().collect();
        peers.sort_by_cached_key(|peer| self.shown_name(peer));
        peers
    }

    /// The peer's name, or else the end of its id, cut to fit. Names come from other peers, so what could
    /// move the cursor is shown as `?`.
    fn shown_name(&self, peer: &PeerId) -> String {
        if let Some(name) = self.names.get(peer) {
            let visible = |c: char| if c.is_control() || is_direction_mark(c) { '?' } else { c };
            return name.chars().take(MATRIX_NAME_CHARS_MAX).map(visible).collect();
        }
        let id = peer.to_string();
        let start = id.len().saturating_sub(ID_END_CHARS);
        format!("…{}", id.get(start..).unwrap_or_default())
    }
}

/// Characters that reorder the text around them.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn cell(latency: &Latency, slowest_us: f64) -> String {
    let response = &latency.response;
    let times = if response.count == 0 {
        "–".to_owned()
    } else {
        let (mean, sigma) = (milliseconds(response.mean_us), milliseconds(response.sigma_us));
        format!("{} {mean} ±{sigma}", bar(response.mean_us, slowest_us))
    };
    if latency.failed == 0 { times } else { format!("{times} ({})", latency.failed) }
}

/// An eighth of the height for each eighth of the slowest mean.
fn bar(mean_us: f64, slowest_us: f64) -> char {
    let share = if slowest_us > 0.0 { mean_us / slowest_us } else { 0.0 };
    let index = (share * BARS.len() as f64).ceil() as usize;
    BARS.get(index.saturating_sub(1)).copied().unwrap_or('█')
}

fn slowest_us(pairs: &[(PeerId, PeerId, Latency)]) -> f64 {
    pairs.iter().map(|(.., latency)| latency.response.mean_us).fold(0.0, f64::max)
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Characters of an unnamed peer's id; its beginning is the same for all.
const ID_END_CHARS: usize = 6;

/// Columns of a name.
const NAME_WIDTH: usize = MATRIX_NAME_CHARS_MAX;

/// Columns of a cell, such as `▃ 0.412 ±0.120 (12)`.
const CELL_WIDTH: usize = 19;
