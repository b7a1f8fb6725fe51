//! How a stored tensor becomes one of the file: which rows, in which order, turned, computed.

use super::config::Config;
use crate::ConvertError;

/// Rows, or numbers of a row, by where they are stored: given the settings and how many there are. Places behind the last
/// stand for zeros. `None` when the settings do not fit the number.
pub type Order = fn(&Config, usize) -> Option<Vec<u32>>;

/// What happens to a stored tensor, in this order.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Into how many matrices a matrix is cut, or into how many rows a vector.
    pub cut: Option<fn(&Config, usize) -> Option<usize>>,
    /// Rows of each matrix, or numbers of a vector.
    pub rows: Option<Order>,
    /// Numbers of each row of a matrix.
    pub columns: Option<Order>,
    /// Rows become columns.
    pub transposed: bool,
    /// Of each number.
    pub value: Option<fn(f32) -> f32>,
    /// The tensor holds pairs of four-bit floats, and another one their scales.
    pub packed: bool,
}

/// Nothing happens.
pub const SAME: Change =
    Change { cut: None, rows: None, columns: None, transposed: false, value: None, packed: false };
/// Norms that multiply by one more than what they store.
pub const ADD_ONE: Change = Change { value: Some(|x| x + 1.0), ..SAME };
/// Halves of the heads of queries are interleaved: GGUF's `llama` turns neighbours, Hugging Face turns halves.
pub const QUERIES: Change = Change {
    rows: Some(|config, rows| halves_to_neighbours(rows, config.opt_usize("num_attention_heads")?)),
    ..SAME
};
/// The same for the heads of keys.
pub const KEYS: Change =
    Change { rows: Some(|config, rows| halves_to_neighbours(rows, config.kv_heads()?)), ..SAME };
/// The first half of each matrix's rows.
pub const FIRST_HALF: Change = Change { rows: Some(|_, rows| Some((0..even(rows)? / 2).collect())), ..SAME };
/// The second half of each matrix's rows.
pub const SECOND_HALF: Change =
    Change { rows: Some(|_, rows| Some((even(rows)? / 2..even(rows)?).collect())), ..SAME };
/// Rates of forgetting, which are stored as their logarithms.
pub const MINUS_EXP: Change = Change { value: Some(minus_exp), ..SAME };
/// A vector becomes a column.
pub const COLUMN: Change = Change { cut: Some(|_, len| Some(len)), ..SAME };

/// Even-numbered places of `len`, or odd ones.
pub fn every_other(len: usize, first: u32) -> Option<Vec<u32>> {
    Some((first..even(len)?).step_by(2).collect())
}

/// `len` as a place, if it is even.
fn even(len: usize) -> Option<u32> {
    u32::try_from(len).ok().filter(|len| len.is_multiple_of(2))
}

/// Rounded once, from more digits than the result has.
fn minus_exp(x: f32) -> f32 {
    -(f64::from(x).exp() as f32)
}

/// Pairs of a head, one from each half, become neighbours.
fn halves_to_neighbours(rows: usize, heads: usize) -> Option<Vec<u32>> {
    let rows = u32::try_from(rows).ok()?;
    let width = rows.checked_div(u32::try_from(heads).ok()?)?;
    let whole = width * heads as u32 == rows && width.is_multiple_of(2);
    let place = |row: u32| row / width * width + row % width % 2 * (width / 2) + row % width / 2;
    whole.then(|| (0..rows).map(place).collect())
}

/// A change with its numbers, for matrices of one size.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Sizes of the new tensor, contiguous dimension last.
    pub shape: Vec<usize>,
    /// Stored rows of a matrix, and numbers of a row.
    pub stored: (usize, usize),
    /// As [`Change::rows`].
    pub rows: Option<Vec<u32>>,
    /// As [`Change::columns`].
    pub columns: Option<Vec<u32>>,
    /// As [`Change::transposed`].
    pub transposed: bool,
    /// As [`Change::value`].
    pub value: Option<fn(f32) -> f32>,
}

impl Change {
    /// What becomes of the tensor `name` with the sizes `shape`, contiguous dimension last.
    pub fn plan(&self, name: &str, shape: &[usize], config: &Config) -> Result<Plan, ConvertError> {
        let unfit = || ConvertError::BadTensor {
            tensor: name.to_owned(),
            reason: format!("has the shape {shape:?}, which does not fit the sizes in config.json"),
        };
        let mut sizes = shape.to_vec();
        // Filters of convolutions over channels have a dimension of one before their taps.
        if let [_, 1, _] = shape[..] {
            sizes.remove(1);
        }
        let vector = sizes.len() < 2;
        if let Some(cut) = self.cut {
            let first = sizes.first().copied().unwrap_or(0);
            let parts = cut(config, first).filter(|&n| n > 0 && first.is_multiple_of(n)).ok_or_else(unfit)?;
            sizes.splice(..1, [parts, first / parts]);
        }
        let order = |order: Option<Order>, len| order.map(|order| order(config, len).ok_or_else(unfit));
        let cols = sizes.last().copied().unwrap_or(1);
        let rows = if sizes.len() < 2 { 1 } else { sizes[sizes.len() - 2] };
        let (mut of_rows, mut of_columns) =
            (order(self.rows, if vector { cols } else { rows }).transpose()?, None);
        if vector {
            std::mem::swap(&mut of_rows, &mut of_columns);
        } else {
            of_columns = order(self.columns, cols).transpose()?;
        }
        let last = sizes.len();
        if let Some(taken) = &of_columns {
            sizes[last - 1] = taken.len();
        }
        if let Some(taken) = &of_rows {
            sizes[last - 2] = taken.len();
        }
        if self.transposed && last >= 2 {
            sizes.swap(last - 2, last - 1);
        }
        Ok(Plan {
            shape: sizes,
            stored: (rows, cols),
            rows: of_rows,
            columns: of_columns,
            transposed: self.transposed,
            value: self.value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_heads_become_neighbours() {
        // Two heads of four rows: 0 1 | 2 3 and 4 5 | 6 7.
        assert_eq!(halves_to_neighbours(8, 2), Some(vec![0, 2, 1, 3, 4, 6, 5, 7]));
        assert_eq!(halves_to_neighbours(6, 2), None, "three numbers have no halves");
        assert_eq!(halves_to_neighbours(8, 0), None);
    }
}
