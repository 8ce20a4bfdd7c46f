// SPDX-License-Identifier: Apache-2.0
//! What one forward of a bare layer leaves.
use std::fmt;
use std::mem::{size_of, MaybeUninit};
use std::sync::Arc;

use minimoe_sys as sys;

use crate::call::{array, check};
use crate::handle::Handle;
use crate::moe_binding::Bindings;
use crate::moe_layer::config_of;
use crate::{Config, MoELayer, Result};

/// What one forward routed, in short.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RoutingMetrics {
    /// Valid tokens.
    pub num_tokens: i64,
    /// Assignments cut by capacity.
    pub num_dropped: i64,
    /// Switch loss, unscaled; 1 is even.
    pub aux_loss: f64,
    /// Router z-loss, unscaled.
    pub z_loss: f64,
    /// `max(load) / mean(load) - 1`; 0 is even.
    pub max_violation: f64,
    /// Entropy of the load shares over ln E; 1 is even.
    pub load_entropy: f64,
}

/// What one forward leaves for its backward, and its routing decisions. T tokens, K experts a token, E experts. It may
/// outlive its layer.
pub struct MoECache {
    handle: Handle<sys::minimoe_moe_cache>,
    layer: Handle<sys::minimoe_moe_layer>,
    // The library keeps the layer, and with it pointers to bound memory, as long as the cache.
    _bindings: Arc<Bindings>,
}

impl MoECache {
    /// Room for forwards of at most `max_tokens` (1..2^24) tokens.
    pub fn new(layer: &MoELayer, max_tokens: usize) -> Result<Self> {
        let handle = Handle::create(layer.handle().sink(), |out, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_moe_cache_create(layer.raw(), max_tokens, out, err) }
        })?;
        let owner = layer.handle().retain(sys::minimoe_moe_layer_retain)?;
        Ok(Self { handle, layer: owner, _bindings: Arc::clone(&layer.bindings) })
    }

    pub(crate) fn raw(&self) -> *mut sys::minimoe_moe_cache {
        self.handle.get()
    }

    /// The resolved configuration of its layer.
    pub fn layer_config(&self) -> Result<Config> {
        config_of(&self.layer)
    }

    /// Chosen experts, `[T, K]`, by descending score; -1 for tokens that are not valid.
    pub fn topk_idx(&self) -> Result<Vec<i32>> {
        // SAFETY: the handle is live, the output valid for the call.
        array(0, |ids, cap, needed, err| unsafe { sys::minimoe_moe_cache_topk_idx(self.raw(), ids, cap, needed, err) })
    }

    /// Combine weights, `[T, K]`, before any capacity drop.
    pub fn gate_weights(&self) -> Result<Vec<f32>> {
        array(0, |values, cap, needed, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_moe_cache_gate_weights(self.raw(), values, cap, needed, err) }
        })
    }

    /// `[T, K]`: 1 for every kept assignment, 0 for those that capacity dropped.
    pub fn kept(&self) -> Result<Vec<u8>> {
        // SAFETY: the handle is live, the output valid for the call.
        array(0, |out, cap, needed, err| unsafe { sys::minimoe_moe_cache_kept(self.raw(), out, cap, needed, err) })
    }

    /// Router logits, `[T, E]`.
    pub fn router_logits(&self) -> Result<Vec<f32>> {
        array(0, |values, cap, needed, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_moe_cache_router_logits(self.raw(), values, cap, needed, err) }
        })
    }

    /// Router probabilities, `[T, E]`: softmax of the logits, or the sigmoids divided by their sum.
    pub fn router_probs(&self) -> Result<Vec<f32>> {
        array(0, |values, cap, needed, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_moe_cache_router_probs(self.raw(), values, cap, needed, err) }
        })
    }

    /// Assignments of each expert, `[E]`, before any capacity drop.
    pub fn load(&self) -> Result<Vec<i64>> {
        // SAFETY: the handle is live, the output valid for the call.
        array(0, |out, cap, needed, err| unsafe { sys::minimoe_moe_cache_load(self.raw(), out, cap, needed, err) })
    }

    /// The forward in short.
    pub fn metrics(&self) -> Result<RoutingMetrics> {
        let mut metrics = MaybeUninit::<sys::minimoe_routing_metrics>::uninit();
        let size = size_of::<sys::minimoe_routing_metrics>();
        // SAFETY: the handle is live, there are `size` bytes at `metrics`.
        check(|err| unsafe { sys::minimoe_moe_cache_metrics(self.raw(), metrics.as_mut_ptr(), size, err) })?;
        // SAFETY: a call that succeeds has filled in all of it.
        let raw = unsafe { metrics.assume_init() };
        Ok(RoutingMetrics {
            num_tokens: raw.num_tokens,
            num_dropped: raw.num_dropped,
            aux_loss: raw.aux_loss,
            z_loss: raw.z_loss,
            max_violation: raw.max_violation,
            load_entropy: raw.load_entropy,
        })
    }
}

impl fmt::Debug for MoECache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoECache").finish_non_exhaustive()
    }
}
