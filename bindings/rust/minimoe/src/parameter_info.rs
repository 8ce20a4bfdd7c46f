// SPDX-License-Identifier: Apache-2.0
//! What a parameter is called and how it is used.
use crate::{Error, Result};

/// What a parameter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Trained by gradients.
    Weight,
    /// Kept beside the weights, `expert_bias` say.
    Buffer,
}

/// Name, shape and role of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParameterInfo {
    /// A dotted name, `"blocks.1.moe.router.weight"`.
    pub name: String,
    /// At most 4 dimensions.
    pub shape: Vec<usize>,
    /// Weight or buffer.
    pub role: Role,
    /// Whether weight decay applies.
    pub decay: bool,
    json: String,
}

impl ParameterInfo {
    /// The text, as the library wrote it.
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// Of `{"name": "..", "shape": [..], "role": "..", "decay": ..}`. The library writes names of letters, digits, dots and
    /// underscores, so nothing is escaped; what is not of this form is an error.
    pub(crate) fn parse(json: &str) -> Result<Self> {
        let misfit =
            |key: &str| Error::new(minimoe_sys::MINIMOE_E_INTERNAL, format!("parameter_info: no {key} in {json}"));
        let after = |key: &str| -> Result<&str> {
            let marker = format!("\"{key}\"");
            let (_, rest) = json.split_once(&marker).ok_or_else(|| misfit(key))?;
            Ok(rest.trim_start().strip_prefix(':').ok_or_else(|| misfit(key))?.trim_start())
        };
        let quoted = |key: &str| -> Result<&str> {
            let rest = after(key)?.strip_prefix('"').ok_or_else(|| misfit(key))?;
            let (value, _) = rest.split_once('"').ok_or_else(|| misfit(key))?;
            if value.contains('\\') {
                return Err(misfit(key));
            }
            Ok(value)
        };
        let list = after("shape")?.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (list, _) = list.ok_or_else(|| misfit("shape"))?;
        let dims = list.split(',').map(str::trim).filter(|dim| !dim.is_empty());
        let shape = dims.map(|dim| dim.parse().map_err(|_| misfit("shape"))).collect::<Result<_>>()?;
        let role = match quoted("role")? {
            "weight" => Role::Weight,
            "buffer" => Role::Buffer,
            _ => return Err(misfit("role")),
        };
        let decay = match after("decay")? {
            rest if rest.starts_with("true") => true,
            rest if rest.starts_with("false") => false,
            _ => return Err(misfit("decay")),
        };
        Ok(Self { name: quoted("name")?.to_owned(), shape, role, decay, json: json.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_read_from_its_text() {
        let info = ParameterInfo::parse(r#"{"name":"a.b","shape":[2, 3],"role":"buffer","decay":false}"#).unwrap();
        assert_eq!((info.name.as_str(), info.shape.as_slice()), ("a.b", &[2, 3][..]));
        assert_eq!((info.role, info.decay), (Role::Buffer, false));
        assert!(ParameterInfo::parse(r#"{"name":"a","shape":[],"role":"weight","decay":true}"#)
            .unwrap()
            .shape
            .is_empty());
    }

    #[test]
    fn what_has_another_form_is_an_error_that_names_the_key() {
        for (json, key) in [
            ("{}", "shape"),
            (r#"{"name":"a","shape":[x],"role":"weight","decay":true}"#, "shape"),
            (r#"{"name":"a","shape":[1],"role":"other","decay":true}"#, "role"),
            (r#"{"name":"a","shape":[1],"role":"weight","decay":1}"#, "decay"),
            (r#"{"name":"a\"","shape":[1],"role":"weight","decay":true}"#, "name"),
        ] {
            let error = ParameterInfo::parse(json).unwrap_err();
            assert!(error.message().contains(&format!("no {key}")), "{json}: {error}");
        }
    }
}
