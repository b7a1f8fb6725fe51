//! Templates for model files that bring none, or none that works: one for each family's way of writing turns, chosen by
//! the tokens that its vocabulary has.
//!
//! They write plain conversations as the families' own templates do, without tools and reasoning.

use super::Tokenizer;

const CHATML: &str = "\
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}";

const LLAMA3: &str = "\
{{- bos_token -}}
{%- for message in messages -%}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{%- endif -%}";

/// Gemma has no system role: its text goes in front of the first user message.
const GEMMA: &str = "\
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
const PLAIN: &str = "\
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

/// Phi-4.
const PHI4: &str = "\
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '<|im_sep|>' + message.content + '<|im_end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant<|im_sep|>' -}}
{%- endif -%}";

/// Phi-3 and Phi-3.5.
const PHI3: &str = "\
{%- for message in messages -%}
    {{- '<|' + message.role + '|>\\n' + message.content + '<|end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|assistant|>\\n' -}}
{%- endif -%}";

/// Gemma 4, told not to think.
const GEMMA4: &str = "\
{{- bos_token -}}
{%- for message in messages -%}
    {%- set role = 'model' if message.role == 'assistant' else message.role -%}
    {{- '<|turn>' + role + '\\n' + message.content | trim + '<turn|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|turn>model\\n<|channel>thought\\n<channel|>' -}}
{%- endif -%}";

/// OpenAI's harmony: a system prompt is the developer's message.
const HARMONY: &str = "\
{%- for message in messages -%}
    {%- if message.role == 'assistant' -%}
        {{- '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|end|>' -}}
    {%- elif message.role == 'system' -%}
        {{- '<|start|>developer<|message|># Instructions\\n\\n' + message.content + '\\n\\n<|end|>' -}}
    {%- else -%}
        {{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|start|>assistant' -}}
{%- endif -%}";

const GRANITE: &str = "\
{%- for message in messages -%}
    {{- '<|start_of_role|>' + message.role + '<|end_of_role|>' + message.content + '<|end_of_text|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|start_of_role|>assistant<|end_of_role|>' -}}
{%- endif -%}";

const GLM4: &str = "\
{{- '[gMASK]<sop>' -}}
{%- for message in messages -%}
    {{- '<|' + message.role + '|>\\n' + message.content -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|assistant|>\\n' -}}
{%- endif -%}";

/// DeepSeek-V2.5 and later.
const DEEPSEEK: &str = "\
{{- bos_token -}}
{%- for message in messages -%}
    {%- if message.role == 'system' -%}
        {{- message.content -}}
    {%- elif message.role == 'assistant' -%}
        {{- '<｜Assistant｜>' + message.content + eos_token -}}
    {%- else -%}
        {{- '<｜User｜>' + message.content -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<｜Assistant｜>' -}}
{%- endif -%}";

/// Mistral since its third tokenizer. A system prompt opens the last question.
const MISTRAL: &str = "\
{{- bos_token -}}
{%- set state = namespace(system='') -%}
{%- for message in messages -%}
    {%- if message.role == 'system' -%}
        {%- set state.system = message.content + '\\n\\n' -%}
    {%- elif message.role == 'assistant' -%}
        {{- message.content + eos_token -}}
    {%- else -%}
        {{- '[INST]' + (state.system if loop.last else '') + message.content + '[/INST]' -}}
    {%- endif -%}
{%- endfor -%}";

/// A template's name, the tokens that its family has, and its text. The first that fits is taken.
const FAMILIES: &[(&str, &[&str], &str)] = &[
    ("phi4", &["<|im_start|>", "<|im_sep|>", "<|im_end|>"], PHI4),
    ("chatml", &["<|im_start|>", "<|im_end|>"], CHATML),
    ("gemma", &["<start_of_turn>", "<end_of_turn>"], GEMMA),
    ("gemma4", &["<|turn>", "<turn|>"], GEMMA4),
    ("harmony", &["<|start|>", "<|channel|>", "<|message|>"], HARMONY),
    ("llama3", &["<|start_header_id|>", "<|eot_id|>"], LLAMA3),
    ("granite", &["<|start_of_role|>", "<|end_of_role|>"], GRANITE),
    ("glm4", &["[gMASK]", "<sop>", "<|user|>", "<|assistant|>"], GLM4),
    ("deepseek", &["<｜User｜>", "<｜Assistant｜>"], DEEPSEEK),
    ("phi3", &["<|user|>", "<|assistant|>", "<|end|>"], PHI3),
    ("mistral", &["[INST]", "[/INST]"], MISTRAL),
];

/// The name and text of the template that fits the vocabulary; `None` for one without any of these families' tokens.
pub fn of_family(tokenizer: &Tokenizer) -> Option<(&'static str, &'static str)> {
    let has = |token: &&str| {
        tokenizer.token_id(token).is_some_and(|id| tokenizer.token_bytes(id) == token.as_bytes())
    };
    FAMILIES.iter().find(|(_, tokens, _)| tokens.iter().all(has)).map(|(name, _, text)| (*name, *text))
}

/// For vocabularies of no known family: a plain dialogue.
pub fn plain() -> (&'static str, &'static str) {
    ("plain", PLAIN)
}

/// The text of a template by its name.
#[cfg(test)]
pub fn by_name(name: &str) -> &'static str {
    FAMILIES.iter().find(|family| family.0 == name).map_or(PLAIN, |family| family.2)
}
