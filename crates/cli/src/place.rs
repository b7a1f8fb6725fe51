//! Where Lantern's data lies, and which file a model's name means.

use std::path::PathBuf;

use lantern_app::{App, AppOptions};
use lantern_engine::{EngineInfo, TemplateSource};
use lantern_hub::{HubError, HubOptions, ModelLibrary};
use lantern_protocol::{ErrorInfo, LibraryModel};

use crate::device_args::DeviceArgs;
use crate::error::CliError;
use crate::output;

/// The library of the data directory. Remarks about it go to standard error.
pub fn library() -> Result<ModelLibrary, CliError> {
    let library = ModelLibrary::from_env(lantern_app::data_dir()?);
    for notice in library.take_notices() {
        output::note(format!("note: {} {}", notice.message, notice.next_step));
    }
    Ok(library)
}

/// How the Hub is reached: as the environment says, with the token that the user gave Lantern.
pub async fn hub_options() -> Result<HubOptions, CliError> {
    Ok(lantern_app::hub_options(&lantern_app::data_dir()?).await)
}

/// The model a name means, which must be readable. A folder of Hugging Face's files is converted first.
pub fn model(name: &str) -> Result<LibraryModel, CliError> {
    let converted = file_of_folder(name)?;
    let name = converted.as_deref().unwrap_or(name);
    let model = library()?.find(name).map_err(|error| with_pull_hint(error, name))?;
    match model.error {
        Some(error) => Err(error.into()),
        None => Ok(LibraryModel { path: file_of_folder(&model.path)?.unwrap_or(model.path), ..model }),
    }
}

/// The file made of a folder, if the name means one.
fn file_of_folder(name: &str) -> Result<Option<String>, CliError> {
    let Some((folder, file_type)) = lantern_app::model_folder(name) else { return Ok(None) };
    output::note(format!(
        "{} is converted ({}), unless that was done before",
        folder.display(),
        file_type.name()
    ));
    let path = lantern_app::file_of_folder(&lantern_app::data_dir()?, &folder, file_type)?;
    Ok(Some(path.to_string_lossy().into_owned()))
}

/// The file of a model of the library, whatever is wrong with it.
pub fn file_of(model: &LibraryModel) -> Result<PathBuf, CliError> {
    Ok(PathBuf::from(file_of_folder(&model.path)?.unwrap_or_else(|| model.path.clone())))
}

/// The path of the file a name means.
pub fn model_path(name: &str) -> Result<PathBuf, CliError> {
    Ok(PathBuf::from(model(name)?.path))
}

/// What the application calls the model that a name means: the id of a remote engine's model or of one in the library, or
/// the path of a file that is in neither.
pub async fn name_in(app: &App, name: &str) -> Result<String, CliError> {
    if app.is_remote(name).await? {
        return Ok(name.to_owned());
    }
    let model = model(name)?;
    let is_listed = app.library().await?.iter().any(|listed| listed.id == model.id);
    Ok(if is_listed { model.id } else { model.path })
}

/// A name of the Hub that is not here is best answered with the command that fetches it.
fn with_pull_hint(error: HubError, name: &str) -> CliError {
    let fetchable = name.contains('/') || lantern_hub::find_in_catalogue(name).is_ok();
    match error {
        HubError::ModelNotFound { .. } if fetchable => CliError::Failed(ErrorInfo {
            next_step: format!("Fetch it: lantern pull {name}"),
            ..error.info()
        }),
        error => error.into(),
    }
}

/// Says for which of a model's types there is no fast kernel.
pub fn note_slow_types(info: &EngineInfo) {
    if !info.slow_types.is_empty() {
        let types = info.slow_types.join(", ");
        output::note(format!("note: {types} have no fast kernel yet, so this model answers slowly."));
    }
}

/// Says that a model's chat template is not the one in its file.
pub fn note_template(info: &EngineInfo) {
    let Some(fault) = &info.template_fault else { return };
    output::note(match info.template {
        Some(TemplateSource::Replaced(name)) => format!("note: {fault}; Lantern's “{name}” is used instead."),
        Some(_) => format!("note: {fault}; it would be for conversations with tools."),
        None => format!("note: {fault}; this model can continue text, but not chat."),
    });
}

/// The application over the data directory. Remarks of its start go to standard error.
pub async fn app() -> Result<App, CliError> {
    app_on(DeviceArgs::default(), AppOptions::default()).await
}

/// As [`app`], with models on the GPU as the person wants them, and with other options.
pub async fn app_on(device: DeviceArgs, options: AppOptions) -> Result<App, CliError> {
    let options = AppOptions {
        gpu_layers: device.gpu_layers,
        cpu_expert_layers: device.experts_on_cpu,
        expert_memory: device.expert_memory,
        ..options
    };
    let app = App::open(options).await?;
    for notice in app.status().await?.notices {
        output::note(format!("note: {} {}", notice.message, notice.next_step));
    }
    Ok(app)
}
