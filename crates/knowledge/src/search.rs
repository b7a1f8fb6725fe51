//! Ranking passages: by the likeness of vectors, and of several rankings together.

/// What reciprocal rank fusion adds to each rank (Cormack, Clarke and Büttcher, 2009, who found 60).
const RANK_OFFSET: f64 = 60.0;

/// The best of many by a score, kept while they pass.
#[derive(Debug, Clone)]
pub struct Best<T> {
    most: usize,
    /// The best one first.
    found: Vec<(f32, T)>,
}

impl<T> Best<T> {
    /// Keeps so many.
    pub fn new(most: usize) -> Self {
        Self { most, found: Vec::with_capacity(most.min(1024)) }
    }

    /// Takes one. Of equals those that came first stay; what has no score is left out.
    pub fn offer(&mut self, score: f32, one: T) {
        if score.is_nan() || (self.found.len() == self.most && !self.is_better(score)) {
            return;
        }
        let at = self.found.partition_point(|(other, _)| *other >= score);
        self.found.insert(at, (score, one));
        self.found.truncate(self.most);
    }

    fn is_better(&self, score: f32) -> bool {
        self.found.last().is_some_and(|(worst, _)| score > *worst)
    }

    /// The best ones with their scores, the best first.
    pub fn into_vec(self) -> Vec<(f32, T)> {
        self.found
    }
}

/// The cosine of the angle between two vectors of length one. Those of different models have none.
pub fn likeness(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return f32::NAN;
    }
    // Eight sums side by side are what a compiler can make vector instructions of.
    let mut sums = [0.0_f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// A vector as it is kept: its numbers in little-endian order.
pub fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The numbers of a kept vector, into a buffer that is used again.
pub fn from_bytes(bytes: &[u8], vector: &mut Vec<f32>) {
    vector.clear();
    let (numbers, _) = bytes.as_chunks::<4>();
    vector.extend(numbers.iter().map(|number| f32::from_le_bytes(*number)));
}

/// Joins rankings by reciprocal rank fusion: the best of all first, each once. Rankings need not rank the same things, and
/// their scores, which cannot be compared, do not count.
pub fn fuse<T: Clone + PartialEq>(rankings: &[Vec<T>]) -> Vec<T> {
    let mut scores: Vec<(f64, T)> = Vec::new();
    for ranking in rankings {
        for (rank, one) in (1_u32..).zip(ranking) {
            let score = 1.0 / (RANK_OFFSET + f64::from(rank));
            match scores.iter_mut().find(|(_, other)| other == one) {
                Some((sum, _)) => *sum += score,
                None => scores.push((score, one.clone())),
            }
        }
    }
    // Stable: of equals the one that an earlier ranking has higher comes first.
    scores.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scores.into_iter().map(|(_, one)| one).collect()
}

/// What a model wants written before a text that is searched, and before a question that searches, by GGUF's
/// `general.architecture` and `general.name`: from the model cards of nomic-embed-text, EmbeddingGemma and Qwen3-Embedding.
pub fn prefixes(architecture: &str, name: &str) -> (&'static str, &'static str) {
    match architecture {
        "nomic-bert" | "nomic-bert-moe" => ("search_document: ", "search_query: "),
        "gemma-embedding" => ("title: none | text: ", "task: search result | query: "),
        "qwen3" => (
            "",
            "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ",
        ),
        "bert" if name.to_ascii_lowercase().contains("e5") => ("passage: ", "query: "),
        _ => ("", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_stay_in_order() {
        let mut best = Best::new(3);
        for (score, name) in [(0.1, 'a'), (0.9, 'b'), (f32::NAN, 'x'), (0.5, 'c'), (0.5, 'd'), (0.7, 'e')] {
            best.offer(score, name);
        }
        assert_eq!(best.into_vec(), [(0.9, 'b'), (0.7, 'e'), (0.5, 'c')]);
        let mut none = Best::new(0);
        none.offer(1.0, 'a');
        assert!(none.into_vec().is_empty());
    }

    #[test]
    fn what_two_rankings_have_goes_before_what_one_has_higher() {
        assert_eq!(fuse(&[vec!["a", "b", "c"], vec!["b", "d"]]), ["b", "a", "d", "c"]);
        assert_eq!(fuse::<u8>(&[]), Vec::<u8>::new());
    }

    #[test]
    fn vectors_come_back_as_they_were() {
        let vector: Vec<f32> = (0..11).map(|n| n as f32 / 3.0).collect();
        let mut back = vec![9.0];
        from_bytes(&to_bytes(&vector), &mut back);
        assert_eq!(back, vector);
        let plain: f32 = vector.iter().map(|x| x * x).sum();
        assert!((likeness(&vector, &back) - plain).abs() < 1e-4);
        assert!(likeness(&vector, &vector[1..]).is_nan());
    }
}
