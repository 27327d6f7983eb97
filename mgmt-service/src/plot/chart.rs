//! A picture in the making: an SVG document with a title, axes, and what is drawn between them.

use std::fmt::Write as _;

use super::axis::Axis;
use crate::summary::Summary;

/// A value, or the stretch between two, that is pointed out and told in the legend.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) label: String,
    pub(super) from: f64,
    /// The other end of a stretch; none for a single value.
    pub(super) to: Option<f64>,
    pub(super) color: &'static str,
}

/// An SVG document that grows; writing to a `String` can't fail.
#[derive(Debug)]
pub(super) struct Chart {
    svg: String,
    x: Axis,
    y: Axis,
    /// Where the next entry of the legend starts.
    legend_x: f64,
}

impl Chart {
    pub(super) fn new(title: &str, summary: &Summary, x: Axis, y: Axis) -> Self {
        let title = escaped(title);
        let subtitle = escaped(&format!("{} answered · {summary}", summary.count));
        let mut svg = String::new();
        let _ = write!(
            svg,
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="system-ui, 'Segoe UI', 'Helvetica Neue', sans-serif" font-size="12" fill="#495057">
<title>{title}</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text x="{LEFT}" y="28" font-size="18" font-weight="600" fill="#212529">{title}</text>
<text x="{LEFT}" y="48">{subtitle}</text>
"##
        );
        Self { svg, x, y, legend_x: LEFT }
    }

    /// Grid, ticks and what the axes mean.
    pub(super) fn axes(&mut self, x_label: &str, y_label: &str) {
        for (value, text) in self.y.ticks() {
            let y = self.y.pixel(value);
            self.put(&format!(
                r##"<path d="M{LEFT} {y:.1}H{RIGHT}" stroke="#e9ecef"/><text x="{:.1}" y="{:.1}" text-anchor="end">{text}</text>"##,
                LEFT - 8.0,
                y + 4.0
            ));
        }
        for (value, text) in self.x.ticks() {
            let x = self.x.pixel(value);
            self.put(&format!(
                r##"<path d="M{x:.1} {BOTTOM}v5" stroke="#868e96"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{text}</text>"##,
                BOTTOM + 20.0
            ));
        }
        let (middle_x, middle_y) = (f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM));
        self.put(&format!(r##"<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="#868e96"/>"##));
        self.put(&format!(
            r##"<text x="{middle_x:.1}" y="{:.1}" text-anchor="middle">{}</text>"##,
            BOTTOM + 44.0,
            escaped(x_label)
        ));
        self.put(&format!(
            r##"<text transform="translate(20 {middle_y:.1}) rotate(-90)" text-anchor="middle">{}</text>"##,
            escaped(y_label)
        ));
    }

    /// Values of the vertical axis, drawn across.
    pub(super) fn horizontal_marks(&mut self, marks: &[Mark]) {
        for mark in marks {
            let color = mark.color;
            let from = self.y.pixel(mark.from);
            if let Some(to) = mark.to {
                let (top, height) = (self.y.pixel(to), from - self.y.pixel(to));
                let width = RIGHT - LEFT;
                self.put(&format!(
                    r##"<rect x="{LEFT}" y="{top:.1}" width="{width:.1}" height="{height:.1}" fill="{color}" fill-opacity="0.12"/>"##
                ));
            } else {
                self.put(&format!(
                    r##"<path d="M{LEFT} {from:.1}H{RIGHT}" stroke="{color}" stroke-dasharray="6 4"/>"##
                ));
            }
            self.legend(mark);
        }
    }

    /// Values of the horizontal axis, drawn upward; those beyond its end are told in the legend alone.
    pub(super) fn vertical_marks(&mut self, marks: &[Mark]) {
        for mark in marks {
            let color = mark.color;
            let from = self.x.pixel(mark.from);
            if let Some(to) = mark.to {
                let (width, height) = (self.x.pixel(to) - from, BOTTOM - TOP);
                self.put(&format!(
                    r##"<rect x="{from:.1}" y="{TOP}" width="{width:.1}" height="{height:.1}" fill="{color}" fill-opacity="0.12"/>"##
                ));
            } else if self.x.contains(mark.from) {
                self.put(&format!(
                    r##"<path d="M{from:.1} {TOP}V{BOTTOM}" stroke="{color}" stroke-dasharray="6 4"/>"##
                ));
            }
            self.legend(mark);
        }
    }

    /// A line through `points`, with dots as long as they can be told apart.
    pub(super) fn line(&mut self, points: &[(f64, f64)]) {
        if points.is_empty() {
            return;
        }
        let places: Vec<(f64, f64)> =
            points.iter().map(|(x, y)| (self.x.pixel(*x), self.y.pixel(*y))).collect();
        self.svg.push_str(r#"<polyline points=""#);
        for (x, y) in &places {
            let _ = write!(self.svg, "{x:.1},{y:.1} ");
        }
        self.put(r##"" fill="none" stroke="#1c7ed6" stroke-width="1.2" stroke-linejoin="round"/>"##);
        if places.len() <= DOTS_MAX {
            for (x, y) in &places {
                let _ = writeln!(self.svg, r##"<circle cx="{x:.1}" cy="{y:.1}" r="2.2" fill="#1c7ed6"/>"##);
            }
        }
    }

    /// A cross at the upper edge for each value of the horizontal axis; those of one pixel are one cross.
    pub(super) fn failures(&mut self, at: &[f64]) {
        let mut pixels: Vec<u32> = at.iter().map(|value| self.x.pixel(*value).round() as u32).collect();
        if pixels.is_empty() {
            return;
        }
        pixels.sort_unstable();
        pixels.dedup();
        let mut crosses = String::new();
        for x in pixels {
            let _ = write!(crosses, "M{} {TOP}l7 7m-7 0l7 -7", f64::from(x) - 3.5);
        }
        let color = "#e03131";
        self.put(&format!(
            r##"<path class="failed" d="{crosses}" fill="none" stroke="{color}" stroke-width="1.8"/>"##
        ));
        let label = format!("× {} failed", at.len());
        self.legend(&Mark { label, from: 0.0, to: None, color });
    }

    /// Bars of equal width over the whole horizontal axis.
    pub(super) fn bars(&mut self, counts: &[u64]) {
        let width = (RIGHT - LEFT) / counts.len().max(1) as f64;
        for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (x, y) = (LEFT + index as f64 * width, self.y.pixel(*count as f64));
            let (inner, height) = ((width - 1.0).max(0.5), BOTTOM - y);
            self.put(&format!(
                r##"<rect class="bar" x="{x:.1}" y="{y:.1}" width="{inner:.1}" height="{height:.1}" fill="#4dabf7"/>"##
            ));
        }
    }

    /// The document.
    pub(super) fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }

    fn legend(&mut self, mark: &Mark) {
        let (x, color) = (self.legend_x, mark.color);
        let swatch = if mark.to.is_some() { r#"height="10" fill-opacity="0.25""# } else { r#"height="3""# };
        let y = if mark.to.is_some() { LEGEND_Y - 9.0 } else { LEGEND_Y - 5.5 };
        self.put(&format!(
            r##"<rect x="{x:.1}" y="{y:.1}" width="16" {swatch} fill="{color}"/><text x="{:.1}" y="{LEGEND_Y}">{}</text>"##,
            x + 21.0,
            escaped(&mark.label)
        ));
        // No font is at hand to measure with; 7 pixels a character is wide enough for digits at this size.
        self.legend_x += 21.0 + 7.0 * mark.label.chars().count() as f64 + 16.0;
    }

    fn put(&mut self, element: &str) {
        self.svg.push_str(element);
        self.svg.push('\n');
    }
}

/// Text for XML: markup escaped, characters that XML forbids replaced, cut at `TEXT_CHARS_MAX`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().take(TEXT_CHARS_MAX) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The picture's size, and the edges of what is drawn between the axes, in pixels.
const WIDTH: f64 = 980.0;
const HEIGHT: f64 = 460.0;
pub(super) const LEFT: f64 = 76.0;
pub(super) const RIGHT: f64 = 956.0;
pub(super) const TOP: f64 = 92.0;
pub(super) const BOTTOM: f64 = 400.0;
const LEGEND_Y: f64 = 74.0;

/// Points up to which a line has dots: one for each four pixels.
const DOTS_MAX: usize = 220;

/// Characters of a text; more would leave the picture.
const TEXT_CHARS_MAX: usize = 120;
