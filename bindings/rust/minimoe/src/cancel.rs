// SPDX-License-Identifier: Apache-2.0
//! Stopping calls from elsewhere.
use std::fmt;
use std::ptr;

use minimoe_sys as sys;

use crate::handle::Handle;
use crate::Result;

/// Stops calls that were given it: fired from any thread, it stays fired. Clones are one token.
///
/// ```
/// let token = minimoe::CancelToken::new()?;
/// let other = token.clone();
/// std::thread::spawn(move || other.fire()).join().unwrap();
/// assert!(token.is_fired());
/// # Ok::<(), minimoe::Error>(())
/// ```
pub struct CancelToken {
    handle: Handle<sys::minimoe_cancel_token>,
}

impl CancelToken {
    /// A token that is not fired.
    pub fn new() -> Result<Self> {
        // SAFETY: `out` and `err` are valid for the call.
        let handle = Handle::create(None, |out, err| unsafe { sys::minimoe_cancel_token_create(out, err) })?;
        Ok(Self { handle })
    }

    /// Fires. Safe inside a signal handler.
    pub fn fire(&self) {
        // SAFETY: the handle is live. A live token cannot refuse, so there is no status to look at.
        let _ = unsafe { sys::minimoe_cancel_token_fire(self.handle.get(), ptr::null_mut()) };
    }

    /// Whether it has been fired.
    pub fn is_fired(&self) -> bool {
        let mut fired = 0;
        // SAFETY: the handle is live; as `fire`.
        let _ = unsafe { sys::minimoe_cancel_token_fired(self.handle.get(), &mut fired, ptr::null_mut()) };
        fired != 0
    }
}

impl Clone for CancelToken {
    fn clone(&self) -> Self {
        let handle = self.handle.retain(sys::minimoe_cancel_token_retain).expect("no call locks a token");
        Self { handle }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("is_fired", &self.is_fired()).finish()
    }
}

/// The handle, or null for none.
pub(crate) fn raw(cancel: Option<&CancelToken>) -> *mut sys::minimoe_cancel_token {
    cancel.map_or(ptr::null_mut(), |token| token.handle.get())
}
