//! Builds a large database in a temporary folder and times searches in it: `cargo xtask searching`.
//!
//! Words are drawn as in a language: a few are in nearly every message, most are in few. Messages are of very different
//! lengths, up to 200 kB. Arguments: number of messages (default 50,000), and how many of them a conversation has (20).

use std::time::Instant;

use lantern_protocol::{Conversation, ConversationRecord, FindQuery, Message, MessageStatus, Role, TitledBy};
use lantern_store::Store;

/// Words that every message has many of, so that what is common is common here, too.
const COMMON: &str = "the of and to in is that it for as with on this be are you can have not from or at by we if an which \
                      will your use one all function return value model data time when what how there their then them";
/// Words that there are.
const WORDS: u64 = 60_000;
/// What is looked for: common and rare words, beginnings of one to three letters, several words, none at all.
const QUERIES: &[&str] = &[
    "t",
    "th",
    "the",
    "the of model",
    "function return",
    "ba",
    "bata",
    "zuwogi",
    "w59999",
    "the w59999",
    "xqzzy",
    "",
];
const SYLLABLES: &[&str] =
    &["ba", "co", "de", "fi", "gu", "ha", "jo", "ke", "li", "mu", "na", "po", "re", "si", "tu", "wa"];

/// Numbers that look random and are the same each time (splitmix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// The rank of a word: each power of two of ranks is as likely as any other, which is about Zipf's law.
    fn rank(&mut self) -> u64 {
        let bits = self.below(17);
        ((1 << bits) + self.below(1 << bits)).min(WORDS) - 1
    }

    fn word(&mut self, common: &[&str]) -> String {
        let rank = self.rank();
        match usize::try_from(rank).ok().and_then(|rank| common.get(rank)) {
            Some(word) => (*word).to_owned(),
            None if rank + 1 == WORDS => "w59999".to_owned(),
            None => {
                let mut of_word = Draw(rank);
                let syllables = 2 + of_word.below(3);
                (0..syllables).map(|_| SYLLABLES[usize::try_from(of_word.below(16)).unwrap_or(0)]).collect()
            }
        }
    }

    /// Most messages have some hundred words, a few tens of thousands.
    fn text(&mut self, common: &[&str]) -> String {
        let words = match self.below(1000) {
            0 => 30_000,
            1..20 => 4_000,
            20..300 => 1_000,
            _ => 20 + self.below(700),
        };
        (0..words).map(|_| self.word(common)).collect::<Vec<_>>().join(" ")
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let messages = arguments.next().unwrap_or(Ok(50_000))?;
    let of_conversation = arguments.next().unwrap_or(Ok(20))?.max(1);
    let folder = tempfile::tempdir()?;
    let mut store = Store::open(folder.path())?.store;
    build(&mut store, messages, of_conversation)?;
    drop(store);
    let store = Store::open(folder.path())?.store;
    let megabytes = std::fs::metadata(store.path())?.len() / 1_000_000;
    println!("{messages} messages in {} conversations, {megabytes} MB", messages.div_ceil(of_conversation));
    println!("{:<28} {:>9} {:>9} {:>9}", "query", "first", "best", "messages");
    for query in QUERIES {
        time(&store, query, &FindQuery { text: (*query).into(), ..FindQuery::default() })?;
    }
    let narrow = FindQuery {
        text: "the".into(),
        model: Some("rare".into()),
        role: Some(Role::Assistant),
        from: Some(1),
        ..FindQuery::default()
    };
    time(&store, "the, of a rare model", &narrow)?;
    let latest = FindQuery { text: "the".into(), latest_first: true, ..FindQuery::default() };
    time(&store, "the, latest first", &latest)?;
    Ok(())
}

fn time(store: &Store, name: &str, query: &FindQuery) -> Result<(), Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    let mut count = 0;
    for _ in 0..5 {
        let begun = Instant::now();
        count = store.find(query)?.messages;
        times.push(begun.elapsed());
    }
    let best = times.iter().min().copied().unwrap_or_default();
    println!("{name:<28} {:>9.1?} {best:>9.1?} {count:>9}", times[0]);
    Ok(())
}

fn build(store: &mut Store, messages: u64, of_conversation: u64) -> Result<(), Box<dyn std::error::Error>> {
    let common: Vec<&str> = COMMON.split_whitespace().collect();
    let mut draw = Draw(1);
    let mut left = messages;
    let mut number = 0;
    while left > 0 {
        let records: Vec<ConversationRecord> = (0..20)
            .map_while(|_| {
                let count = left.min(of_conversation);
                left -= count;
                number += 1;
                (count > 0).then(|| record(number, count, &mut draw, &common))
            })
            .collect();
        store.import(&records)?;
        eprint!("\r{} of {messages}", messages - left);
    }
    eprintln!();
    Ok(())
}

fn record(number: u64, count: u64, draw: &mut Draw, common: &[&str]) -> ConversationRecord {
    let id = format!("conversation {number}");
    let at = |message: u64| i64::try_from(number * 1_000_000 + message * 1000).unwrap_or(i64::MAX);
    let messages: Vec<Message> = (0..count)
        .map(|message| Message {
            id: format!("{number}.{message}"),
            conversation_id: id.clone(),
            parent_id: (message > 0).then(|| format!("{number}.{}", message - 1)),
            role: if message % 2 == 0 { Role::User } else { Role::Assistant },
            content: draw.text(common),
            status: MessageStatus::Complete,
            model: (message % 2 == 1)
                .then(|| if number.is_multiple_of(500) { "rare" } else { "common" }.to_owned()),
            error: None,
            stats: None,
            created_at: at(message),
        })
        .collect();
    let title = (0..5).map(|_| draw.word(common)).collect::<Vec<_>>().join(" ");
    ConversationRecord {
        conversation: Conversation {
            title,
            model: None,
            system_prompt: None,
            context_length: None,
            pinned: false,
            leaf_id: messages.last().map(|message| message.id.clone()),
            created_at: at(0),
            updated_at: at(count),
            folder_id: None,
            archived: number.is_multiple_of(10),
            temporary: false,
            id,
        },
        titled_by: TitledBy::Model,
        messages,
        summaries: Vec::new(),
        origin: None,
        kept: Vec::new(),
        tables: serde_json::Map::new(),
    }
}
