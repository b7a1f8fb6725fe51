//! From a branch to the request that an answer to its last message is.

use lantern_engine::{GenerateRequest, Priority, Prompt, ToolChoice};
use lantern_protocol::{Conversation, Message, Role, Settings};

use super::chosen::{overflow, sampling};
use super::prompt::{self, BranchPrompt};
use super::tool_prompt;
use crate::tools::Offered;
use crate::{App, AppError};

impl App {
    /// The settings as they hold for a conversation that this model answers in.
    pub(super) async fn settings_in(&self, conversation: &str, model: &str) -> Result<Settings, AppError> {
        let settings = self.settings_of(model).await?;
        let assistant = self.assistant_of(conversation).await?;
        let settings = match assistant {
            Some(named) => named.assistant.setup.over(settings),
            None => settings,
        };
        let id = conversation.to_owned();
        let own = self.0.db.of(conversation).run(move |store| store.overflow_choice(&id)).await?;
        Ok(Settings { overflow: own.unwrap_or(settings.overflow), ..settings })
    }

    /// The request, and for each of its messages the ids of those stored messages that are in it.
    pub(super) async fn branch_request(
        &self,
        conversation: &Conversation,
        branch: &[Message],
        settings: &Settings,
        context_length: Option<usize>,
        offered: &Offered,
    ) -> Result<(GenerateRequest, Vec<Vec<String>>), AppError> {
        let system_prompt = conversation.system_prompt.as_ref().unwrap_or(&settings.system_prompt);
        // Only the first message of an answer, or it would never end.
        let must_call = offered.required && branch.last().is_none_or(|last| last.role != Role::Tool);
        let calls = tool_prompt::calls_of(&self.tool_calls(&conversation.id).await?);
        let BranchPrompt { messages, sources } = prompt::messages(system_prompt, branch, &calls);
        let request = GenerateRequest {
            sampling: sampling(&settings.sampling),
            max_tokens: settings.sampling.max_tokens.map(|n| n as usize),
            priority: Priority::Chat,
            owner: Some(conversation.id.clone()),
            context_length,
            overflow: overflow(settings),
            // Small models, which are made to call, would hardly stop calling.
            parallel_tool_calls: !must_call,
            tool_choice: if must_call { ToolChoice::Required } else { ToolChoice::Auto },
            ..GenerateRequest::new(Prompt::Messages { messages, tools: offered.json() })
        };
        Ok((request, sources))
    }
}
