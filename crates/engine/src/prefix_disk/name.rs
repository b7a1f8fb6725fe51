//! The name of a cache file, which says all that a search for a prefix asks first.

use std::fmt;
use std::str::FromStr;

use super::file::Kind;
use super::point::Point;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FileName {
    /// What layers that see everything keep of a run of blocks.
    Segment {
        /// The prefix that ends with its first block.
        first: Point,
        /// The prefix that ends with its last block.
        last: Point,
        /// How many there are.
        blocks: u32,
    },
    /// What the other layers keep for the token behind a prefix: windows and states.
    Snapshot {
        /// The prefix.
        at: Point,
    },
}

impl FileName {
    /// What the file's header says of it.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            FileName::Segment { .. } => Kind::Segment,
            FileName::Snapshot { .. } => Kind::Snapshot,
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::Segment { first, last, blocks } => write!(f, "{first}-{last}-{blocks}.segment"),
            FileName::Snapshot { at } => write!(f, "{at}.snapshot"),
        }
    }
}

impl FromStr for FileName {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let parsed = || {
            if let Some(at) = name.strip_suffix(".snapshot") {
                return Some(FileName::Snapshot { at: Point::from_hex(at)? });
            }
            let mut parts = name.strip_suffix(".segment")?.split('-');
            let [first, last, blocks] = [parts.next()?, parts.next()?, parts.next()?];
            let (first, last) = (Point::from_hex(first)?, Point::from_hex(last)?);
            Some(FileName::Segment { first, last, blocks: blocks.parse().ok().filter(|&n| n > 0)? })
        };
        // Exactly what would be written: no sign, no zero in front, nothing behind.
        parsed().filter(|file| file.to_string() == name).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let (first, last) = (Point([1; 16]), Point([0xab; 16]));
        let (segment, snapshot) =
            (FileName::Segment { first, last, blocks: 12 }, FileName::Snapshot { at: last });
        for name in [segment, snapshot] {
            assert_eq!(name.to_string().parse(), Ok(name));
            assert!(format!("{name}x").parse::<FileName>().is_err());
        }
        let written = segment.to_string();
        for wrong in ["-012.segment", "-+12.segment", "-0.segment", "-12-1.segment", "-99999999999.segment"] {
            assert!(written.replace("-12.segment", wrong).parse::<FileName>().is_err(), "{wrong}");
        }
        assert!("lock".parse::<FileName>().is_err() && "writing.tmp".parse::<FileName>().is_err());
    }
}
