//! Going on with an answer that was cut: a real database, a real model.

mod support;

use lantern_protocol::{ChatEvent, MessageStatus};
use support::*;

#[tokio::test]
async fn a_cut_answer_goes_on_as_if_it_had_never_been_cut() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(24)).await;
    let whole = answer(&app, None, "Tell me a story").await;
    limit_tokens(&app, Some(8)).await;
    let cut = answer(&app, None, "Tell me a story").await;
    assert_eq!(cut.status, MessageStatus::Truncated);
    assert!(whole.content.starts_with(&cut.content), "{} / {}", whole.content, cut.content);

    limit_tokens(&app, Some(16)).await;
    let events = drain(app.continue_answer(&cut.id).await.unwrap()).await;
    let ChatEvent::Started { user_message: None, assistant_message, .. } = &events[0] else {
        panic!("the first event is {:?}", events[0]);
    };
    assert_eq!(assistant_message.content, cut.content, "it begins with what there was");
    let longer = finished(&events);
    assert_eq!(longer.content, format!("{}{}", cut.content, text(&events)));
    // A greedy model goes on as it would have, where the words are cut between the same tokens.
    assert!(longer.content.len() > cut.content.len(), "nothing was added");
    assert_eq!(longer.parent_id, cut.parent_id, "it stands beside the answer that was cut");

    let view = app.conversation(&cut.conversation_id).await.unwrap();
    assert_eq!(view.messages.iter().find(|message| message.id == cut.id), Some(&cut), "the cut one changed");
    assert_eq!(view.conversation.leaf_id, Some(longer.id));
}

#[tokio::test]
async fn a_whole_answer_and_a_question_are_not_continued() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(4)).await;
    let cut = answer(&app, None, "Hi").await;
    let question = cut.parent_id.unwrap();
    let error = app.continue_answer(&question).await.unwrap_err();
    assert_eq!(error.code, "nothing_to_continue");
    assert_eq!(app.continue_answer("no-such").await.unwrap_err().code, "message_not_found");
}
