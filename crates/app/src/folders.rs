//! Folders and the archive: where conversations are kept in the list.

use lantern_protocol::{AppEvent, Conversation, Folder};

use crate::{App, AppError};

/// Longest name of a folder, in characters.
const LONGEST_NAME: usize = 80;

impl App {
    /// All folders by name.
    pub async fn folders(&self) -> Result<Vec<Folder>, AppError> {
        self.0.db.run(|store| store.folders()).await
    }

    /// Makes a folder, or gives the one that has this name.
    pub async fn create_folder(&self, name: &str) -> Result<Folder, AppError> {
        let name = named(name)?;
        let folder = self.0.db.run(move |store| store.create_folder(&name)).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(folder)
    }

    /// Gives a folder another name.
    pub async fn rename_folder(&self, id: &str, name: &str) -> Result<Folder, AppError> {
        let (id, name) = (id.to_owned(), named(name)?);
        let folder = self.0.db.run(move |store| store.rename_folder(&id, &name)).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(folder)
    }

    /// Deletes a folder; its conversations lie in none from then on.
    pub async fn delete_folder(&self, id: &str) -> Result<(), AppError> {
        let id = id.to_owned();
        self.0.db.run(move |store| store.delete_folder(&id)).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(())
    }

    /// Puts a conversation into a folder, or with `None` into none.
    pub async fn move_conversation(
        &self,
        id: &str,
        folder: Option<String>,
    ) -> Result<Conversation, AppError> {
        let id = id.to_owned();
        let moved = move |store: &mut lantern_store::Store| store.move_conversation(&id, folder.as_deref());
        let conversation = self.0.db.run(moved).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(conversation)
    }

    /// Puts a conversation into the archive, or takes it out.
    pub async fn archive_conversation(&self, id: &str, archived: bool) -> Result<Conversation, AppError> {
        let id = id.to_owned();
        let conversation = self.0.db.run(move |store| store.archive_conversation(&id, archived)).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(conversation)
    }
}

fn named(name: &str) -> Result<String, AppError> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(AppError::new(
            "bad_folder_name",
            format!("A folder's name has 1 to {LONGEST_NAME} characters."),
            "Type another name.",
        ));
    }
    Ok(name)
}
