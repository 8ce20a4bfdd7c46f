// SPDX-License-Identifier: Apache-2.0
//! Calls that must fail, one of each status.
use minimoe::{check_version, CancelToken, Config, Dataset, Error, MoECache, MoELayer, Model, Result, Trainer};
use serde_json::Value;

use crate::case::Case;
use crate::values::{error, put, Results};

pub(crate) fn status(case: &Case<'_>) -> Result<Results> {
    let mut out = Results::new();
    if case.text("status") == "MINIMOE_E_FORKED" {
        out.insert("result".into(), forked(case)?);
        return Ok(out);
    }
    let result = fail(case);
    if let Some(needed) = result.as_ref().err().and_then(Error::needed) {
        out.insert("needed".into(), needed.into());
    }
    put(&mut out, "result", result, |()| "no error".into());
    Ok(out)
}

fn fail(case: &Case<'_>) -> Result<()> {
    let options = case.options();
    let layer = || MoELayer::with_options(case.text("config"), &options);
    let model = || Model::with_options(case.text("config"), &options);
    match case.text("status") {
        "MINIMOE_E_INVALID_ARGUMENT" => Config::from(case.text("config")).resolve().map(drop),
        "MINIMOE_E_OUT_OF_MEMORY" => MoECache::new(&layer()?, case.count("max_tokens")).map(drop),
        "MINIMOE_E_IO" | "MINIMOE_E_CORRUPT_FILE" => Model::load_with(case.text("path"), &options).map(drop),
        "MINIMOE_E_NON_FINITE" => {
            let layer = layer()?;
            layer.forward(&mut MoECache::new(&layer, 1)?, &vec![f32::NAN; case.count("count")]).map(drop)
        }
        "MINIMOE_E_UNSUPPORTED" => Dataset::open_with(case.text("config"), &options)?.append(&[1_i32]),
        "MINIMOE_E_SHAPE" => layer()?.infer(&vec![0.0; case.count("count")]).map(drop),
        "MINIMOE_E_BUFFER_TOO_SMALL" => {
            let count = case.count("count");
            layer()?.infer_into(&mut vec![0.0; count - 1], &vec![0.0; count])
        }
        "MINIMOE_E_BUSY" => {
            let (mut model, dataset) = (model()?, case.dataset()?);
            // The borrow checker allows a second trainer only once the first is gone, or forgotten.
            std::mem::forget(Trainer::new(&mut model, &dataset, case.text("config"))?);
            Trainer::new(&mut model, &dataset, case.text("config")).map(drop)
        }
        "MINIMOE_E_CANCELLED" => {
            let token = CancelToken::new()?;
            token.fire();
            model()?.generate(&[1], "{}", Some(&token)).map(drop)
        }
        "MINIMOE_E_VERSION" => check_version(case.integer("header_version") as i32),
        other => panic!("status: {other}"),
    }
}

/// Forks while another thread trains, until a child finds the model torn.
fn forked(case: &Case<'_>) -> Result<Value> {
    let (dataset, model) = (case.dataset()?, Model::with_options(case.text("config"), &case.options())?);
    let reader = model.reader()?;
    let mut trainer = Trainer::new(model, &dataset, case.text("config"))?;
    let stop = CancelToken::new()?;
    let (token, steps) = (stop.clone(), case.integer("steps") as u64);
    let training = std::thread::spawn(move || drop(trainer.run(steps, Some(&token))));
    let found = loop {
        std::thread::sleep(std::time::Duration::from_millis(3));
        if let Some(found) = in_a_child(|| reader.generation().err().map(|failed| error(&failed))) {
            break found;
        }
    };
    stop.fire();
    training.join().expect("training does not panic");
    Ok(found)
}

extern "C" {
    fn fork() -> i32;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    fn _exit(status: i32) -> !;
}

/// What `call` gives in a forked child, handed over in a file.
fn in_a_child(call: impl FnOnce() -> Option<Value>) -> Option<Value> {
    let path = std::env::temp_dir().join(format!("minimoe_golden_{}.json", std::process::id()));
    // SAFETY: the child makes one call of the library, writes a file and ends.
    let child = unsafe { fork() };
    if child == 0 {
        let written = call().map_or(Ok(()), |value| std::fs::write(&path, value.to_string()));
        // SAFETY: ends this process without running anything of the parent's.
        unsafe { _exit(i32::from(written.is_err())) }
    }
    assert!(child > 0, "fork failed");
    // SAFETY: waits for the child above.
    unsafe { waitpid(child, std::ptr::null_mut(), 0) };
    let text = std::fs::read_to_string(&path).ok()?;
    std::fs::remove_file(&path).ok();
    Some(serde_json::from_str(&text).expect("the child writes JSON"))
}
