//! How a router's scores become a choice of experts and what each of them counts.

use super::dispatch::{Dispatch, push_largest};
use crate::hyper::MAX_EXPERTS;
use crate::{Hyper, ModelError};

/// The rule by which a family chooses among experts and weighs them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Routing {
    /// What becomes of the router's outputs.
    pub(crate) scores: Scores,
    /// Whether the weights of the chosen experts are made to sum to 1.
    pub(crate) normalised: bool,
    /// Factor of all weights.
    pub(crate) scale: f32,
    /// Experts in groups, of which only the best are looked into.
    pub(crate) groups: Option<ExpertGroups>,
}

/// What becomes of a router's outputs before they are compared and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scores {
    /// Their softmax over all experts. Made to sum to 1, the chosen ones are a softmax of the chosen outputs alone.
    Softmax,
    /// `1 / (1 + e^-x)` of each.
    Sigmoid,
    /// Experts are chosen one after the other; each counts its share of the softmax over those that are nearly as good
    /// and not chosen yet (SparseMixer; Liu et al., 2024).
    OneByOne,
}

/// How far behind the best an output may lie to be nearly as good, in parts of the larger of the two. Files have no key
/// for it.
const NEARLY: f32 = 0.02;

/// Neighbouring experts that are chosen together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExpertGroups {
    /// How many groups there are; they divide the experts evenly.
    pub(crate) count: usize,
    /// How many of them are looked into.
    pub(crate) used: usize,
    /// How many of a group's largest scores are summed up to judge it.
    pub(crate) judged_by: usize,
}

impl Routing {
    /// A softmax of the chosen outputs: what most families do.
    pub(crate) const SOFTMAX_OF_CHOSEN: Routing =
        Routing { scores: Scores::Softmax, normalised: true, scale: 1.0, groups: None };

    /// Shares of all experts, which the chosen ones keep.
    pub(crate) const SOFTMAX_OF_ALL: Routing = Routing { normalised: false, ..Routing::SOFTMAX_OF_CHOSEN };

    /// Sigmoids, those of the chosen ones made to sum to 1.
    pub(crate) const SIGMOID: Routing = Routing { scores: Scores::Sigmoid, ..Routing::SOFTMAX_OF_CHOSEN };

    /// One after the other.
    pub(crate) const ONE_BY_ONE: Routing = Routing { scores: Scores::OneByOne, ..Routing::SOFTMAX_OF_ALL };

    /// Reads the keys of families that say how they choose; `default` where they do not. A group is judged by its best
    /// expert where scores are a softmax (DeepSeek V2), by its two best where they are sigmoids (DeepSeek V3).
    pub(crate) fn read(hyper: &Hyper, experts: usize, default: Routing) -> Result<Self, ModelError> {
        const FUNCTION: &str = "expert_gating_func";
        let scores = match hyper.opt_u32(FUNCTION)? {
            None | Some(0) => default.scores,
            Some(1) => Scores::Softmax,
            Some(2) => Scores::Sigmoid,
            Some(other) => {
                return Err(
                    hyper.bad(FUNCTION, format!("it is {other}; 1 (softmax) and 2 (sigmoid) are known"))
                );
            }
        };
        // Older converters write 0 where there is no factor.
        let scale = hyper.opt_f32("expert_weights_scale")?.filter(|&scale| scale != 0.0);
        let count = hyper.opt_size("expert_group_count", MAX_EXPERTS)?.unwrap_or(1);
        if !experts.is_multiple_of(count) {
            let reason = format!("{count} groups do not divide {experts} experts");
            return Err(hyper.bad("expert_group_count", reason));
        }
        let used = hyper.opt_size("expert_group_used_count", count)?.unwrap_or(count);
        let judged_by = if scores == Scores::Softmax { 1 } else { 2.min(experts / count) };
        Ok(Routing {
            scores,
            normalised: hyper.opt_bool("expert_weights_norm")?.unwrap_or(default.normalised),
            scale: scale.unwrap_or(default.scale),
            groups: (used < count).then_some(ExpertGroups { count, used, judged_by }),
        })
    }

    /// Chooses the `used` experts with the largest scores for each row of `logits[rows, experts]`, of equal ones the
    /// first; the logits become anything. `bias` is added to scores where they are compared and not where they count;
    /// each expert's weights are multiplied by its factor in `scales`.
    pub(crate) fn choose(
        &self,
        logits: &mut [f32],
        experts: usize,
        used: usize,
        bias: Option<&[f32]>,
        scales: Option<&[f32]>,
        dispatch: &mut Dispatch,
    ) {
        // The softmax of the chosen outputs needs no others, and larger outputs have larger scores.
        let only_chosen = self.scores == Scores::Softmax && self.normalised && bias.is_none();
        let only_chosen = only_chosen && self.groups.is_none();
        dispatch.clear(used);
        for row in logits.chunks_exact_mut(experts) {
            if self.scores == Scores::OneByOne {
                push_one_by_one(row, used, dispatch);
                continue;
            }
            if !only_chosen {
                self.score(row);
            }
            let first = dispatch.experts.len();
            self.push_best(row, used, bias, dispatch);
            let chosen = &dispatch.experts[first..];
            dispatch.weights.extend(chosen.iter().map(|&expert| row[expert as usize]));
            let weights = &mut dispatch.weights[first..];
            if only_chosen {
                let largest = weights[0];
                weights.iter_mut().for_each(|weight| *weight = (*weight - largest).exp());
            }
            // The smallest number keeps scores that are all zero from becoming no numbers.
            let sum = if self.normalised { weights.iter().sum::<f32>() + 1e-20 } else { 1.0 };
            for (weight, &expert) in weights.iter_mut().zip(chosen) {
                *weight = *weight / sum * self.scale * scales.map_or(1.0, |scales| scales[expert as usize]);
            }
        }
        dispatch.sort(experts);
    }

    /// Outputs of the router become scores.
    fn score(&self, row: &mut [f32]) {
        match self.scores {
            Scores::Softmax => {
                let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                row.iter_mut().for_each(|x| *x = (*x - largest).exp());
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|x| *x /= sum);
            }
            Scores::Sigmoid => row.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp())),
            Scores::OneByOne => {}
        }
    }

    fn push_best(&self, scores: &[f32], used: usize, bias: Option<&[f32]>, dispatch: &mut Dispatch) {
        let Dispatch { experts, compared, best, .. } = dispatch;
        if bias.is_none() && self.groups.is_none() {
            return push_largest(experts, scores, used);
        }
        compared.clear();
        compared.extend_from_slice(scores);
        if let Some(bias) = bias {
            compared.iter_mut().zip(bias).for_each(|(score, bias)| *score += bias);
        }
        if let Some(groups) = &self.groups {
            groups.leave_best(compared, best);
        }
        push_largest(experts, compared, used);
    }
}

/// Chooses the expert with the largest output, then the one with the largest of the others, and so on.
fn push_one_by_one(row: &mut [f32], used: usize, dispatch: &mut Dispatch) {
    for _ in 0..used {
        let mut best = 0;
        for (i, &x) in row.iter().enumerate() {
            if x > row[best] {
                best = i;
            }
        }
        let largest = row[best];
        let is_far = |x: f32| (largest - x) / x.abs().max(largest) > NEARLY;
        let near = row.iter().filter(|&&x| x > f32::NEG_INFINITY && !is_far(x));
        let sum: f32 = near.map(|x| (x - largest).exp()).sum();
        dispatch.experts.push(best as u32);
        dispatch.weights.push(1.0 / sum);
        row[best] = f32::NEG_INFINITY;
    }
}

impl ExpertGroups {
    /// Puts the scores of all groups but the best out of the question. `best` is memory to work with.
    fn leave_best(&self, scores: &mut [f32], best: &mut Vec<u32>) {
        let each = scores.len() / self.count;
        for _ in self.used..self.count {
            let mut worst = (f32::INFINITY, 0);
            for (group, members) in scores.chunks_exact(each).enumerate() {
                best.clear();
                push_largest(best, members, self.judged_by);
                let sum: f32 = best.iter().map(|&member| members[member as usize]).sum();
                // Of equal ones the last goes; one that is gone already does not go again.
                if sum > f32::NEG_INFINITY && sum <= worst.0 {
                    worst = (sum, group);
                }
            }
            scores[worst.1 * each..][..each].fill(f32::NEG_INFINITY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Experts and weights of one row.
    fn chosen(routing: &Routing, logits: &[f32], used: usize, bias: Option<&[f32]>) -> (Vec<u32>, Vec<f32>) {
        let mut dispatch = Dispatch::default();
        routing.choose(&mut logits.to_vec(), logits.len(), used, bias, None, &mut dispatch);
        (dispatch.experts, dispatch.weights)
    }

    #[track_caller]
    fn assert_near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near, "{found:?} instead of {expected:?}");
    }

    /// Outputs whose softmax is 0.5, 0.1, 0.3, 0.1.
    const LOGITS: [f32; 4] = [1.609_438, 0.0, 1.098_612_3, 0.0];

    #[test]
    fn weights_are_shares_of_all_or_of_the_chosen() {
        let of_chosen = Routing::SOFTMAX_OF_CHOSEN;
        let (experts, weights) = chosen(&of_chosen, &LOGITS, 2, None);
        assert_eq!(experts, [0, 2]);
        assert_near(&weights, &[0.625, 0.375]);
        let of_all = Routing { scale: 2.0, ..Routing::SOFTMAX_OF_ALL };
        assert_near(&chosen(&of_all, &LOGITS, 2, None).1, &[1.0, 0.6]);
        let (_, far_apart) = chosen(&of_chosen, &[1000.0, -1000.0], 2, None);
        assert_eq!(far_apart, [1.0, 0.0], "a distance beyond all bounds");
    }

    #[test]
    fn a_bias_decides_and_does_not_count() {
        let of_chosen = Routing::SOFTMAX_OF_CHOSEN;
        let (experts, weights) = chosen(&of_chosen, &LOGITS, 2, Some(&[-0.5, 0.0, 0.0, 0.3]));
        assert_eq!(experts, [3, 2], "0.0, 0.1, 0.3 and 0.4 are compared");
        assert_near(&weights, &[0.25, 0.75]);
        let (experts, weights) =
            chosen(&Routing::SIGMOID, &[0.0, 3f32.ln(), -3f32.ln()], 2, Some(&[0.0, 0.0, 9.0]));
        assert_eq!(experts, [2, 1], "0.5, 0.75 and 9.25 are compared");
        assert_near(&weights, &[0.25, 0.75]);
    }

    #[test]
    fn only_the_best_groups_are_looked_into() {
        let groups = |used, judged_by| Some(ExpertGroups { count: 3, used, judged_by });
        let sigmoid = Routing { normalised: false, ..Routing::SIGMOID };
        let logits = [9.0, -9.0, 1.0, 2.0, -9.0, -9.0];
        let with = |groups| chosen(&Routing { groups, ..sigmoid }, &logits, 2, None).0;
        assert_eq!(with(None), [0, 3]);
        assert_eq!(with(groups(2, 2)), [0, 3]);
        assert_eq!(with(groups(1, 2)), [3, 2], "two good ones make a better group than one very good one");
        assert_eq!(with(groups(1, 1)), [0, 1], "unless the best one alone is asked for");
    }

    #[test]
    fn one_after_the_other_counts_against_those_that_are_near() {
        let logits = [2.0, 2.02, 1.0, 2.01];
        let (experts, weights) = chosen(&Routing::ONE_BY_ONE, &logits, 2, None);
        assert_eq!(experts, [1, 3]);
        let share = |behind: &[f32]| 1.0 / (1.0 + behind.iter().map(|x| (-x).exp()).sum::<f32>());
        assert_near(&weights, &[share(&[0.01, 0.02]), share(&[0.01])]);
        assert_eq!(chosen(&Routing::ONE_BY_ONE, &[-5.0, 3.0, -9.0], 2, None), (vec![1, 0], vec![1.0, 1.0]));
    }

    #[test]
    fn experts_have_factors_of_their_own() {
        let mut dispatch = Dispatch::default();
        let scales = [2.0, 1.0, 10.0, 1.0];
        let of_chosen = Routing::SOFTMAX_OF_CHOSEN;
        of_chosen.choose(&mut LOGITS.to_vec(), 4, 2, None, Some(&scales), &mut dispatch);
        assert_near(&dispatch.weights, &[1.25, 3.75]);
        assert_eq!(dispatch.weights_of(&dispatch.groups[1]), [dispatch.weights[1]]);
    }
}
