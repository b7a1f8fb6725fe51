//! `lantern search`: models on the Hub, and what one of its repositories holds.

mod repository;

use clap::ValueEnum;
use lantern_protocol::{FoundRepository, Gating, ModelCapability, SearchPage, SearchQuery, SearchSort};

use crate::error::CliError;
use crate::{output, place};

pub use repository::show as show_repository;

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Words of the repository's name
    text: Vec<String>,
    /// Show what this repository holds, and which of its files run here
    #[arg(long, value_name = "OWNER/NAME", conflicts_with_all = ["text", "next", "quant", "family"])]
    repo: Option<String>,
    /// With --repo: tokens a conversation shall hold [default: that of the settings, or the model's own, at most 8192]
    #[arg(long, short, requires = "repo", value_parser = clap::value_parser!(u32).range(2..))]
    context: Option<u32>,
    /// With --repo: do not look whether files run here
    #[arg(long, requires = "repo")]
    no_fit: bool,
    /// Person or organisation that owns it
    #[arg(long)]
    author: Option<String>,
    /// A part of the architecture's or the repository's name, as qwen3
    #[arg(long)]
    family: Option<String>,
    /// Fewest weights, as 500M or 1.5B
    #[arg(long, value_name = "COUNT", value_parser = count)]
    min_size: Option<u64>,
    /// Most weights
    #[arg(long, value_name = "COUNT", value_parser = count)]
    max_size: Option<u64>,
    /// A quantisation that it must have, as Q4_K_M
    #[arg(long)]
    quant: Option<String>,
    /// What it must be able to do
    #[arg(long, value_enum, value_delimiter = ',')]
    can: Vec<Can>,
    /// Order
    #[arg(long, value_enum, default_value = "trending")]
    sort: Sort,
    /// Repositories to show, about
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Go on where an earlier search ended
    #[arg(long)]
    next: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
The Hub chooses by words, author and order. By family, size, quantisation and capability Lantern chooses among what the \
Hub names, as far as the Hub knows these of a repository.";

#[derive(Clone, Copy, ValueEnum)]
enum Sort {
    Trending,
    Downloads,
    Likes,
    Newest,
}

#[derive(Clone, Copy, ValueEnum)]
enum Can {
    Vision,
    Tools,
    Thinking,
    Embedding,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let app = place::app().await?;
    if let Some(repo) = &args.repo {
        return show_repository(&app, repo, args.context, !args.no_fit, args.json).await;
    }
    let json = args.json;
    let page = app.search_models(query(args)).await?;
    if json { output::json(&page) } else { print(&page) }
}

fn query(args: Args) -> SearchQuery {
    let sort = match args.sort {
        Sort::Trending => SearchSort::Trending,
        Sort::Downloads => SearchSort::Downloads,
        Sort::Likes => SearchSort::Likes,
        Sort::Newest => SearchSort::Newest,
    };
    let capability = |can: Can| match can {
        Can::Vision => ModelCapability::Vision,
        Can::Tools => ModelCapability::Tools,
        Can::Thinking => ModelCapability::Thinking,
        Can::Embedding => ModelCapability::Embedding,
    };
    SearchQuery {
        text: args.text.join(" "),
        author: args.author,
        family: args.family,
        min_parameters: args.min_size,
        max_parameters: args.max_size,
        quant: args.quant,
        capabilities: args.can.into_iter().map(capability).collect(),
        sort,
        limit: Some(args.limit),
        next: args.next,
    }
}

/// A number of weights, as people say it.
fn count(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text} is no number of weights, such as 500M or 1.5B");
    let (number, factor) = match text.trim().to_ascii_lowercase() {
        text if text.ends_with('b') => (text[..text.len() - 1].to_owned(), 1e9),
        text if text.ends_with('m') => (text[..text.len() - 1].to_owned(), 1e6),
        text if text.ends_with('k') => (text[..text.len() - 1].to_owned(), 1e3),
        text => (text, 1.0),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let product = (number * factor).round();
    if (0.0..1e16).contains(&product) { Ok(product as u64) } else { Err(wrong()) }
}

fn print(page: &SearchPage) -> Result<(), CliError> {
    let head = ["REPOSITORY", "WEIGHTS", "DOWNLOADS", "LIKES", "LICENCE", "CAN", "QUANTS"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(page.repositories.iter().map(row));
    output::table(&rows)?;
    if page.repositories.is_empty() {
        output::note(format!(
            "None of the {} repositories that the Hub named is what was asked for.",
            page.looked_at
        ));
    } else {
        output::note("Look at one: lantern search --repo OWNER/NAME");
    }
    if let Some(next) = &page.next {
        output::note(format!("There are more: the same search with --next '{next}'"));
    }
    Ok(())
}

fn row(found: &FoundRepository) -> Vec<String> {
    let gated = if found.gating == Gating::None { "" } else { " (gated)" };
    vec![
        found.repo.clone(),
        found.parameters.map_or("-".into(), weights),
        found.downloads.to_string(),
        found.likes.to_string(),
        format!("{}{gated}", found.licence.as_deref().unwrap_or("-")),
        capabilities(&found.capabilities),
        some(&found.quants),
    ]
}

/// A few of many names.
fn some(names: &[String]) -> String {
    match names {
        [] => "-".into(),
        [first, _, _, _, .., last] => format!("{first} … {last} ({})", names.len()),
        few => few.join(" "),
    }
}

fn capabilities(capabilities: &[ModelCapability]) -> String {
    let name = |capability: &ModelCapability| match capability {
        ModelCapability::Vision => "vision",
        ModelCapability::Tools => "tools",
        ModelCapability::Thinking => "thinking",
        ModelCapability::Embedding => "embedding",
    };
    let names: Vec<&str> = capabilities.iter().map(name).collect();
    if names.is_empty() { "-".into() } else { names.join(",") }
}

/// `4.02 B` of 4 022 468 096.
fn weights(count: u64) -> String {
    match count {
        count if count >= 1_000_000_000 => format!("{:.2} B", count as f64 / 1e9),
        count => format!("{:.0} M", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_weights_are_read_as_people_say_them() {
        assert_eq!(count("1.5B"), Ok(1_500_000_000));
        assert_eq!(count("500m"), Ok(500_000_000));
        assert_eq!(count("135000000"), Ok(135_000_000));
        for bad in ["", "B", "-1B", "many", "1e99B", "NaN"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }
}
