//! Templates for model files that bring none, chosen by the tokens their vocabulary has.

use super::Tokenizer;

pub(super) const CHATML: &str = "\
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}";

pub(super) const LLAMA3: &str = "\
{{- bos_token -}}
{%- for message in messages -%}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{%- endif -%}";

/// Gemma has no system role: its text goes in front of the first user message.
pub(super) const GEMMA: &str = "\
{{- bos_token -}}
{%- set state = namespace(system='') -%}
{%- for message in messages -%}
    {%- if message.role == 'system' -%}
        {%- set state.system = message.content | trim + '\\n\\n' -%}
    {%- else -%}
        {{- '<start_of_turn>' + ('model' if message.role == 'assistant' else 'user') + '\\n' -}}
        {{- state.system + message.content | trim + '<end_of_turn>\\n' -}}
        {%- set state.system = '' -%}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<start_of_turn>model\\n' -}}
{%- endif -%}";

/// For vocabularies without any turn markers: a plain dialogue.
pub(super) const PLAIN: &str = "\
{%- for message in messages -%}
    {%- if message.role == 'system' -%}
        {{- message.content + '\\n\\n' -}}
    {%- else -%}
        {{- ('Assistant' if message.role == 'assistant' else 'User') + ': ' + message.content + '\\n\\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- 'Assistant:' -}}
{%- endif -%}";

/// The name and text of the template that fits the vocabulary.
pub fn choose(tokenizer: &Tokenizer) -> (&'static str, &'static str) {
    let has = |token: &str| {
        tokenizer.token_id(token).is_some_and(|id| tokenizer.token_bytes(id) == token.as_bytes())
    };
    if has("<|im_start|>") && has("<|im_end|>") {
        ("chatml", CHATML)
    } else if has("<start_of_turn>") && has("<end_of_turn>") {
        ("gemma", GEMMA)
    } else if has("<|start_header_id|>") && has("<|eot_id|>") {
        ("llama3", LLAMA3)
    } else {
        ("plain", PLAIN)
    }
}
