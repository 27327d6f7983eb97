//! What the demo shows: who is online, who said what, how far apart everybody is. Pure: events in, text out.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use super::measurements::Measurements;

/// The state of the stage as the people's own events tell it.
#[derive(Debug)]
pub(crate) struct Scene {
    names: Vec<String>,
    /// Who sees whom in which state.
    seen: HashMap<(usize, String), String>,
    said: VecDeque<String>,
    warnings: VecDeque<String>,
}

impl Scene {
    /// Nobody has seen anybody yet.
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self { names, seen: HashMap::new(), said: VecDeque::new(), warnings: VecDeque::new() }
    }

    /// Takes in an event of person number `of`; a line worth showing as it happens, if it is one.
    pub(crate) fn take(&mut self, of: usize, event: &Value) -> Option<String> {
        let me = self.names.get(of)?.clone();
        let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        match text("event").as_str() {
            "presence" => {
                let (buddy, status) = (text("buddy"), text("status"));
                let news = self.seen.insert((of, buddy.clone()), status.clone()) != Some(status.clone());
                news.then(|| format!("{me} sees {buddy} {status}"))
            }
            "message" => Some(keep(&mut self.said, format!("{} to {me}: {}", text("from"), text("text")))),
            "warning" => Some(keep(&mut self.warnings, format!("{me} warns: {}", text("message")))),
            "reply" if event.get("ok") == Some(&Value::Bool(false)) => {
                let message = event.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
                Some(keep(&mut self.warnings, format!("{me} could not: {message}")))
            }
            _ => None,
        }
    }

    /// Whether everybody sees everybody online.
    pub(crate) fn all_online(&self) -> bool {
        let others = self.names.len() - 1;
        self.names.iter().all(|name| self.seen_online(name) == others)
    }

    /// The whole picture.
    pub(crate) fn render(&self, measurements: &Measurements, period: Duration, since: Duration) -> String {
        let mut out = String::new();
        let people = self.names.len();
        let period = humantime::format_duration(period);
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "juxta demo: {people} people, one rendezvous, one manager; PING period {period}; {} s",
            since.as_secs()
        );
        let online: Vec<_> = self
            .names
            .iter()
            .map(|name| format!("{name} {}/{}", self.seen_online(name), people - 1))
            .collect();
        let _ = writeln!(out, "online, seen by: {}", online.join("  "));
        let _ = writeln!(out, "\n{}", measurements.matrix);
        let _ = writeln!(out, "{} records collected over the overlay", measurements.records());
        for line in self.said.iter().chain(&self.warnings) {
            let _ = writeln!(out, "  {line}");
        }
        out
    }

    fn seen_online(&self, name: &str) -> usize {
        let online =
            |((_, buddy), status): &(&(usize, String), &String)| buddy == name && *status == "online";
        self.seen.iter().filter(online).count()
    }
}

fn keep(lines: &mut VecDeque<String>, line: String) -> String {
    if lines.len() >= LINES_KEPT {
        lines.pop_front();
    }
    lines.push_back(line.clone());
    line
}

/// Lines of talk and of warnings that the picture shows.
const LINES_KEPT: usize = 6;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scene() -> Scene {
        Scene::new(vec!["Anne".into(), "Bert".into()])
    }

    #[test]
    fn all_are_online_when_each_sees_each() {
        let mut scene = scene();
        let sees = |buddy: &str, status: &str| json!({"event": "presence", "buddy": buddy, "status": status});
        assert_eq!(scene.take(0, &sees("Bert", "online")).as_deref(), Some("Anne sees Bert online"));
        assert!(!scene.all_online());
        scene.take(1, &sees("Anne", "online"));
        assert!(scene.all_online());
        assert_eq!(scene.take(1, &sees("Anne", "online")), None);
        scene.take(1, &sees("Anne", "offline"));
        assert!(!scene.all_online());
    }

    #[test]
    fn talk_and_failures_are_shown_and_the_picture_stays_small() {
        let mut scene = scene();
        for number in 0..100 {
            scene.take(0, &json!({"event": "message", "from": "Bert", "text": format!("line {number}")}));
        }
        let failed =
            json!({"event": "reply", "id": "1", "ok": false, "error": {"message": "Bert is offline"}});
        assert_eq!(scene.take(0, &failed).as_deref(), Some("Anne could not: Bert is offline"));
        let picture = scene.render(&Measurements::default(), Duration::from_secs(1), Duration::from_secs(9));
        assert!(picture.contains("Bert to Anne: line 99") && !picture.contains("line 9\n"));
        assert!(picture.contains("Bert is offline"));
        assert!(picture.lines().count() < 24, "{picture}");
    }
}
