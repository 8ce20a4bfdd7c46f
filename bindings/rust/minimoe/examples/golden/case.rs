// SPDX-License-Identifier: Apache-2.0
//! One case of the manifest.
use minimoe::{Dataset, InstructionSet, Options, Result};
use serde_json::Value;

use crate::values::{fill, tokens};

pub(crate) struct Case<'m> {
    json: &'m Value,
    instruction_set: i64,
}

impl<'m> Case<'m> {
    pub(crate) fn new(json: &'m Value, instruction_set: i64) -> Self {
        Self { json, instruction_set }
    }

    pub(crate) fn text(&self, key: &str) -> &'m str {
        self.json[key].as_str().unwrap_or_else(|| panic!("{key}: expected a text"))
    }

    pub(crate) fn integer(&self, key: &str) -> i64 {
        self.json[key].as_i64().unwrap_or_else(|| panic!("{key}: expected an integer"))
    }

    pub(crate) fn count(&self, key: &str) -> usize {
        usize::try_from(self.integer(key)).expect("a count")
    }

    pub(crate) fn number(&self, key: &str) -> f64 {
        self.json[key].as_f64().unwrap_or_else(|| panic!("{key}: expected a number"))
    }

    pub(crate) fn list(&self, key: &str) -> &'m [Value] {
        self.json[key].as_array().unwrap_or_else(|| panic!("{key}: expected a list"))
    }

    pub(crate) fn integers(&self, key: &str) -> Vec<i64> {
        self.list(key).iter().map(|value| value.as_i64().expect("integers")).collect()
    }

    pub(crate) fn names(&self, key: &str) -> impl Iterator<Item = &'m str> {
        self.list(key).iter().map(|value| value.as_str().expect("names"))
    }

    /// None when the list is empty.
    pub(crate) fn valid(&self) -> Option<Vec<u8>> {
        let valid: Vec<u8> = self.integers("valid").iter().map(|&value| value as u8).collect();
        (!valid.is_empty()).then_some(valid)
    }

    pub(crate) fn options(&self) -> Options {
        let set = match self.instruction_set {
            0 => InstructionSet::Auto,
            1 => InstructionSet::Scalar,
            2 => InstructionSet::Sse4,
            3 => InstructionSet::Avx2,
            4 => InstructionSet::Avx512,
            other => panic!("instruction_set: {other}"),
        };
        Options::new().num_threads(self.count("num_threads") as u32).instruction_set(set)
    }

    pub(crate) fn dataset(&self) -> Result<Dataset> {
        if self.text("kind") == "open" {
            return Dataset::open_with(self.text("json"), &self.options());
        }
        let dataset = Dataset::with_options(self.text("json"), &self.options())?;
        let ids = tokens(self.integer("data_tag"), self.integer("num_data"), self.integer("vocab_size"));
        let classes: Vec<u8> = match self.integer("num_classes") {
            0 => Vec::new(),
            count => ids.iter().map(|&id| (i64::from(id) % count) as u8).collect(),
        };
        match self.text("kind") {
            "i32" => dataset.append_with_classes(&ids, &classes)?,
            "u16" => {
                let ids: Vec<u16> = ids.iter().map(|&id| id as u16).collect();
                dataset.append_with_classes(&ids, &classes)?;
            }
            other => panic!("kind: {other}"),
        }
        Ok(dataset)
    }

    /// `set(name, values)` for each of `parameters`.
    pub(crate) fn set_parameters(&self, mut set: impl FnMut(&str, &[f32]) -> Result<()>) -> Result<()> {
        for (position, entry) in self.list("parameters").iter().enumerate() {
            let number = |index: usize| entry[index].as_i64().expect("a count");
            let tag = self.integer("tag") + position as i64;
            let scale = entry[3].as_f64().expect("a scale");
            set(entry[0].as_str().expect("a name"), &fill(tag, number(1), number(2), scale))?;
        }
        Ok(())
    }
}
