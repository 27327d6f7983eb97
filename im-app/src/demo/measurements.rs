//! What the demo's manager has collected, in the form that the screen and the figures need.

use std::collections::VecDeque;

use mgmt_service::arm::ArmRecord;
use mgmt_service::latency::LatencyMatrix;
use mgmt_service::plot;

/// Records as they come; the figures show the latest [`POINTS_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Measurements {
    pub(crate) matrix: LatencyMatrix,
    /// Start time in milliseconds since 1970, and response time in microseconds of an answered PING.
    points: VecDeque<(u64, Option<u64>)>,
    records: u64,
}

impl Measurements {
    /// Counts these records in.
    pub(crate) fn add(&mut self, records: &[ArmRecord]) {
        for record in records {
            self.records += 1;
            self.matrix.record(record);
            if self.points.len() >= POINTS_MAX {
                self.points.pop_front();
            }
            self.points.push_back((record.at_ms, record.response_us));
        }
    }

    /// Records so far.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Figure 8 of the paper: the series and the distribution, as SVG.
    pub(crate) fn figure_8(&self) -> (String, String) {
        let mut points: Vec<_> = self.points.iter().copied().collect();
        points.sort_unstable();
        let responses: Vec<u64> = points.iter().filter_map(|(_, response)| *response).collect();
        let series = plot::series_svg("Presence: PING/PONG response times", &points);
        (series, plot::distribution_svg("Presence: distribution of response times", &responses))
    }
}

/// Points of the figures: more would not be seen on them.
const POINTS_MAX: usize = 100_000;
