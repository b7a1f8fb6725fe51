//! Where other programs keep their models, on each system.
//!
//! They are used without being asked for: whoever has a model on the disk expects to see it, and is spared fetching it
//! again. Nothing is ever written there, and each can be turned off.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use lantern_protocol::PlaceOwner;
use serde_json::Value;

/// Longest file of settings that is read.
const MAX_SETTINGS: u64 = 4 << 20;

/// The folders of a person's account that programs build on.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) home: PathBuf,
    /// `~/.local/share`, `~/Library/Application Support`, `%APPDATA%`.
    pub(crate) data: PathBuf,
    /// The same; `%LOCALAPPDATA%` on Windows.
    pub(crate) local_data: PathBuf,
    /// `~/.config`, `~/Library/Application Support`, `%APPDATA%`.
    pub(crate) config: PathBuf,
    /// `OLLAMA_MODELS`.
    pub(crate) ollama_models: Option<PathBuf>,
    /// `JAN_DATA_FOLDER`.
    pub(crate) jan_data: Option<PathBuf>,
}

impl Account {
    /// Of whoever runs this program; `None` where `LANTERN_OTHER_PROGRAMS` is 0, which leaves them all alone.
    pub(crate) fn from_env() -> Option<Self> {
        let dirs = directories::BaseDirs::new()
            .filter(|_| env::var("LANTERN_OTHER_PROGRAMS").as_deref() != Ok("0"))?;
        let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Some(Self {
            home: dirs.home_dir().to_owned(),
            data: dirs.data_dir().to_owned(),
            local_data: dirs.data_local_dir().to_owned(),
            config: dirs.config_dir().to_owned(),
            ollama_models: variable("OLLAMA_MODELS"),
            jan_data: variable("JAN_DATA_FOLDER"),
        })
    }

    /// The folders of programs that are there, each once.
    pub(crate) fn folders(&self) -> Vec<(PlaceOwner, PathBuf)> {
        let mut folders: Vec<(PlaceOwner, PathBuf)> = Vec::new();
        let of = |owner: PlaceOwner, paths: Vec<PathBuf>| paths.into_iter().map(move |path| (owner, path));
        let candidates = of(PlaceOwner::LmStudio, self.lm_studio())
            .chain(of(PlaceOwner::Jan, self.jan()))
            .chain(of(PlaceOwner::Gpt4all, self.gpt4all()))
            .chain(of(PlaceOwner::Ollama, self.ollama()));
        for (owner, path) in candidates.filter(|(_, path)| path.is_dir()) {
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            if !folders.iter().any(|(_, known)| *known == path || *known == real) {
                folders.push((owner, path));
            }
        }
        folders
    }

    /// `models` in its home, in that of old versions, and the folder chosen in its settings.
    fn lm_studio(&self) -> Vec<PathBuf> {
        let pointer = read(&self.home.join(".lmstudio-home-pointer"));
        let home = pointer.map(|text| PathBuf::from(text.trim())).filter(|path| path.is_absolute());
        let home = home.unwrap_or_else(|| self.home.join(".lmstudio"));
        let chosen = read(&home.join("settings.json")).and_then(|text| {
            let settings: Value = serde_json::from_str(&text).ok()?;
            Some(PathBuf::from(settings.get("downloadsFolder")?.as_str()?))
        });
        let mut paths: Vec<PathBuf> = chosen.into_iter().filter(|path| path.is_absolute()).collect();
        paths.extend([home.join("models"), self.home.join(".cache").join("lm-studio").join("models")]);
        paths
    }

    /// The data folder that its settings name, the usual one, and those of old versions.
    fn jan(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.jan_data.clone().into_iter().collect();
        for place in [&self.data, &self.config] {
            let settings = read(&place.join("Jan").join("settings.json"));
            paths.extend(settings.and_then(|text| {
                let settings: Value = serde_json::from_str(&text).ok()?;
                Some(PathBuf::from(settings.get("data_folder")?.as_str()?)).filter(|path| path.is_absolute())
            }));
            paths.push(place.join("Jan").join("data"));
        }
        paths.push(self.home.join("jan"));
        paths
    }

    /// The folder of its settings, the usual one, and that of its Python package.
    fn gpt4all(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for settings in [self.config.join("nomic.ai"), self.home.join(".config").join("nomic.ai")] {
            let text = read(&settings.join("GPT4All.ini")).unwrap_or_default();
            let chosen = text.lines().find_map(|line| line.trim().strip_prefix("modelPath="));
            paths.extend(chosen.map(|path| PathBuf::from(path.trim_matches('"'))));
        }
        paths.retain(|path| path.is_absolute());
        paths.push(self.local_data.join("nomic.ai").join("GPT4All"));
        paths.push(self.home.join(".cache").join("gpt4all"));
        paths
    }

    /// The variable's folder, the user's own, and that of the service on Linux.
    fn ollama(&self) -> Vec<PathBuf> {
        let service = ["/usr/share/ollama/.ollama/models", "/var/lib/ollama/models"].map(PathBuf::from);
        let own = self.home.join(".ollama").join("models");
        self.ollama_models.iter().cloned().chain([own]).chain(service).collect()
    }
}

fn read(path: &Path) -> Option<String> {
    let size = fs::metadata(path).ok()?.len();
    (size <= MAX_SETTINGS).then(|| fs::read_to_string(path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_found_where_settings_and_habit_say() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        let account = Account {
            home: at("home"),
            data: at("data"),
            local_data: at("local"),
            config: at("config"),
            ollama_models: Some(at("big/ollama")),
            jan_data: None,
        };
        let folder = |path: &str| fs::create_dir_all(at(path)).unwrap();
        let text = |path: &str, text: String| {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), text).unwrap();
        };
        let json = |key: &str, path: &str| serde_json::json!({ key: at(path) }).to_string();
        // None of the system's own folders of the service may matter to this test.
        let found = || {
            account.folders().into_iter().filter(|(_, path)| path.starts_with(dir.path())).collect::<Vec<_>>()
        };
        assert_eq!(found(), []);
        for path in ["home/.lmstudio/models", "big/lm", "data/Jan/data", "big/jan", "local/nomic.ai/GPT4All"]
        {
            folder(path);
        }
        for path in ["big/gpt", "big/ollama", "home/.ollama/models"] {
            folder(path);
        }
        text("home/.lmstudio/settings.json", json("downloadsFolder", "big/lm"));
        text("data/Jan/settings.json", json("data_folder", "big/jan"));
        text("config/nomic.ai/GPT4All.ini", format!("[General]\nmodelPath={}\n", at("big/gpt").display()));
        let names = |owner| {
            let of = found().into_iter().filter(|(other, _)| *other == owner);
            of.map(|(_, path)| path.strip_prefix(dir.path()).unwrap().to_owned()).collect::<Vec<_>>()
        };
        let paths = |all: [&str; 2]| all.map(PathBuf::from).to_vec();
        assert_eq!(names(PlaceOwner::LmStudio), paths(["big/lm", "home/.lmstudio/models"]));
        assert_eq!(names(PlaceOwner::Jan), paths(["big/jan", "data/Jan/data"]));
        assert_eq!(names(PlaceOwner::Gpt4all), paths(["big/gpt", "local/nomic.ai/GPT4All"]));
        assert_eq!(names(PlaceOwner::Ollama), paths(["big/ollama", "home/.ollama/models"]));
    }

    #[test]
    fn damaged_settings_of_others_are_nobodys_error() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_owned();
        fs::create_dir_all(home.join(".lmstudio/models")).unwrap();
        fs::write(home.join(".lmstudio/settings.json"), b"{\"downloadsFolder\": 5").unwrap();
        let [data, local_data, config] = ["a", "b", "c"].map(|name| home.join(name));
        let account =
            Account { home: home.clone(), data, local_data, config, ollama_models: None, jan_data: None };
        assert!(account.folders().contains(&(PlaceOwner::LmStudio, home.join(".lmstudio/models"))));
    }
}
