//! What a model sees of files: put before the words of the messages that they belong to, and told.
//!
//! Documents are whole where they all fit beside the conversation, the oldest first; for the others, and for folders,
//! passages are found for the question. What earlier answers were shown stays where it was, so that the beginning of the
//! prompt stays what it was; where that takes more than half of the room, it goes. Numbers are given once along a branch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lantern_engine::{ChatMessage, ContentPart, GenerateRequest, Picture, Prompt};
use lantern_knowledge::prompt::{envelope, unseen_picture};
use lantern_protocol::{AnswerSources, Attachment, Citation, DocumentKind, Place, Seen, SeenDocument};

use super::attachments::read_file;
use super::room::{MARKS, Tokens, question, room};
use crate::models::Answering;
use crate::{App, AppError};

/// So many passages are shown for a question.
const MOST_PASSAGES: usize = 12;

/// Tokens that a picture may take.
const PICTURE: usize = 512;

/// What a branch has of files.
struct Files {
    /// By the message that they go with.
    attachments: HashMap<String, Vec<Attachment>>,
    /// What earlier answers saw, by the answer.
    earlier: HashMap<String, AnswerSources>,
    /// Folders that are searched: where they are, and their documents with a path of each.
    folders: Vec<(String, Vec<(String, String)>)>,
}

/// What is put before a message.
#[derive(Default)]
struct Before {
    citations: Vec<Citation>,
    pictures: Vec<Picture>,
    words: String,
}

/// The work on one request.
struct Composer {
    app: App,
    tokens: Tokens,
    room: usize,
    next: u32,
    texts: HashMap<String, String>,
    /// By the place of a message in the request.
    before: HashMap<usize, Before>,
    sources: AnswerSources,
}

impl App {
    /// The request with what the model is to see of files, and what that is. `stored` has the ids of the stored messages that
    /// each of the request's is made of; the last one is the question.
    pub(crate) async fn with_files(
        &self,
        answering: &Answering,
        conversation: &str,
        answer: &str,
        mut request: GenerateRequest,
        stored: &[Vec<String>],
    ) -> Result<(GenerateRequest, Option<AnswerSources>), AppError> {
        let files = self.files_of(conversation, stored).await?;
        if files.attachments.is_empty() && files.folders.is_empty() && files.earlier.is_empty() {
            return Ok((request, None));
        }
        let room = room(answering, &request).await?;
        let Prompt::Messages { messages, .. } = &mut request.prompt else { return Ok((request, None)) };
        let tokens = Tokens(answering.local().map(|loaded| Arc::clone(&loaded.engine)));
        let mut composer = Composer::new(self.clone(), tokens, room, answer, &files);
        composer.add_attachments(&files, stored, answering.sees()).await?;
        composer.add_earlier(&files, stored).await?;
        composer.add_passages(&files, messages, stored).await?;
        let sources = composer.put_before(messages);
        Ok((request, sources))
    }

    /// The request with what the model is sure to see of files already: no passages are looked for. For plans of what fits.
    pub(crate) async fn with_known_files(
        &self,
        answering: &Answering,
        conversation: &str,
        mut request: GenerateRequest,
        stored: &[Vec<String>],
    ) -> Result<GenerateRequest, AppError> {
        let files = self.files_of(conversation, stored).await?;
        if files.attachments.is_empty() && files.earlier.is_empty() {
            return Ok(request);
        }
        let room = room(answering, &request).await?;
        let Prompt::Messages { messages, .. } = &mut request.prompt else { return Ok(request) };
        let engine = answering.local().map(|loaded| Arc::clone(&loaded.engine));
        let mut composer = Composer::new(self.clone(), Tokens(engine), room, "", &files);
        composer.add_attachments(&files, stored, answering.sees()).await?;
        composer.add_earlier(&files, stored).await?;
        composer.put_before(messages);
        Ok(request)
    }

    async fn files_of(&self, conversation: &str, stored: &[Vec<String>]) -> Result<Files, AppError> {
        let ids: HashSet<String> = stored.iter().flatten().cloned().collect();
        let conversation = conversation.to_owned();
        let read = move |store: &mut lantern_store::Store| {
            // Asked once for all: a long conversation has few files and many messages.
            let known = store.conversation_files(&conversation)?;
            let attachments = known.attachments.into_iter().map(|one| (one.message_id, one.attachments));
            let earlier = known.sources.into_iter().map(|one| (one.message_id.clone(), one));
            let mut files = Files {
                attachments: attachments.filter(|(id, _)| ids.contains(id)).collect(),
                earlier: earlier.filter(|(id, _)| ids.contains(id)).collect(),
                folders: Vec::new(),
            };
            for folder in known.folders {
                let path = store.knowledge_folder(&folder)?.unwrap_or_default();
                files.folders.push((path, store.documents_of_folder(&folder)?));
            }
            Ok(files)
        };
        self.0.db.run(read).await
    }
}

impl Composer {
    fn new(app: App, tokens: Tokens, room: usize, answer: &str, files: &Files) -> Self {
        let numbers = files.earlier.values().flat_map(|one| &one.citations).map(|citation| citation.number);
        let sources = AnswerSources {
            message_id: answer.to_owned(),
            seen: Vec::new(),
            searched_by: None,
            citations: Vec::new(),
        };
        let next = numbers.max().unwrap_or(0).saturating_add(1);
        Self { app, tokens, room, next, texts: HashMap::new(), before: HashMap::new(), sources }
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }

    /// Files that go with messages: pictures, and documents that fit as a whole.
    async fn add_attachments(
        &mut self,
        files: &Files,
        stored: &[Vec<String>],
        sees: bool,
    ) -> Result<(), AppError> {
        let last = stored.len().saturating_sub(1);
        for (at, attachment) in once_each(files, stored) {
            if attachment.kind == DocumentKind::Image {
                self.add_picture(at, &attachment, sees, at == last).await?;
            } else {
                self.add_document(at, &attachment, files).await?;
            }
        }
        Ok(())
    }

    async fn add_picture(
        &mut self,
        at: usize,
        attachment: &Attachment,
        sees: bool,
        is_asked: bool,
    ) -> Result<(), AppError> {
        if !sees && is_asked {
            return Err(AppError::new(
                "model_cannot_see",
                format!("{} is a picture, and this model sees none.", attachment.name),
                "Choose a model that sees pictures, or ask again without the picture.",
            ));
        }
        let (mut seen, before) = (Seen::Nothing, self.before.entry(at).or_default());
        if sees {
            let file = self.app.0.knowledge.file(&attachment.document);
            let name = attachment.name.clone();
            let read = move || {
                let bytes =
                    read_file(&file, u64::MAX - 1).map_err(|error| super::about_file(&name, &error))?;
                Ok::<_, AppError>(Picture::decode(&bytes)?)
            };
            before.pictures.push(tokio::task::spawn_blocking(read).await.map_err(AppError::internal)??);
            self.room = self.room.saturating_sub(PICTURE);
            seen = Seen::Picture;
        } else {
            before.words.push_str(&unseen_picture(&attachment.name));
        }
        self.tell(attachment, seen, 0);
        Ok(())
    }

    /// Shows a document as a whole, if there is room.
    async fn add_document(
        &mut self,
        at: usize,
        attachment: &Attachment,
        files: &Files,
    ) -> Result<(), AppError> {
        let hash = attachment.document.clone();
        let text = self.app.0.db.run(move |store| store.document_text(&hash)).await?;
        let text = text.map(|(_, text)| text).unwrap_or_default();
        let Some(tokens) = self.tokens.of(&text, self.room).await?.map(|tokens| tokens + MARKS) else {
            self.tell(attachment, Seen::Nothing, 0);
            return Ok(());
        };
        self.room = self.room.saturating_sub(tokens);
        let known = files.earlier.values().flat_map(|one| &one.citations);
        let known = known.filter(|one| one.document == attachment.document && one.text.is_empty());
        let number = known.map(|one| one.number).min().unwrap_or_else(|| self.number());
        let citation = Citation {
            number,
            name: attachment.name.clone(),
            document: attachment.document.clone(),
            place: Place::default(),
            text: String::new(),
        };
        self.texts.insert(attachment.document.clone(), text);
        self.before.entry(at).or_default().citations.push(citation.clone());
        self.sources.citations.push(citation);
        self.tell(attachment, Seen::Whole, attachment.passages);
        Ok(())
    }

    fn tell(&mut self, attachment: &Attachment, seen: Seen, shown: u32) {
        self.sources.seen.push(SeenDocument {
            name: attachment.name.clone(),
            document: Some(attachment.document.clone()),
            seen,
            shown,
            total: attachment.passages,
        });
    }

    /// Passages that earlier answers saw, before their questions.
    async fn add_earlier(&mut self, files: &Files, stored: &[Vec<String>]) -> Result<(), AppError> {
        let mut earlier = Vec::new();
        for (at, ids) in stored.iter().enumerate() {
            let Some(question) = at.checked_sub(1) else { continue };
            for answer in ids.iter().filter_map(|id| files.earlier.get(id)) {
                let passages = answer.citations.iter().filter(|one| !one.text.is_empty());
                earlier.extend(passages.map(|one| (question, one.clone())));
            }
        }
        let passages: Vec<Citation> = earlier.iter().map(|(_, one)| one.clone()).collect();
        let told = envelope(&passages, |_| None);
        let Some(tokens) = self.tokens.of(&told, self.room / 2).await? else { return Ok(()) };
        self.room = self.room.saturating_sub(tokens);
        for (question, citation) in earlier {
            self.before.entry(question).or_default().citations.push(citation);
        }
        Ok(())
    }

    /// Passages for the question, of documents that are too long and of folders.
    async fn add_passages(
        &mut self,
        files: &Files,
        messages: &[ChatMessage],
        stored: &[Vec<String>],
    ) -> Result<(), AppError> {
        let unseen = |seen: &SeenDocument| seen.seen == Seen::Nothing && seen.total > 0;
        let attached: Vec<String> =
            self.sources.seen.iter().filter(|seen| unseen(seen)).filter_map(|s| s.document.clone()).collect();
        let names = self.names(files);
        let whole: HashSet<&String> = self.texts.keys().collect();
        let in_folders = files.folders.iter().flat_map(|(_, documents)| documents).map(|(hash, _)| hash);
        let mut documents = attached.clone();
        documents.extend(in_folders.filter(|hash| !whole.contains(hash)).cloned());
        documents.sort_unstable();
        documents.dedup();
        if documents.is_empty() {
            return Ok(());
        }
        let question = question(messages);
        let found = self.app.find_passages(documents, &attached, &question, MOST_PASSAGES * 2).await?;
        let (passages, searched_by) = found;
        self.sources.searched_by = Some(searched_by);
        let mut shown: HashMap<String, u32> = HashMap::new();
        let mut room = self.room * 3 / 4;
        for passage in passages {
            if self.sources.citations.iter().filter(|one| !one.text.is_empty()).count() == MOST_PASSAGES {
                break;
            }
            let citation = Citation {
                number: self.next,
                name: names.get(&passage.document).cloned().unwrap_or_default(),
                document: passage.document,
                place: passage.place,
                text: passage.text.trim().to_owned(),
            };
            let told = envelope(std::slice::from_ref(&citation), |_| None);
            let Some(tokens) = self.tokens.of(&told, room).await? else { continue };
            room = room.saturating_sub(tokens);
            self.number();
            *shown.entry(citation.document.clone()).or_default() += 1;
            let last = stored.len().saturating_sub(1);
            self.before.entry(last).or_default().citations.push(citation.clone());
            self.sources.citations.push(citation);
        }
        self.tell_passages(files, &attached, &shown);
        Ok(())
    }

    /// What documents are called.
    fn names(&self, files: &Files) -> HashMap<String, String> {
        let in_folders = files.folders.iter().flat_map(|(_, documents)| documents.iter().cloned());
        let attached = files.attachments.values().flatten();
        in_folders.chain(attached.map(|one| (one.document.clone(), one.name.clone()))).collect()
    }

    fn tell_passages(&mut self, files: &Files, attached: &[String], shown: &HashMap<String, u32>) {
        for seen in &mut self.sources.seen {
            let of_this = seen.document.as_ref().filter(|hash| attached.contains(hash));
            if let Some(&count) = of_this.and_then(|hash| shown.get(hash)) {
                (seen.seen, seen.shown) = (Seen::Passages, count);
            }
        }
        for (path, documents) in &files.folders {
            let of_folder = documents.iter().filter(|(hash, _)| !attached.contains(hash));
            let count: u32 = of_folder.filter_map(|(hash, _)| shown.get(hash)).sum();
            let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
            self.sources.seen.push(SeenDocument {
                name,
                document: None,
                seen: if count > 0 { Seen::Passages } else { Seen::Nothing },
                shown: count,
                total: u32::try_from(documents.len()).unwrap_or(u32::MAX),
            });
        }
    }

    /// Writes it all into the messages. Gives what the answer saw; nothing, where it saw no file and looked for none.
    fn put_before(self, messages: &mut [ChatMessage]) -> Option<AnswerSources> {
        for (at, mut before) in self.before {
            let Some(message) = messages.get_mut(at) else { continue };
            before.citations.sort_by_key(|citation| citation.number);
            let told = envelope(&before.citations, |one| self.texts.get(&one.document).map(String::as_str));
            let words = format!("{}{told}{}", before.words, message.content);
            let pictures = before.pictures.into_iter().map(ContentPart::Picture);
            let parts = pictures.chain([ContentPart::Text(words)]).collect();
            *message = ChatMessage::of_parts(message.role.clone(), parts);
        }
        (!self.sources.seen.is_empty()).then_some(self.sources)
    }
}

/// The files of a branch, each where it is first, by the places of messages in the request.
fn once_each(files: &Files, stored: &[Vec<String>]) -> Vec<(usize, Attachment)> {
    let mut shown = HashSet::new();
    let placed = stored.iter().enumerate().flat_map(|(at, ids)| ids.iter().map(move |id| (at, id)));
    let attached = placed.filter_map(|(at, id)| Some((at, files.attachments.get(id)?)));
    let all = attached.flat_map(|(at, attachments)| attachments.iter().map(move |one| (at, one.clone())));
    all.filter(|(_, one)| shown.insert(one.document.clone())).collect()
}
