// SPDX-License-Identifier: Apache-2.0
//! The bare MoE layer.
use std::fmt;
use std::sync::Arc;

use minimoe_sys as sys;

use crate::call::{array, bytes, check, optional, text, with_c_text};
use crate::handle::Handle;
use crate::moe_binding::Bindings;
use crate::{Config, MoECache, Options, Parameter, ParameterInfo, Result};

/// Tokens of a forward, `[T, D]`, and which of them count.
#[derive(Clone, Copy, Debug)]
pub struct LayerInput<'a> {
    x: &'a [f32],
    valid: Option<&'a [u8]>,
    seq_len: usize,
}

impl<'a> LayerInput<'a> {
    /// `x` is `[T, D]`, row-major.
    pub fn new(x: &'a [f32]) -> Self {
        Self { x, valid: None, seq_len: 0 }
    }

    /// `[T]`, 0 marks tokens that are not routed, whose output is 0.
    pub fn valid(mut self, valid: &'a [u8]) -> Self {
        self.valid = Some(valid);
        self
    }

    /// Tokens a sequence, for `aux_loss_scope` `"sequence"`; T is a multiple of it. 0: one sequence of T.
    pub fn seq_len(mut self, seq_len: usize) -> Self {
        self.seq_len = seq_len;
        self
    }
}

impl<'a> From<&'a [f32]> for LayerInput<'a> {
    fn from(x: &'a [f32]) -> Self {
        Self::new(x)
    }
}

impl<'a> From<&'a Vec<f32>> for LayerInput<'a> {
    fn from(x: &'a Vec<f32>) -> Self {
        Self::new(x)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for LayerInput<'a> {
    fn from(x: &'a [f32; N]) -> Self {
        Self::new(x)
    }
}

/// An MoE layer for a host that has its own model and loop: the weighted sum of the experts' outputs, without norm and
/// residual connection.
///
/// A step is forward, backward with the same `x`, an update of the parameters, and
/// [`zero_gradients`](Self::zero_gradients). Two forwards with two caches may precede their backwards.
///
/// ```
/// use minimoe::{MoECache, MoELayer};
///
/// let mut layer = MoELayer::new(r#"{"model": {"d_model": 8, "moe": {"num_experts": 4, "top_k": 2}}}"#)?;
/// let mut cache = MoECache::new(&layer, 16)?;
/// let x = [0.5; 16 * 8];
/// let y = layer.forward(&mut cache, &x)?;
/// let d_x = layer.backward(&mut cache, &x, &vec![1.0; y.len()], 1.0)?;
/// assert_eq!((d_x.len(), cache.load()?.iter().sum::<i64>()), (16 * 8, 16 * 2));
/// # Ok::<(), minimoe::Error>(())
/// ```
pub struct MoELayer {
    handle: Handle<sys::minimoe_moe_layer>,
    pub(crate) bindings: Arc<Bindings>,
}

impl MoELayer {
    /// A layer with the start values of `train.seed`. Of a run configuration, `model.{d_model, ffn, gelu, init_std,
    /// num_layers, moe}` and `train.seed` count.
    pub fn new(config: impl AsRef<str>) -> Result<Self> {
        Self::with_options(config, &Options::new())
    }

    /// The same with options.
    pub fn with_options(config: impl AsRef<str>, options: &Options) -> Result<Self> {
        let (json, len) = bytes(config.as_ref());
        let raw = options.raw()?;
        let handle = Handle::create(options.sink(), |out, err| {
            // SAFETY: inputs and output are valid for the call.
            unsafe { sys::minimoe_moe_layer_create(json, len, &raw, out, err) }
        })?;
        Ok(Self { handle, bindings: Arc::default() })
    }

    pub(crate) fn handle(&self) -> &Handle<sys::minimoe_moe_layer> {
        &self.handle
    }

    pub(crate) fn raw(&self) -> *mut sys::minimoe_moe_layer {
        self.handle.get()
    }

    /// The resolved configuration, whole.
    pub fn config(&self) -> Result<Config> {
        config_of(&self.handle)
    }

    /// Number of parameters (tensors, buffers such as `expert_bias` included).
    pub fn num_parameters(&self) -> Result<usize> {
        let mut count = 0;
        // SAFETY: the handle is live, the outputs valid for the call.
        check(|err| unsafe { sys::minimoe_moe_layer_num_parameters(self.raw(), &mut count, err) })?;
        Ok(count)
    }

    /// Name, shape and role of parameter `index`.
    pub fn parameter_info(&self, index: usize) -> Result<ParameterInfo> {
        let json = text(|buf, cap, needed, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_moe_layer_parameter_info(self.raw(), index, buf, cap, needed, err) }
        })?;
        ParameterInfo::parse(&json)
    }

    /// A copy of a parameter.
    pub fn parameter(&self, name: &str) -> Result<Vec<f32>> {
        with_c_text("name", name, |name| {
            array(0, |values, cap, needed, err| {
                // SAFETY: the handle is live, `name` ends with a NUL, the output is valid for the call.
                unsafe { sys::minimoe_moe_layer_parameter_get(self.raw(), name, values, cap, needed, err) }
            })
        })
    }

    /// A parameter without a copy, for as long as the layer is borrowed.
    pub fn parameter_view(&self, name: &str) -> Result<Parameter<'_>> {
        // SAFETY: the values, the layer's or bound ones, live as long as the layer, and only calls that take it mutably write
        // to them or bind others.
        unsafe {
            Parameter::new(name, |name, view, size, err| {
                sys::minimoe_moe_layer_parameter_view(self.raw(), name, view, size, err)
            })
        }
    }

    /// Every parameter with its description.
    pub fn parameters(&self) -> Result<impl Iterator<Item = Result<(ParameterInfo, Parameter<'_>)>>> {
        Ok((0..self.num_parameters()?).map(|index| {
            let info = self.parameter_info(index)?;
            let view = self.parameter_view(&info.name)?;
            Ok((info, view))
        }))
    }

    /// Overwrites a parameter; every value must be finite.
    pub fn set_parameter(&mut self, name: &str, values: &[f32]) -> Result<()> {
        with_c_text("name", name, |name| {
            check(|err| {
                let (data, len) = (values.as_ptr(), values.len());
                // SAFETY: the handle is live, `name` ends with a NUL, the slice is valid for the call.
                unsafe { sys::minimoe_moe_layer_parameter_set(self.raw(), name, data, len, err) }
            })
        })
    }

    /// A copy of the gradient of a parameter.
    pub fn gradient(&self, name: &str) -> Result<Vec<f32>> {
        with_c_text("name", name, |name| {
            array(0, |values, cap, needed, err| {
                // SAFETY: the handle is live, `name` ends with a NUL, the output is valid for the call.
                unsafe { sys::minimoe_moe_layer_gradient_get(self.raw(), name, values, cap, needed, err) }
            })
        })
    }

    /// Sets the gradients of all parameters to 0, bound ones included.
    pub fn zero_gradients(&mut self) -> Result<()> {
        // SAFETY: the handle is live.
        check(|err| unsafe { sys::minimoe_moe_layer_zero_gradients(self.raw(), err) })
    }

    /// The output for inference, `[T, D]`; capacity is `eval_capacity_factor`.
    pub fn infer<'a>(&self, input: impl Into<LayerInput<'a>>) -> Result<Vec<f32>> {
        let input = input.into();
        array(input.x.len(), |values, cap, needed, err| self.call_infer(input, values, cap, needed, err))
    }

    /// The same into memory of yours; with too little room, the error tells how much is needed.
    pub fn infer_into<'a>(&self, y: &mut [f32], input: impl Into<LayerInput<'a>>) -> Result<()> {
        let input = input.into();
        let mut needed = 0;
        check(|err| self.call_infer(input, y.as_mut_ptr(), y.len(), &mut needed, err))
            .map_err(|error| error.with_needed(needed))
    }

    fn call_infer(
        &self,
        input: LayerInput<'_>,
        values: *mut f32,
        cap: usize,
        needed: &mut usize,
        err: *mut sys::minimoe_error,
    ) -> sys::minimoe_status {
        let (valid, num_valid) = optional(input.valid);
        let (x, num_x) = (input.x.as_ptr(), input.x.len());
        // SAFETY: the handle is live, the inputs are valid for the call, and so are `cap` elements at `values`.
        unsafe { sys::minimoe_moe_layer_infer(self.raw(), x, num_x, valid, num_valid, values, cap, needed, err) }
    }

    /// The output in training, `[T, D]`; capacity is `capacity_factor`.
    ///
    /// # Errors
    /// [`ErrorKind::NonFinite`](crate::ErrorKind::NonFinite) when a logit of a valid token is not finite; the cache then holds
    /// no forward.
    pub fn forward<'a>(&self, cache: &mut MoECache, input: impl Into<LayerInput<'a>>) -> Result<Vec<f32>> {
        let input = input.into();
        array(input.x.len(), |values, cap, needed, err| self.call_forward(cache, input, values, cap, needed, err))
    }

    /// The same into memory of yours; with too little room, the error tells how much is needed.
    pub fn forward_into<'a>(
        &self,
        y: &mut [f32],
        cache: &mut MoECache,
        input: impl Into<LayerInput<'a>>,
    ) -> Result<()> {
        let input = input.into();
        let mut needed = 0;
        check(|err| self.call_forward(cache, input, y.as_mut_ptr(), y.len(), &mut needed, err))
            .map_err(|error| error.with_needed(needed))
    }

    fn call_forward(
        &self,
        cache: &mut MoECache,
        input: LayerInput<'_>,
        values: *mut f32,
        cap: usize,
        needed: &mut usize,
        err: *mut sys::minimoe_error,
    ) -> sys::minimoe_status {
        let (valid, num_valid) = optional(input.valid);
        let (x, num_x) = (input.x.as_ptr(), input.x.len());
        // SAFETY: the handles are live, the inputs are valid for the call, and so are `cap` elements at `values`.
        unsafe {
            sys::minimoe_moe_layer_forward(
                self.raw(),
                cache.raw(),
                x,
                num_x,
                valid,
                num_valid,
                input.seq_len,
                values,
                cap,
                needed,
                err,
            )
        }
    }

    /// Adds to the parameters' gradients and gives that of `x`, `[T, D]`. Once for each forward: it consumes the cache's
    /// activations, the routing decisions stay readable. `x` is what forward was given; `balance_scale` is a factor on the
    /// configured balance losses: 1 for a plain loss, 1/A with A micro-batches, 0 for none.
    ///
    /// # Errors
    /// [`ErrorKind::NonFinite`](crate::ErrorKind::NonFinite) when `x` or `d_y` of a valid token is not finite; nothing was
    /// added or consumed.
    pub fn backward(&mut self, cache: &mut MoECache, x: &[f32], d_y: &[f32], balance_scale: f64) -> Result<Vec<f32>> {
        array(x.len(), |values, cap, needed, err| {
            self.call_backward(cache, x, d_y, balance_scale, values, cap, needed, err)
        })
    }

    /// The same into memory of yours; with too little room, the error tells how much is needed.
    pub fn backward_into(
        &mut self,
        d_x: &mut [f32],
        cache: &mut MoECache,
        x: &[f32],
        d_y: &[f32],
        balance_scale: f64,
    ) -> Result<()> {
        let mut needed = 0;
        let (values, cap) = (d_x.as_mut_ptr(), d_x.len());
        check(|err| self.call_backward(cache, x, d_y, balance_scale, values, cap, &mut needed, err))
            .map_err(|error| error.with_needed(needed))
    }

    #[allow(clippy::too_many_arguments)]
    fn call_backward(
        &mut self,
        cache: &mut MoECache,
        x: &[f32],
        d_y: &[f32],
        balance_scale: f64,
        values: *mut f32,
        cap: usize,
        needed: &mut usize,
        err: *mut sys::minimoe_error,
    ) -> sys::minimoe_status {
        // SAFETY: the handles are live, the inputs are valid for the call, and so are `cap` elements at `values`.
        unsafe {
            sys::minimoe_moe_layer_backward(
                self.raw(),
                cache.raw(),
                x.as_ptr(),
                x.len(),
                d_y.as_ptr(),
                d_y.len(),
                balance_scale,
                values,
                cap,
                needed,
                err,
            )
        }
    }

    /// Aux-loss-free balancing: `expert_bias[i] += bias_update_rate * sign(mean(load) - load[i])`. Once an optimizer step,
    /// with the loads, `[E]`, of all its forwards.
    pub fn update_bias(&mut self, load: &[i64]) -> Result<()> {
        // SAFETY: the handle is live, the slice valid for the call.
        check(|err| unsafe { sys::minimoe_moe_layer_update_bias(self.raw(), load.as_ptr(), load.len(), err) })
    }
}

pub(crate) fn config_of(handle: &Handle<sys::minimoe_moe_layer>) -> Result<Config> {
    // SAFETY: the handle is live, the output valid for the call.
    text(|buf, cap, needed, err| unsafe { sys::minimoe_moe_layer_config(handle.get(), buf, cap, needed, err) })
        .map(Config::from)
}

impl fmt::Debug for MoELayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoELayer").finish_non_exhaustive()
    }
}
