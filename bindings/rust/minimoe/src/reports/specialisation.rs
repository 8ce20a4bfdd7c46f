// SPDX-License-Identifier: Apache-2.0
//! What experts divide by, and what capacity costs. docs/specialisation.md has the definitions.

words! {
    /// What the experts of a layer divide by.
    pub enum Conclusion {
        /// Token class.
        Class,
        /// Word form.
        WordForm,
        /// No more than a random router.
        RandomLike,
        /// Nothing.
        None,
        /// Too few permutations to tell.
        Undecided,
    }
}

documents! {
    /// Of [`analyze_hf`](crate::analyze_hf).
    pub struct HfReport {
        /// What the experts divide by.
        pub specialisation: Specialisation,
        /// Of one window, a step of which is a batch.
        pub health: super::Health,
    }

    /// Of [`ModelReader::specialisation`](crate::ModelReader::specialisation).
    pub struct Specialisation {
        /// Name of the dataset.
        pub corpus: String,
        /// That was looked at.
        pub split: String,
        /// Of it.
        pub num_windows: u64,
        /// Of it.
        pub num_tokens: u64,
        /// "class", or "frequency" for a dataset without classes.
        pub by: String,
        /// Of the dataset.
        pub class_names: Vec<String>,
        /// One entry an MoE layer.
        pub layers: Vec<LayerSpecialisation>,
        /// What a terminal shows.
        pub text: String,
    }

    /// One layer of [`Specialisation`].
    pub struct LayerSpecialisation {
        /// Its block.
        pub block: u32,
        /// E
        pub num_experts: u32,
        /// K
        pub top_k: u32,
        /// Assignments of each expert.
        pub histogram: Vec<i64>,
        /// The same by choice, `[K][E]`.
        pub by_choice: Vec<Vec<i64>>,
        /// Where the tokens of each class go.
        pub classes: Vec<ClassShares>,
        /// Mutual information of class and expert, normalised.
        pub nmi: MutualInformation,
        /// What the controls say.
        pub conclusion: Conclusion,
        /// In words.
        pub text: String,
    }

    /// Where the tokens of a class go.
    pub struct ClassShares {
        /// Of the class.
        pub name: String,
        /// Tokens.
        pub count: u64,
        /// False when these are too few.
        pub enough: bool,
        /// Of each expert; none where the library has no number.
        pub share: Vec<Option<f64>>,
        /// Share over the expert's share in all tokens.
        pub lift: Vec<Option<f64>>,
    }

    /// Normalised mutual information with its interval.
    pub struct MutualInformation {
        /// 0..1
        pub value: Option<f64>,
        /// Lower end of the interval.
        pub low: Option<f64>,
        /// Upper end of the interval.
        pub high: Option<f64>,
        /// What a router that knew the classes would reach.
        pub ceiling: Option<f64>,
    }

    /// Of [`ModelReader::capacity_report`](crate::ModelReader::capacity_report).
    pub struct CapacityReport {
        /// Name of the dataset.
        pub corpus: String,
        /// Under `capacity_factor`.
        pub train: SplitCapacity,
        /// Under `eval_capacity_factor`.
        pub evaluation: SplitCapacity,
        /// Experts that keep the others waiting.
        pub stragglers: Vec<Straggler>,
        /// What a terminal shows.
        pub text: String,
    }

    /// One split of [`CapacityReport`].
    pub struct SplitCapacity {
        /// That was looked at.
        pub split: String,
        /// 0 without a limit.
        pub capacity_factor: f64,
        /// Of it.
        pub num_windows: u64,
        /// Of it.
        pub num_tokens: u64,
        /// Under the limit, nats.
        pub loss: f64,
        /// Of the same batches, the limit lifted.
        pub loss_without_drops: f64,
        /// One entry an MoE layer.
        pub layers: Vec<LayerCapacity>,
    }

    /// One layer of [`SplitCapacity`].
    pub struct LayerCapacity {
        /// Its block.
        pub block: u32,
        /// Slots an expert.
        pub capacity: u64,
        /// Before any drop.
        pub num_assignments: u64,
        /// Cut by capacity.
        pub num_dropped: u64,
        /// Their share.
        pub drop_rate: f64,
        /// Tokens all of whose assignments were cut.
        pub num_skipped_tokens: u64,
    }

    /// The expert with the most rows, on one batch without drops.
    pub struct Straggler {
        /// Its block.
        pub block: u32,
        /// Its number.
        pub expert: u32,
        /// Its share of the rows.
        pub row_share: f64,
        /// Its share of the experts' time.
        pub time_share: f64,
        /// Its share of the whole layer's time.
        pub layer_time_share: f64,
        /// Against an even load.
        pub slowdown: f64,
    }
}
