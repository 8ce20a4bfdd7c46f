// SPDX-License-Identifier: Apache-2.0
//! A layer's parameters and gradients in memory of the host's.
use std::collections::HashMap;
use std::ffi::c_char;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};

use minimoe_sys as sys;

use crate::call::{check, with_c_text};
use crate::{Error, MoELayer, Result};

/// Memory that was a box. Raw while the library may use it: a box would claim to be the only way to it.
struct Memory(NonNull<[f32]>);

// SAFETY: it owns plain values.
unsafe impl Send for Memory {}

impl Memory {
    fn new(memory: Box<[f32]>) -> Self {
        Self(NonNull::from(Box::leak(memory)))
    }

    fn into_box(self) -> Box<[f32]> {
        let memory = self.0;
        std::mem::forget(self);
        // SAFETY: it came from a box, and the library does not use it any more.
        unsafe { Box::from_raw(memory.as_ptr()) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: as into_box.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

#[derive(Default)]
struct Bound {
    parameters: HashMap<String, Memory>,
    gradients: HashMap<String, Memory>,
}

/// The memory that a layer is bound to; also held by its caches, which keep the library's layer alive.
#[derive(Default)]
pub(crate) struct Bindings(Mutex<Bound>);

impl Bindings {
    fn lock(&self) -> MutexGuard<'_, Bound> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Parameter,
    Gradient,
}

impl Kind {
    fn of(self, bound: &mut Bound) -> &mut HashMap<String, Memory> {
        match self {
            Self::Parameter => &mut bound.parameters,
            Self::Gradient => &mut bound.gradients,
        }
    }
}

/// Binding memory: the layer computes with values that the host can update in place, without a copy.
///
/// ```
/// use minimoe::{MoECache, MoELayer};
///
/// let mut layer = MoELayer::new(r#"{"model": {"d_model": 8, "moe": {"num_experts": 2, "top_k": 1}}}"#)?;
/// let names = ["router.weight", "experts.w_up_proj", "experts.w_down_proj"];
/// for name in names {
///     let values = layer.parameter(name)?.into_boxed_slice();
///     layer.bind_gradient(name, vec![0.0; values.len()].into())?;
///     layer.bind_parameter(name, values)?;
/// }
/// let mut cache = MoECache::new(&layer, 4)?;
/// let x = [0.5; 4 * 8];
/// layer.forward(&mut cache, &x)?;
/// layer.backward(&mut cache, &x, &[1.0; 4 * 8], 1.0)?;
/// for name in names {
///     layer.update_bound(name, |values, gradient| {
///         values.iter_mut().zip(gradient).for_each(|(w, g)| *w -= 0.1 * *g);
///     })?;
/// }
/// layer.zero_gradients()?;
/// # Ok::<(), minimoe::Error>(())
/// ```
impl MoELayer {
    /// Makes the layer use `memory` for a parameter, as it stands there, and gives back what was bound before. On failure
    /// nothing changes, and `memory` is dropped.
    pub fn bind_parameter(&mut self, name: &str, memory: Box<[f32]>) -> Result<Option<Box<[f32]>>> {
        self.bind(Kind::Parameter, name, memory)
    }

    /// Makes the layer add to `memory` as a parameter's gradient. Buffers have no gradient.
    pub fn bind_gradient(&mut self, name: &str, memory: Box<[f32]>) -> Result<Option<Box<[f32]>>> {
        self.bind(Kind::Gradient, name, memory)
    }

    /// Back to the layer's own memory of a parameter, with the values that it had. Gives back what was bound.
    pub fn unbind_parameter(&mut self, name: &str) -> Result<Option<Box<[f32]>>> {
        self.unbind(Kind::Parameter, name)
    }

    /// Back to the layer's own memory of a gradient. Gives back what was bound.
    pub fn unbind_gradient(&mut self, name: &str) -> Result<Option<Box<[f32]>>> {
        self.unbind(Kind::Gradient, name)
    }

    /// A bound parameter, to be written to. The layer is told at the end, also of a write that panics.
    pub fn bound_parameter(&mut self, name: &str) -> Result<BoundParameter<'_>> {
        let values = self.bound(Kind::Parameter, name)?;
        Ok(BoundParameter { layer: self, values })
    }

    /// A bound gradient.
    pub fn bound_gradient(&mut self, name: &str) -> Result<&mut [f32]> {
        let mut values = self.bound(Kind::Gradient, name)?;
        // SAFETY: the layer is borrowed mutably as long as the slice, so neither the library nor anyone else uses it.
        Ok(unsafe { values.as_mut() })
    }

    /// `update(values, gradient)` of a parameter of which both are bound; the layer is told at the end.
    pub fn update_bound<R>(&mut self, name: &str, update: impl FnOnce(&mut [f32], &mut [f32]) -> R) -> Result<R> {
        let mut gradient = self.bound(Kind::Gradient, name)?;
        let mut values = self.bound_parameter(name)?;
        // SAFETY: as bound_gradient; it is another box than that of the values.
        Ok(update(&mut values, unsafe { gradient.as_mut() }))
    }

    fn bound(&self, kind: Kind, name: &str) -> Result<NonNull<[f32]>> {
        let mut bound = self.bindings.lock();
        kind.of(&mut bound).get(name).map(|memory| memory.0).ok_or_else(|| {
            let what = match kind {
                Kind::Parameter => "parameter",
                Kind::Gradient => "gradient",
            };
            Error::invalid(format!("name: no {what} \"{name}\" is bound"))
        })
    }

    fn bind(&mut self, kind: Kind, name: &str, memory: Box<[f32]>) -> Result<Option<Box<[f32]>>> {
        if memory.is_empty() {
            // For the library this would be the way back to its own memory.
            return Err(Error::new(sys::MINIMOE_E_SHAPE, "memory: is empty; unbinding has its own function"));
        }
        let memory = Memory::new(memory);
        self.call_bind(kind, name, memory.0.as_ptr().cast(), memory.0.len())?;
        let before = kind.of(&mut self.bindings.lock()).insert(name.to_owned(), memory);
        Ok(before.map(Memory::into_box))
    }

    fn unbind(&mut self, kind: Kind, name: &str) -> Result<Option<Box<[f32]>>> {
        self.call_bind(kind, name, ptr::null_mut(), 0)?;
        let before = kind.of(&mut self.bindings.lock()).remove(name);
        Ok(before.map(Memory::into_box))
    }

    fn call_bind(&mut self, kind: Kind, name: &str, data: *mut f32, num_data: usize) -> Result<()> {
        let bind = match kind {
            Kind::Parameter => sys::minimoe_moe_layer_bind_parameter,
            Kind::Gradient => sys::minimoe_moe_layer_bind_gradient,
        };
        with_c_text("name", name, |name: *const c_char| {
            // SAFETY: the handle is live, `name` ends with a NUL, the memory stays until it is bound elsewhere or both the
            // layer and its caches are gone.
            check(|err| unsafe { bind(self.raw(), name, data, num_data, err) })
        })
    }
}

/// A bound parameter: [`MoELayer::bound_parameter`].
pub struct BoundParameter<'l> {
    layer: &'l mut MoELayer,
    values: NonNull<[f32]>,
}

// SAFETY: a mutable borrow of a layer and of plain values, both of which may go to another thread.
unsafe impl Send for BoundParameter<'_> {}
// SAFETY: as above.
unsafe impl Sync for BoundParameter<'_> {}

impl Deref for BoundParameter<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the layer, which is borrowed mutably, holds the memory, and nothing writes to it.
        unsafe { self.values.as_ref() }
    }
}

impl DerefMut for BoundParameter<'_> {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as deref.
        unsafe { self.values.as_mut() }
    }
}

impl Drop for BoundParameter<'_> {
    fn drop(&mut self) {
        let layer = self.layer.raw();
        // SAFETY: the handle is live. It cannot be busy, being borrowed mutably.
        let _ = unsafe { sys::minimoe_moe_layer_parameters_changed(layer, ptr::null_mut()) };
    }
}

impl fmt::Debug for BoundParameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundParameter").field("len", &self.len()).finish_non_exhaustive()
    }
}
