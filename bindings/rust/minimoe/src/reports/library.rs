// SPDX-License-Identifier: Apache-2.0
//! The library, configurations, datasets and models.

documents! {
    /// Of [`build_info`](crate::build_info).
    pub struct BuildInfo {
        /// "0.1.0"
        pub version: String,
        /// Compiler and its version.
        pub compiler: String,
        /// "Release"
        pub build_type: String,
        /// "native" and, in some builds, "blas".
        pub matmul_backends: Vec<String>,
        /// Name of the CPU.
        pub cpu: String,
        /// Cores that the process may use.
        pub num_cores: u32,
        /// Those of this CPU, the best first.
        pub instruction_sets: Vec<String>,
    }

    /// Of [`config_keys`](crate::config_keys).
    pub struct ConfigKey {
        /// "model.moe.top_k"
        pub key: String,
        /// Type or allowed words.
        pub r#type: String,
        /// JSON text of the default.
        pub default: String,
        /// What it does.
        pub meaning: String,
    }

    /// Of [`Config::cost`](crate::Config::cost).
    pub struct Cost {
        /// Parameters that there are.
        pub total_parameters: u64,
        /// Parameters that a token passes through.
        pub active_parameters: u64,
        /// Forward and backward.
        pub train_flops_per_token: f64,
    }

    /// Bytes; of [`Config::estimate_memory`](crate::Config::estimate_memory).
    pub struct MemoryEstimate {
        /// Weights and buffers.
        pub parameters: u64,
        /// Their gradients.
        pub gradients: u64,
        /// The optimizer's.
        pub moments: u64,
        /// What forward leaves for backward.
        pub activations: u64,
        /// Scratch.
        pub workspace: u64,
        /// All of it.
        pub total: u64,
    }

    /// Of [`config_breaks`](crate::config_breaks): a way to break a router.
    pub struct Break {
        /// "headstart"
        pub name: String,
        /// What it is about.
        pub concept: String,
        /// What is commonly said to happen.
        pub claim: String,
        /// The claims that a run can be held to.
        pub claims: Vec<String>,
        /// What is wrong.
        pub hidden_cause: String,
        /// A first hint.
        pub hint_1: String,
        /// A second hint.
        pub hint_2: String,
        /// A third hint.
        pub hint_3: String,
    }

    /// Of [`Dataset::info`](crate::Dataset::info).
    pub struct DatasetInfo {
        /// "grammar", or that of the file.
        pub name: String,
        /// Of the file, or of it and the vocabulary that it is read with; empty for a dataset in memory.
        pub sha256: String,
        /// Token ids are below it.
        pub vocab_size: u32,
        /// Classes of tokens; empty when there are none.
        pub class_names: Vec<String>,
        /// What it takes.
        pub memory_bytes: u64,
        /// Those with evaluation windows of some length.
        pub splits: Vec<String>,
    }

    /// Of [`Dataset::sentence`](crate::Dataset::sentence).
    pub struct Sentence {
        /// Token ids.
        pub tokens: Vec<i32>,
        /// The class of each.
        pub classes: Vec<u8>,
        /// What kind of sentence it is.
        pub kind: String,
    }

    /// Of [`ModelReader::info`](crate::ModelReader::info).
    pub struct ModelInfo {
        /// Threads that it computes with.
        pub num_threads: u32,
        /// "avx2"
        pub instruction_set: String,
        /// "native"
        pub matmul_backend: String,
        /// Parameters that there are.
        pub total_parameters: u64,
        /// Parameters that a token passes through.
        pub active_parameters: u64,
        /// Blocks with an MoE layer, counted from 0.
        pub moe_blocks: Vec<u32>,
    }

    /// Of [`TokenStream::info`](crate::TokenStream::info).
    pub struct StreamInfo {
        /// Of the prompt and drawn.
        pub num_tokens: u64,
        /// "max_new_tokens", "stop_token" or "max_seq_len"; none while the text goes on.
        pub end: Option<String>,
        /// Of keys, values and activations that it holds.
        pub memory_bytes: u64,
        /// Of the copy of the weights that it shares with the model's other streams; 0: none.
        pub packed_weights_bytes: u64,
    }

    /// Of [`ModelReader::answer_probes`](crate::ModelReader::answer_probes).
    pub struct ProbeAnswers {
        /// Kind of question.
        pub kind: String,
        /// Exactly right.
        pub correct: u64,
        /// That were asked.
        pub asked: u64,
        /// Longer than the context.
        pub skipped: u64,
    }
}

/// Of [`checkpoint_info`](crate::checkpoint_info).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[non_exhaustive]
pub struct CheckpointInfo {
    /// Completed steps; 0 for a saved model.
    pub step: i64,
    /// The resolved configuration.
    #[cfg(feature = "serde")]
    pub config: serde_json::Value,
}
