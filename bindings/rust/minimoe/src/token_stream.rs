// SPDX-License-Identifier: Apache-2.0
//! A text that goes on, token by token.
use std::fmt;
use std::iter::FusedIterator;

use minimoe_sys as sys;

use crate::call::{array, check, text};
use crate::cancel;
use crate::handle::Handle;
use crate::reports::StreamInfo;
use crate::{CancelToken, Json, Result};

/// The tokens of [`ModelReader::stream`](crate::ModelReader::stream): each is computed when it is asked for. It keeps its
/// model, and the keys and values of the text so far, so that a token costs one token. After an error there are no more;
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) says that the model's parameters have changed.
///
/// ```
/// # use minimoe::Model;
/// # let model = Model::new(r#"{"model": {"vocab_size": 8, "d_model": 16, "num_heads": 2}}"#)?;
/// for token in model.stream(&[1, 2, 3], r#"{"temperature": 0.8, "top_p": 0.9, "max_new_tokens": 5}"#)? {
///     print!("{} ", token?);
/// }
/// # Ok::<(), minimoe::Error>(())
/// ```
pub struct TokenStream {
    handle: Handle<sys::minimoe_token_stream>,
    cancel: Option<CancelToken>,
    ended: bool,
}

impl TokenStream {
    pub(crate) fn of(handle: Handle<sys::minimoe_token_stream>) -> Self {
        Self { handle, cancel: None, ended: false }
    }

    /// Ends with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) once `token` is fired.
    pub fn cancelled_by(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }

    /// The ids drawn so far, without the prompt.
    pub fn tokens(&self) -> Result<Vec<i32>> {
        array(0, |ids, cap, needed, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_token_stream_tokens(self.handle.get(), ids, cap, needed, err) }
        })
    }

    /// Those that the last token was drawn from, `[V]`; none before the first and after an error.
    pub fn logits(&self) -> Result<Vec<f32>> {
        array(0, |values, cap, needed, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_token_stream_logits(self.handle.get(), values, cap, needed, err) }
        })
    }

    /// How far it has come, and what it holds.
    pub fn info(&self) -> Result<Json<StreamInfo>> {
        text(|buf, cap, needed, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_token_stream_info(self.handle.get(), buf, cap, needed, err) }
        })
        .map(Json::new)
    }
}

impl Iterator for TokenStream {
    type Item = Result<i32>;

    fn next(&mut self) -> Option<Result<i32>> {
        if self.ended {
            return None;
        }
        let mut id = -1;
        let cancel = cancel::raw(self.cancel.as_ref());
        // SAFETY: the handles are live, the outputs valid for the call.
        let called = check(|err| unsafe { sys::minimoe_token_stream_next(self.handle.get(), cancel, &mut id, err) });
        self.ended = called.is_err() || id < 0;
        match called {
            Err(error) => Some(Err(error)),
            Ok(()) => (id >= 0).then_some(Ok(id)),
        }
    }
}

impl FusedIterator for TokenStream {}

impl fmt::Debug for TokenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}
