//! Notes about models, over a real file.

mod support;

use lantern_protocol::{ModelDefaults, ModelNotes, SamplingDefaults};
use support::*;

#[test]
fn notes_are_kept_by_content_and_forgotten_when_they_say_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let nothing = ModelNotes { content_id: "aa".into(), ..ModelNotes::default() };
    assert_eq!(store.model_notes("aa").unwrap(), nothing);
    let notes = ModelNotes {
        content_id: "aa".into(),
        note: "Good at French.".into(),
        favourite: true,
        defaults: ModelDefaults {
            sampling: SamplingDefaults { temperature: Some(0.2), ..SamplingDefaults::default() },
            kv_type: Some("q8_0".into()),
            expert_memory: Some(3 << 30),
            ..ModelDefaults::default()
        },
    };
    store.keep_model_notes(&notes).unwrap();
    let later = ModelNotes { note: "Very good at French.".into(), ..notes };
    store.keep_model_notes(&later).unwrap();
    drop(store);

    let mut store = open(dir.path());
    assert_eq!(store.model_notes("aa").unwrap(), later);
    assert_eq!(store.all_model_notes().unwrap(), [later]);
    store.keep_model_notes(&nothing).unwrap();
    assert_eq!(store.all_model_notes().unwrap(), []);
}
