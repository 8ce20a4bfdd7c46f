// SPDX-License-Identifier: Apache-2.0
//! What routers did, and whether they are well. docs/health.md has the definitions.

words! {
    /// Whether a router is well; the worst layer decides for a model.
    pub enum HealthVerdict {
        /// Experts share the work.
        Healthy,
        /// Some do much more than others.
        Skewed,
        /// On the way to collapse.
        AtRisk,
        /// Few experts do all the work.
        Collapsed,
        /// Even loads, without a choice behind them.
        Sham,
        /// Too early to say.
        Untested,
    }
}

documents! {
    /// Of [`health_check`](crate::health_check) and [`Trainer::health`](crate::Trainer::health).
    pub struct Health {
        /// That of the worst layer.
        pub verdict: HealthVerdict,
        /// Steps that a verdict looks at.
        pub window: u64,
        /// Steps without a verdict.
        pub warmup: u64,
        /// One entry a layer.
        pub layers: Vec<LayerHealth>,
        /// What a terminal shows.
        pub text: String,
    }

    /// One layer of [`Health`].
    pub struct LayerHealth {
        /// Index among the MoE layers.
        pub layer: u32,
        /// E
        pub num_experts: u32,
        /// K
        pub top_k: u32,
        /// Of the last window.
        pub verdict: HealthVerdict,
        /// Which rule gave it.
        pub rule: String,
        /// Why, with figures.
        pub reason: String,
        /// What to try.
        pub advice: Vec<String>,
        /// The figures behind it.
        pub figures: HealthFigures,
        /// Verdicts over the run.
        pub windows: Vec<HealthWindow>,
    }

    /// Figures of the last window; none where a log does not tell them.
    pub struct HealthFigures {
        /// Of the window.
        pub first_step: i64,
        /// Of the window.
        pub last_step: i64,
        /// Assignments of each expert.
        pub load: Vec<i64>,
        /// Effective number over the number of experts; 1 is even.
        pub effective_share: Option<f64>,
        /// The largest share of the load.
        pub max_share: Option<f64>,
        /// Entropy of the load shares over ln E.
        pub load_entropy: Option<f64>,
        /// Experts that nothing was sent to.
        pub dead: Vec<u32>,
        /// Experts far below their share.
        pub cold: Vec<u32>,
        /// Experts far above their share.
        pub hot: Vec<u32>,
        /// Share of the assignments that capacity dropped.
        pub drop_rate: Option<f64>,
        /// Root of the mean over tokens of the squared norm of the logits.
        pub router_logit_norm: Option<f64>,
        /// Of the selection bias, after the last step.
        pub bias_min: Option<f64>,
        /// Of the selection bias, after the last step.
        pub bias_max: Option<f64>,
    }

    /// The verdict on one window.
    pub struct HealthWindow {
        /// Of the window.
        pub first_step: i64,
        /// Of the window.
        pub last_step: i64,
        /// Of the window.
        pub verdict: HealthVerdict,
        /// Which rule gave it.
        pub rule: String,
    }

    /// Of [`Trainer::routing`](crate::Trainer::routing).
    pub struct LayerRouting {
        /// Its block.
        pub block: u32,
        /// Valid tokens.
        pub num_tokens: i64,
        /// Assignments of each expert, before any capacity drop.
        pub load: Vec<i64>,
        /// Of these, cut by capacity.
        pub dropped: Vec<i64>,
        /// Mean router probability of each expert.
        pub mean_probs: Vec<f64>,
        /// Share of each expert in the combine weights.
        pub gate_weight_share: Vec<f64>,
        /// Unscaled; 1 is even.
        pub aux_loss: f64,
        /// Unscaled.
        pub z_loss: f64,
        /// Root of the mean over tokens of the squared norm of the logits.
        pub router_logit_norm: f64,
        /// Of the selection bias, after the step.
        pub bias_min: f64,
        /// Of the selection bias, after the step.
        pub bias_max: f64,
    }

    /// Of [`Trainer::profile`](crate::Trainer::profile): means over the steps.
    pub struct Profile {
        /// Completed steps.
        pub num_steps: i64,
        /// The sum over the operations.
        pub ms: f64,
        /// Of matrix products, 2 a multiply-add.
        pub flops: f64,
        /// Each with its passes apart.
        pub operations: Vec<OperationProfile>,
    }

    /// What one operation of a step took.
    pub struct OperationProfile {
        /// "experts", "attention", ...; "rest" is what is none of them.
        pub operation: String,
        /// "forward", "backward", or "step" for neither.
        pub pass: String,
        /// Wall time of the calling thread.
        pub ms: f64,
        /// How often.
        pub calls: f64,
        /// Of matrix products.
        pub flops: f64,
    }

    /// Of [`Trainer::interference`](crate::Trainer::interference).
    pub struct Interference {
        /// Its block.
        pub block: u32,
        /// Of the main loss's gradient at the router.
        pub main_norm: f64,
        /// Of the unscaled aux loss's.
        pub aux_norm: f64,
        /// `aux_loss_coef * aux_norm / main_norm`; none where it is undefined.
        pub scaled_ratio: Option<f64>,
        /// Between the two; none where it is undefined.
        pub cosine: Option<f64>,
    }

    /// Of [`load_statistics`](crate::load_statistics).
    pub struct LoadStatistics {
        /// `max(load) / mean(load) - 1`; 0 is even.
        pub max_violation: f64,
        /// The largest share that a token's choice gives an expert.
        pub max_share: f64,
        /// Entropy of the shares over ln E; 1 is even.
        pub load_entropy: f64,
        /// 1..E
        pub effective_experts: f64,
        /// Standard deviation of the shares.
        pub share_stddev: f64,
        /// Experts that nothing was sent to.
        pub num_dead: u32,
        /// Experts far below their share.
        pub num_cold: u32,
        /// Experts far above their share.
        pub num_hot: u32,
        /// Load over the mean load, of each expert.
        pub utilisation: Vec<f64>,
    }
}
