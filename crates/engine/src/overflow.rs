//! What becomes of a conversation that no longer fits the context, when its caller does not want an error.
//!
//! Turns go whole, the oldest first: a question with its answer and the results of tools. Instructions (`system`) and
//! everything from the last question on stay. The engine knows no conversations, so each request decides anew, from its
//! messages alone. It decides in steps of a quarter of the context, counted from the conversation's beginning: the next
//! requests of a growing conversation then leave out the same turns, and the prefix cache has what stays, until a whole
//! step is full again. Leaving out just enough would begin the prompt elsewhere at every turn, and compute all of it.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;

use crate::error::EngineError;
use crate::prompt::{ChatPrompt, PromptPlan};
use crate::text::ChatMessage;

/// What to do with a conversation that does not fit the context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It is refused with [`EngineError::ContextOverflow`], which has both numbers.
    #[default]
    Error,
    /// Its oldest turns are left out, until the rest has room for an answer of `max_tokens` (counted as half the context
    /// if they are more, as a quarter if there is no limit). What was left out, the
    /// [stream](crate::GenerationStream::dropped) tells. Where even the last turn alone fills the context, it is an error
    /// as ever; text and tokens know no turns and are refused, too. Whoever wants something in their place asks
    /// [`Engine::overflowing`](crate::Engine::overflowing) first which those are.
    DropOldest,
}

/// What was left out of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Which of the request's messages, counted from 0, in rising order.
    pub messages: Vec<usize>,
    /// Tokens of the whole prompt.
    pub tokens_before: usize,
    /// Tokens of the prompt without them.
    pub tokens_after: usize,
}

/// The tokens that a prompt and its answer share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    context: usize,
    answer: usize,
}

impl Room {
    pub(crate) fn new(context: usize, max_tokens: Option<usize>) -> Self {
        // Many programs send a limit that is larger than any context and mean none by it.
        let answer = max_tokens.map_or(context / 4, |tokens| tokens.min(context / 2));
        Self { context, answer }
    }

    /// With so many tokens kept free for something else.
    pub(crate) fn less(self, reserve: usize) -> Self {
        Self { answer: self.answer.saturating_add(reserve), ..self }
    }

    fn holds(&self, prompt: usize) -> bool {
        prompt.saturating_add(self.answer) <= self.context
    }

    /// See the module.
    fn step(&self) -> usize {
        (self.context / 4).max(1)
    }
}

/// The prompt of a conversation without the turns for which there is no room.
pub(crate) fn plan(
    chat: &ChatPrompt<'_>,
    messages: &[ChatMessage],
    tools: Option<&Value>,
    room: Room,
) -> Result<(PromptPlan, Option<Dropped>), EngineError> {
    let whole = chat.plan(messages, tools)?;
    let turns = Turns::of(messages);
    if room.holds(whole.len()) || turns.droppable() == 0 {
        return Ok((whole, None));
    }
    let tokens_before = whole.len();
    // The one that is chosen was measured, hence is here already.
    let mut plans: HashMap<usize, PromptPlan> = HashMap::new();
    let mut tokens_without = |turn: usize| -> Result<usize, EngineError> {
        if let Some(plan) = plans.get(&turn) {
            return Ok(plan.len());
        }
        let plan = chat.plan(&turns.without(messages, turn), tools)?;
        let tokens = plan.len();
        plans.insert(turn, plan);
        Ok(tokens)
    };
    let dropped = turns_to_drop(turns.droppable(), tokens_before, room, &mut tokens_without)?;
    let tokens_after = tokens_without(dropped)?;
    let plan = plans.remove(&dropped).unwrap_or(whole);
    let messages = turns.dropped(messages, dropped).collect();
    Ok((plan, Some(Dropped { messages, tokens_before, tokens_after })))
}

/// How many of the oldest `turns` are left out of a conversation of `whole` tokens; all if that is still not enough.
/// Asks for the tokens without so many turns as rarely as it can, because each answer takes a rendering of the rest.
fn turns_to_drop<E>(
    turns: usize,
    whole: usize,
    room: Room,
    mut tokens_without: impl FnMut(usize) -> Result<usize, E>,
) -> Result<usize, E> {
    let Some(fewest) = least(1..turns + 1, |n| Ok(room.holds(tokens_without(n)?)))? else {
        return Ok(turns);
    };
    let mut gone = |turns| Ok(whole.saturating_sub(tokens_without(turns)?));
    // What is gone depends on nothing that came later, so a conversation that has grown finds the same turn here.
    let whole_steps = gone(fewest)?.next_multiple_of(room.step());
    Ok(least(fewest..turns + 1, |n| Ok(gone(n)? >= whole_steps))?.unwrap_or(fewest))
}

/// The first of a range that passes, found by bisection: behind one that passes, all do.
fn least<E>(
    range: Range<usize>,
    mut passes: impl FnMut(usize) -> Result<bool, E>,
) -> Result<Option<usize>, E> {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if passes(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok((low < range.end).then_some(low))
}

/// Where the turns of a conversation begin: at each message of the user.
struct Turns(Vec<usize>);

impl Turns {
    fn of(messages: &[ChatMessage]) -> Self {
        Self((0..messages.len()).filter(|&at| messages[at].role == "user").collect())
    }

    /// The last one always stays.
    fn droppable(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// The places of the messages that go with the oldest `turns`. What stands before the first question goes with it.
    fn dropped(&self, messages: &[ChatMessage], turns: usize) -> impl Iterator<Item = usize> {
        let end = self.0.get(turns).copied().unwrap_or(0);
        (0..end).filter(|&at| !stays(&messages[at]))
    }

    fn without(&self, messages: &[ChatMessage], turns: usize) -> Vec<ChatMessage> {
        let end = self.0.get(turns).copied().unwrap_or(0);
        let (old, recent) = messages.split_at(end);
        old.iter().filter(|message| stays(message)).chain(recent).cloned().collect()
    }
}

/// Whether a message stays although its turn goes. Once messages can be pinned, this is where they are asked.
fn stays(message: &ChatMessage) -> bool {
    message.role == "system"
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Turns to drop of a conversation whose turns have these tokens, and how often it was rendered. A head of 10 tokens
    /// and the last turn stay.
    fn drop_of(turns: &[usize], room: Room) -> (usize, usize) {
        let tokens = |dropped: usize| 10 + turns[dropped..].iter().sum::<usize>();
        let mut renders = 0;
        let count = |dropped| {
            renders += 1;
            Ok::<_, Infallible>(tokens(dropped))
        };
        let Ok(dropped) = turns_to_drop(turns.len() - 1, tokens(0), room, count);
        (dropped, renders)
    }

    /// Turns of 20 to 83 tokens.
    fn turns(count: usize) -> Vec<usize> {
        (0..count).map(|turn| 20 + (turn * 37) % 64).collect()
    }

    #[test]
    fn a_long_conversation_takes_few_renderings() {
        let room = Room::new(4096, Some(256));
        let (dropped, renders) = drop_of(&turns(5000), room);
        assert!(renders <= 2 * 13 + 1, "{renders} renderings");
        let left: usize = 10 + turns(5000)[dropped..].iter().sum::<usize>();
        assert!(room.holds(left) && left + 256 > 4096 - 1024 - 83, "{left} tokens are left");
    }

    #[test]
    fn a_growing_conversation_keeps_its_beginning_until_a_quarter_has_filled_up() {
        let (context, all) = (1024, turns(400));
        let room = Room::new(context, Some(100));
        let mut cuts: Vec<usize> = Vec::new();
        for count in 1..=all.len() {
            let whole: usize = 10 + all[..count].iter().sum::<usize>();
            if !room.holds(whole) {
                cuts.push(drop_of(&all[..count], room).0);
            }
        }
        assert!(cuts.is_sorted(), "what was left out never comes back");
        cuts.dedup();
        let total: usize = all.iter().sum();
        assert!(cuts.len() <= total / (context / 4), "{} beginnings for {total} tokens", cuts.len());
        for pair in cuts.windows(2) {
            let gone: usize = all[pair[0]..pair[1]].iter().sum();
            assert!(gone > context / 4 - 83, "a step is a quarter, up to the turn that it ends in: {gone}");
        }
    }

    #[test]
    fn a_conversation_too_short_for_a_whole_step_loses_no_more_than_it_must() {
        assert_eq!(drop_of(&[30, 30, 890], Room::new(1024, Some(90))).0, 1);
        assert_eq!(drop_of(&[30, 30, 1020], Room::new(1024, Some(90))).0, 2, "all of it, and still too long");
    }

    #[test]
    fn the_answer_has_room_that_fits_the_context() {
        let largest = |max_tokens| (0..=1000).rev().find(|&n| Room::new(1000, max_tokens).holds(n));
        assert_eq!(largest(Some(100)), Some(900));
        assert_eq!(largest(None), Some(750));
        assert_eq!(largest(Some(1_000_000)), Some(500));
    }

    #[test]
    fn turns_go_whole_and_instructions_stay() {
        let roles =
            ["system", "user", "assistant", "tool", "assistant", "user", "system", "assistant", "user"];
        let messages: Vec<ChatMessage> =
            roles.iter().enumerate().map(|(at, role)| ChatMessage::new(*role, at.to_string())).collect();
        let turns = Turns::of(&messages);
        assert_eq!(turns.droppable(), 2);
        assert_eq!(turns.dropped(&messages, 1).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(turns.dropped(&messages, 2).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 7]);
        let left = turns.without(&messages, 2);
        assert_eq!(left.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), ["0", "6", "8"]);
        assert_eq!(Turns::of(&messages[..1]).droppable(), 0, "no question, no turn");
    }
}
