// SPDX-License-Identifier: Apache-2.0
//! MoE against dense.

words! {
    /// Whether to take the MoE model.
    pub enum ComparisonDecision {
        /// Better than all three dense models.
        Adopt,
        /// Worse than its dense twin, or no better and slower.
        Never,
        /// Neither is shown.
        Defer,
    }
}

documents! {
    /// Of [`compare_verdict`](crate::compare_verdict).
    pub struct ComparisonVerdict {
        /// The decision.
        pub verdict: ComparisonDecision,
        /// Which rule gave it.
        pub rule: String,
        /// In sentences.
        pub reasons: Vec<String>,
        /// `1 - exp(mean difference to the baseline)`.
        pub gain: Option<f64>,
        /// Lower end of the 95 % interval; none with one seed.
        pub gain_low: Option<f64>,
        /// Upper end.
        pub gain_high: Option<f64>,
        /// CPU time over the baseline's.
        pub cpu_time_ratio: Option<f64>,
        /// Of validation loss, paired by seed.
        pub differences: Differences,
    }

    /// The MoE model minus each dense model.
    pub struct Differences {
        /// Of equal width of the feed-forward network.
        pub moe_variant_minus_dense_baseline: Spread,
        /// Of as many parameters as a token passes through.
        pub moe_variant_minus_dense_active_matched: Spread,
        /// Of as many parameters as there are.
        pub moe_variant_minus_dense_total_matched: Spread,
    }

    /// Of a figure over the seeds.
    pub struct Spread {
        /// Mean.
        pub mean: Option<f64>,
        /// Standard deviation; none with one seed.
        pub std: Option<f64>,
        /// The smallest.
        pub min: Option<f64>,
        /// The largest.
        pub max: Option<f64>,
        /// Lower end of the 95 % interval (Student's t).
        pub low: Option<f64>,
        /// Upper end.
        pub high: Option<f64>,
        /// Seeds.
        pub n: u32,
        /// One a seed.
        pub values: Vec<f64>,
    }
}
