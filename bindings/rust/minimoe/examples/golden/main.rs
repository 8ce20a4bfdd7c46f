// SPDX-License-Identifier: Apache-2.0
//! The golden set through this crate: `golden MANIFEST RESULTS`. tests/golden/bindings/README.md has the format.
mod case;
mod models;
mod operations;
mod status;
mod values;

use std::fs;

use case::Case;
use serde_json::{json, Value};
use values::{error, Results};

type Operation = fn(&Case<'_>) -> minimoe::Result<Results>;

fn operation(name: &str) -> Operation {
    match name {
        "library" => operations::library,
        "preset" => operations::preset,
        "config" => operations::config,
        "file" => operations::write_file,
        "dataset" => operations::dataset,
        "analyse" => operations::analyse,
        "health_check" => operations::health,
        "load_statistics" => operations::statistics,
        "compare_verdict" => operations::verdict,
        "compare_findings" => operations::findings,
        "run_findings" => operations::run_findings_of,
        "break_findings" => operations::break_findings_of,
        "layer" => models::layer,
        "model" => models::model,
        "train" => models::train,
        "status" => status::status,
        other => panic!("there is no operation \"{other}\""),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, manifest, results] = arguments.as_slice() else {
        panic!("usage: golden MANIFEST RESULTS");
    };
    let manifest = fs::read_to_string(manifest).expect("the manifest can be read");
    let manifest: Value = serde_json::from_str(&manifest).expect("the manifest is JSON");
    let instruction_set = manifest["instruction_set"].as_i64().expect("instruction_set");
    let mut all = Results::new();
    for json in manifest["cases"].as_array().expect("cases") {
        let case = Case::new(json, instruction_set);
        if manifest["exempt"][case.text("name")].get("rust").is_some() {
            continue;
        }
        let outcome = operation(case.text("op"))(&case)
            .unwrap_or_else(|failed| Results::from_iter([("create".to_owned(), error(&failed))]));
        all.insert(case.text("name").to_owned(), outcome.into());
    }
    let document = json!({"format": 1, "language": "rust", "results": all});
    fs::write(results, document.to_string()).expect("the results can be written");
}
