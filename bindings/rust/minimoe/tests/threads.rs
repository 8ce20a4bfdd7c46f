// SPDX-License-Identifier: Apache-2.0
//! Handles between threads.
mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use minimoe::{
    Batch, BoundParameter, CancelToken, Dataset, Error, ErrorKind, LogLevel, MoECache, MoELayer, Model, ModelReader,
    Options, Parameter, Run, Steps, Trainer,
};
use support::{config, inputs, options, tokens, trainer, LAYER, SEQ_LEN};

const fn may_be_shared<T: Send + Sync>() {}

/// Stated here, so that a field that takes it away does not compile.
#[test]
fn every_handle_may_be_sent_and_shared() {
    may_be_shared::<CancelToken>();
    may_be_shared::<Dataset>();
    may_be_shared::<Model>();
    may_be_shared::<ModelReader>();
    may_be_shared::<MoELayer>();
    may_be_shared::<MoECache>();
    may_be_shared::<Trainer>();
    may_be_shared::<Trainer<&'static mut Model>>();
    may_be_shared::<Steps<'static>>();
    may_be_shared::<Parameter<'static>>();
    may_be_shared::<BoundParameter<'static>>();
    may_be_shared::<Options>();
    may_be_shared::<Error>();
    may_be_shared::<Run>();
}

#[test]
fn another_thread_cancels_and_every_completed_step_counts() {
    let mut trainer = trainer();
    let token = CancelToken::new().unwrap();
    let other = token.clone();
    let reader = trainer.model().reader().unwrap();
    let start = reader.generation().unwrap();
    let canceller = std::thread::spawn(move || {
        while reader.generation().unwrap() < start + 3 {
            std::thread::yield_now();
        }
        other.fire();
    });
    let run = trainer.run(1000, Some(&token));
    canceller.join().unwrap();
    assert!(run.cancelled(), "{:?}", run.result);
    assert!(run.steps.len() >= 3 && run.steps.len() < 1000, "{}", run.steps.len());
    assert_eq!(trainer.step().unwrap(), run.steps.len() as i64);
}

#[test]
fn eight_threads_forward_on_one_model_to_the_same_bits() {
    let model = support::model();
    let batch_tokens = tokens(4 * SEQ_LEN);
    let expected = model.forward(Batch::new(&batch_tokens, SEQ_LEN)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(model.forward(Batch::new(&batch_tokens, SEQ_LEN)).unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn eight_threads_forward_on_one_layer_with_a_cache_each() {
    let layer = MoELayer::with_options(LAYER, &options()).unwrap();
    let x = inputs(8);
    let expected = layer.infer(&x).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut cache = MoECache::new(&layer, 8).unwrap();
                for _ in 0..20 {
                    assert_eq!(layer.forward(&mut cache, &x).unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn a_reader_is_refused_while_a_step_runs_and_never_sees_half_of_one() {
    let mut trainer = trainer();
    let reader = trainer.model().reader().unwrap();
    let done = AtomicBool::new(false);
    let batch_tokens = tokens(SEQ_LEN);
    let (answers, refusals) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                match reader.forward(Batch::new(&batch_tokens, SEQ_LEN)) {
                    Ok(logits) => {
                        assert!(logits.iter().all(|logit| logit.is_finite()));
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                        refusals.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        // A reader between two steps keeps the next from beginning, so the trainer is refused at times too.
        let mut steps = 0;
        while steps < 100 || answers.load(Ordering::Relaxed) == 0 || refusals.load(Ordering::Relaxed) == 0 {
            match trainer.next_step(None) {
                Ok(step) => steps += usize::from(step.is_some()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
            if steps % 10 == 9 {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_storm_of_errors_keeps_every_message_with_its_thread() {
    let model = support::model();
    let barrier = Barrier::new(16);
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (model, barrier) = (&model, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..200 {
                    let name = format!("parameter_{thread}_{round}");
                    let error = model.parameter(&name).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
                    assert!(error.message().contains(&format!("\"{name}\"")), "{error}");
                }
            });
        }
    });
}

#[test]
fn every_handle_may_be_dropped_on_another_thread() {
    for _ in 0..4 {
        let layer = MoELayer::with_options(LAYER, &options()).unwrap();
        let cache = MoECache::new(&layer, 4).unwrap();
        let mut trainer = trainer();
        trainer.run(1, None).into_result().unwrap();
        let reader = trainer.model().reader().unwrap();
        let dataset = trainer.dataset().clone();
        let token = CancelToken::new().unwrap();
        let all: Vec<Box<dyn Send>> = vec![
            Box::new(layer),
            Box::new(cache),
            Box::new(trainer),
            Box::new(reader),
            Box::new(dataset),
            Box::new(token),
        ];
        for handle in all {
            std::thread::spawn(move || drop(handle)).join().unwrap();
        }
    }
}

#[test]
fn a_trainer_moves_between_threads_from_step_to_step() {
    let here: Vec<u64> = trainer().steps(4).map(|step| step.unwrap().loss.to_bits()).collect();
    let mut moving = trainer();
    let mut there = Vec::new();
    for _ in 0..4 {
        let (back, loss) = std::thread::spawn(move || {
            let loss = moving.next_step(None).unwrap().unwrap().loss;
            (moving, loss)
        })
        .join()
        .unwrap();
        moving = back;
        there.push(loss.to_bits());
    }
    assert_eq!(here, there);
}

#[test]
fn a_log_sink_may_panic_and_may_ask_and_the_call_goes_on() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let reader: Arc<Mutex<Option<ModelReader>>> = Arc::default();
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let (told, asked, answers) = (Arc::clone(&lines), Arc::clone(&reader), Arc::clone(&outcomes));
    let options = support::options().log_to(LogLevel::Trace, move |level, line| {
        told.lock().unwrap().push((level, line.to_owned()));
        if let Some(reader) = &*asked.lock().unwrap() {
            let outcome = reader.parameter("head.weight").map_err(|error| error.kind());
            answers.lock().unwrap().push(outcome);
        }
        panic!("a panic in a sink");
    });
    let model = Model::with_options(config(), &options).unwrap();
    *reader.lock().unwrap() = Some(model.reader().unwrap());
    let mut trainer = Trainer::new(model, &support::dataset(), config()).unwrap();
    let logged: Vec<u64> = trainer.steps(3).map(|step| step.unwrap().loss.to_bits()).collect();
    *reader.lock().unwrap() = None;
    let silent: Vec<u64> = support::trainer().steps(3).map(|step| step.unwrap().loss.to_bits()).collect();
    assert_eq!(logged, silent);
    let outcomes = outcomes.lock().unwrap();
    assert!(!outcomes.is_empty() && outcomes.iter().all(|outcome| *outcome == Err(ErrorKind::Busy)), "{outcomes:?}");
    let lines = lines.lock().unwrap();
    assert!(lines.iter().any(|(level, line)| *level == LogLevel::Info && line.starts_with("model: ")));
    assert!(lines.iter().any(|(level, line)| *level == LogLevel::Trace && line.contains("step 3, micro-batch 1")));
}

#[test]
fn a_log_sink_lives_as_long_as_the_last_handle_that_tells_it() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let options = support::options().log_to(LogLevel::Info, move |_, _| drop(Arc::clone(&held)));
    let dataset = Dataset::with_options(support::MEMORY, &options).unwrap();
    dataset.append(&tokens(256)).unwrap();
    drop(options);
    let mut trainer = Trainer::new(support::model(), &dataset, config()).unwrap();
    drop(dataset);
    trainer.run(1, None).into_result().unwrap();
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(trainer);
    assert_eq!(Arc::strong_count(&alive), 1);
}
