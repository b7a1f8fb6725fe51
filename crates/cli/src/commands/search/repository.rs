//! What a repository on the Hub holds, for people and as JSON.

use lantern_app::App;
use lantern_hub::human_bytes;
use lantern_protocol::{FileFit, FitVerdict, Repository, RepositoryFile, RepositoryFit};
use serde::Serialize;

use super::{capabilities, weights};
use crate::error::CliError;
use crate::output;

#[derive(Serialize)]
struct Report {
    repository: Repository,
    #[serde(skip_serializing_if = "Option::is_none")]
    fit: Option<RepositoryFit>,
}

/// Shows `owner/name`; with `fit` also whether its files run here.
pub async fn show(
    app: &App,
    repo: &str,
    context: Option<u32>,
    fit: bool,
    json: bool,
) -> Result<(), CliError> {
    let repository = app.repository(repo).await?;
    let fit = match fit {
        true => Some(app.repository_fit(repo, context).await),
        false => None,
    };
    // What a gated repository holds is told to everybody; only whether it runs here is not.
    let (fit, error) = match fit.transpose() {
        Ok(fit) => (fit, None),
        Err(error) if repository.gate.is_some() => (None, Some(error)),
        Err(error) => return Err(error.into()),
    };
    if json {
        return output::json(&Report { repository, fit });
    }
    print(&repository, fit.as_ref())?;
    if let Some(error) = error {
        output::note(format!(
            "note: whether its files run here is not known: {} {}",
            error.message, error.next_step
        ));
    }
    Ok(())
}

fn print(repository: &Repository, fit: Option<&RepositoryFit>) -> Result<(), CliError> {
    output::table(&about(repository))?;
    output::line("")?;
    let mut rows = vec![["QUANT", "SIZE", "FILE", "HERE"].map(String::from).to_vec()];
    let fit_of =
        |file: &RepositoryFile| fit.and_then(|fit| fit.files.iter().find(|fit| fit.file == file.file));
    for group in &repository.quants {
        let quant = if group.quant.is_empty() { "-" } else { &group.quant };
        rows.extend(group.files.iter().map(|file| {
            let here = fit_of(file).map_or_else(|| group.note.clone(), here);
            vec![quant.to_owned(), human_bytes(file.size_bytes), name(file), here]
        }));
    }
    for (files, what) in
        [(&repository.projectors, "shows pictures"), (&repository.drafts, "guesses for the others")]
    {
        rows.extend(
            files.iter().map(|file| vec!["-".into(), human_bytes(file.size_bytes), name(file), what.into()]),
        );
    }
    output::table(&rows)?;
    if let Some(gate) = &repository.gate {
        output::note(format!("note: {}", gate.what_to_do));
    }
    match fit.map(|fit| &fit.recommended) {
        Some(Some(recommended)) => {
            output::line("")?;
            output::line(format!("take {}", recommended.reason))?;
            output::note(format!("lantern pull {}/{}", repository.about.repo, recommended.file));
        }
        Some(None) => output::note("None of its files fits this machine."),
        None => {}
    }
    Ok(())
}

fn about(repository: &Repository) -> Vec<Vec<String>> {
    let about = &repository.about;
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![row("repository", format!("{} ({})", about.repo, repository.url))];
    rows.extend(about.architecture.iter().map(|name| row("family", name.clone())));
    rows.extend(about.parameters.map(|count| row("weights", weights(count))));
    rows.extend(about.context_length.map(|tokens| row("context", format!("{tokens} tokens"))));
    rows.extend(about.base_model.iter().map(|base| row("made from", base.clone())));
    let licence = about.licence.as_deref().unwrap_or("not stated");
    let place = repository.licence_url.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
    rows.push(row("licence", format!("{licence}{place}")));
    rows.push(row("can", capabilities(&about.capabilities)));
    rows.push(row("downloads", format!("{} in 30 days, {} likes", about.downloads, about.likes)));
    rows.extend(about.modified_at.iter().map(|time| row("changed", time.chars().take(10).collect())));
    rows
}

fn name(file: &RepositoryFile) -> String {
    match file.pieces {
        1 => file.file.clone(),
        pieces => format!("{} ({pieces} files)", file.file),
    }
}

fn here(fit: &FileFit) -> String {
    match (&fit.fit, &fit.error) {
        (Some(fit), _) if fit.verdict == FitVerdict::Unsupported => fit.summary.clone(),
        (Some(fit), _) => fit.summary.trim_end_matches('.').to_owned(),
        (None, Some(error)) => format!("not known: {}", error.message),
        (None, None) => String::new(),
    }
}
