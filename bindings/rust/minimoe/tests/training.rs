// SPDX-License-Identifier: Apache-2.0
//! Models and trainers: what a host relies on.
mod support;

use minimoe::{checkpoint_info, Batch, CancelToken, Dataset, ErrorKind, Model, Role, RoutingSource, Step, Trainer};
use support::{config, dataset, file, model, options, tokens, trainer, SEQ_LEN, VOCAB};

fn bits(steps: &[Step]) -> Vec<u64> {
    steps.iter().map(|step| step.loss.to_bits()).collect()
}

#[test]
fn training_lowers_the_loss_and_the_model_writes_what_it_has_seen() {
    let mut trainer = trainer();
    let steps = trainer.run(150, None).into_result().unwrap();
    assert!(steps[149].loss < 0.2 * steps[0].loss, "{} after {}", steps[149].loss, steps[0].loss);
    assert_eq!(steps.iter().map(|step| step.step).collect::<Vec<_>>(), (1..=150).collect::<Vec<_>>());
    let model = trainer.into_model();
    let written = model.generate(&[1, 8], r#"{"max_new_tokens": 5, "temperature": 0}"#, None).unwrap();
    assert_eq!(written, tokens(7)[2..]);
}

#[test]
fn a_stream_gives_the_tokens_of_generate_one_at_a_time() {
    let mut trainer = trainer();
    trainer.run(3, None).into_result().unwrap();
    let json = r#"{"max_new_tokens": 20, "top_p": 0.9, "seed": 4, "when_full": "slide"}"#;
    let expected = trainer.model().generate(&[1, 8], json, None).unwrap();
    let mut stream = trainer.model().stream(&[1, 8], json).unwrap();
    assert_eq!(stream.next().unwrap().unwrap(), expected[0]);
    assert_eq!(stream.logits().unwrap().len(), VOCAB as usize);
    assert_eq!(stream.by_ref().map(Result::unwrap).collect::<Vec<_>>(), expected[1..]);
    assert!(stream.next().is_none());
    assert_eq!(stream.tokens().unwrap(), expected);
    assert!(stream.info().unwrap().as_str().contains("max_new_tokens"));

    let token = CancelToken::new().unwrap();
    token.fire();
    let mut cancelled = trainer.model().stream(&[1, 8], "").unwrap().cancelled_by(&token);
    assert_eq!(cancelled.next().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(cancelled.next().is_none());

    let mut stale = trainer.model().stream(&[1, 8], "").unwrap();
    trainer.run(1, None).into_result().unwrap();
    assert_eq!(stale.next().unwrap().unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_break_leaves_the_trainer_at_the_step_seen() {
    let mut trainer = trainer();
    let mut seen = 0;
    for step in trainer.steps(10) {
        seen = step.unwrap().step;
        if seen == 3 {
            break;
        }
    }
    assert_eq!((seen, trainer.step().unwrap()), (3, 3));
    assert_eq!(trainer.steps(2).map(|step| step.unwrap().step).collect::<Vec<_>>(), [4, 5]);
}

#[test]
fn one_by_one_and_at_once_give_the_same_bits() {
    let one_by_one: Vec<Step> = trainer().steps(6).map(Result::unwrap).collect();
    let mut at_once = trainer().run(6, None);
    assert_eq!(bits(&one_by_one), bits(&at_once.steps));
    assert!(!at_once.cancelled());
    at_once.steps.clear();
    assert!(at_once.into_result().unwrap().is_empty());
}

#[test]
fn the_schedule_ends_a_loop_without_an_error() {
    let short = minimoe::Config::from(config().as_str().replace("\"steps\":1000", "\"steps\":3"));
    let mut trainer = Trainer::new(model(), &dataset(), &short).unwrap();
    assert_eq!(trainer.steps(10).count(), 3);
    assert!(trainer.next_step(None).unwrap().is_none());
    assert_eq!(trainer.run(600, None).into_result().unwrap().len(), 0);
}

#[test]
fn more_steps_than_one_chunk_are_all_reported() {
    assert_eq!(trainer().run(300, None).into_result().unwrap().last().unwrap().step, 300);
}

#[test]
fn a_fired_token_stops_before_the_next_step_and_training_goes_on_without_it() {
    let mut trainer = trainer();
    let token = CancelToken::new().unwrap();
    let outcomes: Vec<_> = trainer
        .steps(10)
        .cancelled_by(&token)
        .map(|step| {
            if matches!(&step, Ok(step) if step.step == 2) {
                token.fire();
            }
            step.map_err(|error| error.kind())
        })
        .collect();
    assert_eq!(outcomes.len(), 3);
    assert_eq!(outcomes[2], Err(ErrorKind::Cancelled));
    assert!(token.is_fired() && !CancelToken::new().unwrap().is_fired());
    let run = trainer.run(4, Some(&token));
    assert!(run.cancelled() && run.steps.is_empty());
    assert_eq!(trainer.next_step(None).unwrap().unwrap().step, 3);
}

#[test]
fn a_trainer_may_borrow_its_model_and_gives_it_back() {
    let mut model = model();
    let before = model.parameter("head.weight").unwrap();
    let generation = model.generation().unwrap();
    {
        let mut trainer = Trainer::new(&mut model, &dataset(), config()).unwrap();
        trainer.run(1, None).into_result().unwrap();
        assert_ne!(&trainer.model().parameter_view("head.weight").unwrap()[..], &before[..]);
    }
    assert!(model.generation().unwrap() > generation);
    let again = Trainer::new(&mut model, &dataset(), config()).unwrap();
    assert_eq!(again.step().unwrap(), 0);
}

#[test]
fn a_resumed_trainer_goes_on_with_the_same_bits() {
    let path = file("resume.safetensors");
    let mut first = trainer();
    first.run(3, None).into_result().unwrap();
    first.save(&path).unwrap();
    let expected = bits(&first.run(4, None).steps);
    let mut second = Trainer::new(Model::load_with(&path, &options()).unwrap(), &dataset(), config()).unwrap();
    second.resume(&path).unwrap();
    assert_eq!(second.step().unwrap(), 3);
    assert_eq!(bits(&second.run(4, None).steps), expected);
    let info = checkpoint_info(&path).unwrap().into_string();
    assert!(info.replace(' ', "").starts_with("{\"step\":3,"), "{info}");
}

#[test]
fn a_saved_model_comes_back_with_the_same_logits() {
    let path = file("model.safetensors");
    let saved = model();
    saved.save(&path).unwrap();
    let batch_tokens = tokens(2 * SEQ_LEN);
    let batch = Batch::new(&batch_tokens, SEQ_LEN);
    let expected = saved.forward(batch).unwrap();
    assert_eq!(expected.len(), 2 * SEQ_LEN * VOCAB as usize);
    assert_eq!(Model::load(&path).unwrap().config().unwrap(), saved.config().unwrap());
    let mut other = model();
    other.set_parameter("head.weight", &[0.5; 16 * 16]).unwrap();
    assert_ne!(other.forward(batch).unwrap(), expected);
    other.load_weights(&path).unwrap();
    assert_eq!(other.forward(batch).unwrap(), expected);
}

#[test]
fn an_exported_model_comes_back_with_the_same_logits() {
    let directory = file("hf");
    let llama = Model::new(r#"{"model": {"preset": "llama", "vocab_size": 16}}"#).unwrap();
    llama.export(&directory, "").unwrap();
    let batch_tokens = tokens(SEQ_LEN);
    let batch = Batch::new(&batch_tokens, SEQ_LEN);
    let back = Model::import(&directory).unwrap();
    assert_eq!(back.forward(batch).unwrap(), llama.forward(batch).unwrap());
    let moe = llama.upcycle(r#"{"num_experts": 4, "seed": 3}"#).unwrap();
    let (dense, upcycled) = (llama.forward(batch).unwrap(), moe.forward(batch).unwrap());
    assert!(dense.iter().zip(&upcycled).all(|(a, b)| (a - b).abs() < 1e-5));
    assert!(moe.upcycle("").is_err());
    let logits = directory.join("logits.safetensors");
    back.write_logits(batch, &logits, r#"{"gradients": true}"#).unwrap();
    assert!(std::fs::metadata(&logits).unwrap().len() > 1000);
    assert!(model().export(&directory, "").is_err());
    let corpus = minimoe::Dataset::open("{}").unwrap();
    assert!(corpus.tokenizer().unwrap().contains("WordLevel"));
}

#[test]
fn forward_writes_into_memory_of_the_callers() {
    let batch_tokens = tokens(SEQ_LEN);
    let batch = Batch::new(&batch_tokens, SEQ_LEN);
    let mut logits = vec![f32::NAN; SEQ_LEN * VOCAB as usize + 1];
    assert_eq!(model().forward_into(&mut logits, batch).unwrap(), logits.len() - 1);
    assert_eq!(logits[..logits.len() - 1], model().forward(batch).unwrap());
    assert!(logits.last().unwrap().is_nan());
}

#[test]
fn padding_is_routed_nowhere() {
    let batch_tokens = tokens(SEQ_LEN);
    let valid = [1, 1, 1, 1, 1, 1, 0, 0];
    let trace = model().routing_trace(Batch::new(&batch_tokens, SEQ_LEN).valid(&valid)).unwrap();
    assert_eq!((trace.experts.len(), trace.weights.len(), trace.kept.len()), (16, 16, 16));
    assert!(trace.experts[..12].iter().all(|expert| (0..4).contains(expert)));
    assert_eq!(trace.experts[12..], [-1; 4]);
}

#[test]
fn every_parameter_has_a_view_with_the_values_of_its_copy() {
    let model = model();
    let mut names = Vec::new();
    for parameter in model.parameters().unwrap() {
        let (info, view) = parameter.unwrap();
        assert_eq!(view.values(), model.parameter(&info.name).unwrap(), "{}", info.name);
        assert_eq!(view.shape(), info.shape);
        assert_eq!(view.shape().iter().product::<usize>(), view.len());
        assert_eq!(view.generation(), model.generation().unwrap());
        assert_eq!(info.role == Role::Buffer, info.name.ends_with("expert_bias"));
        names.push(info.name);
    }
    assert_eq!(names.len(), model.num_parameters().unwrap());
    assert!(names.contains(&"blocks.1.moe.router.weight".to_owned()));
}

#[test]
fn evaluation_and_routing_tell_of_the_step_and_of_the_split() {
    let mut trainer = trainer();
    trainer.run(2, None).into_result().unwrap();
    let loads = trainer.expert_loads(RoutingSource::Step, 0).unwrap();
    assert_eq!((loads.len(), loads.iter().sum::<i64>()), (4, 2 * SEQ_LEN as i64 * 2));
    let evaluation = trainer.evaluate("val", 3, None).unwrap();
    assert_eq!((evaluation.num_windows, evaluation.num_targets), (3, 3 * SEQ_LEN as i64));
    let evaluated = trainer.expert_loads(RoutingSource::Evaluation, 0).unwrap();
    assert_eq!(evaluated.iter().sum::<i64>(), 3 * SEQ_LEN as i64 * 2);
    assert_ne!(
        trainer.routing(RoutingSource::Step).unwrap().as_str(),
        trainer.routing(RoutingSource::Evaluation).unwrap().as_str()
    );
    assert!(trainer.interference(None).unwrap().as_str().contains("\"cosine\""));
    assert!(trainer.health("").unwrap().as_str().contains("untested"));
    assert_eq!(trainer.profile().unwrap_err().kind(), ErrorKind::InvalidArgument);
    trainer.set_profile(true).unwrap();
    trainer.run(2, None).into_result().unwrap();
    assert!(trainer.profile().unwrap().as_str().contains("\"num_steps\":2"));
    let recorded = config().resolve().unwrap().to_string().replace("\"grammar\"", "\"memory\"");
    assert_eq!(trainer.config().unwrap().as_str(), recorded);
    assert_eq!(trainer.dataset().info().unwrap(), dataset().info().unwrap());
}

#[test]
fn a_trainer_writes_to_its_model_between_steps() {
    let mut trainer = trainer();
    trainer.run(1, None).into_result().unwrap();
    trainer.set_parameter("head.weight", &[0.25; 256]).unwrap();
    assert_eq!(trainer.model().parameter("head.weight").unwrap(), [0.25; 256]);
}

#[test]
fn a_reader_outlives_its_model_and_sees_what_is_trained() {
    let mut trainer = trainer();
    let reader = trainer.model().reader().unwrap();
    let before = (reader.generation().unwrap(), reader.parameter("head.weight").unwrap());
    trainer.run(1, None).into_result().unwrap();
    assert!(reader.generation().unwrap() > before.0);
    assert_ne!(reader.parameter("head.weight").unwrap(), before.1);
    drop(trainer);
    assert_eq!(reader.reader().unwrap().num_parameters().unwrap(), reader.num_parameters().unwrap());
}

#[test]
fn a_trainer_outlives_the_dataset_that_it_was_made_with() {
    let dataset = dataset();
    let mut trainer = Trainer::new(model(), &dataset, config()).unwrap();
    drop(dataset);
    trainer.run(2, None).into_result().unwrap();
}

#[test]
fn a_panic_in_a_loop_leaves_a_trainer_that_goes_on() {
    let mut trainer = trainer();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for step in trainer.steps(10) {
            assert!(step.unwrap().step < 2, "stop here");
        }
    }));
    assert!(caught.is_err());
    assert_eq!(trainer.next_step(None).unwrap().unwrap().step, 3);
}

#[test]
fn the_corpus_of_the_library_has_sentences_and_a_floor() {
    let grammar = Dataset::open("{}").unwrap();
    let sentence = grammar.sentence("val", 0, 0).unwrap().unwrap();
    assert!(sentence.as_str().contains("\"kind\""));
    assert!(grammar.entropy_floor("val", 16, 4).unwrap().unwrap() > 0.0);
    let ids = grammar.encode("conjugate: to walk, past, she ->").unwrap();
    assert_eq!(grammar.decode(&ids).unwrap(), "conjugate: to walk, past, she ->");
    let memory = dataset();
    assert!(memory.sentence("val", 0, 0).unwrap().is_none());
    assert!(memory.entropy_floor("val", 16, 0).unwrap().is_none());
}
