// SPDX-License-Identifier: Apache-2.0
//! What a caller can get wrong and the compiler cannot know: each case is an error of the right kind that names the argument,
//! and leaves what it was called on as it was.
mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use minimoe::{
    break_findings, check_version, checkpoint_info, compare_findings, compare_verdict, config_balancers,
    config_variants, health_check, load_statistics, run_findings, Batch, CancelToken, Config, Dataset, Error,
    ErrorKind, ErrorKind::*, InstructionSet, LayerInput, MatmulBackend, MoECache, MoELayer, Model, Options,
    RoutingSource, Trainer,
};
use support::{config, dataset, file, inputs, options, tokens, LAYER, MEMORY};

/// What the cases are tried on.
struct World {
    dataset: Dataset,
    model: Model,
    trainer: Trainer,
    layer: MoELayer,
    cache: MoECache,
    fired: CancelToken,
}

impl World {
    fn new() -> Self {
        let layer = MoELayer::with_options(LAYER, &options()).unwrap();
        let cache = MoECache::new(&layer, 4).unwrap();
        let fired = CancelToken::new().unwrap();
        fired.fire();
        let model = support::model();
        Self { dataset: dataset(), model, trainer: support::trainer(), layer, cache, fired }
    }
}

type Case = (&'static str, ErrorKind, &'static str, fn(&mut World) -> Result<(), Error>);

/// Throws the value away: a case must not have one.
fn no<T>(result: Result<T, Error>) -> Result<(), Error> {
    result.map(drop)
}

const NUL: &str = "name\0with more";

/// Case, kind, what the message holds, call.
const CASES: &[Case] = &[
    // Configurations
    ("json that is cut off", InvalidArgument, "config: line 1", |_| no(Config::from("{\"model\"").resolve())),
    ("json of another type", InvalidArgument, "object", |_| no(Config::from("[1]").resolve())),
    ("an unknown key", InvalidArgument, "model.d_modle", |_| {
        no(Config::builder().set("model.d_modle", 8).build().resolve())
    }),
    ("a duplicate key", InvalidArgument, "model", |_| no(Config::from(r#"{"model": {}, "model": {}}"#).resolve())),
    ("a text for a number", InvalidArgument, "train.steps", |_| {
        no(Config::builder().set("train.steps", "ten").build().resolve())
    }),
    ("a number that is not finite", InvalidArgument, "train.learning_rate", |_| {
        no(Config::builder().set("train.learning_rate", f64::NAN).build().resolve())
    }),
    ("a value out of range", InvalidArgument, "model.moe.top_k", |_| {
        no(Config::builder().set("model.moe.layers", [1]).set("model.moe.top_k", 99).build().resolve())
    }),
    ("json deeper than 32", InvalidArgument, "32", |_| {
        no(Config::from(format!("{}1{}", "{\"model\":".repeat(33), "}".repeat(33))).resolve())
    }),
    ("json larger than 1 MiB", InvalidArgument, "json", |_| no(Config::from(" ".repeat((1 << 20) + 1)).resolve())),
    ("json with a NUL", InvalidArgument, "NUL", |_| no(Config::from("{}\0").resolve())),
    ("an unknown preset", InvalidArgument, "laboratory", |_| no(Config::preset("laboratory"))),
    ("a preset with a NUL", InvalidArgument, "name: holds a NUL byte", |_| no(Config::preset("lab\0"))),
    ("the cost without a vocabulary", InvalidArgument, "vocab_size", |_| no(Config::from("{}").cost())),
    ("the memory without a vocabulary", InvalidArgument, "vocab_size", |_| {
        no(Config::from("{}").estimate_memory(&Options::new()))
    }),
    ("a version that does not fit", Version, "99", |_| no(check_version(99_000_000))),
    // Options
    ("too many threads", InvalidArgument, "num_threads", |_| {
        no(Model::with_options(config(), &Options::new().num_threads(257)))
    }),
    ("more threads than an i32", InvalidArgument, "num_threads", |_| {
        no(MoELayer::with_options(LAYER, &Options::new().num_threads(u32::MAX)))
    }),
    ("a backend that is not built in", Unsupported, "BLAS", |_| {
        no(Model::with_options(config(), &Options::new().matmul_backend(MatmulBackend::Blas)))
    }),
    // Datasets
    ("no vocabulary", InvalidArgument, "vocab_size", |_| no(Dataset::new("{}"))),
    ("a corpus that does not exist", Io, "nowhere.txt", |_| {
        no(Dataset::open(r#"{"data": {"corpus": "nowhere.txt"}}"#))
    }),
    ("a token beyond the vocabulary", InvalidArgument, "token 1 (from 0) is 16", |w| {
        no(w.dataset.append(&[1_i32, 16]))
    }),
    ("a negative token", InvalidArgument, "token 0 (from 0) is -1", |w| no(w.dataset.append(&[-1_i32]))),
    ("a u16 token beyond the vocabulary", InvalidArgument, "token 0 (from 0) is 65535", |w| {
        no(w.dataset.append(&[u16::MAX]))
    }),
    ("an owned token beyond the vocabulary", InvalidArgument, "token 2 (from 0) is 99", |_| {
        no(Dataset::from_owner(MEMORY, vec![1_i32, 2, 99]))
    }),
    ("classes without class names", Shape, "class names", |w| no(w.dataset.append_with_classes(&[1_i32], &[0]))),
    ("fewer classes than tokens", Shape, "classes", |_| {
        let json = r#"{"vocab_size": 16, "class_names": ["a"]}"#;
        no(Dataset::from_owner_with_classes(json, vec![1_i32, 2], vec![0]))
    }),
    ("a class without a name", InvalidArgument, "class 0 (from 0) is 7", |_| {
        let json = r#"{"vocab_size": 16, "class_names": ["a"]}"#;
        no(Dataset::from_owner_with_classes(json, vec![1_i32], vec![7]))
    }),
    ("appending to a dataset of a corpus", Unsupported, "append", |_| {
        no(Dataset::open("{}").unwrap().append(&[1_i32]))
    }),
    ("an id that is no number", InvalidArgument, "\"two\"", |w| no(w.dataset.encode("1 two"))),
    ("decoding a token beyond the vocabulary", InvalidArgument, "token is 16", |w| no(w.dataset.decode(&[16]))),
    ("a window of a split that does not exist", InvalidArgument, "split", |w| no(w.dataset.window("test", 0, 0, 8))),
    ("a window past the last", InvalidArgument, "index", |w| no(w.dataset.window("val", 0, 1 << 40, 8))),
    ("a window of no tokens", InvalidArgument, "seq_len", |w| no(w.dataset.window("val", 0, 0, 0))),
    ("a window of too many tokens", InvalidArgument, "seq_len", |w| no(w.dataset.window("val", 0, 0, usize::MAX))),
    ("a split with a NUL", InvalidArgument, "split: holds a NUL byte", |w| no(w.dataset.num_windows("val\0", 8))),
    ("a configuration whose vocabulary is too small", InvalidArgument, "vocab_size", |w| {
        no(w.dataset.fit_config(r#"{"model": {"vocab_size": 8}, "train": {"seq_len": 8}}"#))
    }),
    // Models
    ("a model without a vocabulary", InvalidArgument, "vocab_size", |_| no(Model::new("{}"))),
    ("a file that does not exist", Io, "nowhere.safetensors", |_| no(Model::load("nowhere.safetensors"))),
    ("a path with a NUL", InvalidArgument, "path: holds a NUL byte", |_| no(Model::load("a\0b"))),
    ("a path that is not UTF-8", InvalidArgument, "path: ", |_| {
        no(Model::load(Path::new(OsStr::from_bytes(b"a\xff"))))
    }),
    ("a file of something else", CorruptFile, "corrupt.safetensors", |_| {
        let path = file("corrupt.safetensors");
        std::fs::write(&path, [255; 64]).unwrap();
        no(Model::load(path))
    }),
    ("the header of a file of something else", CorruptFile, "header.safetensors", |_| {
        let path = file("header.safetensors");
        std::fs::write(&path, b"short").unwrap();
        no(checkpoint_info(path))
    }),
    ("writing to a directory", Io, "/: cannot write", |w| no(w.model.save(Path::new("/")))),
    ("weights of another model", Shape, "head.weight", |w| {
        let path = file("other.safetensors");
        let other = Config::from(config().as_str().replace("\"vocab_size\":16", "\"vocab_size\":17"));
        Model::new(other).unwrap().save(&path).unwrap();
        no(w.model.load_weights(path))
    }),
    ("tokens that do not fill sequences", Shape, "num_tokens", |w| no(w.model.forward(Batch::new(&tokens(7), 4)))),
    ("a sequence longer than the context", InvalidArgument, "seq_len", |w| {
        no(w.model.forward(Batch::new(&tokens(16), 16)))
    }),
    ("a sequence of length 0", InvalidArgument, "seq_len", |w| no(w.model.forward(Batch::new(&tokens(8), 0)))),
    ("a token that the model does not know", InvalidArgument, "tokens[1]", |w| {
        no(w.model.forward(Batch::new(&[1, 16], 2)))
    }),
    ("a mask of another length", Shape, "num_valid", |w| no(w.model.forward(Batch::new(&tokens(8), 8).valid(&[1; 7])))),
    ("padding on the left", InvalidArgument, "valid", |w| no(w.model.forward(Batch::new(&[1, 2], 2).valid(&[0, 1])))),
    ("too little room for logits", BufferTooSmall, "values", |w| {
        no(w.model.forward_into(&mut [0.0; 31], Batch::new(&[1, 2], 2)))
    }),
    ("a trace of tokens that do not fill sequences", Shape, "num_tokens", |w| {
        no(w.model.routing_trace(Batch::new(&tokens(7), 4)))
    }),
    ("an empty prompt", InvalidArgument, "prompt", |w| no(w.model.generate(&[], "", None))),
    ("a negative temperature", InvalidArgument, "temperature", |w| {
        no(w.model.generate(&[1], r#"{"temperature": -1}"#, None))
    }),
    ("an unknown option of generate", InvalidArgument, "max_tokens", |w| {
        no(w.model.generate(&[1], r#"{"max_tokens": 5}"#, None))
    }),
    ("a fired token in generate", Cancelled, "cancel", |w| no(w.model.generate(&[1], "", Some(&w.fired)))),
    ("a parameter that does not exist", InvalidArgument, "head.weight", |w| no(w.model.parameter("haed.weight"))),
    ("a view of what does not exist", InvalidArgument, "router", |w| no(w.model.parameter_view("router"))),
    ("a parameter with a NUL", InvalidArgument, "name: holds a NUL byte", |w| no(w.model.parameter(NUL))),
    ("a parameter's index past the last", InvalidArgument, "index", |w| no(w.model.parameter_info(999))),
    ("values of another count", Shape, "num_data", |w| no(w.model.set_parameter("head.weight", &[0.0; 255]))),
    ("values that are not finite", InvalidArgument, "data[1]", |w| {
        let mut values = [0.0; 256];
        values[1] = f32::NAN;
        no(w.model.set_parameter("head.weight", &values))
    }),
    ("probes of another vocabulary", InvalidArgument, "dataset", |w| {
        no(w.model.answer_probes(&Dataset::open("{}").unwrap(), "val", 1, None))
    }),
    ("a report on a split that does not exist", InvalidArgument, "split", |w| {
        no(w.model.specialisation(&w.dataset, "test", "", None))
    }),
    ("a report with an unknown option", InvalidArgument, "windows", |w| {
        no(w.model.specialisation(&w.dataset, "val", r#"{"windows": 1}"#, None))
    }),
    ("a capacity report of training windows", InvalidArgument, "split", |w| {
        no(w.model.capacity_report(&w.dataset, "train", "", None))
    }),
    // Trainers
    ("a configuration of another model", InvalidArgument, "model", |w| {
        no(Trainer::new(&mut w.model, &w.dataset, r#"{"model": {"d_model": 64}}"#))
    }),
    ("a dataset of another vocabulary", InvalidArgument, "2095 token ids", |w| {
        no(Trainer::new(&mut w.model, &Dataset::open("{}").unwrap(), config()))
    }),
    ("a schedule of more steps than an i64", InvalidArgument, "train.steps", |_| {
        no(Config::builder().set("train.steps", u64::MAX).build().resolve())
    }),
    ("a fired token in steps", Cancelled, "cancel", |w| no(w.trainer.run(3, Some(&w.fired)).into_result())),
    ("a fired token in evaluate", Cancelled, "cancel", |w| no(w.trainer.evaluate("val", 1, Some(&w.fired)))),
    ("a fired token in interference", Cancelled, "cancel", |w| no(w.trainer.interference(Some(&w.fired)))),
    ("evaluation of a split that does not exist", InvalidArgument, "split", |w| {
        no(w.trainer.evaluate("held-out-verbs", 1, None))
    }),
    ("loads of a layer that does not exist", InvalidArgument, "layer", |w| {
        no(w.trainer.expert_loads(RoutingSource::Step, 1))
    }),
    ("loads before the first evaluation", InvalidArgument, "evaluation", |w| {
        no(w.trainer.expert_loads(RoutingSource::Evaluation, 0))
    }),
    ("health before the first step", InvalidArgument, "step", |w| no(w.trainer.health(""))),
    ("resuming from a saved model", CorruptFile, "plain.safetensors", |w| {
        let path = file("plain.safetensors");
        w.model.save(&path).unwrap();
        no(w.trainer.resume(path))
    }),
    ("resuming from nothing", Io, "nowhere", |w| no(w.trainer.resume("nowhere"))),
    // The bare layer
    ("a layer without its width", InvalidArgument, "d_model", |_| no(MoELayer::new(r#"{"model": {"d_model": 0}}"#))),
    ("inputs that are not rows", Shape, "num_x", |w| no(w.layer.infer(&[0.0; 9]))),
    ("a mask of another length in a layer", Shape, "num_valid", |w| {
        no(w.layer.infer(LayerInput::new(&inputs(2)).valid(&[1])))
    }),
    ("too little room for outputs", BufferTooSmall, "values", |w| no(w.layer.infer_into(&mut [0.0; 8], &inputs(2)))),
    ("more tokens than the cache has room for", Shape, "x", |w| no(w.layer.forward(&mut w.cache, &inputs(5)))),
    ("sequences that do not fill the tokens", Shape, "seq_len", |w| {
        no(w.layer.forward(&mut w.cache, LayerInput::new(&inputs(4)).seq_len(3)))
    }),
    ("inputs that are not finite", NonFinite, "x", |w| no(w.layer.forward(&mut w.cache, &[f32::NAN; 8]))),
    ("a cache of another layer", InvalidArgument, "cache", |w| {
        let other = MoELayer::new(LAYER).unwrap();
        no(other.forward(&mut w.cache, &inputs(1)))
    }),
    ("a backward without a forward", InvalidArgument, "forward", |w| {
        no(w.layer.backward(&mut w.cache, &inputs(1), &inputs(1), 1.0))
    }),
    ("a second backward", InvalidArgument, "forward", |w| {
        w.layer.forward(&mut w.cache, &inputs(1)).unwrap();
        w.layer.backward(&mut w.cache, &inputs(1), &inputs(1), 1.0).unwrap();
        no(w.layer.backward(&mut w.cache, &inputs(1), &inputs(1), 1.0))
    }),
    ("a gradient of another size", Shape, "d_y", |w| {
        w.layer.forward(&mut w.cache, &inputs(2)).unwrap();
        no(w.layer.backward(&mut w.cache, &inputs(2), &inputs(1), 1.0))
    }),
    ("a gradient that is not finite", NonFinite, "d_y", |w| {
        w.layer.forward(&mut w.cache, &inputs(1)).unwrap();
        no(w.layer.backward(&mut w.cache, &inputs(1), &[f32::INFINITY; 8], 1.0))
    }),
    ("a negative balance_scale", InvalidArgument, "balance_scale", |w| {
        w.layer.forward(&mut w.cache, &inputs(1)).unwrap();
        no(w.layer.backward(&mut w.cache, &inputs(1), &inputs(1), -1.0))
    }),
    ("a balance_scale that is not a number", InvalidArgument, "balance_scale", |w| {
        w.layer.forward(&mut w.cache, &inputs(1)).unwrap();
        no(w.layer.backward(&mut w.cache, &inputs(1), &inputs(1), f64::NAN))
    }),
    ("routing before a forward", InvalidArgument, "forward", |w| no(w.cache.topk_idx())),
    ("a cache of no tokens", InvalidArgument, "max_tokens", |w| no(MoECache::new(&w.layer, 0))),
    ("a cache beyond an address space", InvalidArgument, "max_tokens", |w| no(MoECache::new(&w.layer, usize::MAX))),
    ("loads of another count", Shape, "num_load", |w| no(w.layer.update_bias(&[1, 2]))),
    ("a negative load", InvalidArgument, "load holds -1", |w| no(w.layer.update_bias(&[-1, 1, 1, 1]))),
    ("binding memory of another size", Shape, "num_data", |w| {
        no(w.layer.bind_parameter("router.weight", vec![0.0; 31].into()))
    }),
    ("binding no memory", Shape, "memory", |w| no(w.layer.bind_parameter("router.weight", Box::default()))),
    ("binding the gradient of a buffer", InvalidArgument, "expert_bias", |w| {
        no(w.layer.bind_gradient("expert_bias", vec![0.0; 4].into()))
    }),
    ("binding what does not exist", InvalidArgument, "router.wieght", |w| {
        no(w.layer.bind_parameter("router.wieght", vec![0.0; 32].into()))
    }),
    ("unbinding what does not exist", InvalidArgument, "nothing", |w| no(w.layer.unbind_gradient("nothing"))),
    ("writing to what is not bound", InvalidArgument, "name: no parameter", |w| {
        no(w.layer.bound_parameter("router.weight"))
    }),
    ("updating without a bound gradient", InvalidArgument, "name: no gradient", |w| {
        w.layer.bind_parameter("router.weight", vec![0.0; 32].into()).unwrap();
        no(w.layer.update_bound("router.weight", |_, _| ()))
    }),
    // Reports
    ("a log that is not JSON", InvalidArgument, "line 1", |_| no(health_check("not json", ""))),
    ("a log line that no router can have written", InvalidArgument, "line 1", |_| {
        no(health_check(r#"{"step": 1, "layer": 0, "top_k": 1, "load": [-1, 2]}"#, ""))
    }),
    ("no loads", InvalidArgument, "load", |_| no(load_statistics(&[], 1))),
    ("loads that are all 0", InvalidArgument, "load", |_| no(load_statistics(&[0, 0], 1))),
    ("more choices than experts", InvalidArgument, "top_k", |_| no(load_statistics(&[1, 1], 3))),
    ("a comparison without its variants", InvalidArgument, "moe_variant", |_| no(compare_verdict("{}"))),
    ("no break", InvalidArgument, "schema", |_| no(break_findings("{}"))),
    ("a run without its window", InvalidArgument, "window", |_| no(run_findings("{}"))),
    ("a balancer that does not exist", InvalidArgument, "'auks'", |_| no(config_balancers(config(), "auks"))),
    ("a balancer with a NUL", InvalidArgument, "kinds", |_| no(config_balancers(config(), "a\0"))),
    ("variants of a dense model", InvalidArgument, "model.moe.layers", |_| {
        no(config_variants(r#"{"model": {"vocab_size": 9, "max_seq_len": 8}}"#))
    }),
    ("findings of nothing", InvalidArgument, "json", |_| no(compare_findings(""))),
];

#[test]
fn each_is_an_error_that_names_the_argument() {
    assert!(CASES.len() >= 60, "{}", CASES.len());
    let mut wrong = Vec::new();
    for (case, kind, needle, call) in CASES {
        match call(&mut World::new()) {
            Ok(()) => wrong.push(format!("{case}: was taken")),
            Err(error) if error.kind() == *kind && error.message().contains(needle) => {}
            Err(error) => {
                wrong.push(format!("{case}: {:?}: {error}; expected {kind:?} with \"{needle}\"", error.kind()))
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn a_kernel_that_this_cpu_lacks_is_unsupported_and_one_that_it_has_is_not() {
    for set in [InstructionSet::Scalar, InstructionSet::Sse4, InstructionSet::Avx2, InstructionSet::Avx512] {
        match Model::with_options(config(), &Options::new().instruction_set(set)) {
            Ok(model) => assert!(model.info().is_ok()),
            Err(error) => assert_eq!(error.kind(), Unsupported, "{error}"),
        }
    }
}

#[test]
fn errors_become_io_errors_of_the_nearest_kind() {
    let error = std::io::Error::from(Model::new("{}").unwrap_err());
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("vocab_size"));
}

#[test]
fn a_second_trainer_of_a_model_is_refused_as_busy_while_the_first_is_leaked() {
    let (mut model, dataset) = (support::model(), dataset());
    std::mem::forget(Trainer::new(&mut model, &dataset, config()).unwrap());
    let error = Trainer::new(&mut model, &dataset, config()).unwrap_err();
    assert_eq!(error.kind(), Busy);
    assert!(error.message().contains("trainer"), "{error}");
}
