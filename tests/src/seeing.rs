//! A tiny model that sees: a golden one whose vocabulary is given the words around pictures, with its projector beside it.

use std::path::{Path, PathBuf};

use lantern_gguf::{Array, GgufFile, GgufWriter, Value};

/// The token that opens a picture.
pub const OPEN: u32 = 509;
/// The token that ends one.
pub const SHUT: u32 = 510;

/// A chat template that reads parts as the authors' does.
pub const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + m.role }}{% if m.content is string %}\
{{ m.content | trim }}{% else %}{% for part in m.content %}{% if part.type == 'image' %}{{ '<start_of_image>' }}{% else %}\
{{ part.text | trim }}{% endif %}{% endfor %}{% endif %}{{ '<end_of_turn>' }}{% endfor %}{{ '<start_of_turn>model' }}";

/// Writes `see.gguf` with this chat template, and its projector, into a folder; gives the model's path.
pub fn write_model(folder: &Path, template: &str) -> PathBuf {
    let file =
        GgufFile::open(&lantern_golden::path("pictures/gemma3_pictures-F32.gguf")).expect("a golden model");
    let mut writer = GgufWriter::copy_of(&file).expect("a copy");
    let list = |key: &str| writer.metadata.get(key).cloned();
    let (Some(Value::Array(Array::String(mut tokens))), Some(Value::Array(Array::I32(mut types)))) =
        (list("tokenizer.ggml.tokens"), list("tokenizer.ggml.token_type"))
    else {
        panic!("a golden vocabulary")
    };
    for (id, spelling) in [(OPEN, "<start_of_image>"), (SHUT, "<end_of_image>")] {
        (tokens[id as usize], types[id as usize]) = (spelling.to_owned(), 3);
    }
    writer.metadata.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
    writer.metadata.set("tokenizer.ggml.token_type", Value::Array(Array::I32(types)));
    writer.metadata.set("tokenizer.chat_template", Value::String(template.to_owned()));
    let model = folder.join("see.gguf");
    std::fs::write(&model, writer.finish()).expect("written");
    std::fs::copy(lantern_golden::path("vision/mmproj-gemma3-F32.gguf"), folder.join("mmproj-see.gguf"))
        .expect("copied");
    model
}
