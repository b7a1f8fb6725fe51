//! The public handle: loads a model, prepares requests on the caller's thread and passes them to the engine
//! thread. Dropping it ends that thread and frees everything.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Sender, channel as command_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use lantern_gguf::GgufFile;
use lantern_models::registry::{self, LoadedModel, PackedCopy};
use lantern_models::{CausalLm, Reach, Split, fingerprint};
use serde_json::{Map, Value};

use crate::block_manager::BlockManager;
use crate::device::{self, Found, Placed};
use crate::draft_model::DraftModel;
use crate::draft_plan::DraftPlan;
use crate::drafter::Drafter;
use crate::error::EngineError;
use crate::generation::Submission;
use crate::identity;
use crate::inputs::Inputs;
use crate::ledger::Charge;
use crate::loading::{self, CopyThread, Loaded};
use crate::memory::{BLOCK_SIZE, MemoryPlan};
use crate::options::{EngineInfo, EngineOptions, EngineStats};
use crate::overflow::{self, Dropped, Overflow};
use crate::pacing::Pacer;
use crate::prefix_disk::PrefixDisk;
use crate::pressure::Pressure;
use crate::prompt::{ChatPrompt, PromptPlan};
use crate::request::{GenerateRequest, MOST_LOGPROBS, Prompt};
use crate::runner::ModelRunner;
use crate::scheduler::{Limits, Scheduler};
use crate::step_costs::StepCosts;
use crate::stream::{self, GenerationStream};
use crate::text::{ChatTemplate, Grammars, OutputFormat, PromptText, TemplateError, Tokenizer, random_seed};
use crate::vision::Vision;
use crate::worker::{Command, Worker, lock};

/// Guesses at the next tokens of a sequence that one step may check.
const MOST_GUESSES: usize = 12;
// A state is kept behind the last token of a step and at the end of the block before: guesses must not pass a whole block.
const _: () = assert!(MOST_GUESSES < BLOCK_SIZE);

/// A loaded model that answers any number of requests at once. Shared by reference between threads.
pub struct Engine {
    info: EngineInfo,
    tokenizer: Arc<Tokenizer>,
    grammars: Grammars,
    template: Result<ChatTemplate, TemplateError>,
    /// How the model writes thoughts and calls of tools.
    format: Arc<OutputFormat>,
    vision: Arc<Vision>,
    stats: Arc<Mutex<EngineStats>>,
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
    copy: CopyThread,
    /// Where prompts may be left that share their instructions, for models that cannot be left anywhere.
    preambles: Option<Preambles>,
    /// Tokens that a sequence may have.
    context: AtomicUsize,
    /// Last of all: the memory is given back when everything above has let go of it.
    room: Mutex<Room>,
}

/// What the engine thread is made from; tests put a model of their own in.
pub(crate) struct Parts {
    pub(crate) model: Box<dyn CausalLm>,
    pub(crate) copy: PackedCopy,
    pub(crate) split: Split,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) template: Result<ChatTemplate, TemplateError>,
    pub(crate) vision: Vision,
    pub(crate) info: EngineInfo,
    pub(crate) plan: MemoryPlan,
    pub(crate) charge: Charge,
    /// What a longer context is planned from, where the model need not be loaded anew for it.
    pub(crate) source: Option<(PathBuf, EngineOptions)>,
    /// A smaller model that guesses.
    pub(crate) draft: Option<DraftModel>,
    /// What is known of the time that steps take.
    pub(crate) costs: StepCosts,
}

impl Engine {
    /// Loads a GGUF file. Blocks while it reads and checks the file; refuses it with numbers when it does not fit.
    pub fn load(path: &Path, options: EngineOptions) -> Result<Self, EngineError> {
        let parts = Parts::load(path, &options)?;
        Self::start(parts, &options)
    }

    /// What [`Self::load`] would take, or why it would refuse, from the file's header alone.
    pub fn plan(path: &Path, options: &EngineOptions) -> Result<MemoryPlan, EngineError> {
        Self::plan_file(&GgufFile::open(path)?, options)
    }

    /// The same for a file of which only the header need be here.
    pub fn plan_file(file: &GgufFile, options: &EngineOptions) -> Result<MemoryPlan, EngineError> {
        options.validate()?;
        let (config, found) = (registry::config(file)?, device::find(options));
        let draft = DraftPlan::read(file, &config, options)?;
        let beside = DraftPlan::beside(draft.as_ref(), options);
        let plan = device::plan(file, &config, &beside, found.as_ref().map_err(String::clone))?.0;
        Ok(MemoryPlan { draft_bytes: draft.as_ref().map_or(0, DraftPlan::bytes), ..plan })
    }

    pub(crate) fn start(parts: Parts, options: &EngineOptions) -> Result<Self, EngineError> {
        let Parts {
            model,
            copy,
            split,
            tokenizer,
            template,
            vision,
            info,
            plan,
            charge,
            source,
            draft,
            costs,
        } = parts;
        let (commands, receiver) = command_channel();
        let format = match &template {
            Ok(template) => OutputFormat::of_model(template, &tokenizer),
            Err(_) => OutputFormat::default(),
        };
        let (tokenizer, format) = (Arc::new(tokenizer), Arc::new(format));
        let limits = Limits {
            max_sequences: plan.max_sequences,
            step_tokens: options.step_tokens,
            context: plan.context_length,
            guesses: if options.guess { MOST_GUESSES } else { 0 },
        };
        let groups = plan.reaches.iter().copied().zip(plan.n_blocks.iter().copied());
        let blocks = BlockManager::new(groups, BLOCK_SIZE);
        let stats =
            EngineStats { blocks_total: blocks.total(), block_size: BLOCK_SIZE, ..EngineStats::default() };
        let stats = Arc::new(Mutex::new(stats));
        let vision = Arc::new(vision);
        let runner = ModelRunner::new(model, &plan.n_blocks, options.kv_type, split)?;
        let drafter = match draft {
            Some(draft) => Some(Drafter::Model(Box::new(draft))),
            None => runner.predicts().filter(|_| options.guess).map(Drafter::Head),
        };
        let mut scheduler = Scheduler::new(limits, blocks).with_costs(costs);
        scheduler.set_drafter(drafter.as_ref().map(Drafter::guesser));
        let disk = options.prefix_disk.as_ref().and_then(|options| {
            PrefixDisk::open(options, &info.fingerprint, runner.cache(), scheduler.blocks(), commands.clone())
        });
        let worker = Worker {
            commands: receiver,
            runner,
            disk,
            scheduler,
            drafter,
            tokenizer: tokenizer.clone(),
            step_tokens: options.step_tokens,
            stats: stats.clone(),
            generations: Default::default(),
            pacer: Pacer::default(),
            vision: vision.clone(),
            pressure: Pressure::new(options.ledger.clone()),
            next_id: 0,
            plan: Vec::new(),
            masks: None,
        };
        let thread = std::thread::Builder::new()
            .name("lantern-engine".into())
            .spawn(move || worker.run())
            .map_err(|error| EngineError::StepFailed(format!("no thread for the engine: {error}")))?;
        let copy = CopyThread::start(copy);
        let has_all = plan.reaches.iter().all(|reach| *reach == Reach::All);
        let preambles = (!has_all).then(Preambles::default);
        let context = AtomicUsize::new(plan.context_length);
        let room = Mutex::new(Room::new(charge, &plan, source));
        let thread = Some(thread);
        Ok(Self {
            info,
            grammars: Grammars::new(tokenizer.clone()),
            tokenizer,
            template,
            format,
            vision,
            stats,
            commands,
            thread,
            copy,
            preambles,
            context,
            room,
        })
    }

    /// What is loaded.
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The model's chat template, or why it cannot chat.
    pub fn chat_template(&self) -> Result<&ChatTemplate, &TemplateError> {
        self.template.as_ref()
    }

    /// How the model writes thoughts and calls of tools.
    pub fn output_format(&self) -> &OutputFormat {
        &self.format
    }

    /// What is going on, as of the last step.
    pub fn stats(&self) -> EngineStats {
        *lock(&self.stats)
    }

    /// Waits for the packed copy that is being written, if one is, until it is on the disk or could not be written.
    /// Without this a program that ends leaves the copy to another time.
    pub fn finish_packed_copy(&self) {
        self.copy.finish();
    }

    /// Starts an answer. Renders and tokenises the prompt here, on the caller's thread, and returns at once; the
    /// answer comes through the stream. Errors that can be known before anything runs are returned here.
    pub fn generate(&self, request: GenerateRequest) -> Result<GenerationStream, EngineError> {
        let submitted = Instant::now();
        let mut request = request;
        request.sampling.validate()?;
        let seed = *request.sampling.seed.get_or_insert_with(random_seed);
        if let Some(asked) = request.logprobs.filter(|asked| *asked > MOST_LOGPROBS) {
            return Err(EngineError::TooManyLogprobs(asked));
        }
        let context = self.context_of(&request);
        let room = match request.overflow {
            Overflow::Error => None,
            Overflow::DropOldest => Some(overflow::Room::new(context, request.max_tokens)),
        };
        let (plan, dropped) = self.plan_prompt(&request.prompt, &request.template_vars, room)?;
        check_length(plan.len(), request.max_tokens, context)?;
        let answer = self.answer_form(&request, &plan.ids)?;
        let inputs = Inputs::new(&plan, seed, context);
        let prompt = self.vision.encode(plan)?;
        let (events, stream) = stream::channel(prompt.ids.len(), dropped);
        let stream = stream.with_inputs(inputs);
        let submission = Submission {
            prompt_tokens: prompt.ids.len(),
            last_prompt_token: prompt.ids.last().copied(),
            sampling: request.sampling,
            max_tokens: request.max_tokens.unwrap_or(usize::MAX),
            context,
            stop: request.stop,
            matching: answer.matching.map(Box::new),
            output: answer.output,
            logprobs: request.logprobs,
            owner: request.owner.map(Into::into),
            events,
            submitted,
        };
        let submission = Box::new(submission);
        self.send(Command::Generate { prompt, priority: request.priority, submission })?;
        Ok(stream)
    }

    /// Which of the oldest turns of a request's conversation have no room, when `reserve` more tokens are to stay free:
    /// those that [`Overflow::DropOldest`] would leave out. `None` where all of it fits, and for what is no conversation.
    pub fn overflowing(
        &self,
        request: &GenerateRequest,
        reserve: usize,
    ) -> Result<Option<Dropped>, EngineError> {
        self.overflowing_within(request, self.context_of(request), reserve)
    }

    /// The same in a context of so many tokens, which may be more than there is room for yet: engines grow.
    pub fn overflowing_within(
        &self,
        request: &GenerateRequest,
        context: usize,
        reserve: usize,
    ) -> Result<Option<Dropped>, EngineError> {
        let room = overflow::Room::new(context, request.max_tokens).less(reserve);
        Ok(self.plan_prompt(&request.prompt, &request.template_vars, Some(room))?.1)
    }

    /// Raw next-token logits after every position of `ids`, `vocab_size` per position, computed afresh with keys
    /// and values in full precision. Blocks, and is for outside an async runtime.
    pub fn logits(&self, ids: &[u32]) -> Result<Vec<f32>, EngineError> {
        self.check_ids(ids)?;
        let context = self.context_length();
        if ids.len() > context {
            check_length(ids.len(), None, context)?;
        }
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.send(Command::Logits { ids: ids.to_vec(), reply })?;
        answer.blocking_recv().map_err(|_| EngineError::EngineStopped)?
    }

    /// The token ids that a prompt becomes, special tokens included. Parts of pictures have numbers behind all tokens.
    pub fn prompt_ids(&self, prompt: Prompt) -> Result<Vec<u32>, EngineError> {
        Ok(self.plan_prompt(&prompt, &Map::new(), None)?.0.ids)
    }

    /// With a room, a conversation loses the turns for which there is none.
    fn plan_prompt(
        &self,
        prompt: &Prompt,
        variables: &Map<String, Value>,
        room: Option<overflow::Room>,
    ) -> Result<(PromptPlan, Option<Dropped>), EngineError> {
        let mut dropped = None;
        let plan = match prompt {
            Prompt::Messages { messages, tools } => {
                let template = self.template.as_ref().map_err(TemplateError::clone)?;
                let (tokenizer, vision, format) = (&self.tokenizer, &self.vision, &self.format);
                let chat = ChatPrompt { template, tokenizer, vision, format, variables };
                let mut plan;
                (plan, dropped) = match room {
                    Some(room) => overflow::plan(&chat, messages, tools.as_ref(), room)?,
                    None => (chat.plan(messages, tools.as_ref())?, None),
                };
                if let Some(preambles) = &self.preambles {
                    plan.preamble = preambles.tokens(&chat, messages, tools.as_ref(), &plan.ids);
                }
                plan
            }
            Prompt::Text(text) => {
                PromptPlan::text(self.tokenizer.encode_prompt(&PromptText::new(text.clone()))?)
            }
            Prompt::Tokens(ids) => PromptPlan::text(ids.clone()),
            Prompt::Rendered { tokens, pictures, .. } if pictures.is_empty() => {
                PromptPlan::text(tokens.clone())
            }
            Prompt::Rendered { tokens, pictures, .. } => {
                let pictures: Vec<_> = pictures.iter().collect();
                self.vision.plan(&self.tokenizer, tokens.clone(), &self.vision.words()?, &pictures)?
            }
        };
        let vocab_size = self.info.vocab_size;
        match plan.unknown_token(vocab_size) {
            Some(token) => Err(EngineError::UnknownToken { token, vocab_size }),
            None if plan.ids.is_empty() => Err(EngineError::EmptyPrompt),
            None => Ok((plan, dropped)),
        }
    }

    fn check_ids(&self, ids: &[u32]) -> Result<(), EngineError> {
        let vocab_size = self.info.vocab_size;
        match ids.iter().find(|&&id| id as usize >= vocab_size) {
            Some(&token) => Err(EngineError::UnknownToken { token, vocab_size }),
            None if ids.is_empty() => Err(EngineError::EmptyPrompt),
            None => Ok(()),
        }
    }

    /// Tokens that a request and its answer may have.
    fn context_of(&self, request: &GenerateRequest) -> usize {
        let there = self.context_length();
        request.context_length.map_or(there, |asked| asked.min(there))
    }

    fn send(&self, command: Command) -> Result<(), EngineError> {
        self.commands.send(command).map_err(|_| EngineError::EngineStopped)
    }
}

fn check_length(prompt: usize, max_tokens: Option<usize>, context: usize) -> Result<(), EngineError> {
    if prompt < context {
        return Ok(());
    }
    Err(EngineError::ContextOverflow { prompt, max_tokens, context })
}

impl Drop for Engine {
    /// Waits for the step that is running; then weights, cache and compute threads are gone.
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            // The thread catches panics in steps; should it have died of another one, its end is all we want here.
            let _ = thread.join();
        }
        // Without weights there is nothing left to copy, which the writer sees before the next matrix.
        self.copy.finish();
    }
}

impl Parts {
    pub(crate) fn load(path: &Path, options: &EngineOptions) -> Result<Self, EngineError> {
        Self::load_beside(path, options, device::find(options))
    }

    /// Loads a file with what was found to compute beside the CPU.
    pub(crate) fn load_beside(
        path: &Path,
        options: &EngineOptions,
        found: Result<Found, String>,
    ) -> Result<Self, EngineError> {
        options.validate()?;
        let file = GgufFile::open(path)?;
        let config = registry::config(&file)?;
        let ((Placed { plan, split, device }, draft), charge) = options.ledger.charge(|| {
            let draft = DraftPlan::read(&file, &config, options)?;
            let beside = DraftPlan::beside(draft.as_ref(), options);
            let mut placed = device::place(&file, &config, &beside, found)?;
            placed.plan.draft_bytes = draft.as_ref().map_or(0, DraftPlan::bytes);
            let bytes = placed.plan.total_bytes();
            Ok::<_, EngineError>(((placed, draft), bytes))
        })?;
        let source = Self::source(path, &file, options, &device);
        tracing::info!(%device, "a model is loaded");
        if let Some(bytes) = plan.expert_limit() {
            tracing::info!(
                bytes,
                "memory holds some of the experts; the others are read when they are chosen"
            );
        }
        let copies = options.packed_copies.as_ref();
        let Loaded { model: LoadedModel { mut model, copy }, tokenizer, template } =
            loading::load(&file, split.clone(), copies, options.chat_template.as_deref())?;
        let draft = match draft {
            Some(draft) => draft.load(&mut *model, &split)?,
            None => None,
        };
        let vision = Vision::new(options, &config);
        let info = EngineInfo {
            path: path.to_owned(),
            projector: options.projector.clone(),
            draft: draft.as_ref().and(options.draft.clone()),
            architecture: config.architecture,
            name: config.name,
            quantisation: identity::quantisation(&file),
            context_length: plan.context_length,
            wanted_context_length: plan.wanted_context,
            model_context_length: config.context_length,
            vocab_size: config.vocab_size,
            file_bytes: file.file_len(),
            n_parameters: config.n_parameters,
            kv_bytes: plan.kv_bytes,
            memory_bytes: plan.total_bytes(),
            threads: options.resolved_threads(),
            kv_type: options.kv_type,
            isa: lantern_models::isa().name(),
            device,
            from_packed_copy: matches!(copy, PackedCopy::Used),
            template: template.as_ref().ok().map(ChatTemplate::source),
            template_fault: template.as_ref().map_or_else(Some, ChatTemplate::fault).cloned(),
            sees: options.projector.is_some(),
            slow_types: identity::slow_types(&file),
            fingerprint: fingerprint(&file),
        };
        if !info.slow_types.is_empty() {
            tracing::warn!(
                types = info.slow_types.join(", "),
                "this model computes slowly: these types have no fast kernel"
            );
        }
        let costs = StepCosts::default();
        Ok(Self { model, copy, split, tokenizer, template, vision, info, plan, charge, source, draft, costs })
    }
}

mod answer;
mod context;
mod preamble;
mod prefixes;

pub use context::Growth;
use context::Room;
use preamble::Preambles;

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
