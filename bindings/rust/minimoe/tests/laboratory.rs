// SPDX-License-Identifier: Apache-2.0
//! Reports: their texts always, their content with the feature serde.
mod support;

use minimoe::{
    break_findings, compare_findings, compare_verdict, config_balancers, config_breaks, config_keys, config_variants,
    health_check, load_statistics, run_findings, Config, Options,
};
use support::{config, dataset, trainer};

const FEW: &str = r#"{"max_windows": 3, "num_permutations": 3, "num_bootstrap": 3, "num_tables": 2, "num_routers": 2,
    "num_word_shuffles": 2}"#;
const COLLAPSED: &str = r#"{"step": 200, "layer": 0, "top_k": 1, "load": [2000, 0, 0, 0], "num_steps": 100}"#;

fn figures() -> String {
    let figure =
        |loss: f64| format!(r#"{{"val_loss": [{loss}, {loss}, {}], "cpu_time_s": [1, 1, 1.1]}}"#, loss + 0.001);
    format!(
        r#"{{"moe_variant": {}, "dense_baseline": {}, "dense_active_matched": {}, "dense_total_matched": {}}}"#,
        figure(2.0),
        figure(2.2),
        figure(2.19),
        figure(2.18)
    )
}

/// What `minimoe compare` writes, as far as findings need it.
fn manifest() -> String {
    let variant = r#"{"params": 1, "active_params": 1, "train_flops_per_token": 1, "d_ff": 1, "spread": {
        "final_val_loss": {"values": [1]}, "final_val_ppl": {"values": [1]}, "cpu_time_s": {"values": [1]},
        "experts_dead_count": {"values": [0]}, "experts_cold_count": {"values": [0]},
        "load_balance_stddev": {"values": [0]}}}"#;
    format!(
        r#"{{"seeds": [1], "steps": 1, "num_experts": 2, "top_k": 1, "moe_layer_indices": [1], "alpha_aux_loss": 0,
        "corpus": {{"name": "text"}}, "config": {{"train": {{"learning_rate": 1}}}}, "moe_variant": {variant},
        "dense_baseline": {variant}, "dense_active_matched": {variant}, "dense_total_matched": {variant}}}"#
    )
}

/// A finished run of two steps, without its window.
fn run(layers: &str, health: &str) -> String {
    format!(
        r#""config": {{"model": {{"moe": {{"top_k": 1}}}}, "train": {{"steps": 2}}}}, "val_loss": 2, "lines": [
        {{"step": 1, "loss": 2, "aux_loss": 1, "layers": {layers}}}, {{"step": 2, "loss": null, "aux_loss": 1, "layers":
        {layers}, "interference": [{{"block": 1, "main_norm": 0.5, "aux_norm": 1, "scaled_ratio": null, "cosine": 0.25}}]}}],
        "health": {health}}}"#
    )
}

fn collapsed_run() -> String {
    run(
        r#"[{"block": 1, "load": [99, 1, 0, 0], "mean_probs": [0.97, 0.01, 0.01, 0.01]}]"#,
        r#"{"verdict": "collapsed", "layers": [{"verdict": "collapsed", "windows": [{"first_step": 1, "last_step": 2,
            "verdict": "collapsed", "rule": "one-expert"}]}]}"#,
    )
}

fn runs_of_a_break() -> String {
    let (routed, dense) = (collapsed_run(), run("[]", "null"));
    format!(
        r#"{{"schema": "minimoe-break-runs/1", "break": "headstart", "window": 2, "seeds": [{{"seed": 7, "runs": {{"healthy":
        {{{routed}, "broken": {{{routed}, "dense": {{{dense}, "fixed": {{{routed}}}}}]}}"#
    )
}

#[test]
fn the_laboratory_tells_what_runs_showed_and_what_to_compare() {
    assert!(run_findings(format!("{{\"window\": 2, {}", collapsed_run())).unwrap().as_str().contains("\"collapsed\""));
    assert!(break_findings(runs_of_a_break()).unwrap().as_str().contains("\"recovery\""));
    assert!(config_variants(config()).unwrap().as_str().contains("\"dense-total\""));
    assert!(config_balancers(config(), "none,bias").unwrap().as_str().contains("\"balance-bias\""));
}

#[test]
fn documents_of_the_library_have_their_texts() {
    assert!(config_keys().unwrap().as_str().contains("model.moe.top_k"));
    assert!(config_breaks().unwrap().as_str().contains("headstart"));
    assert!(minimoe::build_info().unwrap().as_str().contains(minimoe::version_string()));
    assert_eq!(minimoe::status_name(10), "MINIMOE_E_BUSY");
    assert_eq!(minimoe::status_name(-1), "MINIMOE_E_?");
    assert_eq!(minimoe::version_number(), 1000);
    let lab = Config::preset("lab").unwrap();
    assert_eq!(lab.resolve().unwrap(), lab);
    assert!(config().cost().unwrap().as_str().contains("active_parameters"));
    assert!(config().estimate_memory(&Options::new()).unwrap().as_str().contains("moments"));
}

#[test]
fn a_collapsed_router_is_called_so() {
    let health = health_check(COLLAPSED, r#"{"warmup": 0}"#).unwrap();
    assert!(health.as_str().contains("\"collapsed\""), "{health}");
    assert!(load_statistics(&[8, 0, 0, 0], 1).unwrap().as_str().contains("max_violation"));
}

#[test]
fn a_clear_gain_is_adopted() {
    assert!(compare_verdict(figures()).unwrap().as_str().contains("\"adopt\""));
    assert!(compare_findings(manifest()).unwrap().split_whitespace().count() > 300);
}

#[test]
fn reports_tell_of_a_model() {
    let mut trainer = trainer();
    trainer.run(3, None).into_result().unwrap();
    let (model, dataset) = (trainer.model(), dataset());
    let report = model.specialisation(&dataset, "val", FEW, None).unwrap();
    assert!(report.as_str().contains("\"conclusion\""));
    let vocab = r#"{"model": {"preset": "llama", "vocab_size": 16, "max_seq_len": 8, "d_model": 8, "num_heads": 2,
        "d_ff": 8}}"#;
    let directory = support::file("mixtral");
    minimoe::Model::new(vocab).unwrap().upcycle("").unwrap().export(&directory, "").unwrap();
    let options = minimoe::Options::new();
    let report = minimoe::analyze_hf(&directory, &dataset, "val", FEW, &options, None).unwrap();
    assert!(report.as_str().contains("\"conclusion\"") && report.as_str().contains("\"verdict\""));
    let capacity = model.capacity_report(&dataset, "val", r#"{"max_windows": 3}"#, None).unwrap();
    assert!(capacity.as_str().contains("\"stragglers\""));
    assert_eq!(model.answer_probes(&dataset, "val", 2, None).unwrap().as_str(), "[]");
}

#[cfg(feature = "serde")]
mod content {
    use super::*;
    use minimoe::reports::{ComparisonDecision, HealthVerdict};
    use minimoe::{Dataset, Model, RoutingSource, Trainer};

    #[test]
    fn every_document_is_read() {
        let build = minimoe::build_info().unwrap().parse().unwrap();
        assert_eq!(build.version, minimoe::version_string());
        let keys = config_keys().unwrap().parse().unwrap();
        assert!(keys.iter().any(|key| key.key == "train.steps" && !key.meaning.is_empty()));
        assert_eq!(config_breaks().unwrap().parse().unwrap().len(), 8);
        let cost = config().cost().unwrap().parse().unwrap();
        assert!(cost.active_parameters < cost.total_parameters);
        let memory = config().estimate_memory(&Options::new()).unwrap().parse().unwrap();
        assert!(memory.total >= memory.parameters + memory.gradients + memory.moments);
        let statistics = load_statistics(&[8, 0, 4, 4], 2).unwrap().parse().unwrap();
        assert_eq!((statistics.num_dead, statistics.max_violation), (1, 1.0));
        let verdict = compare_verdict(figures()).unwrap().parse().unwrap();
        assert_eq!(verdict.verdict, ComparisonDecision::Adopt);
        assert!(verdict.gain_low.unwrap() > 0.01);
        assert_eq!(verdict.differences.moe_variant_minus_dense_baseline.n, 3);
    }

    #[test]
    fn runs_of_the_laboratory_are_read() {
        let report = run_findings(format!("{{\"window\": 2, {}", collapsed_run())).unwrap().parse().unwrap();
        assert_eq!((report.verdict, report.windows[0].loss), (Some(HealthVerdict::Collapsed), None));
        assert_eq!(report.windows[0].load.as_deref(), Some(&[198, 2, 0, 0][..]));
        assert_eq!(report.interference[0].layers[0].cosine, Some(0.25));
        let broken = break_findings(runs_of_a_break()).unwrap().parse().unwrap();
        assert_eq!(broken.claims[0].claim, "collapsed");
        assert!(broken.claims[0].holds && !broken.claims[0].decided);
        assert_eq!(broken.seeds[0].signals[2].first_step, Some(2));
        assert_eq!(broken.seeds[0].runs.dense.windows[0].load, None);
        let variants = config_variants(config()).unwrap().parse().unwrap();
        assert_eq!(variants[0].config["model"]["moe"]["layers"], serde_json::json!([]));
        let balancers = config_balancers(config(), "none,bias").unwrap().parse().unwrap();
        assert_eq!(balancers[1].config["model"]["moe"]["bias_balancing"], true);
    }

    #[test]
    fn every_report_on_a_run_is_read() {
        let mut trainer = trainer();
        trainer.run(3, None).into_result().unwrap();
        let routing = trainer.routing(RoutingSource::Step).unwrap().parse().unwrap();
        assert_eq!(routing[0].load, trainer.expert_loads(RoutingSource::Step, 0).unwrap());
        assert_eq!(trainer.interference(None).unwrap().parse().unwrap()[0].block, 1);
        let health = trainer.health("").unwrap().parse().unwrap();
        assert_eq!((health.verdict, health.layers[0].top_k), (HealthVerdict::Untested, 2));
        let collapsed = health_check(COLLAPSED, r#"{"warmup": 0}"#).unwrap().parse().unwrap();
        assert_eq!(collapsed.verdict, HealthVerdict::Collapsed);
        assert_eq!(collapsed.layers[0].figures.load, [2000, 0, 0, 0]);
        let model = trainer.model();
        assert_eq!(model.info().unwrap().parse().unwrap().moe_blocks, [1]);
        let report = model.specialisation(&dataset(), "val", FEW, None).unwrap().parse().unwrap();
        assert_eq!((report.by.as_str(), report.layers[0].by_choice.len()), ("frequency", 2));
        let capacity = model.capacity_report(&dataset(), "val", r#"{"max_windows": 3}"#, None).unwrap();
        assert_eq!(capacity.parse().unwrap().evaluation.num_windows, 3);
        let path = support::file("content.safetensors");
        trainer.save(&path).unwrap();
        let info = minimoe::checkpoint_info(&path).unwrap().parse().unwrap();
        assert_eq!((info.step, &info.config["train"]["seq_len"]), (3, &serde_json::json!(8)));
    }

    #[test]
    fn the_grammar_corpus_is_read() {
        let grammar = Dataset::open("{}").unwrap();
        let info = grammar.info().unwrap().parse().unwrap();
        let sentence = grammar.sentence("val", 0, 1).unwrap().unwrap().parse().unwrap();
        assert_eq!(sentence.tokens.len(), sentence.classes.len());
        assert!(sentence.classes.iter().all(|&class| usize::from(class) < info.class_names.len()));
        let config = grammar
            .fit_config(
                r#"{"model": {"d_model": 16, "num_heads": 2, "moe": {"layers": [1]}}, "train": {"batch_size": 2}}"#,
            )
            .unwrap();
        let trainer = Trainer::new(Model::new(&config).unwrap(), &grammar, &config).unwrap();
        let probes = trainer.model().answer_probes(&grammar, "val", 3, None).unwrap().parse().unwrap();
        assert_eq!(probes.iter().map(|probe| probe.asked + probe.skipped).sum::<u64>(), 3);
        let report = trainer.model().specialisation(&grammar, "val", FEW, None).unwrap().parse().unwrap();
        assert_eq!(report.layers[0].classes.len(), info.class_names.len());
    }

    #[test]
    fn configurations_are_values_and_back() {
        let value = serde_json::json!({"model": {"d_model": 32}, "train": {"steps": 7}});
        let config = Config::from(&value);
        assert_eq!(serde_json::Value::try_from(&config).unwrap(), value);
        let resolved = serde_json::Value::try_from(&config.resolve().unwrap()).unwrap();
        assert_eq!(resolved["train"]["steps"], 7);
        assert!(serde_json::Value::try_from(&Config::from("{")).unwrap_err().message().starts_with("config: "));
    }
}
