//! Assistants: keeping them, taking them from and to files ([`file`]), and conversations that have one ([`chats`]).

mod chats;
mod file;

use std::ops::RangeInclusive;

use lantern_protocol::{AppEvent, Assistant, AssistantSetup, SamplingSettings};
use lantern_store::{Store, StoreError};

use crate::settings::{check_sampling, within};
use crate::tools::MOST_TOOLS;
use crate::{App, AppError};

/// Longest name and longest id of a model, in characters.
const LONGEST_NAME: usize = 80;
const LONGEST_MODEL: usize = 1024;
/// Longest mark, in bytes: emoji of several people have some 40.
const LONGEST_MARK: usize = 64;
const LONGEST_DESCRIPTION: usize = 500;
/// Longest system prompt, in bytes.
const LONGEST_PROMPT: usize = 256 << 10;
const MOST_STARTERS: usize = 12;
const LONGEST_STARTER: usize = 2000;
const MOST_FOLDERS: usize = 100;

impl App {
    /// All assistants by name.
    pub async fn assistants(&self) -> Result<Vec<Assistant>, AppError> {
        self.0.db.run(|store| store.assistants()).await
    }

    /// The assistant with this id or name; capitals do not matter.
    pub async fn assistant(&self, name: &str) -> Result<Assistant, AppError> {
        let wanted = name.trim().to_lowercase();
        let all = self.assistants().await?;
        let known: Vec<String> = all.iter().map(|one| one.setup.name.clone()).collect();
        let is_it = |one: &Assistant| one.id == wanted || one.setup.name.to_lowercase() == wanted;
        all.into_iter().find(is_it).ok_or_else(|| {
            let next_step = match known.is_empty() {
                true => "There is none yet: make one in the window, or import one.".to_owned(),
                false => format!("Name one of {}.", known.join(", ")),
            };
            AppError::new("assistant_not_found", format!("There is no assistant {name}."), next_step)
        })
    }

    /// Changes an assistant, or makes one without an id. A change holds in its conversations from the next answer on.
    pub async fn save_assistant(
        &self,
        id: Option<String>,
        setup: AssistantSetup,
    ) -> Result<Assistant, AppError> {
        let setup = checked(setup)?;
        let save = move |store: &mut Store| match id {
            Some(id) => store.change_assistant(&id, &setup),
            None => store.add_assistant(&setup),
        };
        self.changed_assistant(save).await
    }

    /// Makes another assistant that is the same but for its name.
    pub async fn duplicate_assistant(&self, id: &str) -> Result<Assistant, AppError> {
        let id = id.to_owned();
        self.changed_assistant(move |store| {
            let setup = store.assistant(&id)?.setup;
            add_under_free_name(store, setup)
        })
        .await
    }

    /// Deletes an assistant. Its conversations go on with it as it is now.
    pub async fn delete_assistant(&self, id: &str) -> Result<(), AppError> {
        let id = id.to_owned();
        self.changed_assistant(move |store| store.delete_assistant(&id)).await
    }

    async fn changed_assistant<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AppError> {
        let changed = self.0.db.run(change).await?;
        self.emit(AppEvent::AssistantsChanged);
        Ok(changed)
    }
}

/// Makes an assistant, with a number behind its name if that is taken.
fn add_under_free_name(store: &mut Store, setup: AssistantSetup) -> Result<Assistant, StoreError> {
    let mut named = setup.clone();
    let mut n = 2u32;
    loop {
        match store.add_assistant(&named) {
            Err(StoreError::AssistantExists(_)) => {
                let number = format!(" {n}");
                let room = LONGEST_NAME.saturating_sub(number.len());
                let short: String = setup.name.chars().take(room).collect();
                named.name = format!("{}{number}", short.trim_end());
                n += 1;
            }
            done => return done,
        }
    }
}

/// An assistant as it is kept: white space at the ends and empty starters left out.
fn checked(setup: AssistantSetup) -> Result<AssistantSetup, AppError> {
    let mut setup = AssistantSetup {
        name: setup.name.split_whitespace().collect::<Vec<_>>().join(" "),
        mark: setup.mark.trim().to_owned(),
        description: setup.description.trim().to_owned(),
        model: setup.model.filter(|model| !model.trim().is_empty()),
        starters: setup.starters.iter().map(|text| text.trim().to_owned()).collect(),
        ..setup
    };
    setup.starters.retain(|text| !text.is_empty());
    // What it has no use of nobody need vouch for.
    if let Some(tools) = &setup.tools {
        setup.unasked.retain(|tool| tools.tools.contains(tool));
    }
    long("name", setup.name.chars().count(), 1..=LONGEST_NAME)?;
    long("mark", setup.mark.len(), 0..=LONGEST_MARK)?;
    long("description", setup.description.chars().count(), 0..=LONGEST_DESCRIPTION)?;
    long("systemPrompt", setup.system_prompt.as_ref().map_or(0, String::len), 0..=LONGEST_PROMPT)?;
    long("model", setup.model.as_ref().map_or(0, String::len), 0..=LONGEST_MODEL)?;
    long("tools", setup.tools.as_ref().map_or(0, |tools| tools.tools.len()), 0..=MOST_TOOLS)?;
    long("unasked", setup.unasked.len(), 0..=MOST_TOOLS)?;
    long("folders", setup.folders.len(), 0..=MOST_FOLDERS)?;
    long("starters", setup.starters.len(), 0..=MOST_STARTERS)?;
    for starter in &setup.starters {
        long("starter", starter.chars().count(), 1..=LONGEST_STARTER)?;
    }
    check_sampling(&setup.sampling.over(&SamplingSettings::default()))?;
    Ok(setup)
}

/// Whether something has as many characters or parts as it may.
fn long(what: &str, count: usize, range: RangeInclusive<usize>) -> Result<(), AppError> {
    within(what, count, range).map_err(|error| AppError {
        code: "bad_assistant".into(),
        message: match (what, count) {
            ("name", 0) => "The assistant has no name.".into(),
            _ => format!("The length of the assistant's {}", error.message),
        },
        next_step: match (what, count) {
            ("name", 0) => "Give it one.".into(),
            _ => "Shorten it.".into(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> AssistantSetup {
        AssistantSetup { name: name.into(), ..Default::default() }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_name() {
        assert_eq!(checked(named("  Red \n fox ")).unwrap().name, "Red fox");
        let tools = lantern_protocol::ChosenTools { tools: Vec::new(), required: false };
        let unasked = vec![lantern_protocol::ChosenTool {
            server: "lantern".into(),
            tool: "date".into(),
            hash: String::new(),
        }];
        let starters = vec!["  ".into(), " Hi ".into()];
        let kept = AssistantSetup { tools: Some(tools), unasked, starters, ..named("x") };
        let kept = checked(kept).unwrap();
        assert_eq!((kept.unasked.len(), kept.starters), (0, vec!["Hi".to_owned()]));
        let hot = lantern_protocol::SamplingDefaults { temperature: Some(9.0), ..Default::default() };
        for (wrong, word) in [
            (named(" "), "name"),
            (named(&"x".repeat(81)), "name"),
            (AssistantSetup { mark: "x".repeat(65), ..named("x") }, "mark"),
            (AssistantSetup { system_prompt: Some("x".repeat(300_000)), ..named("x") }, "systemPrompt"),
            (AssistantSetup { starters: vec!["x".into(); 13], ..named("x") }, "starters"),
            (AssistantSetup { sampling: hot, ..named("x") }, "temperature"),
        ] {
            let error = checked(wrong).unwrap_err();
            assert!(error.message.contains(word) && !error.next_step.is_empty(), "{error:?}");
        }
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut store = Store::in_memory().unwrap();
        let long = "n".repeat(LONGEST_NAME);
        for (name, wanted) in [("Fox", "Fox"), ("Fox", "Fox 2"), ("fox", "fox 3"), (&long, &long)] {
            assert_eq!(add_under_free_name(&mut store, named(name)).unwrap().setup.name, wanted);
        }
        let again = add_under_free_name(&mut store, named(&long)).unwrap().setup.name;
        assert!(again.ends_with("n 2") && again.chars().count() == LONGEST_NAME);
    }
}
