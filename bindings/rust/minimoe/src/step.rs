// SPDX-License-Identifier: Apache-2.0
//! What a trainer reports.
use std::mem::{size_of, MaybeUninit};

use minimoe_sys as sys;

use crate::{Error, ErrorKind, Result};

/// One optimizer step.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Completed steps, this one included.
    pub step: i64,
    /// Main loss: mean cross entropy, nats.
    pub loss: f64,
    /// Switch loss, mean over MoE layers, unscaled; 1 is even; 0 without MoE layers.
    pub aux_loss: f64,
    /// Router z-loss, mean over MoE layers, unscaled.
    pub z_loss: f64,
    /// `loss + aux_loss_coef * aux_loss + z_loss_coef * z_loss`.
    pub total_loss: f64,
    /// Of this step.
    pub learning_rate: f64,
    /// Before clipping.
    pub gradient_norm: f64,
    /// Valid tokens of the step.
    pub num_tokens: i64,
    /// Forward passes that only counted loads (`aux_loss_scope` `"global_batch"`).
    pub num_extra_passes: i64,
}

impl From<&sys::minimoe_step_metrics> for Step {
    fn from(raw: &sys::minimoe_step_metrics) -> Self {
        Self {
            step: raw.step,
            loss: raw.loss,
            aux_loss: raw.aux_loss,
            z_loss: raw.z_loss,
            total_loss: raw.total_loss,
            learning_rate: raw.learning_rate,
            gradient_norm: raw.gradient_norm,
            num_tokens: raw.num_tokens,
            num_extra_passes: raw.num_extra_passes,
        }
    }
}

/// The loss on a split.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// Mean cross entropy, nats.
    pub loss: f64,
    /// Tokens in the mean.
    pub num_targets: i64,
    /// Windows evaluated.
    pub num_windows: i64,
}

/// What [`Trainer::run`](crate::Trainer::run) did: the completed steps, and why there are no more.
#[derive(Clone, Debug)]
#[must_use = "the steps may have been broken off"]
pub struct Run {
    /// One entry a completed step, whatever `result` is.
    pub steps: Vec<Step>,
    /// An error is what broke the next step off, which left no trace: training can go on or be saved.
    pub result: Result<()>,
}

impl Run {
    /// Whether a token ended it.
    pub fn cancelled(&self) -> bool {
        self.result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Cancelled)
    }

    /// The steps, or what broke them off.
    pub fn into_result(self) -> Result<Vec<Step>> {
        self.result.map(|()| self.steps)
    }
}

/// Room for the metrics of up to `count` steps.
pub(crate) fn room(count: usize) -> Result<Vec<MaybeUninit<sys::minimoe_step_metrics>>> {
    let mut room = Vec::new();
    room.try_reserve_exact(count)
        .map_err(|_| Error::new(sys::MINIMOE_E_OUT_OF_MEMORY, "no memory for the metrics of the next steps"))?;
    room.resize_with(count, MaybeUninit::uninit);
    Ok(room)
}

/// Bytes from one to the next.
pub(crate) const METRICS_SIZE: usize = size_of::<sys::minimoe_step_metrics>();
