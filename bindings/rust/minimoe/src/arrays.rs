// SPDX-License-Identifier: Apache-2.0
//! ndarray in and out, without copies of inputs.
use minimoe_sys as sys;
use ndarray::{Array2, Array3, ArrayView2};

use crate::{Batch, Error, MoECache, MoELayer, ModelReader, Result};

/// The elements, which must lie row by row without gaps.
fn rows<'a, T>(what: &str, array: &ArrayView2<'a, T>) -> Result<&'a [T]> {
    array.to_slice().ok_or_else(|| {
        let (shape, strides) = (array.shape(), array.strides());
        Error::new(
            sys::MINIMOE_E_SHAPE,
            format!("{what}: is not contiguous and row-major: shape {shape:?}, strides {strides:?}"),
        )
    })
}

fn shaped(what: &str, (num_rows, num_columns): (usize, usize), values: Vec<f32>) -> Result<Array2<f32>> {
    Array2::from_shape_vec((num_rows, num_columns), values)
        .map_err(|error| Error::new(sys::MINIMOE_E_SHAPE, format!("{what}: {error}")))
}

/// With the feature `ndarray`.
#[cfg_attr(docsrs, doc(cfg(feature = "ndarray")))]
impl ModelReader {
    /// Logits `[B, S, V]` of tokens `[B, S]`.
    pub fn forward_array(&self, tokens: ArrayView2<'_, i32>) -> Result<Array3<f32>> {
        let (num_rows, seq_len) = tokens.dim();
        let logits = self.forward(Batch::new(rows("tokens", &tokens)?, seq_len))?;
        let vocab_size = logits.len() / tokens.len().max(1);
        Array3::from_shape_vec((num_rows, seq_len, vocab_size), logits)
            .map_err(|error| Error::new(sys::MINIMOE_E_SHAPE, format!("tokens: {error}")))
    }
}

/// With the feature `ndarray`.
#[cfg_attr(docsrs, doc(cfg(feature = "ndarray")))]
impl MoELayer {
    /// As [`infer`](Self::infer), of `x` `[T, D]`.
    pub fn infer_array(&self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        shaped("x", x.dim(), self.infer(rows("x", &x)?)?)
    }

    /// As [`forward`](Self::forward), of `x` `[T, D]`.
    pub fn forward_array(&self, cache: &mut MoECache, x: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        shaped("x", x.dim(), self.forward(cache, rows("x", &x)?)?)
    }

    /// As [`backward`](Self::backward), of `x` and `d_y` `[T, D]`.
    pub fn backward_array(
        &mut self,
        cache: &mut MoECache,
        x: ArrayView2<'_, f32>,
        d_y: ArrayView2<'_, f32>,
        balance_scale: f64,
    ) -> Result<Array2<f32>> {
        let d_x = self.backward(cache, rows("x", &x)?, rows("d_y", &d_y)?, balance_scale)?;
        shaped("x", x.dim(), d_x)
    }
}

/// With the feature `ndarray`.
#[cfg_attr(docsrs, doc(cfg(feature = "ndarray")))]
impl MoECache {
    /// Router probabilities `[T, E]`.
    pub fn router_probs_array(&self) -> Result<Array2<f32>> {
        let (probs, num_experts) = (self.router_probs()?, self.load()?.len());
        shaped("router_probs", (probs.len() / num_experts.max(1), num_experts), probs)
    }
}
