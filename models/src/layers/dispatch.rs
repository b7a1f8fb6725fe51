//! Which rows go to which expert: the choice of a router, sorted by expert. How it is made is said in `routing`.

use lantern_kernels::ExpertRows;

/// The choice for the rows of a batch. Its lists keep their memory from one batch to the next.
#[derive(Debug, Default)]
pub(crate) struct Dispatch {
    /// Experts for each row.
    used: usize,
    /// `[rows, used]`: the experts of each row, the best first.
    pub(super) experts: Vec<u32>,
    /// `[rows, used]`: what each of them counts.
    pub(crate) weights: Vec<f32>,
    /// `[rows, used]`: the place of each in the list that is sorted by expert.
    pub(crate) places: Vec<u32>,
    /// The row at each place.
    pub(crate) rows: Vec<u32>,
    /// The places of each expert that has any.
    pub(crate) groups: Vec<ExpertRows>,
    /// Places up to each expert's first, while sorting.
    next: Vec<u32>,
    /// Numbers from 0: what is at each place, once it was put there.
    in_order: Vec<u32>,
    /// Scores of a row as they are compared, and members of a group, while choosing.
    pub(super) compared: Vec<f32>,
    pub(super) best: Vec<u32>,
}

impl Dispatch {
    /// Forgets the last batch; rows of the next one have `used` experts each.
    pub(super) fn clear(&mut self, used: usize) {
        self.used = used;
        self.experts.clear();
        self.weights.clear();
    }

    /// How many rows are sent somewhere, each as often as it has experts.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// For what lies sorted by expert already: the place at each place.
    pub(crate) fn in_order(&self) -> &[u32] {
        &self.in_order[..self.len()]
    }

    /// The weights at the places of a group. Slower than [`Self::weights`], for tests and devices.
    pub(crate) fn weights_of(&self, group: &ExpertRows) -> Vec<f32> {
        let mut weights = vec![0.0; group.len as usize];
        for (&place, &weight) in self.places.iter().zip(&self.weights) {
            if let Some(at) = place.checked_sub(group.first).filter(|&at| at < group.len) {
                weights[at as usize] = weight;
            }
        }
        weights
    }

    /// Sorts the choices by expert and, for each expert, by row.
    pub(super) fn sort(&mut self, experts: usize) {
        let Dispatch { used, experts: chosen, places, rows, groups, next, in_order, .. } = self;
        next.clear();
        next.resize(experts, 0);
        chosen.iter().for_each(|&expert| next[expert as usize] += 1);
        groups.clear();
        let mut first = 0;
        for (expert, next) in next.iter_mut().enumerate() {
            let len = std::mem::replace(next, first);
            if len > 0 {
                groups.push(ExpertRows { expert: expert as u32, first, len });
            }
            first += len;
        }
        places.clear();
        rows.clear();
        rows.resize(chosen.len(), 0);
        for (i, &expert) in chosen.iter().enumerate() {
            let place = next[expert as usize];
            next[expert as usize] += 1;
            places.push(place);
            rows[place as usize] = (i / *used) as u32;
        }
        in_order.extend(in_order.len() as u32..chosen.len() as u32);
    }
}

/// Appends the indices of the `count` largest values, the largest first; of equal ones the first.
pub(super) fn push_largest(indices: &mut Vec<u32>, values: &[f32], count: usize) {
    let first = indices.len();
    for (i, &value) in values.iter().enumerate() {
        let best = &indices[first..];
        if best.len() == count {
            // Most values are not among the largest.
            match best.last() {
                Some(&last) if value > values[last as usize] => indices.truncate(first + count - 1),
                _ => continue,
            }
        }
        let best = &indices[first..];
        let not_larger = best.iter().rev().take_while(|&&other| value > values[other as usize]).count();
        indices.insert(indices.len() - not_larger, i as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_chosen_and_of_equal_ones_the_first() {
        let largest = |values: &[f32], count| {
            let mut indices = vec![9];
            push_largest(&mut indices, values, count);
            indices.split_off(1)
        };
        assert_eq!(largest(&[1.0, 3.0, 2.0, 5.0], 2), [3, 1]);
        assert_eq!(largest(&[1.0, 2.0, 2.0, 2.0, 1.0], 2), [1, 2]);
        assert_eq!(largest(&[0.0; 4], 3), [0, 1, 2]);
        assert_eq!(largest(&[2.0, 1.0, 3.0], 3), [2, 0, 1]);
        // Broken numbers give some choice, and as many as any others.
        assert_eq!(largest(&[f32::NAN; 4], 2).len(), 2);
    }

    #[test]
    fn choices_are_sorted_by_expert_and_then_by_row() {
        let mut dispatch = Dispatch::default();
        // The second time finds what the first has left.
        for _ in 0..2 {
            dispatch.clear(2);
            dispatch.experts.extend([1, 2, 0, 1, 2, 3]);
            dispatch.sort(4);
            assert_eq!(dispatch.rows, [1, 0, 1, 0, 2, 2]);
            assert_eq!(dispatch.places, [1, 3, 0, 2, 4, 5]);
            let groups: Vec<_> = dispatch.groups.iter().map(|g| (g.expert, g.first, g.len)).collect();
            assert_eq!(groups, [(0, 0, 1), (1, 1, 2), (2, 3, 2), (3, 5, 1)]);
            assert_eq!(dispatch.in_order(), [0, 1, 2, 3, 4, 5]);
        }
        dispatch.clear(1);
        dispatch.experts.push(0);
        dispatch.sort(4);
        assert_eq!((&*dispatch.rows, &*dispatch.places, dispatch.groups.len()), (&[0][..], &[0][..], 1));
    }
}
