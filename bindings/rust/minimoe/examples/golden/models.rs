// SPDX-License-Identifier: Apache-2.0
//! The bare layer, models and training.
use minimoe::{
    checkpoint_info, Batch, CancelToken, LayerInput, MoECache, MoELayer, Model, ModelReader, ParameterInfo, Result,
    RoutingSource, Step, Trainer,
};
use serde_json::Value;

use crate::case::Case;
use crate::values::{doubles, error, file, fill, floats, integers, put, text, tokens, Results};

fn infos(count: Result<usize>, info: impl Fn(usize) -> Result<ParameterInfo>) -> Result<Value> {
    (0..count?).map(|index| info(index).map(|info| text(info.as_json()))).collect()
}

fn read_parameters(out: &mut Results, model: &ModelReader, case: &Case<'_>) {
    for name in case.names("read") {
        put(out, &format!("parameter/{name}"), model.parameter(name), floats);
    }
}

pub(crate) fn layer(case: &Case<'_>) -> Result<Results> {
    let mut layer = MoELayer::with_options(case.text("config"), &case.options())?;
    let mut out = Results::new();
    put(&mut out, "config", layer.config(), text);
    put(&mut out, "num_parameters", layer.num_parameters(), Value::from);
    let described = infos(layer.num_parameters(), |index| layer.parameter_info(index));
    put(&mut out, "parameter_info", described, |value| value);
    case.set_parameters(|name, values| layer.set_parameter(name, values))?;

    let (num_tokens, tag) = (case.count("num_tokens"), case.integer("tag"));
    let size = case.integer("num_tokens") * case.integer("d_model");
    let x = fill(tag + 100, size, size, case.number("x_scale"));
    let d_y = fill(tag + 101, size, size, case.number("d_y_scale"));
    let valid = case.valid();
    let input = valid.as_deref().map_or(LayerInput::new(&x), |valid| LayerInput::new(&x).valid(valid));
    put(&mut out, "infer", layer.infer(input), floats);

    let mut cache = MoECache::new(&layer, num_tokens)?;
    put(&mut out, "y", layer.forward(&mut cache, input.seq_len(case.count("seq_len"))), floats);
    put(&mut out, "topk_idx", cache.topk_idx(), integers);
    put(&mut out, "gate_weights", cache.gate_weights(), floats);
    put(&mut out, "kept", cache.kept(), integers);
    put(&mut out, "router_logits", cache.router_logits(), floats);
    put(&mut out, "router_probs", cache.router_probs(), floats);
    put(&mut out, "load", cache.load(), integers);
    let metrics = cache.metrics()?;
    out.insert("metrics.num_tokens".into(), metrics.num_tokens.into());
    out.insert("metrics.num_dropped".into(), metrics.num_dropped.into());
    out.insert("metrics.aux_loss".into(), doubles(&[metrics.aux_loss]));
    out.insert("metrics.z_loss".into(), doubles(&[metrics.z_loss]));
    out.insert("metrics.max_violation".into(), doubles(&[metrics.max_violation]));
    out.insert("metrics.load_entropy".into(), doubles(&[metrics.load_entropy]));

    layer.zero_gradients()?;
    put(&mut out, "d_x", layer.backward(&mut cache, &x, &d_y, case.number("balance_scale")), floats);
    for name in case.names("gradients") {
        put(&mut out, &format!("gradient/{name}"), layer.gradient(name), floats);
    }
    for _ in 0..case.integer("bias_updates") {
        layer.update_bias(&cache.load()?)?;
    }
    put(&mut out, "expert_bias", layer.parameter("expert_bias"), floats);
    Ok(out)
}

pub(crate) fn model(case: &Case<'_>) -> Result<Results> {
    let mut model = Model::with_options(case.text("config"), &case.options())?;
    let mut out = Results::new();
    put(&mut out, "config", model.config(), text);
    put(&mut out, "info", model.info(), text);
    put(&mut out, "num_parameters", model.num_parameters(), Value::from);
    let described = infos(model.num_parameters(), |index| model.parameter_info(index));
    put(&mut out, "parameter_info", described, |value| value);
    case.set_parameters(|name, values| model.set_parameter(name, values))?;

    let ids = tokens(case.integer("tag") + 100, case.integer("num_tokens"), case.integer("vocab_size"));
    let valid = case.valid();
    let batch = Batch::new(&ids, case.count("seq_len"));
    let batch = valid.as_deref().map_or(batch, |valid| batch.valid(valid));
    put(&mut out, "logits", model.forward(batch), floats);
    match model.routing_trace(batch) {
        Ok(trace) => {
            out.insert("trace.experts".into(), integers(trace.experts));
            out.insert("trace.weights".into(), floats(trace.weights));
            out.insert("trace.kept".into(), integers(trace.kept));
        }
        Err(failed) => {
            for key in ["trace.experts", "trace.weights", "trace.kept"] {
                out.insert(key.into(), error(&failed));
            }
        }
    }
    let generated = model.generate(&ids[..case.count("prompt")], case.text("generate"), None);
    put(&mut out, "generated", generated, integers);
    read_parameters(&mut out, &model, case);
    let path = case.text("path");
    put(&mut out, "file", model.save(path), |()| file(path));
    put(&mut out, "checkpoint_info", checkpoint_info(path), text);
    let loaded = Model::load_with(path, &case.options()).and_then(|loaded| loaded.forward(batch));
    put(&mut out, "loaded.logits", loaded, floats);
    Ok(out)
}

pub(crate) fn train(case: &Case<'_>) -> Result<Results> {
    let dataset = case.dataset()?;
    let fitted = dataset.fit_config(case.text("config"))?;
    let mut model = Model::with_options(&fitted, &case.options())?;
    case.set_parameters(|name, values| model.set_parameter(name, values))?;
    let mut trainer = Trainer::new(model, &dataset, &fitted)?;
    let mut out = Results::new();
    put(&mut out, "config", trainer.config(), text);
    if let Some(failed) =
        Some(case.text("resume")).filter(|path| !path.is_empty()).and_then(|path| trainer.resume(path).err())
    {
        return Ok(Results::from_iter([("resume".to_owned(), error(&failed))]));
    }
    put(&mut out, "step_before", trainer.step(), Value::from);
    put(&mut out, "interference", trainer.interference(None), text);
    let steps = all_steps(&mut out, &mut trainer, case)?;
    put_metrics(&mut out, &steps);
    put(&mut out, "step_after", trainer.step(), Value::from);

    let evaluation = trainer.evaluate(case.text("split"), case.integer("max_windows") as u64, None)?;
    out.insert("evaluation.loss".into(), doubles(&[evaluation.loss]));
    out.insert("evaluation.num_targets".into(), evaluation.num_targets.into());
    out.insert("evaluation.num_windows".into(), evaluation.num_windows.into());
    for (name, source) in [("step", RoutingSource::Step), ("evaluation", RoutingSource::Evaluation)] {
        put(&mut out, &format!("routing.{name}"), trainer.routing(source), text);
        put(&mut out, &format!("loads.{name}"), trainer.expert_loads(source, 0), integers);
    }
    put(&mut out, "health", trainer.health(case.text("health")), text);
    read_parameters(&mut out, trainer.model(), case);
    let path = case.text("path");
    put(&mut out, "checkpoint", trainer.save(path), |()| file(path));
    put(&mut out, "checkpoint_info", checkpoint_info(path), text);
    Ok(out)
}

fn all_steps(out: &mut Results, trainer: &mut Trainer, case: &Case<'_>) -> Result<Vec<Step>> {
    let steps = case.integer("steps") as u64;
    let Ok(first) = u64::try_from(case.integer("cancel_after")) else {
        return trainer.steps(steps).collect();
    };
    let mut done = trainer.run(first, None).into_result()?;
    let token = CancelToken::new()?;
    token.fire();
    let cancelled = trainer.run(3, Some(&token));
    out.insert("cancelled_steps".into(), cancelled.steps.len().into());
    put(out, "cancelled", cancelled.into_result(), |steps| steps.len().into());
    done.extend(trainer.run(steps - first, None).into_result()?);
    Ok(done)
}

fn put_metrics(out: &mut Results, steps: &[Step]) {
    let mut put_integers = |key: &str, of: fn(&Step) -> i64| {
        out.insert(key.to_owned(), integers(steps.iter().map(of).collect()));
    };
    put_integers("metrics.step", |step| step.step);
    put_integers("metrics.num_tokens", |step| step.num_tokens);
    put_integers("metrics.num_extra_passes", |step| step.num_extra_passes);
    let mut put_doubles = |key: &str, of: fn(&Step) -> f64| {
        out.insert(key.to_owned(), doubles(&steps.iter().map(of).collect::<Vec<_>>()));
    };
    put_doubles("metrics.loss", |step| step.loss);
    put_doubles("metrics.aux_loss", |step| step.aux_loss);
    put_doubles("metrics.z_loss", |step| step.z_loss);
    put_doubles("metrics.total_loss", |step| step.total_loss);
    put_doubles("metrics.learning_rate", |step| step.learning_rate);
    put_doubles("metrics.gradient_norm", |step| step.gradient_norm);
}
