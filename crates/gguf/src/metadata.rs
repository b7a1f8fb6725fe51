//! The metadata of a file: keys with typed access. A missing key and a value of another type are different errors.

use indexmap::IndexMap;

use crate::value::{Array, Value};
use crate::{GgufError, reader::Reader};

/// Longest key the format allows.
const MAX_KEY: u64 = 65_535;
/// Most keys a file may have; real files have a few dozen.
const MAX_KEYS: u64 = 65_536;

/// Keys and values in the file's order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    entries: IndexMap<String, Value>,
}

impl Metadata {
    pub(crate) fn read(reader: &mut Reader, count: u64) -> Result<Self, GgufError> {
        if count > MAX_KEYS {
            return Err(GgufError::BadMetadata(format!("{count} metadata keys, the limit is {MAX_KEYS}")));
        }
        let mut entries = IndexMap::new();
        for _ in 0..count {
            let key = reader.string_within(MAX_KEY, "a metadata key")?;
            let value = Value::read(reader, &key)?;
            if entries.contains_key(&key) {
                return Err(GgufError::BadMetadata(format!("the key {key:?} is there twice")));
            }
            entries.insert(key, value);
        }
        Ok(Metadata { entries })
    }

    /// The value of a key, of whatever type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// Sets or replaces a key (for files that are about to be written).
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        self.entries.insert(key.into(), value);
    }

    /// Removes a key (for files that are about to be written).
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.entries.shift_remove(key)
    }

    /// The keys in the file's order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Keys and values in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without any key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A whole number from 0 to 2³²−1, of any integer type in the file.
    pub fn u32(&self, key: &str) -> Result<u32, GgufError> {
        present(key, self.opt_u32(key)?)
    }

    /// Like [`Self::u32`]; `None` when the key is missing.
    pub fn opt_u32(&self, key: &str) -> Result<Option<u32>, GgufError> {
        self.typed(key, "a whole number below 2^32", |value| value.as_u64()?.try_into().ok())
    }

    /// A whole number that is not negative, of any integer type in the file; `None` when the key is missing.
    pub fn opt_u64(&self, key: &str) -> Result<Option<u64>, GgufError> {
        self.typed(key, "a whole number", Value::as_u64)
    }

    /// A float.
    pub fn f32(&self, key: &str) -> Result<f32, GgufError> {
        present(key, self.opt_f32(key)?)
    }

    /// Like [`Self::f32`]; `None` when the key is missing.
    pub fn opt_f32(&self, key: &str) -> Result<Option<f32>, GgufError> {
        self.typed(key, "a float", Value::as_f32)
    }

    /// A truth value.
    pub fn bool(&self, key: &str) -> Result<bool, GgufError> {
        present(key, self.opt_bool(key)?)
    }

    /// Like [`Self::bool`]; `None` when the key is missing.
    pub fn opt_bool(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.typed(key, "a bool", |value| match value {
            Value::Bool(b) => Some(*b),
            _ => None,
        })
    }

    /// A string.
    pub fn str(&self, key: &str) -> Result<&str, GgufError> {
        present(key, self.opt_str(key)?)
    }

    /// Like [`Self::str`]; `None` when the key is missing.
    pub fn opt_str(&self, key: &str) -> Result<Option<&str>, GgufError> {
        self.typed(key, "a string", |value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// An array of strings.
    pub fn strings(&self, key: &str) -> Result<&[String], GgufError> {
        present(key, self.opt_strings(key)?)
    }

    /// Like [`Self::strings`]; `None` when the key is missing.
    pub fn opt_strings(&self, key: &str) -> Result<Option<&[String]>, GgufError> {
        self.typed(key, "an array of strings", |value| match value {
            Value::Array(Array::String(strings)) => Some(strings.as_slice()),
            _ => None,
        })
    }

    /// An array of 32-bit floats.
    pub fn f32s(&self, key: &str) -> Result<&[f32], GgufError> {
        present(key, self.opt_f32s(key)?)
    }

    /// Like [`Self::f32s`]; `None` when the key is missing.
    pub fn opt_f32s(&self, key: &str) -> Result<Option<&[f32]>, GgufError> {
        self.typed(key, "an array of floats", |value| match value {
            Value::Array(Array::F32(floats)) => Some(floats.as_slice()),
            _ => None,
        })
    }

    /// An array of whole numbers that fit 32 bits, of any integer type in the file.
    pub fn i32s(&self, key: &str) -> Result<Vec<i32>, GgufError> {
        present(key, self.opt_i32s(key)?)
    }

    /// Like [`Self::i32s`]; `None` when the key is missing.
    pub fn opt_i32s(&self, key: &str) -> Result<Option<Vec<i32>>, GgufError> {
        self.typed(key, "an array of whole numbers", |value| match value {
            Value::Array(array) => array.to_i64s()?.into_iter().map(|n| n.try_into().ok()).collect(),
            _ => None,
        })
    }

    /// An array of truth values; `None` when the key is missing.
    pub fn opt_bools(&self, key: &str) -> Result<Option<Vec<bool>>, GgufError> {
        self.typed(key, "an array of bools", |value| match value {
            Value::Array(Array::Bool(flags)) => Some(flags.clone()),
            _ => None,
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        match convert(value) {
            Some(converted) => Ok(Some(converted)),
            None => Err(GgufError::WrongType { key: key.to_owned(), expected, found: value.kind() }),
        }
    }
}

fn present<T>(key: &str, value: Option<T>) -> Result<T, GgufError> {
    value.ok_or_else(|| GgufError::MissingKey { key: key.to_owned() })
}
