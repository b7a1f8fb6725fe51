//! Conversations drawn at random, and what is compared of them.
#![allow(dead_code)]

use lantern_exchange::FileRead;
use lantern_exchange::read::{Item, read_bytes};
use lantern_protocol::{ConversationRecord, Folder, Role};
use proptest::prelude::*;

/// What every program's form can hold.
#[derive(Debug, Clone)]
pub struct Tree {
    pub title: String,
    pub system_prompt: Option<String>,
    pub nodes: Vec<Node>,
    pub leaf: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// An earlier node.
    pub parent: Option<usize>,
    pub role: Role,
    pub text: String,
    /// In milliseconds.
    pub time: i64,
    pub model: Option<String>,
}

pub fn tree() -> impl Strategy<Value = Tree> {
    let node =
        (any::<prop::sample::Index>(), any::<bool>(), "\\PC{1,30}", 0i64..4_000_000_000_000, "[a-z]{1,5}");
    let nodes = prop::collection::vec(node, 1..14);
    (nodes, "\\PC{1,20}", prop::option::of("[a-z ]{0,9}[a-z]"), any::<prop::sample::Index>()).prop_map(
        |(drawn, title, system_prompt, leaf)| {
            let mut nodes: Vec<Node> = Vec::new();
            for (parent, asked, text, time, model) in drawn {
                let parent = (!nodes.is_empty()).then(|| parent.index(nodes.len()));
                let role = if asked { Role::User } else { Role::Assistant };
                let model = (!asked).then_some(model);
                nodes.push(Node { parent, role, text, time, model });
            }
            Tree { title, system_prompt, leaf: leaf.index(nodes.len()), nodes }
        },
    )
}

/// The paths from each message up, in order: what a tree is, whatever its messages are called.
pub fn shape(record: &ConversationRecord) -> Vec<Vec<String>> {
    let find = |id: &str| record.messages.iter().find(|message| message.id == id).unwrap();
    let line = |message: &lantern_protocol::Message| {
        format!("{:?} {} {} {:?}", message.role, message.content, message.created_at, message.model)
    };
    let path = |id: &str| {
        let mut path = Vec::new();
        let mut at = Some(id.to_owned());
        while let Some(id) = at {
            path.push(line(find(&id)));
            at = find(&id).parent_id.clone();
        }
        path
    };
    let mut paths: Vec<_> = record.messages.iter().map(|message| path(&message.id)).collect();
    paths.sort();
    paths
}

/// As [`shape`], of what was drawn.
pub fn drawn_shape(tree: &Tree) -> Vec<Vec<String>> {
    let path = |at: usize| {
        let mut path = Vec::new();
        let mut at = Some(at);
        while let Some(n) = at {
            let node = &tree.nodes[n];
            path.push(format!("{:?} {} {} {:?}", node.role, node.text, node.time, node.model));
            at = node.parent;
        }
        path
    };
    let mut paths: Vec<_> = (0..tree.nodes.len()).map(path).collect();
    paths.sort();
    paths
}

/// The texts of a node's alternatives, in order, for each parent.
pub fn siblings(record: &ConversationRecord) -> Vec<Vec<String>> {
    let parents = std::iter::once(None).chain(record.messages.iter().map(|message| Some(&message.id)));
    let children = |parent: Option<&String>| {
        let are = record.messages.iter().filter(|message| message.parent_id.as_ref() == parent);
        are.map(|message| message.content.clone()).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = parents.map(children).filter(|texts| texts.len() > 1).collect();
    all.sort();
    all
}

/// As [`siblings`], of what was drawn.
pub fn drawn_siblings(tree: &Tree) -> Vec<Vec<String>> {
    let parents = std::iter::once(None).chain((0..tree.nodes.len()).map(Some));
    let children = |parent: Option<usize>| {
        let are = tree.nodes.iter().filter(|node| node.parent == parent);
        are.map(|node| node.text.clone()).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = parents.map(children).filter(|texts| texts.len() > 1).collect();
    all.sort();
    all
}

#[derive(Debug, Default)]
pub struct AllRead {
    pub folders: Vec<Folder>,
    pub records: Vec<ConversationRecord>,
    pub files: Vec<FileRead>,
}

impl AllRead {
    pub fn take(&mut self, item: Item) {
        match item {
            Item::Folder(folder) => self.folders.push(folder),
            Item::Conversation(record) => self.records.push(*record),
            Item::File(file) => self.files.push(file),
        }
    }

    /// The codes of what went wrong.
    pub fn codes(&self) -> Vec<&'static str> {
        self.files.iter().filter_map(|file| file.error.as_ref()).map(|error| error.code()).collect()
    }
}

pub fn all(content: &[u8]) -> AllRead {
    let mut all = AllRead::default();
    read_bytes("export", content, &mut |item| all.take(item));
    all
}
