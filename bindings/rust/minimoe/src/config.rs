// SPDX-License-Identifier: Apache-2.0
//! Run configurations.
use std::fmt;

use minimoe_sys as sys;

use crate::call::{bytes, text, with_c_text};
use crate::config_builder::ConfigBuilder;
use crate::reports::{Break, ConfigBalancer, ConfigKey, ConfigVariant, Cost, MemoryEstimate};
use crate::{Json, Options, Result};

/// A run configuration, `{"model": {..}, "train": {..}, "data": {..}}`, as JSON text.
///
/// Everything that takes a configuration takes any text, too. [`config_keys`] lists every key.
///
/// ```
/// use minimoe::Config;
///
/// let config = Config::builder().set("model.d_model", 32).set("model.moe.layers", [1]).build();
/// assert_eq!(config.as_str(), r#"{"model":{"d_model":32,"moe":{"layers":[1]}}}"#);
/// assert!(config.resolve()?.as_str().contains("\"num_experts\""));
/// # Ok::<(), minimoe::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    json: String,
}

impl Config {
    /// A preset: `"lab"` (2 blocks, block 1 an MoE layer; trains in a minute) or `"lab-dense"`.
    pub fn preset(name: &str) -> Result<Self> {
        with_c_text("name", name, |name| {
            // SAFETY: `name` ends with a NUL, the output is valid for the call.
            text(|buf, cap, needed, err| unsafe { sys::minimoe_config_preset(name, buf, cap, needed, err) })
        })
        .map(Self::from)
    }

    /// Builds one key by key.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Checks it and fills in every default. Every bad key is named in one message.
    pub fn resolve(&self) -> Result<Self> {
        let (json, len) = bytes(&self.json);
        // SAFETY: input and output are valid for the call.
        text(|buf, cap, needed, err| unsafe { sys::minimoe_config_resolve(json, len, buf, cap, needed, err) })
            .map(Self::from)
    }

    /// Parameters and FLOPs of its model; `model.vocab_size` must not be 0.
    pub fn cost(&self) -> Result<Json<Cost>> {
        let (json, len) = bytes(&self.json);
        // SAFETY: input and output are valid for the call.
        text(|buf, cap, needed, err| unsafe { sys::minimoe_config_cost(json, len, buf, cap, needed, err) })
            .map(Json::new)
    }

    /// Bytes that its model and a trainer take; `model.vocab_size` must not be 0.
    pub fn estimate_memory(&self, options: &Options) -> Result<Json<MemoryEstimate>> {
        let (json, len) = bytes(&self.json);
        let options = options.raw()?;
        text(|buf, cap, needed, err| {
            // SAFETY: inputs and output are valid for the call.
            unsafe { sys::minimoe_config_estimate_memory(json, len, &options, buf, cap, needed, err) }
        })
        .map(Json::new)
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.json
    }
}

/// Every key of a configuration with type, default and meaning.
pub fn config_keys() -> Result<Json<Vec<ConfigKey>>> {
    // SAFETY: the output is valid for the call.
    text(|buf, cap, needed, err| unsafe { sys::minimoe_config_keys(buf, cap, needed, err) }).map(Json::new)
}

/// Named ways to break a router, each one setting away from a run that is well.
pub fn config_breaks() -> Result<Json<Vec<Break>>> {
    // SAFETY: the output is valid for the call.
    text(|buf, cap, needed, err| unsafe { sys::minimoe_config_breaks(buf, cap, needed, err) }).map(Json::new)
}

/// The four models of a comparison of MoE with dense: the dense one of the same `d_ff`, `config` itself, and dense ones whose
/// `d_ff` brings their parameters nearest to those that a token passes through, and to all of them. It needs an MoE layer and
/// `model.vocab_size`.
pub fn config_variants(config: impl AsRef<str>) -> Result<Json<Vec<ConfigVariant>>> {
    let (json, len) = bytes(config.as_ref());
    // SAFETY: input and output are valid for the call.
    text(|buf, cap, needed, err| unsafe { sys::minimoe_config_variants(json, len, buf, cap, needed, err) })
        .map(Json::new)
}

/// `config` balanced in each of the ways that `kinds` names, for runs that differ in nothing else: some of
/// `none,aux,seq-aux,bias,bias+aux`, separated by commas.
///
/// ```
/// let balancers = minimoe::config_balancers(r#"{"model": {"moe": {"layers": [1]}}}"#, "none,seq-aux")?;
/// assert!(balancers.as_str().contains("\"title\":\"balance-seq-aux\""));
/// # Ok::<(), minimoe::Error>(())
/// ```
pub fn config_balancers(config: impl AsRef<str>, kinds: &str) -> Result<Json<Vec<ConfigBalancer>>> {
    let (json, len) = bytes(config.as_ref());
    with_c_text("kinds", kinds, |kinds| {
        text(|buf, cap, needed, err| {
            // SAFETY: `kinds` ends with a NUL, input and output are valid for the call.
            unsafe { sys::minimoe_config_balancers(json, len, kinds, buf, cap, needed, err) }
        })
    })
    .map(Json::new)
}

impl From<String> for Config {
    fn from(json: String) -> Self {
        Self { json }
    }
}

impl From<&str> for Config {
    fn from(json: &str) -> Self {
        Self { json: json.to_owned() }
    }
}

impl AsRef<str> for Config {
    fn as_ref(&self) -> &str {
        &self.json
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.json)
    }
}

#[cfg(feature = "serde")]
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl From<&serde_json::Value> for Config {
    fn from(value: &serde_json::Value) -> Self {
        Self { json: value.to_string() }
    }
}

#[cfg(feature = "serde")]
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl TryFrom<&Config> for serde_json::Value {
    type Error = crate::Error;

    fn try_from(config: &Config) -> Result<Self> {
        serde_json::from_str(&config.json).map_err(|error| crate::Error::invalid(format!("config: {error}")))
    }
}
