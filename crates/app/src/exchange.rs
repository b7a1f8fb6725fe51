//! Conversations out to files and in from them. Reading and writing happen off the runtime's threads, one conversation in
//! memory at a time on the way out and a few dozen on the way in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lantern_exchange::read::Item;
use lantern_exchange::{FileRead, Tally, write};
use lantern_protocol::{
    AppEvent, ConversationRecord, ExportFormat, Folder, ImportReport, ImportedFile, MessageStatus,
};
use lantern_store::{Imported, Store, StoreError};

use crate::{App, AppError};

/// Conversations that enter the database together.
const BATCH: usize = 32;

impl App {
    /// Writes conversations to a file, those in the archive included: `ids`, or all there are. Any but a single
    /// one that was named become, as Markdown or HTML, files of a folder at `path`. Gives how many were written.
    pub async fn export_conversations(
        &self,
        ids: Option<Vec<String>>,
        format: ExportFormat,
        path: PathBuf,
    ) -> Result<usize, AppError> {
        let all =
            || self.0.db.run(|store| Ok(store.conversations()?.into_iter().map(|one| one.id).collect()));
        let is_one = ids.as_ref().is_some_and(|ids| ids.len() == 1);
        let ids: Vec<String> = match ids {
            Some(ids) => ids,
            None => all().await?,
        };
        let folders = self.folders().await?;
        let db = self.0.db.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut failed = None;
            let mut records = ids.iter().map(|id| {
                let record = db.of(id).run_here(|store| store.record(id));
                record.map_err(|error| std::io::Error::other(failed.insert(error).to_string()))
            });
            let written = match format {
                ExportFormat::Json => write::file(&path, format, &folders, &mut records),
                _ if is_one => write::file(&path, format, &folders, &mut records),
                _ => write::folder(&path, format, &mut records),
            };
            match failed {
                Some(error) => Err(AppError::from(error)),
                None => written.map_err(AppError::from),
            }
        });
        written.await.map_err(AppError::internal)?
    }

    /// One conversation in a form, as text.
    pub async fn conversation_as(&self, id: &str, format: ExportFormat) -> Result<String, AppError> {
        let db = self.0.db.of(id);
        let id = id.to_owned();
        let (record, folders) = db.run(move |store| Ok((store.record(&id)?, store.folders()?))).await?;
        match format {
            ExportFormat::Markdown => Ok(lantern_exchange::markdown(&record)),
            ExportFormat::Html => Ok(lantern_exchange::html(&record)),
            ExportFormat::Json => {
                let bytes = write::to_bytes(&folders, &[record]).map_err(AppError::internal)?;
                String::from_utf8(bytes).map_err(AppError::internal)
            }
        }
    }

    /// Takes in what files, folders and archives have; what each is says its content. A file that is wrong spoils no other.
    pub async fn import_conversations(&self, paths: Vec<PathBuf>) -> Result<ImportReport, AppError> {
        let db = self.0.db.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut import = Import {
                db,
                folders: HashMap::new(),
                waiting: Vec::new(),
                file: Counts::default(),
                report: ImportReport::default(),
            };
            for path in &paths {
                import.path(path)?;
            }
            Ok(import.report)
        });
        let report = read.await.map_err(AppError::internal)?;
        self.emit(AppEvent::ConversationsChanged);
        report
    }
}

/// What came of the file that is being read.
#[derive(Default)]
struct Counts {
    conversations: u32,
    messages: u32,
    known: u32,
    kept: Tally,
    left: Tally,
}

struct Import {
    db: crate::database::Database,
    /// Folders of an export by their name in it, as they are called here.
    folders: HashMap<String, String>,
    waiting: Vec<ConversationRecord>,
    file: Counts,
    report: ImportReport,
}

impl Import {
    fn path(&mut self, path: &Path) -> Result<(), AppError> {
        let mut failed = None;
        lantern_exchange::read(path, &mut |item| {
            if failed.is_none() {
                failed = self.take(item).err();
            }
        });
        self.waiting.clear();
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn take(&mut self, item: Item) -> Result<(), StoreError> {
        match item {
            Item::Folder(Folder { id, name, .. }) => {
                let here = self.db.run_here(|store| store.create_folder(&name))?;
                self.folders.insert(id, here.id);
            }
            Item::Conversation(record) => {
                self.waiting.push(self.prepared(*record));
                if self.waiting.len() >= BATCH {
                    self.store()?;
                }
            }
            Item::File(file) => {
                self.store()?;
                self.tell(file);
            }
        }
        Ok(())
    }

    /// With its folder as it is called here, and a title.
    fn prepared(&self, mut record: ConversationRecord) -> ConversationRecord {
        let conversation = &mut record.conversation;
        conversation.folder_id = conversation.folder_id.take().and_then(|id| self.folders.get(&id).cloned());
        if conversation.title.trim().is_empty() {
            let first = record.messages.iter().find(|message| !message.content.trim().is_empty());
            conversation.title =
                first.map(|message| crate::chat::title_of(&message.content)).unwrap_or_default();
        }
        record
    }

    fn store(&mut self) -> Result<(), StoreError> {
        let records = std::mem::take(&mut self.waiting);
        let stored = match self.db.run_here(|store| store.import(&records)) {
            Ok(stored) => stored.into_iter().map(Ok).collect::<Vec<_>>(),
            // One of them is no conversation, and the others need not share its fate.
            Err(StoreError::Record(_)) => self.db.run_here(|store| one_by_one(store, &records))?,
            Err(error) => return Err(error),
        };
        for (record, outcome) in records.iter().zip(stored) {
            match outcome {
                Ok(Imported::Known) => self.file.known += 1,
                Ok(Imported::New { rows_kept, .. }) => self.count(record, rows_kept),
                Err(reason) => self.file.left.add(&format!("conversations ({reason})")),
            }
        }
        Ok(())
    }

    fn count(&mut self, record: &ConversationRecord, rows_kept: usize) {
        self.file.conversations += 1;
        let messages = u32::try_from(record.messages.len()).unwrap_or(u32::MAX);
        self.file.messages = self.file.messages.saturating_add(messages);
        for part in &record.kept {
            self.file.kept.add(&part.name);
        }
        self.file.kept.add_many("rows of other tables", rows_kept);
        let cut = record.messages.iter().filter(|message| message.status == MessageStatus::Streaming).count();
        self.file.left.add_many("ends of answers that were still being written", cut);
    }

    fn tell(&mut self, file: FileRead) {
        let Counts { conversations, messages, known, kept, mut left } = std::mem::take(&mut self.file);
        for counted in file.left.counted() {
            left.add_many(&counted.what, usize::try_from(counted.count).unwrap_or(usize::MAX));
        }
        self.report.files.push(ImportedFile {
            name: file.name,
            source: file.source.map(|source| source.name().to_owned()),
            conversations,
            messages,
            known,
            kept: kept.counted(),
            left: left.counted(),
            error: file.error.as_ref().map(Into::into),
        });
    }
}

fn one_by_one(
    store: &mut Store,
    records: &[ConversationRecord],
) -> Result<Vec<Result<Imported, String>>, StoreError> {
    let one = |record: &ConversationRecord| match store.import(std::slice::from_ref(record)) {
        Ok(mut imported) => Ok(imported.pop().ok_or_else(|| "nothing was stored".to_owned())),
        Err(error @ StoreError::Record(_)) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    };
    records.iter().map(one).collect()
}
