// SPDX-License-Identifier: Apache-2.0
//! The routing laboratory: verdicts on routers and on models, and what a load says about balance.
use std::path::Path;

use minimoe_sys as sys;

use crate::call::{bytes, text, with_c_path, with_c_text};
use crate::cancel;
use crate::reports::{
    BreakFindings, CapacityReport, CheckpointInfo, ComparisonVerdict, Health, HfReport, LoadStatistics, ProbeAnswers,
    RunFindings, Specialisation,
};
use crate::{CancelToken, Dataset, Json, ModelReader, Options, Result};

/// Judges anyone's routers by their log: one JSON object a line, `{"step", "layer", "top_k", "load": [..], "mean_probs":
/// [..]}`, a line sums its `num_steps` steps. `json`: `{"window": 50, "warmup": 50, ..}`; docs/health.md has the rule.
///
/// ```
/// let log = r#"{"step": 200, "layer": 0, "top_k": 1, "load": [500, 524], "mean_probs": [0.49, 0.51], "num_steps": 100}"#;
/// let health = minimoe::health_check(log, r#"{"warmup": 0, "window": 100}"#)?;
/// assert!(health.as_str().contains("\"verdict\""));
/// # Ok::<(), minimoe::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) with the number of the line for what no router can have
/// done.
pub fn health_check(log: &str, json: impl AsRef<str>) -> Result<Json<Health>> {
    let ((log, log_len), (json, len)) = (bytes(log), bytes(json.as_ref()));
    text(|buf, cap, needed, err| {
        // SAFETY: inputs and output are valid for the call.
        unsafe { sys::minimoe_health_check(log, log_len, json, len, buf, cap, needed, err) }
    })
    .map(Json::new)
}

/// What a load vector, `[E]` counts, says about balance.
pub fn load_statistics(load: &[i64], top_k: usize) -> Result<Json<LoadStatistics>> {
    text(|buf, cap, needed, err| {
        // SAFETY: input and output are valid for the call.
        unsafe { sys::minimoe_load_statistics(load.as_ptr(), load.len(), top_k, buf, cap, needed, err) }
    })
    .map(Json::new)
}

/// What the routers of a directory of Hugging Face's transformers do with a dataset, with the weights of one block in memory
/// at a time. `json`: `{"max_windows": 64, "seq_len": 256, "batch_size": 4, ..}`, or empty.
pub fn analyze_hf(
    path: impl AsRef<Path>,
    dataset: &Dataset,
    split: &str,
    json: impl AsRef<str>,
    options: &Options,
    cancel: Option<&CancelToken>,
) -> Result<Json<HfReport>> {
    let raw = options.raw()?;
    let (json, len) = bytes(json.as_ref());
    let (dataset, cancel) = (dataset.raw(), cancel::raw(cancel));
    with_c_path(path.as_ref(), |path| {
        with_c_text("split", split, |split| {
            text(|buf, cap, needed, err| {
                // SAFETY: the handles are live, the names end with a NUL, inputs and output are valid for the call.
                unsafe { sys::minimoe_hf_analyze(dataset, path, split, json, len, &raw, cancel, buf, cap, needed, err) }
            })
        })
    })
    .map(Json::new)
}

/// Adopt, never or defer, from the figures of each seed: `{"moe_variant": {"val_loss": [..], "cpu_time_s": [..]},
/// "dense_baseline": .., "dense_active_matched": .., "dense_total_matched": ..}`.
pub fn compare_verdict(json: impl AsRef<str>) -> Result<Json<ComparisonVerdict>> {
    let (json, len) = bytes(json.as_ref());
    text(|buf, cap, needed, err| {
        // SAFETY: input and output are valid for the call.
        unsafe { sys::minimoe_compare_verdict(json, len, buf, cap, needed, err) }
    })
    .map(Json::new)
}

/// What a comparison found, as Markdown, from the manifest.json of `minimoe compare`.
pub fn compare_findings(manifest: impl AsRef<str>) -> Result<String> {
    let (json, len) = bytes(manifest.as_ref());
    text(|buf, cap, needed, err| {
        // SAFETY: input and output are valid for the call.
        unsafe { sys::minimoe_compare_findings(json, len, buf, cap, needed, err) }
    })
}

/// What a break showed, from the finished runs of each seed: `{"schema": "minimoe-break-runs/1", "break": "headstart", "window":
/// 50, "seeds": [{"seed", "runs": {"healthy": RUN, "broken": RUN, "dense": RUN, "fixed": RUN}}]}`. A RUN is what
/// [`run_findings`] reads, without `"window"`.
pub fn break_findings(json: impl AsRef<str>) -> Result<Json<BreakFindings>> {
    let (json, len) = bytes(json.as_ref());
    text(|buf, cap, needed, err| {
        // SAFETY: input and output are valid for the call.
        unsafe { sys::minimoe_break_findings(json, len, buf, cap, needed, err) }
    })
    .map(Json::new)
}

/// What a finished run showed, window by window: `{"window": 50, "config": .., "lines": [those of metrics.jsonl], "health": of
/// [`health_check`], or null without MoE layers, "val_loss": nats a token}`.
pub fn run_findings(json: impl AsRef<str>) -> Result<Json<RunFindings>> {
    let (json, len) = bytes(json.as_ref());
    text(|buf, cap, needed, err| {
        // SAFETY: input and output are valid for the call.
        unsafe { sys::minimoe_run_findings(json, len, buf, cap, needed, err) }
    })
    .map(Json::new)
}

/// Step and configuration of a checkpoint or saved model (step 0). Reads the file's header only.
pub fn checkpoint_info(path: impl AsRef<Path>) -> Result<Json<CheckpointInfo>> {
    with_c_path(path.as_ref(), |path| {
        // SAFETY: `path` ends with a NUL, the output is valid for the call.
        text(|buf, cap, needed, err| unsafe { sys::minimoe_checkpoint_info(path, buf, cap, needed, err) })
    })
    .map(Json::new)
}

/// Reports on a model's routers and answers.
impl ModelReader {
    /// How many of a split's questions (at most `max_count`) greedy decoding answers exactly.
    pub fn answer_probes(
        &self,
        dataset: &Dataset,
        split: &str,
        max_count: usize,
        cancel: Option<&CancelToken>,
    ) -> Result<Json<Vec<ProbeAnswers>>> {
        let (model, dataset, cancel) = (self.raw(), dataset.raw(), cancel::raw(cancel));
        with_c_text("split", split, |split| {
            text(|buf, cap, needed, err| {
                // SAFETY: the handles are live, `split` ends with a NUL, the output is valid for the call.
                unsafe {
                    sys::minimoe_model_answer_probes(model, dataset, split, max_count, cancel, buf, cap, needed, err)
                }
            })
        })
        .map(Json::new)
    }

    /// What the experts of each MoE layer divide by: token class, word form, or nothing. `json`: `{"max_windows": 500,
    /// "seed": 0, ..}`; docs/specialisation.md has the definitions.
    pub fn specialisation(
        &self,
        dataset: &Dataset,
        split: &str,
        json: impl AsRef<str>,
        cancel: Option<&CancelToken>,
    ) -> Result<Json<Specialisation>> {
        let (json, len) = bytes(json.as_ref());
        let (model, dataset, cancel) = (self.raw(), dataset.raw(), cancel::raw(cancel));
        with_c_text("split", split, |split| {
            text(|buf, cap, needed, err| {
                // SAFETY: the handles are live, `split` ends with a NUL, input and output are valid for the call.
                unsafe {
                    sys::minimoe_model_specialisation(model, dataset, split, json, len, cancel, buf, cap, needed, err)
                }
            })
        })
        .map(Json::new)
    }

    /// What the capacity limit costs: who is dropped, and the loss without drops. `json`: `{"max_windows": 500,
    /// "min_class_tokens": 100}`.
    pub fn capacity_report(
        &self,
        dataset: &Dataset,
        split: &str,
        json: impl AsRef<str>,
        cancel: Option<&CancelToken>,
    ) -> Result<Json<CapacityReport>> {
        let (json, len) = bytes(json.as_ref());
        let (model, dataset, cancel) = (self.raw(), dataset.raw(), cancel::raw(cancel));
        with_c_text("split", split, |split| {
            text(|buf, cap, needed, err| {
                // SAFETY: the handles are live, `split` ends with a NUL, input and output are valid for the call.
                unsafe {
                    sys::minimoe_model_capacity_report(model, dataset, split, json, len, cancel, buf, cap, needed, err)
                }
            })
        })
        .map(Json::new)
    }
}
