// SPDX-License-Identifier: Apache-2.0
//! Documents that the library writes.
use std::fmt;
use std::marker::PhantomData;

/// A document of the library: its JSON text and, with the feature `serde`, its content as a `T`.
pub struct Json<T> {
    text: String,
    content: PhantomData<fn() -> T>,
}

impl<T> Json<T> {
    pub(crate) fn new(text: String) -> Self {
        Self { text, content: PhantomData }
    }

    /// The text, as the library wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, as the library wrote it.
    pub fn into_string(self) -> String {
        self.text
    }
}

#[cfg(feature = "serde")]
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<T: serde::de::DeserializeOwned> Json<T> {
    /// The content.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) when a later library writes a document of another shape.
    pub fn parse(&self) -> crate::Result<T> {
        serde_json::from_str(&self.text)
            .map_err(|error| crate::Error::new(minimoe_sys::MINIMOE_E_INTERNAL, format!("document: {error}")))
    }
}

impl<T> Clone for Json<T> {
    fn clone(&self) -> Self {
        Self::new(self.text.clone())
    }
}

impl<T> PartialEq for Json<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T> AsRef<str> for Json<T> {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl<T> fmt::Display for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
