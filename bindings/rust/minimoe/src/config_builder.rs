// SPDX-License-Identifier: Apache-2.0
//! JSON objects by dotted keys.
use std::collections::BTreeMap;
use std::fmt::Write;

use crate::Config;

/// Builds a [`Config`], or the options of one call, key by key: [`Config::builder`].
///
/// Keys are dotted paths as [`config_keys`](crate::config_keys) lists them. A key that is set twice has the later value;
/// what the library does not know, it refuses when the configuration is used.
#[derive(Clone, Debug, Default)]
pub struct ConfigBuilder {
    root: Branch,
}

type Branch = BTreeMap<String, Node>;

#[derive(Clone, Debug)]
enum Node {
    Branch(Branch),
    Value(String),
}

impl ConfigBuilder {
    /// Sets `key`, `"model.moe.top_k"` say.
    pub fn set(mut self, key: &str, value: impl Into<ConfigValue>) -> Self {
        let (path, name) = key.rsplit_once('.').map_or((None, key), |(path, name)| (Some(path), name));
        let mut branch = &mut self.root;
        for part in path.into_iter().flat_map(|path| path.split('.')) {
            let node = branch.entry(part.to_owned()).or_insert_with(|| Node::Branch(Branch::new()));
            if matches!(node, Node::Value(_)) {
                *node = Node::Branch(Branch::new());
            }
            branch = match node {
                Node::Branch(next) => next,
                Node::Value(_) => unreachable!("it was made a branch"),
            };
        }
        branch.insert(name.to_owned(), Node::Value(value.into().json));
        self
    }

    /// The configuration.
    pub fn build(&self) -> Config {
        let mut json = String::new();
        write_branch(&mut json, &self.root);
        Config::from(json)
    }
}

fn write_branch(json: &mut String, branch: &Branch) {
    json.push('{');
    for (index, (name, node)) in branch.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write_text(json, name);
        json.push(':');
        match node {
            Node::Branch(branch) => write_branch(json, branch),
            Node::Value(value) => json.push_str(value),
        }
    }
    json.push('}');
}

fn write_text(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\0'..='\x1f' => {
                write!(json, "\\u{:04x}", u32::from(character)).expect("a String takes everything");
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

/// A value of a configuration: a number, a truth value, a text, or a list of these.
#[derive(Clone, Debug)]
pub struct ConfigValue {
    json: String,
}

macro_rules! values {
    ($($type:ty),*) => {$(
        impl From<$type> for ConfigValue {
            fn from(value: $type) -> Self {
                Self { json: value.to_string() }
            }
        }
    )*};
}
values!(bool, i32, u32, i64, u64, usize);

impl From<f64> for ConfigValue {
    fn from(value: f64) -> Self {
        // JSON has no NaN and no infinity; the library names the key when it finds null.
        Self { json: if value.is_finite() { format!("{value:?}") } else { "null".to_owned() } }
    }
}

impl From<&str> for ConfigValue {
    fn from(value: &str) -> Self {
        let mut json = String::new();
        write_text(&mut json, value);
        Self { json }
    }
}

impl<T: Into<ConfigValue>> From<Vec<T>> for ConfigValue {
    fn from(values: Vec<T>) -> Self {
        let values: Vec<String> = values.into_iter().map(|value| value.into().json).collect();
        Self { json: format!("[{}]", values.join(",")) }
    }
}

impl<T: Into<ConfigValue>, const N: usize> From<[T; N]> for ConfigValue {
    fn from(values: [T; N]) -> Self {
        Vec::from(values).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_nested_objects_and_the_later_value_stands() {
        let built = Config::builder()
            .set("train.steps", 10)
            .set("train.learning_rate", 1e-3)
            .set("data.corpus", "a \"b\"\\\n.txt")
            .set("train.steps", 20)
            .build();
        assert_eq!(
            built.as_str(),
            r#"{"data":{"corpus":"a \"b\"\\\u000a.txt"},"train":{"learning_rate":0.001,"steps":20}}"#
        );
    }

    #[test]
    fn a_value_gives_way_to_an_object_of_the_same_name() {
        let built = Config::builder().set("model", 1).set("model.moe.layers", vec![0, 1]).build();
        assert_eq!(built.as_str(), r#"{"model":{"moe":{"layers":[0,1]}}}"#);
    }

    #[test]
    fn what_json_cannot_say_is_null() {
        assert_eq!(Config::builder().set("a", [f64::NAN, 1.0]).build().as_str(), r#"{"a":[null,1.0]}"#);
    }
}
