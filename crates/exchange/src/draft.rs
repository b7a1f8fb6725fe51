//! A conversation of another program on its way to a record: nodes in any order that name their parents.

use std::collections::HashMap;

use lantern_protocol::{
    Conversation, ConversationRecord, KeptPart, Message, MessageStatus, Origin, Role, TitledBy,
};
use serde_json::Value;

use crate::Tally;

/// What another program said, in Lantern's words.
pub(crate) struct Draft {
    pub(crate) source: &'static str,
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) model: Option<String>,
    pub(crate) system_prompt: Option<String>,
    pub(crate) created_at: Option<i64>,
    pub(crate) updated_at: Option<i64>,
    pub(crate) pinned: bool,
    pub(crate) archived: bool,
    /// In the order of the file; alternatives in their order.
    pub(crate) nodes: Vec<Node>,
    /// The end of the branch that is shown; `None` takes the last.
    pub(crate) leaf: Option<String>,
    pub(crate) kept: Vec<KeptPart>,
    /// What was not taken.
    pub(crate) left: Tally,
}

/// A message, or something that holds a place in the tree.
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    /// `None` for a node that is no message: those who answer it answer its parent.
    pub(crate) message: Option<Words>,
}

/// What one message says.
pub(crate) struct Words {
    pub(crate) role: Role,
    pub(crate) content: String,
    pub(crate) status: MessageStatus,
    pub(crate) model: Option<String>,
    pub(crate) created_at: Option<i64>,
}

impl Words {
    pub(crate) fn new(role: Role, content: String) -> Self {
        Self { role, content, status: MessageStatus::Complete, model: None, created_at: None }
    }
}

impl Draft {
    pub(crate) fn new(source: &'static str, id: String) -> Self {
        Self {
            source,
            id,
            title: String::new(),
            model: None,
            system_prompt: None,
            created_at: None,
            updated_at: None,
            pinned: false,
            archived: false,
            nodes: Vec::new(),
            leaf: None,
            kept: Vec::new(),
            left: Tally::default(),
        }
    }

    /// Keeps something as it is, with a message (or the nearest one above it that stays) or with the conversation.
    pub(crate) fn keep(&mut self, message: Option<&str>, name: &str, json: Option<Value>) {
        if let Some(json) = json {
            let message_id = message.map(str::to_owned);
            self.kept.push(KeptPart { message_id, name: name.to_owned(), json });
        }
    }

    /// The record, and what was not taken.
    pub(crate) fn finish(mut self) -> (ConversationRecord, Tally) {
        let tree = Tree::of(&mut self);
        let start = self.created_at.or_else(|| times(&self.nodes).min()).unwrap_or(0);
        let end = self.updated_at.or_else(|| times(&self.nodes).max()).unwrap_or(start);
        let messages = tree.messages(&mut self.nodes, &self.id, start);
        let last = || messages.last().map(|message| message.id.clone());
        let leaf_id = self.leaf.as_ref().and_then(|leaf| tree.stays(leaf)).or_else(last);
        for part in &mut self.kept {
            part.message_id = part.message_id.as_ref().and_then(|id| tree.stays(id));
        }
        let places: HashMap<&str, usize> =
            messages.iter().enumerate().map(|(at, message)| (message.id.as_str(), at)).collect();
        self.kept.sort_by_key(|part| part.message_id.as_ref().map(|id| places.get(id.as_str()).copied()));
        let model = self.model.or_else(|| messages.iter().rev().find_map(|message| message.model.clone()));
        let record = ConversationRecord {
            conversation: Conversation {
                id: self.id.clone(),
                title: self.title,
                model,
                system_prompt: self.system_prompt,
                context_length: None,
                pinned: self.pinned,
                leaf_id,
                created_at: start,
                updated_at: end,
                folder_id: None,
                archived: self.archived,
                temporary: false,
            },
            titled_by: TitledBy::User,
            messages,
            summaries: Vec::new(),
            origin: Some(Origin { source: self.source.to_owned(), id: self.id }),
            kept: self.kept,
            tables: serde_json::Map::new(),
        };
        (record, self.left)
    }
}

fn times(nodes: &[Node]) -> impl Iterator<Item = i64> {
    nodes.iter().filter_map(|node| node.message.as_ref()?.created_at)
}

/// The nodes by name, each with the nearest above it that is a message.
struct Tree {
    by_id: HashMap<String, usize>,
    /// For each node the message it stands for: itself, or the nearest above it.
    stands_for: Vec<Option<usize>>,
    /// For each node the message it answers.
    answers: Vec<Option<usize>>,
    /// Messages, each behind the one it answers.
    order: Vec<usize>,
    ids: Vec<String>,
}

impl Tree {
    fn of(draft: &mut Draft) -> Self {
        let mut by_id = HashMap::new();
        let mut twice = Vec::new();
        for (at, node) in draft.nodes.iter().enumerate() {
            if by_id.insert(node.id.clone(), at).is_some() {
                twice.push(at);
            }
        }
        draft.left.add_many("messages whose name another one has", twice.len());
        let mut parents: Vec<Option<usize>> = Vec::with_capacity(draft.nodes.len());
        for node in &draft.nodes {
            let parent = node.parent.as_ref().and_then(|parent| by_id.get(parent).copied());
            if node.parent.is_some() && parent.is_none() {
                draft.left.add("links to messages that are not there");
            }
            parents.push(parent);
        }
        let order = walk(&mut parents, &mut draft.left);
        let (mut stands_for, mut answers) = (vec![None; parents.len()], vec![None; parents.len()]);
        for &at in &order {
            answers[at] = parents[at].and_then(|parent: usize| stands_for[parent]);
            stands_for[at] = if draft.nodes[at].message.is_some() { Some(at) } else { answers[at] };
        }
        let is_message =
            |at: &usize| draft.nodes[*at].message.is_some() && by_id[&draft.nodes[*at].id] == *at;
        let order = order.into_iter().filter(is_message).collect();
        let ids = draft.nodes.iter().map(|node| node.id.clone()).collect();
        Self { by_id, stands_for, answers, order, ids }
    }

    /// The message that a node stands for.
    fn stays(&self, id: &str) -> Option<String> {
        let at = self.stands_for[*self.by_id.get(id)?]?;
        Some(self.ids[at].clone())
    }

    fn messages(&self, nodes: &mut [Node], conversation_id: &str, start: i64) -> Vec<Message> {
        let mut messages: Vec<Message> = Vec::with_capacity(self.order.len());
        for &at in &self.order {
            let Some(words) = nodes[at].message.take() else { continue };
            // A program that keeps no times keeps the order, which is all that can be said.
            let before = messages.last().map_or(start, |message| message.created_at);
            messages.push(Message {
                id: self.ids[at].clone(),
                conversation_id: conversation_id.to_owned(),
                parent_id: self.answers[at].map(|parent| self.ids[parent].clone()),
                role: words.role,
                content: words.content,
                status: words.status,
                model: words.model,
                error: None,
                stats: None,
                created_at: words.created_at.unwrap_or(before),
            });
        }
        messages
    }
}

/// All nodes, parents before children, children in their order. A circle is opened where it is met first.
fn walk(parents: &mut [Option<usize>], left: &mut Tally) -> Vec<usize> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); parents.len()];
    let mut roots = Vec::new();
    for (at, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) => children[*parent].push(at),
            None => roots.push(at),
        }
    }
    let mut seen = vec![false; parents.len()];
    let mut order = Vec::with_capacity(parents.len());
    let mut waiting: Vec<usize> = roots.into_iter().rev().collect();
    let mut next = 0;
    loop {
        while let Some(at) = waiting.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                order.push(at);
                waiting.extend(children[at].iter().rev());
            }
        }
        let Some(at) = (next..parents.len()).find(|at| !seen[*at]) else { return order };
        left.add("links that lead in a circle");
        parents[at] = None;
        next = at;
        waiting.push(at);
    }
}
