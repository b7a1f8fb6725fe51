//! One question and its answer, in the steps in which they reach the database.
//!
//! A question is stored together with its still empty answer before a model is asked, so whatever happens then, the
//! person's words are safe and the answer has a place to be written to.

use lantern_protocol::{Conversation, ErrorInfo, GenerationStats, Message, MessageStatus, Role, SentWith};
use rusqlite::Connection;

use crate::messages::{self, NewMessage};
use crate::{Begun, Store, StoreError, attachments, conversations, knowledge};

/// Where a question goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Into a conversation of its own with this title.
    New {
        /// Shown in the sidebar.
        title: String,
    },
    /// At the end of the shown branch.
    End {
        /// The conversation.
        conversation_id: String,
    },
    /// Below this message, which opens a branch if it has children already.
    Below {
        /// The conversation.
        conversation_id: String,
        /// The message that is answered.
        parent_id: String,
    },
    /// Beside this earlier question, as another version of it.
    InsteadOf {
        /// The earlier question.
        message_id: String,
    },
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// New words of the person.
    New {
        /// Where they go.
        place: Place,
        /// The words.
        content: String,
    },
    /// Another answer beside this one, or a first one when it is a question without any.
    Again {
        /// An answer or a question.
        message_id: String,
    },
}

/// A question to be stored with its empty answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// What is asked.
    pub question: Question,
    /// Library id of the model that will answer.
    pub model: Option<String>,
    /// Whether the conversation keeps that model for what follows.
    pub keep_model: bool,
}

/// What a question has of files.
#[derive(Debug, Clone, PartialEq)]
pub enum QuestionFiles {
    /// None, or it was asked before and has those that it had.
    None,
    /// Files of its own.
    Sent(SentWith),
    /// Those of the question that it replaces.
    Of(String),
}

/// What [`Store::ask`] stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// With the new branch shown.
    pub conversation: Conversation,
    /// `None` when an earlier question is answered again.
    pub user_message: Option<Message>,
    /// Empty and `streaming`.
    pub assistant_message: Message,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// Anything but `streaming`.
    pub status: MessageStatus,
    /// Why it failed, when it did.
    pub error: Option<ErrorInfo>,
    /// What it took, when known.
    pub stats: Option<GenerationStats>,
}

impl Store {
    /// Stores a question and its empty answer in one transaction that has reached the disk when this returns.
    pub fn ask(&mut self, exchange: &Exchange) -> Result<Asked, StoreError> {
        let writer = self.writer_id().to_owned();
        self.write(|t| ask(t, exchange, &writer))
    }

    /// The same for a question with files, and with what a conversation begins with: no crash leaves one without the other.
    pub fn ask_with(
        &mut self,
        exchange: &Exchange,
        files: &QuestionFiles,
        begun: &Begun,
    ) -> Result<Asked, StoreError> {
        let writer = self.writer_id().to_owned();
        self.write(|t| {
            let mut asked = ask(t, exchange, &writer)?;
            let is_new = matches!(exchange.question, Question::New { place: Place::New { .. }, .. });
            begun.keep(t, &mut asked, is_new)?;
            if let Some(message) = &asked.user_message {
                keep_files(t, &asked.conversation.id, &message.id, files)?;
            }
            Ok(asked)
        })
    }

    /// Ends an answer: what was appended becomes its content.
    pub fn finish(&mut self, message_id: &str, finish: &Finish) -> Result<Message, StoreError> {
        self.write(|t| {
            messages::finish(t, message_id, finish.status, finish.error.as_ref(), finish.stats.as_ref())
        })
    }
}

fn ask(t: &Connection, exchange: &Exchange, writer: &str) -> Result<Asked, StoreError> {
    let (conversation_id, user_message, parent_id) = match &exchange.question {
        Question::New { place, content } => {
            let message = insert_question(t, place, content, exchange.model.as_deref())?;
            let id = message.id.clone();
            (message.conversation_id.clone(), Some(message), id)
        }
        Question::Again { message_id } => {
            let message = settled(t, message_id)?;
            let question = match (message.role, message.parent_id) {
                (Role::User, _) => message.id,
                (Role::Assistant, Some(parent)) => parent,
                _ => return Err(StoreError::WrongRole { id: message.id, wanted: "an answer" }),
            };
            (message.conversation_id, None, question)
        }
    };
    let assistant_message = messages::insert(
        t,
        NewMessage {
            conversation_id: &conversation_id,
            parent_id: Some(&parent_id),
            role: Role::Assistant,
            content: "",
            model: exchange.model.as_deref(),
            writer: Some(writer),
        },
    )?;
    conversations::set_leaf(t, &conversation_id, Some(&assistant_message.id))?;
    if exchange.keep_model {
        conversations::set_model(t, &conversation_id, exchange.model.as_deref())?;
    }
    Ok(Asked { conversation: conversations::get(t, &conversation_id)?, user_message, assistant_message })
}

fn keep_files(
    t: &Connection,
    conversation_id: &str,
    message_id: &str,
    files: &QuestionFiles,
) -> Result<(), StoreError> {
    match files {
        QuestionFiles::None => Ok(()),
        QuestionFiles::Of(other) => attachments::attach_as(t, message_id, other),
        QuestionFiles::Sent(with) => {
            if let Some(folders) = &with.folders {
                knowledge::set_folders(t, conversation_id, folders)?;
            }
            attachments::attach(t, message_id, &with.attachments)
        }
    }
}

fn insert_question(
    conn: &Connection,
    place: &Place,
    content: &str,
    model: Option<&str>,
) -> Result<Message, StoreError> {
    let (conversation_id, parent_id) = match place {
        Place::New { title } => (conversations::insert(conn, title, model)?.id, None),
        Place::End { conversation_id } => {
            (conversation_id.clone(), conversations::get(conn, conversation_id)?.leaf_id)
        }
        Place::Below { conversation_id, parent_id } => {
            if messages::get(conn, parent_id)?.conversation_id != *conversation_id {
                return Err(StoreError::NoMessage(parent_id.clone()));
            }
            (conversation_id.clone(), Some(parent_id.clone()))
        }
        Place::InsteadOf { message_id } => {
            let earlier = messages::get(conn, message_id)?;
            if earlier.role != Role::User {
                return Err(StoreError::WrongRole { id: earlier.id, wanted: "a question" });
            }
            (earlier.conversation_id, earlier.parent_id)
        }
    };
    if let Some(parent) = &parent_id {
        settled(conn, parent)?;
    }
    let new = NewMessage {
        conversation_id: &conversation_id,
        parent_id: parent_id.as_deref(),
        role: Role::User,
        content,
        model: None,
        writer: None,
    };
    messages::insert(conn, new)
}

/// A message that nobody is writing any more: what follows must not rest on half an answer.
fn settled(conn: &Connection, id: &str) -> Result<Message, StoreError> {
    let message = messages::get(conn, id)?;
    if message.status == MessageStatus::Streaming {
        Err(StoreError::StillStreaming(id.into()))
    } else {
        Ok(message)
    }
}
