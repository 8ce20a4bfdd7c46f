// SPDX-License-Identifier: Apache-2.0
//! Parameters without a copy.
use std::ffi::c_char;
use std::fmt;
use std::mem::{size_of, MaybeUninit};
use std::ops::Deref;

use minimoe_sys as sys;

use crate::call::{check, with_c_text};
use crate::{Error, Result};

/// A parameter's values, row-major, where the library keeps them. It borrows the model or layer, so that nothing can train
/// or overwrite it while it is looked at:
///
/// ```compile_fail,E0502
/// # use minimoe::Model;
/// let mut model = Model::new(r#"{"model": {"vocab_size": 32}}"#)?;
/// let view = model.parameter_view("head.weight")?;
/// model.set_parameter("head.weight", &[0.0; 2048])?;  // error: `model` is borrowed by `view`
/// println!("{}", view[0]);
/// # Ok::<(), minimoe::Error>(())
/// ```
///
/// nor outlives it:
///
/// ```compile_fail,E0505
/// # use minimoe::Model;
/// let model = Model::new(r#"{"model": {"vocab_size": 32}}"#)?;
/// let view = model.parameter_view("head.weight")?;
/// drop(model);  // error: `model` is borrowed by `view`
/// println!("{}", view[0]);
/// # Ok::<(), minimoe::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Parameter<'a> {
    values: &'a [f32],
    shape: [usize; 4],
    num_dims: usize,
    generation: u64,
}

impl<'a> Parameter<'a> {
    /// The values, for as long as the model or layer is borrowed.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// At most 4 dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape[..self.num_dims]
    }

    /// That of the model or layer when the view was taken: the same number means the same values.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The same as an ndarray view.
    #[cfg(feature = "ndarray")]
    #[cfg_attr(docsrs, doc(cfg(feature = "ndarray")))]
    pub fn array(&self) -> ndarray::ArrayViewD<'a, f32> {
        ndarray::ArrayViewD::from_shape(self.shape(), self.values).expect("the shape is that of the values")
    }

    /// `call(name, view, view_size, err)` fills in a view whose values stay valid and unchanged for `'a`.
    ///
    /// # Safety
    /// Exactly that.
    pub(crate) unsafe fn new(
        name: &str,
        call: impl FnOnce(
            *const c_char,
            *mut sys::minimoe_tensor_view,
            usize,
            *mut sys::minimoe_error,
        ) -> sys::minimoe_status,
    ) -> Result<Self> {
        let mut view = MaybeUninit::<sys::minimoe_tensor_view>::uninit();
        let size = size_of::<sys::minimoe_tensor_view>();
        with_c_text("name", name, |name| check(|err| call(name, view.as_mut_ptr(), size, err)))?;
        // SAFETY: a call that succeeds has filled in all of it.
        let view = unsafe { view.assume_init() };
        let misfit = || Error::new(sys::MINIMOE_E_INTERNAL, "parameter_view: the shape does not fit this crate");
        let num_dims = usize::try_from(view.num_dims).ok().filter(|&n| n <= 4).ok_or_else(misfit)?;
        let mut shape = [0; 4];
        for (to, from) in shape.iter_mut().zip(view.shape) {
            *to = usize::try_from(from).map_err(|_| misfit())?;
        }
        let num_values = usize::try_from(view.num_values).map_err(|_| misfit())?;
        let values = if num_values == 0 {
            &[]
        } else {
            // SAFETY: the library's tensor, aligned and initialised; that it lives and rests for 'a the caller promises.
            unsafe { std::slice::from_raw_parts(view.values, num_values) }
        };
        Ok(Self { values, shape, num_dims, generation: view.generation })
    }
}

impl Deref for Parameter<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.values
    }
}

impl fmt::Debug for Parameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameter")
            .field("shape", &self.shape())
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
