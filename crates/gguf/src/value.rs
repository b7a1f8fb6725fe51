//! Values of the metadata: numbers, strings and arrays of them, stored compactly.

use crate::GgufError;
use crate::reader::Reader;

/// Most elements an array may have; vocabularies have a few hundred thousand.
const MAX_ARRAY: u64 = 1 << 24;
/// Deepest nesting of arrays; no known file nests at all.
const MAX_NESTING: usize = 4;

/// One value of the metadata.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(Array),
}

/// An array of the metadata, all of whose elements have one type.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<Array>),
}

impl Value {
    /// What kind of value this is, in words for messages: `u32`, `string`, `array of 3 f32`.
    pub fn kind(&self) -> String {
        match self {
            Value::Array(array) => format!("array of {} {}", array.len(), array.element_kind()),
            scalar => type_name(scalar.type_id()).to_owned(),
        }
    }

    /// The value as an unsigned integer, when it is a whole number that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Value::U8(n) => Some(n.into()),
            Value::U16(n) => Some(n.into()),
            Value::U32(n) => Some(n.into()),
            Value::U64(n) => Some(n),
            Value::I8(n) => n.try_into().ok(),
            Value::I16(n) => n.try_into().ok(),
            Value::I32(n) => n.try_into().ok(),
            Value::I64(n) => n.try_into().ok(),
            _ => None,
        }
    }

    /// The value as a float, when it is one.
    pub fn as_f32(&self) -> Option<f32> {
        match *self {
            Value::F32(x) => Some(x),
            Value::F64(x) => Some(x as f32),
            _ => None,
        }
    }

    pub(crate) fn type_id(&self) -> u32 {
        match self {
            Value::U8(_) => 0,
            Value::I8(_) => 1,
            Value::U16(_) => 2,
            Value::I16(_) => 3,
            Value::U32(_) => 4,
            Value::I32(_) => 5,
            Value::F32(_) => 6,
            Value::Bool(_) => 7,
            Value::String(_) => 8,
            Value::Array(_) => 9,
            Value::U64(_) => 10,
            Value::I64(_) => 11,
            Value::F64(_) => 12,
        }
    }

    /// Reads a type id and a value of that type.
    pub(crate) fn read(reader: &mut Reader, key: &str) -> Result<Self, GgufError> {
        let type_id = reader.u32(key)?;
        Ok(match type_id {
            0 => Value::U8(reader.array::<1>(key)?[0]),
            1 => Value::I8(reader.array(key).map(i8::from_le_bytes)?),
            2 => Value::U16(reader.array(key).map(u16::from_le_bytes)?),
            3 => Value::I16(reader.array(key).map(i16::from_le_bytes)?),
            4 => Value::U32(reader.u32(key)?),
            5 => Value::I32(reader.array(key).map(i32::from_le_bytes)?),
            6 => Value::F32(reader.array(key).map(f32::from_le_bytes)?),
            7 => Value::Bool(read_bool(reader.array::<1>(key)?[0], key)?),
            8 => Value::String(reader.string(key)?),
            9 => Value::Array(Array::read(reader, key, 0)?),
            10 => Value::U64(reader.u64(key)?),
            11 => Value::I64(reader.array(key).map(i64::from_le_bytes)?),
            12 => Value::F64(reader.array(key).map(f64::from_le_bytes)?),
            _ => return Err(unknown_type(key, type_id)),
        })
    }
}

impl Array {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Array::U8(v) => v.len(),
            Array::I8(v) => v.len(),
            Array::U16(v) => v.len(),
            Array::I16(v) => v.len(),
            Array::U32(v) => v.len(),
            Array::I32(v) => v.len(),
            Array::U64(v) => v.len(),
            Array::I64(v) => v.len(),
            Array::F32(v) => v.len(),
            Array::F64(v) => v.len(),
            Array::Bool(v) => v.len(),
            Array::String(v) => v.len(),
            Array::Array(v) => v.len(),
        }
    }

    /// True when there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as signed integers; `None` unless all are whole numbers that fit.
    pub fn to_i64s(&self) -> Option<Vec<i64>> {
        Some(match self {
            Array::U8(v) => v.iter().map(|&n| n.into()).collect(),
            Array::I8(v) => v.iter().map(|&n| n.into()).collect(),
            Array::U16(v) => v.iter().map(|&n| n.into()).collect(),
            Array::I16(v) => v.iter().map(|&n| n.into()).collect(),
            Array::U32(v) => v.iter().map(|&n| n.into()).collect(),
            Array::I32(v) => v.iter().map(|&n| n.into()).collect(),
            Array::I64(v) => v.clone(),
            Array::U64(v) => v.iter().map(|&n| n.try_into().ok()).collect::<Option<_>>()?,
            _ => return None,
        })
    }

    fn element_kind(&self) -> &'static str {
        type_name(self.element_type_id())
    }

    pub(crate) fn element_type_id(&self) -> u32 {
        match self {
            Array::U8(_) => 0,
            Array::I8(_) => 1,
            Array::U16(_) => 2,
            Array::I16(_) => 3,
            Array::U32(_) => 4,
            Array::I32(_) => 5,
            Array::F32(_) => 6,
            Array::Bool(_) => 7,
            Array::String(_) => 8,
            Array::Array(_) => 9,
            Array::U64(_) => 10,
            Array::I64(_) => 11,
            Array::F64(_) => 12,
        }
    }

    /// Reads an element type, a count and that many elements.
    fn read(reader: &mut Reader, key: &str, depth: usize) -> Result<Self, GgufError> {
        if depth >= MAX_NESTING {
            return Err(GgufError::BadMetadata(format!(
                "{key:?} nests arrays deeper than {MAX_NESTING} levels"
            )));
        }
        let type_id = reader.u32(key)?;
        let least_bytes = match type_id {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => 12,
            _ => return Err(unknown_type(key, type_id)),
        };
        let count = reader.count(least_bytes, MAX_ARRAY, key)?;
        Ok(match type_id {
            0 => Array::U8(reader.take(count, key)?.to_vec()),
            1 => Array::I8(numbers(reader, key, count, i8::from_le_bytes)?),
            2 => Array::U16(numbers(reader, key, count, u16::from_le_bytes)?),
            3 => Array::I16(numbers(reader, key, count, i16::from_le_bytes)?),
            4 => Array::U32(numbers(reader, key, count, u32::from_le_bytes)?),
            5 => Array::I32(numbers(reader, key, count, i32::from_le_bytes)?),
            6 => Array::F32(numbers(reader, key, count, f32::from_le_bytes)?),
            7 => Array::Bool(
                reader.take(count, key)?.iter().map(|&b| read_bool(b, key)).collect::<Result<_, _>>()?,
            ),
            8 => Array::String((0..count).map(|_| reader.string(key)).collect::<Result<_, _>>()?),
            9 => Array::Array(
                (0..count).map(|_| Array::read(reader, key, depth + 1)).collect::<Result<_, _>>()?,
            ),
            10 => Array::U64(numbers(reader, key, count, u64::from_le_bytes)?),
            11 => Array::I64(numbers(reader, key, count, i64::from_le_bytes)?),
            _ => Array::F64(numbers(reader, key, count, f64::from_le_bytes)?),
        })
    }
}

fn numbers<T, const N: usize>(
    reader: &mut Reader,
    key: &str,
    count: usize,
    decode: fn([u8; N]) -> T,
) -> Result<Vec<T>, GgufError> {
    (0..count).map(|_| reader.array(key).map(decode)).collect()
}

fn read_bool(byte: u8, key: &str) -> Result<bool, GgufError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(GgufError::BadMetadata(format!("{key:?} holds {other} where true or false belongs"))),
    }
}

fn unknown_type(key: &str, type_id: u32) -> GgufError {
    GgufError::BadMetadata(format!("{key:?} has the unknown value type {type_id}"))
}

fn type_name(type_id: u32) -> &'static str {
    const NAMES: [&str; 13] =
        ["u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"];
    NAMES.get(type_id as usize).copied().unwrap_or("unknown")
}
