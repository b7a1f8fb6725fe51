//! Two programs measured in turns on the same work, so that whatever else the machine does hits both; and the ratios
//! of what they reach.

use std::path::{Path, PathBuf};

use lantern_engine::KvType;
use lantern_engine::bench::{BenchOptions, median};
use serde::Serialize;

use super::busy::Busy;
use super::other::Other;
use super::ours::Ours;
use super::process::Finished;
use super::work_name;
use crate::error::CliError;
use crate::output;

/// The shortest errand: what a process takes from nothing to its first token. Other programs do not tell theirs, so
/// the whole life of the process is measured for both.
const SHORT: (usize, usize) = (8, 1);

/// Others may take this share of the processor before it is remarked upon.
const QUIET: f64 = 0.05;

/// Work for either program.
#[derive(Clone)]
pub struct Task {
    pub model: PathBuf,
    pub prompt: usize,
    pub generate: usize,
    /// Never empty.
    pub depths: Vec<usize>,
    pub threads: usize,
    pub kv_type: KvType,
    pub warm_up: bool,
    /// Whether Lantern keeps and uses a packed copy.
    pub keep_packed: bool,
}

/// What one process reached.
pub struct Round {
    /// Depth and tokens per second.
    pub reading: Vec<(usize, f64)>,
    /// Depth and tokens per second.
    pub writing: Vec<(usize, f64)>,
    pub peak_rss_bytes: Option<u64>,
    /// The life of the process.
    pub seconds: f64,
}

/// Everything that came of it.
#[derive(Serialize)]
pub struct Comparison {
    /// The file.
    pub model: PathBuf,
    /// Architecture and quantisation.
    pub model_type: String,
    pub file_bytes: u64,
    pub processor: String,
    /// Lantern's kernel family.
    pub isa: &'static str,
    pub threads: usize,
    pub kv_type: &'static str,
    pub other: String,
    pub other_program: PathBuf,
    pub other_flash_attention: bool,
    pub rounds: usize,
    /// The share of the whole processor that programs other than these two took meanwhile, 0 to 1; Linux only.
    pub others_share: Option<f64>,
    pub figures: Vec<Figure>,
    pub notes: Vec<String>,
}

/// One quantity, of both programs, in every round.
#[derive(Serialize)]
pub struct Figure {
    pub name: String,
    pub unit: Unit,
    pub ours: Samples,
    pub theirs: Samples,
    /// Our median over theirs.
    pub ratio_of_medians: f64,
    /// Ours over theirs of the same round.
    pub ratios: Samples,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// More is better.
    TokensPerSecond,
    /// Less is better.
    Bytes,
    /// Less is better.
    Seconds,
}

#[derive(Serialize)]
pub struct Samples {
    pub lowest: f64,
    pub median: f64,
    pub highest: f64,
    /// In the order of the rounds.
    pub samples: Vec<f64>,
}

impl Task {
    /// As both programs take it.
    pub fn depth_list(&self) -> String {
        self.depths.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
    }

    fn short(&self) -> Task {
        let (prompt, generate) = SHORT;
        Task { prompt, generate, depths: vec![0], warm_up: false, ..self.clone() }
    }
}

impl Round {
    /// What is known of any process, without speeds.
    pub fn of_process(done: &Finished) -> Self {
        Self {
            reading: Vec::new(),
            writing: Vec::new(),
            peak_rss_bytes: done.peak_rss_bytes,
            seconds: done.seconds,
        }
    }
}

/// Runs ours and theirs in turns, `repetitions` rounds.
pub fn run(model: &Path, options: &BenchOptions, other: &Other) -> Result<Comparison, CliError> {
    if options.prompt == 0 && options.generate == 0 {
        return Err(CliError::new(
            "nothing_to_compare",
            "Neither reading nor writing is to be measured.",
            "Ask for tokens with -p or -n.",
        ));
    }
    let ours = Ours::new()?;
    let mut task = Task {
        model: model.to_owned(),
        prompt: options.prompt,
        generate: options.generate,
        depths: if options.depths.is_empty() { vec![0] } else { options.depths.clone() },
        threads: options.threads,
        kv_type: options.kv_type,
        warm_up: true,
        keep_packed: options.packed_copies.is_some(),
    };
    let rounds = options.repetitions.max(1);
    let mut long = Vec::with_capacity(rounds);
    let mut short = Vec::with_capacity(rounds);
    let mut last_report = None;
    let busy = Busy::now();
    for round in 1..=rounds {
        output::note(format!("round {round} of {rounds}: lantern, then {}", other.name()));
        let (our_round, report) = ours.run(&task)?;
        // "As many as there are cores" is for Lantern to say; the other gets the same number.
        task.threads = report.threads;
        long.push((our_round, other.run(&task)?));
        short.push((ours.run(&task.short())?.0, other.run(&task.short())?));
        last_report = Some(report);
    }
    let report = last_report.ok_or_else(|| CliError::internal("Nothing was measured."))?;
    let others_share = busy.and_then(|busy| busy.others_since());
    let figures = figures(&task, &long, &short);
    Ok(Comparison {
        model_type: format!("{} {}", report.architecture, report.quantisation),
        file_bytes: report.file_bytes,
        processor: processor(),
        isa: lantern_kernels::isa().name(),
        threads: task.threads,
        kv_type: task.kv_type.name(),
        other: other.name(),
        other_program: other.program.clone(),
        other_flash_attention: other.flash_attention,
        rounds,
        others_share,
        notes: notes(&task, &figures, others_share),
        figures,
        model: task.model,
    })
}

fn notes(task: &Task, figures: &[Figure], others_share: Option<f64>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(share) = others_share.filter(|share| *share > QUIET) {
        notes.push(format!(
            "Do not trust these ratios: other programs took {:.0} % of the processor meanwhile, and two programs that \
             share it with a third are not slowed alike. Measure on a machine that does nothing else.",
            share * 100.0
        ));
    }
    if !figures.iter().any(|figure| figure.unit == Unit::Bytes) {
        notes.push("The memory of other processes is not known on this system.".to_owned());
    }
    if task.depths.iter().any(|depth| *depth > 0) {
        // llama-bench does; nobody who runs the model would.
        let note = "At depth the other program may keep a second copy of the context to come back to, and the peak \
                    memory counts it; compare memory with -d 0.";
        notes.push(note.to_owned());
    }
    notes
}

fn processor() -> String {
    let what = sysinfo::RefreshKind::nothing().with_cpu(sysinfo::CpuRefreshKind::nothing());
    let system = sysinfo::System::new_with_specifics(what);
    let brand = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
    brand.filter(|brand| !brand.is_empty()).unwrap_or_else(|| "unknown processor".to_owned())
}

/// A round of ours beside the one of theirs that came right after.
type Pair = (Round, Round);

fn figures(task: &Task, long: &[Pair], short: &[Pair]) -> Vec<Figure> {
    let (prompt, generate) = SHORT;
    let short_name = format!("{prompt} in, {generate} out");
    let mut figures = Vec::new();
    let mut add = |name: String, unit, pairs: &[Pair], of: &dyn Fn(&Round) -> Option<f64>| {
        let pairs: Vec<_> =
            pairs.iter().filter_map(|(ours, theirs)| Some((of(ours)?, of(theirs)?))).collect();
        figures.extend(Figure::of(name, unit, &pairs));
    };
    for depth in &task.depths {
        let name = work_name("reading", task.prompt, *depth);
        add(name, Unit::TokensPerSecond, long, &|round| at(&round.reading, *depth));
    }
    for depth in &task.depths {
        let name = work_name("writing", task.generate, *depth);
        add(name, Unit::TokensPerSecond, long, &|round| at(&round.writing, *depth));
    }
    let memory = |round: &Round| round.peak_rss_bytes.map(|bytes| bytes as f64);
    add("peak memory".to_owned(), Unit::Bytes, long, &memory);
    add(format!("peak memory, {short_name}"), Unit::Bytes, short, &memory);
    add(format!("whole process, {short_name}"), Unit::Seconds, short, &|round| Some(round.seconds));
    figures
}

fn at(speeds: &[(usize, f64)], depth: usize) -> Option<f64> {
    speeds.iter().find(|speed| speed.0 == depth).map(|speed| speed.1)
}

impl Figure {
    /// `None` without pairs.
    fn of(name: String, unit: Unit, pairs: &[(f64, f64)]) -> Option<Self> {
        let ours = Samples::of(pairs.iter().map(|pair| pair.0).collect())?;
        let theirs = Samples::of(pairs.iter().map(|pair| pair.1).collect())?;
        let ratios = Samples::of(pairs.iter().map(|(ours, theirs)| ours / theirs).collect())?;
        Some(Self { name, unit, ratio_of_medians: ours.median / theirs.median, ours, theirs, ratios })
    }
}

impl Samples {
    /// `None` of no samples.
    fn of(samples: Vec<f64>) -> Option<Self> {
        let lowest = samples.iter().copied().min_by(f64::total_cmp)?;
        let highest = samples.iter().copied().max_by(f64::total_cmp)?;
        Some(Self { lowest, median: median(&samples), highest, samples })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_the_same_round() {
        // A machine that is twice as fast in the second round: the pairs do not care.
        let pairs = [(10.0, 5.0), (20.0, 10.0), (12.0, 4.0)];
        let figure = Figure::of("writing".into(), Unit::TokensPerSecond, &pairs).expect("three pairs");
        assert_eq!(figure.ratios.samples, [2.0, 2.0, 3.0]);
        assert_eq!((figure.ratios.lowest, figure.ratios.median, figure.ratios.highest), (2.0, 2.0, 3.0));
        assert_eq!((figure.ours.median, figure.theirs.median), (12.0, 5.0));
        assert_eq!(figure.ratio_of_medians, 2.4);
        assert!(Figure::of("nothing".into(), Unit::Bytes, &[]).is_none());
    }
}
