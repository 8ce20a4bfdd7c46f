// SPDX-License-Identifier: Apache-2.0
//! Train, watch and embed Mixture-of-Experts language models on a CPU, with libminimoe.
//!
//! ```
//! use minimoe::{Config, Dataset, Model, Trainer};
//!
//! let config = Config::builder().set("train.steps", 5).set("train.seq_len", 16).set("model.moe.layers", [1]).build();
//! let dataset = Dataset::open(&config)?; // the embedded corpus, as no other is named
//! let config = dataset.fit_config(&config)?;
//! let mut trainer = Trainer::new(Model::new(&config)?, &dataset, &config)?;
//! for step in trainer.steps(5) {
//!     let step = step?;
//!     println!("step {} loss {:.3}", step.step, step.loss);
//! }
//! let model = trainer.into_model();
//! let prompt = dataset.encode("conjugate: to walk, past, she ->")?;
//! println!("{}", dataset.decode(&model.generate(&prompt, r#"{"max_new_tokens": 8}"#, None)?)?);
//! # Ok::<(), minimoe::Error>(())
//! ```
//!
//! # Ownership
//! Handles end themselves. A [`Trainer`] owns its [`Model`] or borrows it mutably, and a view of a parameter borrows the
//! model, so safe code cannot look at weights while they are trained. A [`ModelReader`] is a second owner that copies;
//! clones of a [`Dataset`] or a [`CancelToken`] are the same one.
//!
//! # Threads
//! Every handle is `Send` and `Sync`. Calls that read, on `&self`, run side by side; what would have to wait returns
//! [`ErrorKind::Busy`] at once. The number of threads affects speed only, never a bit of a result.
//!
//! # Errors
//! Every fallible call returns [`Error`], which has a kind and a message that says where, what came and what is allowed.
//! Nothing here panics on bad input. A process whose library does not fit this crate gets [`ErrorKind::Version`] from
//! whatever makes the first handle.
//!
//! # Features
//! `system` (default) finds the installed library by pkg-config, `vendored` builds it and links it statically; `serde`
//! gives documents as structs ([`Json::parse`]), `ndarray` arrays, `log` a bridge to the crate of that name.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "ndarray")]
mod arrays;
mod call;
mod cancel;
mod config;
mod config_builder;
mod contained;
mod dataset;
mod error;
mod handle;
mod json;
mod laboratory;
mod logging;
mod model;
mod model_reader;
mod moe_binding;
mod moe_cache;
mod moe_layer;
mod options;
mod parameter;
mod parameter_info;
pub mod reports;
mod step;
mod steps;
mod token;
mod token_stream;
mod trainer;
mod version;

pub use cancel::CancelToken;
pub use config::{config_balancers, config_breaks, config_keys, config_variants, Config};
pub use config_builder::{ConfigBuilder, ConfigValue};
pub use dataset::{Dataset, Window};
pub use error::{Error, ErrorKind, Result};
pub use json::Json;
pub use laboratory::{
    analyze_hf, break_findings, checkpoint_info, compare_findings, compare_verdict, health_check, load_statistics,
    run_findings,
};
pub use logging::LogLevel;
pub use model::Model;
pub use model_reader::{Batch, ModelReader, RoutingTrace};
pub use moe_binding::BoundParameter;
pub use moe_cache::{MoECache, RoutingMetrics};
pub use moe_layer::{LayerInput, MoELayer};
pub use options::{InstructionSet, MatmulBackend, Options};
pub use parameter::Parameter;
pub use parameter_info::{ParameterInfo, Role};
pub use step::{Evaluation, Run, Step};
pub use steps::Steps;
pub use token::Token;
pub use token_stream::TokenStream;
pub use trainer::{HoldsModel, RoutingSource, Trainer};
pub use version::{build_info, check_version, status_name, version_number, version_string};

/// The blocks of docs/rust.md, run as they stand there.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/rust.md")]
struct Document;
