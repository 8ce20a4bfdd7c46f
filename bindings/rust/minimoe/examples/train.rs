// SPDX-License-Identifier: Apache-2.0
//! A small MoE language model inside a program: feed it tokens, train it, watch what its experts do, stop it from another
//! thread, save it, go on from the file with the same bits, and let it write.
//!
//! The host's "language" has 32 words; after word t always comes 5 t + 3 (mod 32). So what the model has learnt can be checked
//! at the end: every word that it writes has to follow from the one before.
use std::thread;

use minimoe::{CancelToken, Config, Dataset, Model, Options, Result, RoutingSource, Trainer};

const VOCAB: i32 = 32;

fn next_word(word: i32) -> i32 {
    (5 * word + 3) % VOCAB
}

fn claim(holds: bool, what: &str) {
    println!("{what:58} {}", if holds { "yes" } else { "NO" });
    assert!(holds, "{what}");
}

fn main() -> Result<()> {
    // One block is dense, the other has 4 experts, of which each token is sent to 2.
    let config = Config::builder()
        .set("model.max_seq_len", 16)
        .set("model.d_model", 32)
        .set("model.num_heads", 2)
        .set("model.d_ff", 64)
        .set("model.moe.layers", [1])
        .set("model.moe.num_experts", 4)
        .set("model.moe.top_k", 2)
        .set("model.moe.d_expert", 64)
        .set("train.steps", 1_000_000)
        .set("train.schedule", "constant")
        .set("train.warmup_steps", 10)
        .set("train.learning_rate", 0.01)
        .set("train.batch_size", 8)
        .set("train.seq_len", 16)
        .set("train.weight_decay", 0)
        .set("train.seed", 7)
        .build();

    let words: Vec<i32> = std::iter::successors(Some(0), |&word| Some(next_word(word))).take(4096).collect();
    let dataset = Dataset::from_owner(r#"{"vocab_size": 32, "name": "words"}"#, words)?;
    let config = dataset.fit_config(&config)?;
    let options = Options::new().num_threads(1); // affects speed only: the bits are the same for any number
    let mut trainer = Trainer::new(Model::with_options(&config, &options)?, &dataset, &config)?;

    // Train. The loop is the host's.
    let mut losses = Vec::new();
    while let Some(step) = trainer.next_step(None)? {
        losses.push(step.loss);
        if step.step % 20 == 0 {
            let loads = trainer.expert_loads(RoutingSource::Step, 0)?;
            println!(
                "step {:4}  loss {:.4}  balance loss {:.3}  tokens per expert {loads:?}",
                step.step, step.loss, step.aux_loss
            );
        }
        if step.step == 120 {
            break;
        }
    }
    claim(losses[119] < 0.1 * losses[0], "the loss went down to less than a tenth");

    // Cancel. A long call ends early, between two steps; what it had completed counts, and the trainer can go on.
    let token = CancelToken::new()?;
    let run = thread::scope(|scope| {
        scope.spawn(|| token.fire());
        trainer.run(500_000, Some(&token))
    });
    claim(run.cancelled(), "another thread stopped the training");
    claim(trainer.step()? == 120 + run.steps.len() as i64, "every completed step counts, the one broken off does not");

    // Save, and go on; resume in another model, as another process would: the same bits come out.
    let path = std::env::temp_dir().join(format!("minimoe-train-{}.safetensors", std::process::id()));
    trainer.save(&path)?;
    let without_a_stop = trainer.steps(5).last().expect("the schedule is long")?.loss;
    let mut resumed = Trainer::new(Model::load_with(&path, &options)?, &dataset, &config)?;
    resumed.resume(&path)?;
    let after_resuming = resumed.steps(5).last().expect("the schedule is long")?.loss;
    claim(without_a_stop.to_bits() == after_resuming.to_bits(), "the resumed loss has the same bits");
    std::fs::remove_file(&path).expect("the checkpoint was written");

    // Generate, greedily, from one word.
    let written = resumed.into_model().generate(&[9], r#"{"max_new_tokens": 15, "temperature": 0}"#, None)?;
    let expected: Vec<i32> =
        std::iter::successors(Some(next_word(9)), |&word| Some(next_word(word))).take(15).collect();
    claim(written == expected, "every word that the model wrote follows the rule");
    Ok(())
}
