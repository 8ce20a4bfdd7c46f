// SPDX-License-Identifier: Apache-2.0
//! The bridge to the crate log, whose logger is one for the process.
#![cfg(feature = "log")]
mod support;

use std::sync::Mutex;

use minimoe::{LogLevel, Model};

struct Kept(Mutex<Vec<(log::Level, String, String)>>);

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = (record.level(), record.target().to_owned(), record.args().to_string());
        self.0.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

static KEPT: Kept = Kept(Mutex::new(Vec::new()));

#[test]
fn lines_arrive_with_level_and_target() {
    log::set_logger(&KEPT).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let everyone = support::config().as_str().replace("\"top_k\":2", "\"top_k\":4");
    Model::with_options(everyone, &support::options().log_to_crate(LogLevel::Info)).unwrap();
    let kept = KEPT.0.lock().unwrap();
    assert!(kept.iter().all(|(_, target, _)| target == "minimoe"));
    assert!(kept
        .iter()
        .any(|(level, _, line)| *level == log::Level::Warn && line.contains("top_k equals num_experts")));
    assert!(kept.iter().any(|(level, _, line)| *level == log::Level::Info && line.starts_with("model: ")));
}
