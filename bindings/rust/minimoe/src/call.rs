// SPDX-License-Identifier: Apache-2.0
//! The ways in which the C interface is called: a status becomes a result, an output grows until everything fits.
use std::ffi::{c_char, CString};
use std::mem::MaybeUninit;
use std::path::Path;

use minimoe_sys as sys;

use crate::{Error, Result};

/// Almost every document that the library writes fits, so that it is written once.
const FIRST_TEXT_SIZE: usize = 1024;
/// Names and paths up to this length need no allocation.
const SHORT_TEXT: usize = 192;

/// `call(err)`, where `call` returns a status of the library that goes with `err`.
pub(crate) fn check(call: impl FnOnce(*mut sys::minimoe_error) -> sys::minimoe_status) -> Result<()> {
    let mut err = MaybeUninit::<sys::minimoe_error>::uninit();
    let err = err.as_mut_ptr();
    // SAFETY: the first byte of the message is inside `err`. It stands for the whole message where nothing is written.
    unsafe { std::ptr::addr_of_mut!((*err).message).cast::<c_char>().write(0) };
    let status = call(err);
    if status == sys::MINIMOE_OK {
        return Ok(());
    }
    // SAFETY: the message ends with a NUL, that of the library or the one above.
    Err(unsafe { Error::from_raw(status, err) })
}

/// `fill(values, cap, needed, err)`, repeated with more room while the room is too small.
///
/// `fill` returns MINIMOE_OK only after it has written `needed` elements, at most `cap`, to `values`.
/// The first call has room for `expected` elements.
pub(crate) fn array<T: Copy>(
    expected: usize,
    mut fill: impl FnMut(*mut T, usize, &mut usize, *mut sys::minimoe_error) -> sys::minimoe_status,
) -> Result<Vec<T>> {
    let mut out = Vec::new();
    reserve(&mut out, expected)?;
    loop {
        let mut needed = 0;
        let cap = out.capacity();
        match check(|err| fill(out.as_mut_ptr(), cap, &mut needed, err)) {
            Ok(()) => {
                assert!(needed <= cap, "the library wrote more than there was room for");
                // SAFETY: `fill` has written that many elements.
                unsafe { out.set_len(needed) };
                return Ok(out);
            }
            Err(error) if error.code() == sys::MINIMOE_E_BUFFER_TOO_SMALL && needed > cap => {
                reserve(&mut out, needed)?;
            }
            Err(error) => return Err(error),
        }
    }
}

fn reserve<T>(out: &mut Vec<T>, count: usize) -> Result<()> {
    out.try_reserve_exact(count)
        .map_err(|_| Error::new(sys::MINIMOE_E_OUT_OF_MEMORY, format!("no memory for a result of {count} elements")))
}

/// The same for a text, without its final NUL.
pub(crate) fn text(
    mut fill: impl FnMut(*mut c_char, usize, &mut usize, *mut sys::minimoe_error) -> sys::minimoe_status,
) -> Result<String> {
    let mut bytes: Vec<u8> =
        array(FIRST_TEXT_SIZE, |buf: *mut u8, cap, needed, err| fill(buf.cast(), cap, needed, err))?;
    bytes.pop();
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// `call(text)` with a NUL behind the text. `what` names the argument in a refusal.
pub(crate) fn with_c_text<R>(what: &str, text: &str, call: impl FnOnce(*const c_char) -> Result<R>) -> Result<R> {
    let bytes = text.as_bytes();
    if bytes.len() < SHORT_TEXT && !bytes.contains(&0) {
        let mut short = [0_u8; SHORT_TEXT];
        short[..bytes.len()].copy_from_slice(bytes);
        return call(short.as_ptr().cast());
    }
    // The library would take the text for a shorter one.
    let long = CString::new(bytes)
        .map_err(|error| Error::invalid(format!("{what}: holds a NUL byte at {}", error.nul_position())))?;
    call(long.as_ptr())
}

/// The same for a path, which must be UTF-8.
pub(crate) fn with_c_path<R>(path: &Path, call: impl FnOnce(*const c_char) -> Result<R>) -> Result<R> {
    let text = path.to_str().ok_or_else(|| Error::invalid(format!("path: {} is not UTF-8", path.display())))?;
    with_c_text("path", text, call)
}

/// Pointer and count of a text input.
pub(crate) fn bytes(text: &str) -> (*const c_char, usize) {
    (text.as_ptr().cast(), text.len())
}

/// Pointer and count of an optional input; none is a count of 0.
pub(crate) fn optional<T>(values: Option<&[T]>) -> (*const T, usize) {
    values.map_or((std::ptr::null(), 0), |values| (values.as_ptr(), values.len()))
}
