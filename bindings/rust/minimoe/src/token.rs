// SPDX-License-Identifier: Apache-2.0
//! Token ids as arrays hold them, copied into a dataset or borrowed by it.
use std::ffi::{c_char, c_void};

use minimoe_sys as sys;

use crate::call::bytes;
use crate::contained::contained;
use crate::handle::Handle;
use crate::{Dataset, Result};

/// A token id as arrays hold it: `i32` or `u16`.
pub trait Token: Copy + sealed::Raw {}

impl Token for i32 {}
impl Token for u16 {}

type Release = Option<unsafe extern "C" fn(*mut c_void)>;

/// What a dataset keeps alive: `tokens` and `classes` point into it.
struct Owned<O, C> {
    tokens: O,
    classes: Option<C>,
}

impl Dataset {
    /// A dataset over tokens that it owns, without a copy: a `Vec`, a `Box<[i32]>`, an `Arc<[u16]>`, or a type of yours around
    /// a memory map. `json` as [`Dataset::new`]. The owner is dropped, on whatever thread that is, when the last use of the
    /// dataset ends; at once when the call fails.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let tokens: Arc<[u16]> = (0..4096).map(|i| i % 32).collect();
    /// let dataset = minimoe::Dataset::from_owner(r#"{"vocab_size": 32}"#, Arc::clone(&tokens))?;
    /// assert_eq!(Arc::strong_count(&tokens), 2);
    /// drop(dataset);
    /// assert_eq!(Arc::strong_count(&tokens), 1);
    /// # Ok::<(), minimoe::Error>(())
    /// ```
    pub fn from_owner<T: Token, O: AsRef<[T]> + Send + 'static>(json: impl AsRef<str>, tokens: O) -> Result<Self> {
        borrow(json.as_ref(), Owned { tokens, classes: None::<Vec<u8>> })
    }

    /// The same with each token's class, for a dataset with class names.
    pub fn from_owner_with_classes<T, O, C>(json: impl AsRef<str>, tokens: O, classes: C) -> Result<Self>
    where
        T: Token,
        O: AsRef<[T]> + Send + 'static,
        C: AsRef<[u8]> + Send + 'static,
    {
        borrow(json.as_ref(), Owned { tokens, classes: Some(classes) })
    }
}

fn borrow<T, O, C>(json: &str, owner: Owned<O, C>) -> Result<Dataset>
where
    T: Token,
    O: AsRef<[T]> + Send + 'static,
    C: AsRef<[u8]> + Send + 'static,
{
    // On the heap before the slices are asked for: arrays lie inside their owner, which must not move any more.
    let user_data: *mut Owned<O, C> = Box::into_raw(Box::new(owner));
    let made = Handle::create(None, |out, err| {
        // SAFETY: it was made above. This borrow is the only use of the owner until the library releases it.
        let owner: &Owned<O, C> = unsafe { &*user_data };
        let tokens = owner.tokens.as_ref();
        let classes = owner.classes.as_ref().map_or(&[][..], AsRef::as_ref);
        // SAFETY: the slices stay valid until `release`, which drops their owner.
        unsafe { T::borrow(bytes(json), tokens, classes, Some(release::<Owned<O, C>>), user_data.cast(), out, err) }
    });
    if made.is_err() {
        // SAFETY: the library does not release what it has refused, so this is still the only owner.
        drop(unsafe { Box::from_raw(user_data) });
    }
    made.map(Dataset::of)
}

/// # Safety
/// `user_data` is a `Box<O>` that nobody uses any more.
unsafe extern "C" fn release<O>(user_data: *mut c_void) {
    // SAFETY: as the caller promises.
    let owner = unsafe { Box::from_raw(user_data.cast::<O>()) };
    contained(|| drop(owner));
}

mod sealed {
    use super::{c_char, c_void, sys, Release};

    /// The functions of the C interface for a kind of token.
    pub trait Raw: Sized {
        /// # Safety
        /// `dataset` and `err` are as minimoe.h asks.
        unsafe fn append(
            dataset: *mut sys::minimoe_dataset,
            tokens: &[Self],
            classes: &[u8],
            err: *mut sys::minimoe_error,
        ) -> sys::minimoe_status;

        /// # Safety
        /// `json`, `out` and `err` are as minimoe.h asks; the slices stay valid until `release`.
        unsafe fn borrow(
            json: (*const c_char, usize),
            tokens: &[Self],
            classes: &[u8],
            release: Release,
            user_data: *mut c_void,
            out: *mut *mut sys::minimoe_dataset,
            err: *mut sys::minimoe_error,
        ) -> sys::minimoe_status;
    }

    macro_rules! raw {
        ($type:ty, $append:path, $borrow:path) => {
            impl Raw for $type {
                unsafe fn append(
                    dataset: *mut sys::minimoe_dataset,
                    tokens: &[Self],
                    classes: &[u8],
                    err: *mut sys::minimoe_error,
                ) -> sys::minimoe_status {
                    // SAFETY: as the trait asks; the slices are valid for the call.
                    unsafe { $append(dataset, tokens.as_ptr(), tokens.len(), classes.as_ptr(), classes.len(), err) }
                }

                unsafe fn borrow(
                    (json, json_len): (*const c_char, usize),
                    tokens: &[Self],
                    classes: &[u8],
                    release: Release,
                    user_data: *mut c_void,
                    out: *mut *mut sys::minimoe_dataset,
                    err: *mut sys::minimoe_error,
                ) -> sys::minimoe_status {
                    let (tokens, num_tokens) = (tokens.as_ptr(), tokens.len());
                    let (classes, num_classes) = (classes.as_ptr(), classes.len());
                    // SAFETY: as the trait asks.
                    unsafe {
                        $borrow(json, json_len, tokens, num_tokens, classes, num_classes, release, user_data, out, err)
                    }
                }
            }
        };
    }
    raw!(i32, sys::minimoe_dataset_append_i32, sys::minimoe_dataset_borrow_i32);
    raw!(u16, sys::minimoe_dataset_append_u16, sys::minimoe_dataset_borrow_u16);
}
