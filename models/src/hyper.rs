//! Hyper-parameters of a file: the keys under its architecture's name, with a record of which were read.
//!
//! A key that nobody reads may change what the model computes, so a family ends its reading with [`Hyper::finish`],
//! which refuses such keys by name.

use std::cell::RefCell;
use std::collections::HashSet;

use lantern_gguf::{GgufError, GgufFile, Metadata, Value};

use crate::layers::NormKind;
use crate::{KvLayout, ModelConfig, ModelError, PictureInput};

/// Keys that say nothing about the computation.
const WITHOUT_EFFECT: &[&str] = &["tensor_data_layout", "rope.scaling.finetuned"];

/// A file's hyper-parameters that are known to say nothing about the computation, and that no family reads.
pub fn ignored_keys(file: &GgufFile) -> Vec<String> {
    let Ok(architecture) = file.architecture() else { return Vec::new() };
    let keys = WITHOUT_EFFECT.iter().map(|key| format!("{architecture}.{key}"));
    keys.filter(|key| file.metadata().get(key).is_some()).collect()
}

/// Sizes beyond these are damage, not models. They keep later arithmetic far from overflow.
pub(crate) const MAX_LAYERS: usize = 1024;
pub(crate) const MAX_WIDTH: usize = 1 << 20;
pub(crate) const MAX_HEADS: usize = 4096;
pub(crate) const MAX_EXPERTS: usize = 4096;
const MAX_CONTEXT: usize = 1 << 28;

/// Typed access to `<architecture>.<key>`. Keys are given without the architecture.
pub struct Hyper<'a> {
    file: &'a GgufFile,
    architecture: &'a str,
    read: RefCell<HashSet<String>>,
}

/// The sizes that every decoder-only transformer has.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    /// Blocks that a token passes.
    pub(crate) n_layers: usize,
    /// Blocks in the file: behind the others may be some that predict further tokens.
    pub(crate) n_blocks: usize,
    pub(crate) hidden: usize,
    /// Width of the network; 0 where there are only experts.
    pub(crate) feed_forward: usize,
    pub(crate) n_heads: usize,
    pub(crate) n_kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) norm_eps: f64,
    pub(crate) norm_kind: NormKind,
    pub(crate) vocab: usize,
}

impl<'a> Hyper<'a> {
    /// The hyper-parameters of a file.
    pub fn new(file: &'a GgufFile) -> Result<Self, ModelError> {
        let architecture = file.architecture()?;
        Ok(Hyper { file, architecture, read: RefCell::default() })
    }

    /// The architecture that the file names.
    pub fn architecture(&self) -> &str {
        self.architecture
    }

    /// The full key.
    pub(crate) fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    pub(crate) fn opt_u32(&self, key: &str) -> Result<Option<u32>, ModelError> {
        self.typed(key, Metadata::opt_u32)
    }

    pub(crate) fn opt_f32(&self, key: &str) -> Result<Option<f32>, ModelError> {
        let value = self.typed(key, Metadata::opt_f32)?;
        match value {
            Some(x) if !x.is_finite() => Err(self.bad(key, format!("it is {x}"))),
            value => Ok(value),
        }
    }

    /// A number above zero, when the key is there.
    pub(crate) fn opt_positive(&self, key: &str) -> Result<Option<f32>, ModelError> {
        match self.opt_f32(key)? {
            Some(x) if x <= 0.0 => Err(self.bad(key, format!("it is {x}, and must be above zero"))),
            value => Ok(value),
        }
    }

    pub(crate) fn opt_bool(&self, key: &str) -> Result<Option<bool>, ModelError> {
        self.typed(key, Metadata::opt_bool)
    }

    pub(crate) fn opt_str(&self, key: &str) -> Result<Option<String>, ModelError> {
        self.typed(key, |metadata, key| Ok(metadata.opt_str(key)?.map(str::to_owned)))
    }

    /// A size: from 1 to `most`.
    pub(crate) fn size(&self, key: &str, most: usize) -> Result<usize, ModelError> {
        let missing = || GgufError::MissingKey { key: self.key(key) };
        Ok(self.opt_size(key, most)?.ok_or_else(missing)?)
    }

    /// Like [`Self::size`], when the key is there.
    pub(crate) fn opt_size(&self, key: &str, most: usize) -> Result<Option<usize>, ModelError> {
        match self.opt_u32(key)? {
            Some(n) if n == 0 || n as usize > most => {
                Err(self.bad(key, format!("it is {n}; 1 to {most} can be right")))
            }
            value => Ok(value.map(|n| n as usize)),
        }
    }

    /// A size of each of `n_layers` layers, from 1 to `most`: one for all of them, or a list.
    pub(crate) fn layer_sizes(
        &self,
        key: &str,
        n_layers: usize,
        most: usize,
    ) -> Result<Vec<usize>, ModelError> {
        let sizes = self.layer_numbers(key, n_layers, most)?;
        if sizes.contains(&0) {
            return Err(self.bad(key, format!("it is {sizes:?}; every layer must have some")));
        }
        Ok(sizes)
    }

    /// A number for each of `n_layers` layers, 0 where a layer has nothing of the kind: one for all of them, or a list.
    pub(crate) fn layer_numbers(
        &self,
        key: &str,
        n_layers: usize,
        most: usize,
    ) -> Result<Vec<usize>, ModelError> {
        if !self.is_list(key) {
            return Ok(vec![self.size(key, most)?; n_layers]);
        }
        let numbers = self.typed(key, Metadata::opt_i32s)?.unwrap_or_default();
        let fits = |&number: &i32| usize::try_from(number).ok().filter(|number| *number <= most);
        let fitting: Vec<usize> = numbers.iter().filter_map(fits).collect();
        if numbers.len() != n_layers || fitting.len() != n_layers {
            let reason = format!("it is {numbers:?}; {n_layers} numbers up to {most} can be right");
            return Err(self.bad(key, reason));
        }
        Ok(fitting)
    }

    /// A size, or the largest of a list with one for each layer, when the key is there.
    fn opt_largest(&self, key: &str, most: usize) -> Result<Option<usize>, ModelError> {
        if !self.is_list(key) {
            return self.opt_size(key, most);
        }
        let largest = self.layer_numbers(key, self.blocks()?.0, most)?.into_iter().max();
        Ok(largest.filter(|&size| size > 0))
    }

    fn is_list(&self, key: &str) -> bool {
        matches!(self.file.metadata().get(&self.key(key)), Some(Value::Array(_)))
    }

    /// A truth value for each of `n_layers` layers.
    pub(crate) fn layer_flags(&self, key: &str, n_layers: usize) -> Result<Vec<bool>, ModelError> {
        let flags = self.opt_layer_flags(key, n_layers)?;
        Ok(flags.ok_or_else(|| GgufError::MissingKey { key: self.key(key) })?)
    }

    /// Like [`Self::layer_flags`], when the key is there.
    pub(crate) fn opt_layer_flags(
        &self,
        key: &str,
        n_layers: usize,
    ) -> Result<Option<Vec<bool>>, ModelError> {
        match self.typed(key, Metadata::opt_bools)? {
            Some(flags) if flags.len() != n_layers => {
                Err(self.bad(key, format!("it has {} entries for {n_layers} layers", flags.len())))
            }
            flags => Ok(flags),
        }
    }

    /// A list of whole numbers, when the key is there.
    pub(crate) fn opt_ints(&self, key: &str) -> Result<Option<Vec<i32>>, ModelError> {
        self.typed(key, Metadata::opt_i32s)
    }

    /// How many of `n_layers` blocks are given vectors of pictures: `n_deepstack_layers`, 0 where the key is missing. The last
    /// block is never one of them.
    pub(crate) fn picture_levels(&self, n_layers: usize) -> Result<PictureInput, ModelError> {
        const KEY: &str = "n_deepstack_layers";
        match self.opt_u32(KEY)?.unwrap_or(0) as usize {
            levels if levels > 0 && levels >= n_layers => {
                Err(self.bad(KEY, format!("it is {levels} for {n_layers} blocks")))
            }
            levels => Ok(PictureInput { levels, together: false }),
        }
    }

    /// A list of numbers, when the key is there.
    pub(crate) fn opt_floats(&self, key: &str) -> Result<Option<Vec<f32>>, ModelError> {
        let numbers = self.typed(key, |metadata, key| Ok(metadata.opt_f32s(key)?.map(<[f32]>::to_vec)))?;
        match numbers {
            Some(numbers) if numbers.iter().any(|x| !x.is_finite()) => {
                Err(self.bad(key, format!("it is {numbers:?}")))
            }
            numbers => Ok(numbers),
        }
    }

    /// A number for each of `n_layers` layers, of which some may be infinite, when the key is there.
    pub(crate) fn opt_layer_floats(
        &self,
        key: &str,
        n_layers: usize,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        match self.typed(key, |metadata, key| Ok(metadata.opt_f32s(key)?.map(<[f32]>::to_vec)))? {
            Some(numbers) if numbers.len() != n_layers => {
                Err(self.bad(key, format!("it has {} entries for {n_layers} layers", numbers.len())))
            }
            Some(numbers) if numbers.iter().any(|x| x.is_nan()) => {
                Err(self.bad(key, "it holds what is no number".to_owned()))
            }
            numbers => Ok(numbers),
        }
    }

    /// Takes a key whose value does not change what the family computes.
    pub(crate) fn ignore(&self, key: &str) {
        self.read.borrow_mut().insert(key.to_owned());
    }

    /// Like [`Self::ignore`], for all keys that begin so.
    pub(crate) fn ignore_under(&self, prefix: &str) {
        let prefix = self.key(prefix);
        let under = self.file.metadata().keys().filter(|key| key.starts_with(&prefix));
        let start = self.key("").len();
        under.for_each(|key| self.ignore(&key[start..]));
    }

    /// Blocks in the file, and those of them that a token passes: the last ones may predict further tokens.
    fn blocks(&self) -> Result<(usize, usize), ModelError> {
        const NEXT: &str = "nextn_predict_layers";
        let (blocks, next) =
            (self.size("block_count", MAX_LAYERS)?, self.opt_u32(NEXT)?.unwrap_or(0) as usize);
        if next >= blocks {
            return Err(self.bad(NEXT, format!("it is {next} of {blocks} blocks")));
        }
        Ok((blocks, blocks - next))
    }

    /// Which of `n_layers` layers have a window, for families that say so by a list, or by every how manieth has none; that
    /// is every `default`th where the file does not say.
    pub(crate) fn windowed_layers(&self, n_layers: usize, default: usize) -> Result<Vec<bool>, ModelError> {
        const PATTERN: &str = "attention.sliding_window_pattern";
        if self.is_list(PATTERN) {
            return self.layer_flags(PATTERN, n_layers);
        }
        let every = self.opt_size(PATTERN, MAX_LAYERS)?.unwrap_or(default);
        Ok((1..=n_layers).map(|n| !n.is_multiple_of(every)).collect())
    }

    /// Which layer's keys and values each layer looks at: its own, or, where the last layers have none, those of the last
    /// layer of their kind that has some. `is_local` says of which kind each layer is.
    pub(crate) fn layers_of_cache(&self, is_local: &[bool]) -> Result<Vec<usize>, ModelError> {
        const SHARED: &str = "attention.shared_kv_layers";
        let n_readers = self.opt_u32(SHARED)?.unwrap_or(0) as usize;
        let n_writers = is_local.len().saturating_sub(n_readers);
        let of_layer = |i: usize| {
            let writer = || (0..n_writers).rev().find(|&writer| is_local[writer] == is_local[i]);
            let layer = if i < n_writers { Some(i) } else { writer() };
            layer.ok_or_else(|| {
                let reason = format!("no layer before the last {n_readers} is of the kind of layer {i}");
                self.bad(SHARED, reason)
            })
        };
        (0..is_local.len()).map(of_layer).collect()
    }

    /// The small number in the square roots of norms.
    pub(crate) fn norm_eps(&self) -> Result<f64, ModelError> {
        let key = "attention.layer_norm_rms_epsilon";
        // Some converters name it after the other kind of norm.
        let eps = match self.opt_f32(key)? {
            None => self.opt_f32("attention.layer_norm_epsilon")?,
            eps => eps,
        };
        let eps = eps.ok_or_else(|| GgufError::MissingKey { key: self.key(key) })?;
        if eps < 0.0 {
            return Err(self.bad(key, format!("it is {eps}")));
        }
        Ok(eps.into())
    }

    /// Refuses a file in which the key has a value other than 0: a variant that the family does not implement.
    pub(crate) fn require_zero(&self, key: &str) -> Result<(), ModelError> {
        match self.opt_u32(key)? {
            None | Some(0) => Ok(()),
            Some(n) => Err(self.bad(key, format!("it is {n}; this variant is not supported yet"))),
        }
    }

    /// The error for a value that cannot be right.
    pub(crate) fn bad(&self, key: &str, reason: String) -> ModelError {
        ModelError::BadHyperParameter { key: self.key(key), reason }
    }

    /// Reads the sizes under the names that all families share, and checks that they fit each other. Where layers differ
    /// they are the largest.
    pub(crate) fn sizes(&self) -> Result<Sizes, ModelError> {
        let hidden = self.size("embedding_length", MAX_WIDTH)?;
        let n_heads = self.size("attention.head_count", MAX_HEADS)?;
        let head_dim = match self.opt_size("attention.key_length", MAX_WIDTH)? {
            Some(head_dim) => head_dim,
            None if hidden.is_multiple_of(n_heads) => hidden / n_heads,
            None => {
                let reason = format!("{n_heads} heads do not divide a width of {hidden}");
                return Err(self.bad("attention.head_count", reason));
            }
        };
        let value_length = self.opt_size("attention.value_length", MAX_WIDTH)?.unwrap_or(head_dim);
        if value_length != head_dim {
            let reason = format!("values of {value_length} beside keys of {head_dim} are not supported");
            return Err(self.bad("attention.value_length", reason));
        }
        self.sizes_with_heads(head_dim)
    }

    /// As [`Self::sizes`], for families that say otherwise what is in a head.
    pub(crate) fn sizes_with_heads(&self, head_dim: usize) -> Result<Sizes, ModelError> {
        let hidden = self.size("embedding_length", MAX_WIDTH)?;
        let n_heads = self.size("attention.head_count", MAX_HEADS)?;
        let n_kv_heads = self.opt_largest("attention.head_count_kv", MAX_HEADS)?.unwrap_or(n_heads);
        if !n_heads.is_multiple_of(n_kv_heads) {
            let reason = format!("{n_kv_heads} does not divide the {n_heads} heads of the queries");
            return Err(self.bad("attention.head_count_kv", reason));
        }
        let (n_blocks, n_layers) = self.blocks()?;
        // Whether a family knows experts at all is for it to say, so this does not count as reading the key.
        let has_experts = self.file.metadata().opt_u32(&self.key("expert_count"))?.unwrap_or(0) > 0;
        let feed_forward = match self.opt_largest("feed_forward_length", MAX_WIDTH)? {
            None if has_experts => 0,
            None => self.size("feed_forward_length", MAX_WIDTH)?,
            Some(width) => width,
        };
        Ok(Sizes {
            n_layers,
            n_blocks,
            feed_forward,
            vocab: self.vocab_size()?,
            norm_eps: self.norm_eps()?,
            norm_kind: NormKind::Rms,
            hidden,
            n_heads,
            n_kv_heads,
            head_dim,
        })
    }

    /// Rows of the embedding: the one number that cannot disagree with the weights.
    fn vocab_size(&self) -> Result<usize, ModelError> {
        const EMBEDDING: &str = "token_embd.weight";
        let missing = || ModelError::MissingTensor { tensor: EMBEDDING.to_owned() };
        let tensor = self.file.tensor(EMBEDDING).ok_or_else(missing)?;
        let rows = tensor.shape.get(1).copied().unwrap_or(1);
        if let Some(stated) = self.opt_u32("vocab_size")?
            && u64::from(stated) != rows
        {
            return Err(self.bad("vocab_size", format!("it is {stated}, the embedding has {rows} rows")));
        }
        u32::try_from(rows).map(|n| n as usize).map_err(|_| self.bad("vocab_size", format!("{rows} tokens")))
    }

    /// Whether behind the blocks that a token passes there is one, and no more, that predicts a further token.
    pub(crate) fn predicts(&self, sizes: &Sizes) -> bool {
        let name = format!("blk.{}.nextn.eh_proj.weight", sizes.n_layers);
        sizes.n_blocks == sizes.n_layers + 1 && self.file.tensor(&name).is_some()
    }

    /// Ends the reading with the description for the engine, made of keys that every family has. Refuses the file when
    /// it has keys of this architecture that nobody read.
    pub(crate) fn finish(&self, kv_layout: KvLayout) -> Result<ModelConfig, ModelError> {
        self.finish_with(kv_layout, self.blocks()?.1)
    }

    /// As [`Self::finish`], for files that count their blocks otherwise.
    pub(crate) fn finish_with(
        &self,
        kv_layout: KvLayout,
        n_layers: usize,
    ) -> Result<ModelConfig, ModelError> {
        let parameters = self.file.tensors().values().map(|tensor| tensor.elements());
        let config = ModelConfig {
            architecture: self.architecture.to_owned(),
            name: self.file.metadata().opt_str("general.name")?.map(str::to_owned),
            vocab_size: self.vocab_size()?,
            context_length: self.size("context_length", MAX_CONTEXT)?,
            n_layers,
            hidden_size: self.size("embedding_length", MAX_WIDTH)?,
            n_heads: self.size("attention.head_count", MAX_HEADS)?,
            pictures: PictureInput::default(),
            kv_layout,
            n_parameters: parameters.fold(0, u64::saturating_add),
        };
        self.refuse_unread()?;
        Ok(config)
    }

    /// Refuses the file when it has keys of this architecture that nobody read.
    pub(crate) fn refuse_unread(&self) -> Result<(), ModelError> {
        let prefix = self.key("");
        let read = self.read.borrow();
        let unread = |key: &&str| {
            key.strip_prefix(&prefix)
                .is_some_and(|short| !read.contains(short) && !WITHOUT_EFFECT.contains(&short))
        };
        let keys: Vec<String> = self.file.metadata().keys().filter(unread).map(str::to_owned).collect();
        if keys.is_empty() {
            return Ok(());
        }
        Err(ModelError::UnreadKeys { architecture: self.architecture.to_owned(), keys })
    }

    fn typed<T>(
        &self,
        key: &str,
        get: impl FnOnce(&Metadata, &str) -> Result<Option<T>, GgufError>,
    ) -> Result<Option<T>, ModelError> {
        self.read.borrow_mut().insert(key.to_owned());
        Ok(get(self.file.metadata(), &self.key(key))?)
    }
}
