//! `lantern chat`: a conversation in the terminal, kept like any other.
//!
//! Only answers go to standard output. Ctrl-C stops an answer; at the prompt it ends the program.

use std::io::{self, IsTerminal, Write};

use lantern_app::{App, ChatStream};
use lantern_protocol::{
    ChatEvent, Message, MessageStatus, SendMessage, SentWith, ToolCall, ToolCallState, ToolConsent,
};
use tokio::sync::mpsc;

use crate::error::{CliError, print_error};
use crate::interrupt::Interrupts;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// The model [default: the conversation's, or the default of the settings]
    model: Option<String>,
    /// Goes on with the conversation that has this id
    #[arg(long, conflicts_with = "last")]
    conversation: Option<String>,
    /// Goes on with the newest conversation
    #[arg(long)]
    last: bool,
    /// The assistant that answers from now on, by its name or id: see `lantern assistant list`
    #[arg(long, value_name = "NAME")]
    assistant: Option<String>,
}

const HELP: &str = "/new starts a new conversation, /exit ends, Ctrl-C stops an answer";

pub async fn run(args: Args) -> Result<(), CliError> {
    let app = place::app().await?;
    let model = match &args.model {
        Some(name) => Some(place::name_in(&app, name).await?),
        None => None,
    };
    let conversation = match args.last {
        true => app.list_conversations(None).await?.first().map(|row| row.conversation.id.clone()),
        false => args.conversation,
    };
    let assistant = match &args.assistant {
        Some(name) => Some(app.assistant(name).await?.id),
        None => None,
    };
    // One that is gone on with changes its assistant once; each new one begins with it.
    if let (Some(id), Some(_)) = (&conversation, &assistant) {
        app.choose_assistant(id, assistant.clone()).await?;
    }
    let mut chat = Chat { app, model, conversation, assistant, interrupts: Interrupts::listen()? };
    let result = chat.converse().await;
    chat.app.shutdown().await;
    result
}

struct Chat {
    app: App,
    model: Option<String>,
    conversation: Option<String>,
    /// Id of the assistant of new conversations.
    assistant: Option<String>,
    interrupts: Interrupts,
}

impl Chat {
    async fn converse(&mut self) -> Result<(), CliError> {
        let interactive = io::stdin().is_terminal();
        if interactive {
            output::note(HELP);
            self.show_earlier().await?;
        }
        let mut lines = lines();
        loop {
            if interactive {
                let _ = write!(io::stderr(), "> ").and_then(|()| io::stderr().flush());
            }
            let line = tokio::select! {
                line = lines.recv() => line,
                () = self.interrupts.next() => None,
            };
            let Some(line) = line else {
                return Ok(());
            };
            match line.trim() {
                "" => {}
                "/exit" | "/quit" => return Ok(()),
                "/help" => output::note(HELP),
                "/new" => {
                    self.conversation = None;
                    output::note("a new conversation");
                }
                command if command.starts_with('/') && !command.contains(char::is_whitespace) => {
                    output::note(format!("there is no {command}; {HELP}"));
                }
                text => match self.answer(text).await {
                    Err(CliError::Failed(info)) if interactive => print_error(&info),
                    other => other?,
                },
            }
        }
    }

    async fn show_earlier(&self) -> Result<(), CliError> {
        let Some(id) = &self.conversation else { return Ok(()) };
        let view = self.app.conversation(id).await?;
        output::note(format!("“{}”, {} messages so far", view.conversation.title, view.messages.len()));
        Ok(())
    }

    async fn answer(&mut self, text: &str) -> Result<(), CliError> {
        let request = SendMessage {
            conversation_id: self.conversation.clone(),
            parent_id: None,
            content: text.to_owned(),
            model: self.model.clone(),
        };
        let assistant = self.assistant.clone().filter(|_| self.conversation.is_none());
        let with = SentWith { assistant, ..SentWith::default() };
        let stream = self.app.send_message_with(request, with).await?;
        let message = self.print(stream).await?;
        match message.status {
            MessageStatus::Stopped => output::note("(stopped)"),
            MessageStatus::Truncated => output::note("(the limit of tokens was reached)"),
            _ => {}
        }
        Ok(())
    }

    async fn print(&mut self, mut stream: ChatStream) -> Result<Message, CliError> {
        let mut at_line_start = true;
        loop {
            let event = tokio::select! {
                event = stream.next() => event,
                () = self.interrupts.next() => {
                    self.app.stop(stream.message_id()).await?;
                    continue;
                }
            };
            match event {
                Some(ChatEvent::Started { conversation, .. }) => self.conversation = Some(conversation.id),
                Some(ChatEvent::Loading { model }) => output::note(format!("loading {model} …")),
                Some(ChatEvent::Summarising) => {
                    output::note("the conversation no longer fits: its beginning is being summarised …")
                }
                Some(ChatEvent::Summarised { message_ids, .. }) => output::note(format!(
                    "the model reads a summary in place of {} older {}",
                    message_ids.len(),
                    if message_ids.len() == 1 { "message" } else { "messages" }
                )),
                Some(ChatEvent::Dropped { message_ids, .. }) => output::note(format!(
                    "the conversation no longer fits: the model does not see the oldest {} messages",
                    message_ids.len()
                )),
                Some(ChatEvent::Text { text }) => {
                    at_line_start = text.ends_with('\n');
                    output::piece(&text)?;
                }
                Some(ChatEvent::Finished { message }) => {
                    if !at_line_start {
                        output::piece("\n")?;
                    }
                    return Ok(message);
                }
                Some(ChatEvent::Failed { error, .. }) => {
                    if !at_line_start {
                        output::piece("\n")?;
                    }
                    return Err(error.into());
                }
                Some(ChatEvent::ToolCall { call }) => self.tell_call(&call).await,
                Some(
                    ChatEvent::Sources { .. }
                    | ChatEvent::Queued { .. }
                    | ChatEvent::Prefill { .. }
                    | ChatEvent::Round { .. },
                ) => {}
                None => return Err(CliError::internal("the answer ended without an end")),
            }
        }
    }
}

impl Chat {
    /// What becomes of a call. Only the window can ask whether it may run; here it may not, unless it was allowed before.
    async fn tell_call(&self, call: &ToolCall) {
        match call.state {
            ToolCallState::Asking => {
                output::note(format!("the model may not call {}: allow it in the window", call.name));
                // It may have been answered in another way meanwhile.
                let _ = self.app.answer_tool_call(&call.id, ToolConsent::Deny).await;
            }
            ToolCallState::Running => output::note(format!("calling {} {}", call.name, call.arguments)),
            _ => {}
        }
    }
}

/// Lines of standard input, read by a thread of their own so that Ctrl-C is heard meanwhile.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lines() {
            let Ok(line) = line else { break };
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
