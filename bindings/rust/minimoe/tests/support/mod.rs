// SPDX-License-Identifier: Apache-2.0
//! A small language of 16 words, in which 5 w + 3 (mod 16) follows w, and models of it that train in milliseconds.
#![allow(dead_code, unreachable_pub)]

use std::path::PathBuf;

use minimoe::{Config, Dataset, InstructionSet, Model, Options, Trainer};

pub const VOCAB: i32 = 16;
pub const SEQ_LEN: usize = 8;
pub const LAYER: &str = r#"{"model": {"d_model": 8, "moe": {"num_experts": 4, "top_k": 2, "d_expert": 16}}}"#;
pub const MEMORY: &str = r#"{"vocab_size": 16, "val_fraction": 0.25}"#;

pub fn tokens(count: usize) -> Vec<i32> {
    std::iter::successors(Some(1), |word| Some((5 * word + 3) % VOCAB)).take(count).collect()
}

pub fn dataset() -> Dataset {
    Dataset::from_tokens(MEMORY, &tokens(512)).unwrap()
}

/// One thread, portable code: quick to start.
pub fn options() -> Options {
    Options::new().num_threads(1).instruction_set(InstructionSet::Scalar)
}

pub fn config() -> Config {
    Config::builder()
        .set("model.vocab_size", VOCAB)
        .set("model.max_seq_len", SEQ_LEN)
        .set("model.d_model", 16)
        .set("model.num_heads", 2)
        .set("model.d_ff", 32)
        .set("model.moe.layers", [1])
        .set("model.moe.num_experts", 4)
        .set("model.moe.top_k", 2)
        .set("model.moe.d_expert", 16)
        .set("train.steps", 1000)
        .set("train.warmup_steps", 0)
        .set("train.batch_size", 2)
        .set("train.seq_len", SEQ_LEN)
        .set("train.learning_rate", 0.01)
        .build()
}

pub fn model() -> Model {
    Model::with_options(config(), &options()).unwrap()
}

pub fn trainer() -> Trainer {
    Trainer::new(model(), &dataset(), config()).unwrap()
}

/// A layer's inputs, `[T, 8]`.
pub fn inputs(num_tokens: usize) -> Vec<f32> {
    (0..num_tokens * 8).map(|i| 0.1 * (i % 7) as f32 - 0.3).collect()
}

/// A file of its own for the test that asks, in a directory that cargo or the caller clears.
pub fn file(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(std::process::id().to_string());
    std::fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}
