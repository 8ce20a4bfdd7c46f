// SPDX-License-Identifier: Apache-2.0
//! Where tokens come from.
use std::fmt;

use minimoe_sys as sys;

use crate::call::{array, bytes, check, text, with_c_text};
use crate::handle::Handle;
use crate::reports::{DatasetInfo, Sentence};
use crate::{Config, Error, ErrorKind, Json, Options, Result, Token};

/// Tokens to train on and to evaluate with. Clones are one dataset.
///
/// Its splits are `"train"`, `"val"` and, in the grammar corpus, `"held-out-verbs"` and `"held-out-combinations"`.
///
/// ```
/// use minimoe::Dataset;
///
/// let tokens: Vec<i32> = (0..4096).map(|i| i * i % 32).collect();
/// let dataset = Dataset::from_tokens(r#"{"vocab_size": 32}"#, &tokens)?;
/// assert_eq!(dataset.window("val", 0, 0, 16)?.tokens.len(), 17);
/// # Ok::<(), minimoe::Error>(())
/// ```
pub struct Dataset {
    handle: Handle<sys::minimoe_dataset>,
}

/// `seq_len + 1` tokens, inputs and, shifted by one, targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// `seq_len + 1` token ids.
    pub tokens: Vec<i32>,
    /// The class of each token; empty when the dataset has no class names.
    pub classes: Vec<u8>,
}

impl Dataset {
    /// Opens what the `data` part of a configuration names: the embedded grammar corpus, or a file.
    pub fn open(config: impl AsRef<str>) -> Result<Self> {
        Self::open_with(config, &Options::new())
    }

    /// The same with options.
    pub fn open_with(config: impl AsRef<str>, options: &Options) -> Result<Self> {
        let (json, len) = bytes(config.as_ref());
        let raw = options.raw()?;
        let handle = Handle::create(options.sink(), |out, err| {
            // SAFETY: inputs and output are valid for the call.
            unsafe { sys::minimoe_dataset_open(json, len, &raw, out, err) }
        })?;
        Ok(Self { handle })
    }

    /// An empty dataset in memory, for [`append`](Self::append). `json`: `{"vocab_size": (required), "val_fraction": 0.1,
    /// "name": "memory", "class_names": []}`.
    pub fn new(json: impl AsRef<str>) -> Result<Self> {
        Self::with_options(json, &Options::new())
    }

    /// The same with options.
    pub fn with_options(json: impl AsRef<str>, options: &Options) -> Result<Self> {
        let (json, len) = bytes(json.as_ref());
        let raw = options.raw()?;
        let handle = Handle::create(options.sink(), |out, err| {
            // SAFETY: inputs and output are valid for the call.
            unsafe { sys::minimoe_dataset_create(json, len, &raw, out, err) }
        })?;
        Ok(Self { handle })
    }

    /// A dataset in memory with a copy of `tokens`; `json` as [`new`](Self::new). Without a copy:
    /// [`from_owner`](Self::from_owner).
    pub fn from_tokens<T: Token>(json: impl AsRef<str>, tokens: &[T]) -> Result<Self> {
        let dataset = Self::new(json)?;
        dataset.append(tokens)?;
        Ok(dataset)
    }

    pub(crate) fn of(handle: Handle<sys::minimoe_dataset>) -> Self {
        Self { handle }
    }

    pub(crate) fn raw(&self) -> *mut sys::minimoe_dataset {
        self.handle.get()
    }

    /// Appends a copy of `tokens` to a dataset of [`new`](Self::new). Each must be below the vocabulary's size.
    ///
    /// Training windows are drawn from all tokens, so one of the same seed and index may be another afterwards.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] while another call, training say, reads the dataset.
    pub fn append<T: Token>(&self, tokens: &[T]) -> Result<()> {
        // SAFETY: the handle is live, the slice is valid for the call.
        check(|err| unsafe { T::append(self.raw(), tokens, &[], err) })
    }

    /// The same with each token's class, for a dataset with class names.
    pub fn append_with_classes<T: Token>(&self, tokens: &[T], classes: &[u8]) -> Result<()> {
        // SAFETY: the handle is live, the slices are valid for the call.
        check(|err| unsafe { T::append(self.raw(), tokens, classes, err) })
    }

    /// Name, hash, vocabulary, classes and splits.
    pub fn info(&self) -> Result<Json<DatasetInfo>> {
        // SAFETY: the handle is live, the output valid for the call.
        text(|buf, cap, needed, err| unsafe { sys::minimoe_dataset_info(self.raw(), buf, cap, needed, err) })
            .map(Json::new)
    }

    /// The resolved configuration, `model.vocab_size` set to that of the dataset where it was 0.
    pub fn fit_config(&self, config: impl AsRef<str>) -> Result<Config> {
        let (json, len) = bytes(config.as_ref());
        text(|buf, cap, needed, err| {
            // SAFETY: the handle is live, input and output are valid for the call.
            unsafe { sys::minimoe_dataset_fit_config(self.raw(), json, len, buf, cap, needed, err) }
        })
        .map(Config::from)
    }

    /// The alphabet as a tokenizer.json of Hugging Face's tokenizers, which gives the ids of [`encode`](Self::encode).
    pub fn tokenizer(&self) -> Result<String> {
        // SAFETY: the handle is live, the output valid for the call.
        text(|buf, cap, needed, err| unsafe { sys::minimoe_dataset_tokenizer(self.raw(), buf, cap, needed, err) })
    }

    /// Tokens of a text in the dataset's own alphabet. A dataset in memory reads decimal ids between white space.
    pub fn encode(&self, text: &str) -> Result<Vec<i32>> {
        let (start, len) = bytes(text);
        array(len, |ids, cap, needed, err| {
            // SAFETY: the handle is live, input and output are valid for the call.
            unsafe { sys::minimoe_dataset_encode(self.raw(), start, len, ids, cap, needed, err) }
        })
    }

    /// Text of tokens, for people: the inverse of [`encode`](Self::encode) up to white space.
    pub fn decode(&self, tokens: &[i32]) -> Result<String> {
        text(|buf, cap, needed, err| {
            // SAFETY: the handle is live, input and output are valid for the call.
            unsafe { sys::minimoe_dataset_decode(self.raw(), tokens.as_ptr(), tokens.len(), buf, cap, needed, err) }
        })
    }

    /// How many evaluation windows of `seq_len + 1` tokens a split has; 0 for `"train"`, whose windows have no end.
    pub fn num_windows(&self, split: &str, seq_len: usize) -> Result<u64> {
        let mut count = 0;
        with_c_text("split", split, |split| {
            // SAFETY: the handle is live, `split` ends with a NUL.
            check(|err| unsafe { sys::minimoe_dataset_num_windows(self.raw(), split, seq_len, &mut count, err) })
        })?;
        Ok(count)
    }

    /// Window `index` of a split. `seed` chooses the stream of `"train"`; other splits ignore it.
    pub fn window(&self, split: &str, seed: u64, index: u64, seq_len: usize) -> Result<Window> {
        with_c_text("split", split, |split| {
            let mut classes = Vec::<u8>::new();
            let mut num_classes = 0;
            let tokens = array(seq_len.min(1 << 20) + 1, |ids, cap, needed, err| {
                if classes.try_reserve_exact(cap).is_err() {
                    return sys::MINIMOE_E_OUT_OF_MEMORY;
                }
                let (labels, labels_cap) = (classes.as_mut_ptr(), classes.capacity());
                // SAFETY: the handle is live, `split` ends with a NUL, both outputs have the room that is stated.
                unsafe {
                    sys::minimoe_dataset_window(
                        self.raw(),
                        split,
                        seed,
                        index,
                        seq_len,
                        ids,
                        cap,
                        needed,
                        labels,
                        labels_cap,
                        &mut num_classes,
                        err,
                    )
                }
            })?;
            assert!(num_classes <= classes.capacity(), "the library wrote more than there was room for");
            // SAFETY: the call that succeeded wrote that many.
            unsafe { classes.set_len(num_classes) };
            Ok(Window { tokens, classes })
        })
    }

    /// Sentence `index` of a split of the grammar corpus; none for a dataset that is not made of sentences.
    pub fn sentence(&self, split: &str, seed: u64, index: u64) -> Result<Option<Json<Sentence>>> {
        let sentence = with_c_text("split", split, |split| {
            text(|buf, cap, needed, err| {
                // SAFETY: the handle is live, `split` ends with a NUL, the output is valid for the call.
                unsafe { sys::minimoe_dataset_sentence(self.raw(), split, seed, index, buf, cap, needed, err) }
            })
        });
        unless_unsupported(sentence.map(Json::new))
    }

    /// The mean loss, in nats a token, that no model can expect to go below on the first `num_windows` (0: all) windows of
    /// a split; none where the true distribution is not known.
    pub fn entropy_floor(&self, split: &str, seq_len: usize, num_windows: u64) -> Result<Option<f64>> {
        let mut floor = 0.0;
        let status = with_c_text("split", split, |split| {
            check(|err| {
                // SAFETY: the handle is live, `split` ends with a NUL.
                unsafe { sys::minimoe_dataset_entropy_floor(self.raw(), split, seq_len, num_windows, &mut floor, err) }
            })
        });
        unless_unsupported(status.map(|()| floor))
    }
}

fn unless_unsupported<T>(result: Result<T, Error>) -> Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        other => other.map(Some),
    }
}

impl Clone for Dataset {
    fn clone(&self) -> Self {
        let handle = self.handle.retain(sys::minimoe_dataset_retain);
        Self { handle: handle.expect("a dataset that a fork tore has no further owners") }
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset").finish_non_exhaustive()
    }
}
