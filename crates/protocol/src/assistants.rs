//! Assistants: a way of answering that has a name, and which conversations and answers have one.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ChosenTool, ChosenTools, SamplingDefaults, Settings};

/// What the user says of an assistant. What it does not say is as the model's defaults and the settings say; what a
/// conversation chooses itself goes before it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[ts(export)]
pub struct AssistantSetup {
    /// No other has the same name.
    pub name: String,
    /// An emoji, or some letters; empty shows the name's first.
    pub mark: String,
    /// The colour behind the mark.
    pub colour: AssistantColour,
    /// What it is good for, in a sentence.
    pub description: String,
    /// See [`Settings::system_prompt`]; `None` leaves it to the model's defaults and the settings.
    pub system_prompt: Option<String>,
    /// Library id of the model that answers; `None` takes whichever is chosen.
    pub model: Option<String>,
    /// How tokens are chosen.
    pub sampling: SamplingDefaults,
    /// Tools of its conversations; `None` takes those that new conversations begin with.
    pub tools: Option<ChosenTools>,
    /// Those of its tools that may run in its conversations without asking.
    pub unasked: Vec<ChosenTool>,
    /// Ids of the folders that its conversations search.
    pub folders: Vec<String>,
    /// First messages that an empty conversation proposes.
    pub starters: Vec<String>,
}

/// The colour behind an assistant's mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
#[allow(missing_docs)] // Their names say it.
pub enum AssistantColour {
    #[default]
    Amber,
    Red,
    Pink,
    Violet,
    Blue,
    Green,
    Grey,
}

/// An assistant. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Assistant {
    /// UUID, version 7.
    pub id: String,
    /// 1 at first, and one more with each change; answers say with which they were written.
    pub version: u32,
    /// What the user says of it.
    pub setup: AssistantSetup,
    /// When it was made.
    #[ts(type = "number")]
    pub created_at: i64,
    /// When it was changed.
    #[ts(type = "number")]
    pub updated_at: i64,
}

impl AssistantSetup {
    /// The settings with what the assistant says of an answer in place.
    pub fn over(&self, settings: Settings) -> Settings {
        Settings {
            system_prompt: self.system_prompt.clone().unwrap_or(settings.system_prompt),
            sampling: self.sampling.over(&settings.sampling),
            ..settings
        }
    }
}

/// The assistant of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ConversationAssistant {
    /// As it is now; as it was at the last answer, if it is not here any more.
    pub assistant: Assistant,
    /// Whether it is among this computer's assistants.
    pub is_here: bool,
    /// Answers that were written with an assistant, this one or another.
    pub answers: Vec<AnswerAssistant>,
}

/// With which assistant an answer was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct AnswerAssistant {
    /// The answer.
    pub message_id: String,
    /// The assistant, which may not be here any more.
    pub assistant_id: String,
    /// What it was called.
    pub name: String,
    /// Its version.
    pub version: u32,
}

/// What came of taking an assistant in from a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ImportedAssistant {
    /// As it is here.
    pub assistant: Assistant,
    /// Folders that it searched and that are not here; it does without them.
    pub folders_left: u32,
    /// Tools that it let run without asking; they ask again.
    pub unasked_left: u32,
}
