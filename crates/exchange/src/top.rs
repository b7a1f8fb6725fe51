//! The values at the top of a file, parsed so that no more than one conversation is in memory.

use std::fmt;

use lantern_protocol::Folder;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::from::Source;
use crate::json::{self, FORMAT, VERSION};
use crate::read::{FileRead, Item, Reader};

/// A value at the top of a file: an object, or an array of which one element at a time is in memory.
pub(crate) struct Top<'a, 'b, 'c> {
    pub(crate) reader: &'a mut Reader<'c>,
    pub(crate) file: &'b mut FileRead,
    /// Conversations, or parts of some, so far.
    pub(crate) found: &'b mut usize,
    /// The version of a later Lantern's file.
    pub(crate) newer: &'b mut Option<u64>,
}

impl<'de> Visitor<'de> for &mut Top<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<Value>()? {
            *self.found += usize::from(self.reader.object(value, self.file));
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let is_ours = object.get("format").and_then(Value::as_str) == Some(FORMAT);
            if is_ours && key == "conversations" {
                let version = object.get("version").and_then(Value::as_u64).unwrap_or(0);
                if version > VERSION {
                    *self.newer = Some(version);
                }
                let folders = object.get("folders").cloned().unwrap_or_default();
                for folder in serde_json::from_value::<Vec<Folder>>(folders).unwrap_or_default() {
                    (self.reader.each)(Item::Folder(folder));
                }
                fields.next_value_seed(Records(self))?;
            } else {
                object.insert(key, fields.next_value()?);
            }
        }
        if self.file.source == Some(Source::Lantern) {
            return Ok(());
        }
        *self.found += usize::from(self.reader.object(Value::Object(object), self.file));
        Ok(())
    }
}

/// The conversations of an export of Lantern's.
struct Records<'t, 'a, 'b, 'c>(&'t mut Top<'a, 'b, 'c>);

impl<'de> DeserializeSeed<'de> for Records<'_, '_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_, '_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of conversations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Top { reader, file, found, newer } = self.0;
        file.source = Some(Source::Lantern);
        **found += 1;
        while let Some(value) = list.next_element::<Value>()? {
            if newer.is_some() {
                continue;
            }
            match json::record(value) {
                Ok((record, left)) => reader.hand_out(record, left, file),
                Err(reason) => file.left.add(&format!("conversations that cannot be read ({reason})")),
            }
        }
        Ok(())
    }
}
