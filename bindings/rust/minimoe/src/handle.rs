// SPDX-License-Identifier: Apache-2.0
//! One owner of a handle of the C interface.
use std::ptr::{self, NonNull};
use std::sync::Arc;

use minimoe_sys as sys;

use crate::call::check;
use crate::logging::Sink;
use crate::version::require_version;
use crate::Result;

type Retain<T> = unsafe extern "C" fn(*mut T, *mut sys::minimoe_error) -> sys::minimoe_status;

/// A type behind a handle.
pub(crate) trait Raw {
    /// # Safety
    /// `raw` is a live handle, one ownership of which ends here.
    unsafe fn free(raw: *mut Self);
}

macro_rules! freed_by {
    ($($type:ident: $free:ident),* $(,)?) => {$(
        impl Raw for sys::$type {
            unsafe fn free(raw: *mut Self) {
                // SAFETY: as the trait asks.
                unsafe { sys::$free(raw) }
            }
        }
    )*};
}

freed_by! {
    minimoe_cancel_token: minimoe_cancel_token_free,
    minimoe_dataset: minimoe_dataset_free,
    minimoe_model: minimoe_model_free,
    minimoe_moe_cache: minimoe_moe_cache_free,
    minimoe_moe_layer: minimoe_moe_layer_free,
    minimoe_token_stream: minimoe_token_stream_free,
    minimoe_trainer: minimoe_trainer_free,
}

pub(crate) struct Handle<T: Raw> {
    raw: NonNull<T>,
    // The library calls the sink as long as the handle lives, and this is dropped after the handle is freed.
    sink: Option<Arc<Sink>>,
}

// SAFETY: the library's handles may be used and freed by any thread. Their locks, which are only ever tried, keep calls
// apart; what a lock does not cover, memory that was handed out, is tied to borrows by the types around this one.
unsafe impl<T: Raw> Send for Handle<T> {}
// SAFETY: as above.
unsafe impl<T: Raw> Sync for Handle<T> {}

impl<T: Raw> Handle<T> {
    /// `call(out, err)`, which puts a new handle into `out` when it returns MINIMOE_OK. The handle may call `sink`.
    pub(crate) fn create(
        sink: Option<Arc<Sink>>,
        call: impl FnOnce(*mut *mut T, *mut sys::minimoe_error) -> sys::minimoe_status,
    ) -> Result<Self> {
        require_version()?;
        let mut out = ptr::null_mut();
        check(|err| call(&mut out, err))?;
        let raw = NonNull::new(out).expect("a call that succeeds gives a handle");
        Ok(Self { raw, sink })
    }

    /// Another owner of the same handle.
    pub(crate) fn retain(&self, retain: Retain<T>) -> Result<Self> {
        // SAFETY: the handle is live.
        check(|err| unsafe { retain(self.get(), err) })?;
        Ok(Self { raw: self.raw, sink: self.sink.clone() })
    }

    pub(crate) fn get(&self) -> *mut T {
        self.raw.as_ptr()
    }

    pub(crate) fn sink(&self) -> Option<Arc<Sink>> {
        self.sink.clone()
    }
}

impl<T: Raw> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: this ownership ends here.
        unsafe { T::free(self.get()) }
    }
}
