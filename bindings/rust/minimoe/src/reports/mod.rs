// SPDX-License-Identifier: Apache-2.0
//! What the library's documents hold: the `T` of a [`Json<T>`](crate::Json), read with the feature `serde`.
//!
//! Fields are those of the documents that callers decide by; the text has them all. Later libraries may add fields.

macro_rules! documents {
    ($($(#[$attribute:meta])* pub struct $name:ident { $($(#[$of_field:meta])* pub $field:ident: $type:ty,)* })*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Deserialize))]
        #[non_exhaustive]
        pub struct $name { $($(#[$of_field])* pub $field: $type,)* }
    )*};
}

macro_rules! words {
    ($($(#[$attribute:meta])* pub enum $name:ident { $($(#[$of_word:meta])* $word:ident,)* })*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "kebab-case"))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$of_word])* $word,)*
            /// A word of a later library.
            #[cfg_attr(feature = "serde", serde(other))]
            Unknown,
        }
    )*};
}

mod breaks;
mod comparison;
mod library;
mod routers;
mod specialisation;

pub use breaks::*;
pub use comparison::*;
pub use library::*;
pub use routers::*;
pub use specialisation::*;
