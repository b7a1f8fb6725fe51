//! `lantern du`: what models take of the disk, and giving back what nobody needs.

use lantern_hub::human_bytes;
use lantern_protocol::{DiskUse, ReclaimKind, Reclaimable};

use super::list::owner_name;
use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// Delete what nobody needs of these kinds, for good
    #[arg(long, value_enum, value_name = "KIND", num_args = 1.., value_delimiter = ',')]
    free: Vec<Kind>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Models that were removed and can be taken back until then
    Trash,
    /// Downloads that nobody has gone on with for a week
    Parts,
    /// Files in the Hub's cache that newer ones have replaced
    OldRevisions,
    /// Contents in the Hub's cache that no name leads to
    Orphans,
    /// Weights as they lie in memory, kept for faster loads
    Packed,
    /// Files made of folders of safetensors files
    Converted,
    /// What was computed of conversations
    Prefixes,
}

impl Kind {
    fn told(self) -> ReclaimKind {
        match self {
            Self::Trash => ReclaimKind::Trash,
            Self::Parts => ReclaimKind::Parts,
            Self::OldRevisions => ReclaimKind::OldRevisions,
            Self::Orphans => ReclaimKind::OrphanBlobs,
            Self::Packed => ReclaimKind::PackedCopies,
            Self::Converted => ReclaimKind::Converted,
            Self::Prefixes => ReclaimKind::Prefixes,
        }
    }
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let app = place::app().await?;
    let mut freed = 0;
    for kind in &args.free {
        freed += app.reclaim(kind.told()).await?;
    }
    if !args.free.is_empty() {
        output::note(format!("{} freed", human_bytes(freed)));
    }
    let used = app.disk_use().await?;
    app.shutdown().await;
    if args.json { output::json(&used) } else { print(&used) }
}

fn print(used: &DiskUse) -> Result<(), CliError> {
    let mut rows = vec![["MODEL", "ON DISK", "TWICE", "KEPT BY"].map(String::from).to_vec()];
    rows.extend(used.models.iter().map(|model| {
        let owners: Vec<&str> = model.owners.iter().map(|owner| owner_name(*owner)).collect();
        let twice = if model.duplicate_bytes > 0 { human_bytes(model.duplicate_bytes) } else { "-".into() };
        vec![model.id.clone(), human_bytes(model.bytes), twice, owners.join(", ")]
    }));
    rows.push(vec!["all".into(), human_bytes(used.total_bytes), String::new(), String::new()]);
    output::table(&rows)?;
    if used.reclaimable.is_empty() {
        return Ok(());
    }
    output::line("")?;
    let mut rows = vec![["COULD GO", "BYTES", "WITH"].map(String::from).to_vec()];
    rows.extend(used.reclaimable.iter().map(reclaimable));
    output::table(&rows)
}

fn reclaimable(some: &Reclaimable) -> Vec<String> {
    let (what, kind) = match some.kind {
        ReclaimKind::Trash => ("removed models", "trash"),
        ReclaimKind::Parts => ("abandoned downloads", "parts"),
        ReclaimKind::OldRevisions => ("replaced files", "old-revisions"),
        ReclaimKind::OrphanBlobs => ("contents without a name", "orphans"),
        ReclaimKind::PackedCopies => ("packed copies", "packed"),
        ReclaimKind::Converted => ("converted folders", "converted"),
        ReclaimKind::Prefixes => ("cached prefixes", "prefixes"),
    };
    vec![what.into(), human_bytes(some.bytes), format!("lantern du --free {kind}")]
}
