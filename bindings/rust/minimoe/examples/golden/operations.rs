// SPDX-License-Identifier: Apache-2.0
//! What needs no handle, datasets and reports.
use minimoe::{
    break_findings, build_info, compare_findings, compare_verdict, config_balancers, config_breaks, config_keys,
    config_variants, health_check, load_statistics, run_findings, status_name, version_number, version_string, Config,
    Model, Result,
};
use serde_json::{json, Value};

use crate::case::Case;
use crate::values::{doubles, error, file, integers, put, text, Results};

pub(crate) fn library(case: &Case<'_>) -> Result<Results> {
    let mut out = Results::new();
    out.insert("version_number".into(), version_number().into());
    out.insert("version_string".into(), version_string().into());
    put(&mut out, "build_info", build_info(), text);
    put(&mut out, "config_keys", config_keys(), text);
    put(&mut out, "config_breaks", config_breaks(), text);
    let names: Vec<&str> = case.integers("codes").iter().map(|&code| status_name(code as i32)).collect();
    out.insert("status_names".into(), json!(names));
    Ok(out)
}

pub(crate) fn preset(case: &Case<'_>) -> Result<Results> {
    one("preset", Config::preset(case.text("preset")).map(text))
}

pub(crate) fn config(case: &Case<'_>) -> Result<Results> {
    let mut out = Results::new();
    let config = Config::from(case.text("config"));
    put(&mut out, "resolved", config.resolve(), text);
    put(&mut out, "cost", config.cost(), text);
    put(&mut out, "memory", config.estimate_memory(&case.options()), text);
    put(&mut out, "variants", config_variants(&config), text);
    put(&mut out, "balancers", config_balancers(&config, case.text("kinds")), text);
    Ok(out)
}

pub(crate) fn write_file(case: &Case<'_>) -> Result<Results> {
    std::fs::write(case.text("path"), case.text("text")).expect("the directory can be written to");
    one("file", Ok(file(case.text("path"))))
}

pub(crate) fn dataset(case: &Case<'_>) -> Result<Results> {
    let dataset = case.dataset()?;
    let (split, seq_len) = (case.text("split"), case.count("seq_len"));
    let (seed, index) = (case.integer("seed") as u64, case.integer("index") as u64);
    let mut out = Results::new();
    put(&mut out, "info", dataset.info(), text);
    put(&mut out, "num_windows", dataset.num_windows(split, seq_len), Value::from);
    match dataset.window(split, seed, index, seq_len) {
        Ok(window) => {
            put(&mut out, "decoded", dataset.decode(&window.tokens), text);
            out.insert("window.tokens".into(), integers(window.tokens));
            out.insert("window.classes".into(), integers(window.classes));
        }
        Err(failed) => {
            out.insert("window.tokens".into(), error(&failed));
            out.insert("window.classes".into(), error(&failed));
        }
    }
    put(&mut out, "encoded", dataset.encode(case.text("text")), integers);
    put(&mut out, "sentence", dataset.sentence(split, seed, index), |found| found.map_or(Value::Null, text));
    let floor = dataset.entropy_floor(split, seq_len, case.integer("num_windows") as u64);
    put(&mut out, "entropy_floor", floor, |found| found.map_or(Value::Null, |floor| doubles(&[floor])));
    put(&mut out, "fitted", dataset.fit_config(case.text("config")), text);
    Ok(out)
}

pub(crate) fn analyse(case: &Case<'_>) -> Result<Results> {
    let dataset = case.dataset()?;
    let mut model = Model::with_options(dataset.fit_config(case.text("config"))?, &case.options())?;
    case.set_parameters(|name, values| model.set_parameter(name, values))?;
    let split = case.text("split");
    let mut out = Results::new();
    let report = model.specialisation(&dataset, split, case.text("specialisation"), None);
    put(&mut out, "specialisation", report, text);
    put(&mut out, "capacity_report", model.capacity_report(&dataset, split, case.text("capacity"), None), text);
    put(&mut out, "probes", model.answer_probes(&dataset, split, case.count("max_count"), None), text);
    Ok(out)
}

pub(crate) fn health(case: &Case<'_>) -> Result<Results> {
    one("health", health_check(case.text("log"), case.text("json")).map(text))
}

pub(crate) fn statistics(case: &Case<'_>) -> Result<Results> {
    one("statistics", load_statistics(&case.integers("load"), case.count("top_k")).map(text))
}

pub(crate) fn verdict(case: &Case<'_>) -> Result<Results> {
    one("verdict", compare_verdict(case.text("json")).map(text))
}

pub(crate) fn findings(case: &Case<'_>) -> Result<Results> {
    one("findings", compare_findings(case.text("json")).map(text))
}

pub(crate) fn run_findings_of(case: &Case<'_>) -> Result<Results> {
    one("findings", run_findings(case.text("json")).map(text))
}

pub(crate) fn break_findings_of(case: &Case<'_>) -> Result<Results> {
    one("findings", break_findings(case.text("json")).map(text))
}

fn one(key: &str, result: Result<Value>) -> Result<Results> {
    let mut out = Results::new();
    put(&mut out, key, result, |value| value);
    Ok(out)
}
