// SPDX-License-Identifier: Apache-2.0
//! Reports: their texts always, their content with the feature serde.
mod support;

use minimoe::{
    compare_findings, compare_verdict, config_breaks, config_keys, health_check, load_statistics, Config, Options,
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
