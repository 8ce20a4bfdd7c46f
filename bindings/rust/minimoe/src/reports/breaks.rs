// SPDX-License-Identifier: Apache-2.0
//! Routers broken and balanced on purpose, and what their runs showed.
use super::{HealthVerdict, HealthWindow, Interference};

documents! {
    /// Of [`break_findings`](crate::break_findings).
    pub struct BreakFindings {
        /// "headstart"
        pub name: String,
        /// What it is about.
        pub concept: String,
        /// What is commonly said to happen.
        pub claim: String,
        /// The same, each held against what was measured.
        pub claims: Vec<ClaimCheck>,
        /// As measured, in sentences.
        pub symptom: String,
        /// What is wrong.
        pub hidden_cause: String,
        /// How the broken weights fared under the fix.
        pub recovery: String,
        /// The runs of each seed.
        pub seeds: Vec<BreakSeed>,
    }

    /// Of a [`BreakFindings`].
    pub struct ClaimCheck {
        /// "collapsed"
        pub claim: String,
        /// In every seed.
        pub holds: bool,
        /// False where the runs are shorter than the break's own, so that they say nothing yet.
        pub decided: bool,
        /// A sentence with figures.
        pub text: String,
    }

    /// The runs of a seed.
    pub struct BreakSeed {
        /// Of start values and training windows.
        pub seed: u64,
        /// What each signal of the broken run said.
        pub signals: Vec<BreakSignal>,
        /// Step from which on the fixed run was judged healthy.
        pub fixed_healthy_from: Option<i64>,
        /// The same by its figures alone.
        pub fixed_even_from: Option<i64>,
        /// What each showed.
        pub runs: BreakRuns,
    }

    /// A signal and when it first spoke.
    pub struct BreakSignal {
        /// "expert counts"
        pub signal: String,
        /// The rule.
        pub says_when: String,
        /// Last step of the first window in which it held.
        pub first_step: Option<i64>,
        /// What it reads at the end.
        pub at_the_end: String,
    }

    /// A broken run and its twins.
    pub struct BreakRuns {
        /// Without the one setting that breaks.
        pub healthy: RunFindings,
        /// With it.
        pub broken: RunFindings,
        /// Without MoE layers.
        pub dense: RunFindings,
        /// From the broken weights, with the fix.
        pub fixed: RunFindings,
    }

    /// Of [`run_findings`](crate::run_findings).
    pub struct RunFindings {
        /// Nats a token.
        pub val_loss: f64,
        /// Of the health report; none without MoE layers.
        pub verdict: Option<HealthVerdict>,
        /// Those of the layer that decided it.
        pub verdict_windows: Vec<HealthWindow>,
        /// Signals, window by window.
        pub windows: Vec<RunWindow>,
        /// Where the gradients were sampled.
        pub interference: Vec<GradientSample>,
    }

    /// A span of steps.
    pub struct RunWindow {
        /// Of the window.
        pub first_step: i64,
        /// Of the window.
        pub last_step: i64,
        /// Mean; none when it was not finite.
        pub loss: Option<f64>,
        /// Assignments of each expert of the MoE layer whose counts are least even; none without MoE layers.
        pub load: Option<Vec<i64>>,
        /// Effective experts of these counts, over E.
        pub effective_share: Option<f64>,
        /// The same of the mean router probabilities.
        pub gate_mass_share: Option<f64>,
        /// Of the assignments, the busiest expert's.
        pub largest_share: Option<f64>,
        /// `max(load) / mean(load) - 1`
        pub max_violation: Option<f64>,
        /// Of the assignments, cut by capacity.
        pub drop_rate: Option<f64>,
    }

    /// How the balance loss pulled at each router at a step.
    pub struct GradientSample {
        /// That step.
        pub step: i64,
        /// One entry a layer.
        pub layers: Vec<Interference>,
    }
}

/// Of [`config_variants`](crate::config_variants): one of the four models of a comparison.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[non_exhaustive]
pub struct ConfigVariant {
    /// "dense_baseline", "moe_variant", "dense_active_matched" or "dense_total_matched".
    pub key: String,
    /// Fit for a directory name.
    pub title: String,
    /// Whole.
    #[cfg(feature = "serde")]
    pub config: serde_json::Value,
}

/// Of [`config_balancers`](crate::config_balancers): a configuration that balances in one of several ways.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[non_exhaustive]
pub struct ConfigBalancer {
    /// "seq-aux"
    pub name: String,
    /// Fit for a directory name.
    pub title: String,
    /// Whole.
    #[cfg(feature = "serde")]
    pub config: serde_json::Value,
}
