//! What a chat template does with tools and thoughts, found by trying: what it says of them in its source may be in a comment,
//! or in a branch that is never taken.

use serde_json::{Map, Value, json};

use super::{ChatTemplate, TemplateOptions};

/// A word that no template has.
const PROBE: &str = "lntrnprobe";

/// Whether the model is told of tools.
pub fn tells_tools(template: &str) -> bool {
    let tool = json!({"type": "function", "function": {
        "name": PROBE,
        "description": "Tells the time.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    }});
    let options = TemplateOptions { tools: Some(json!([tool])), ..TemplateOptions::default() };
    rendered(template, vec![json!({"role": "user", "content": "Hi"})], &options)
        .map_or_else(|| template.contains("tools"), |text| text.contains(PROBE))
}

/// Whether thoughts before the answer are something to the template: it begins them, it can be told to leave them out, or
/// it shows those of an answer.
pub fn knows_thoughts(template: &str) -> bool {
    let question = || vec![json!({"role": "user", "content": "Hi"})];
    let with = |variables: Value| {
        let variables = variables.as_object().cloned().unwrap_or_else(Map::new);
        rendered(template, question(), &TemplateOptions { variables, ..TemplateOptions::default() })
    };
    let differs =
        |one: Value, other: Value| with(one).zip(with(other)).is_some_and(|(one, other)| one != other);
    let begins = || with(json!({})).is_some_and(|text| text.trim_end().ends_with("<think>"));
    let shows = || {
        let answer = json!({"role": "assistant", "content": "Hello", "reasoning_content": PROBE});
        let options = TemplateOptions { add_generation_prompt: false, ..TemplateOptions::default() };
        let messages = question().into_iter().chain([answer]).collect();
        rendered(template, messages, &options).is_some_and(|text| text.contains(PROBE))
    };
    differs(json!({"enable_thinking": true}), json!({"enable_thinking": false}))
        || differs(json!({"thinking": true}), json!({"thinking": false}))
        || differs(json!({"reasoning_effort": "low"}), json!({"reasoning_effort": "high"}))
        || begins()
        || shows()
        // Templates that take thoughts out of earlier answers do nothing else with them.
        || template.contains("</think>")
}

/// `None` when the template does not work, or refuses this conversation.
fn rendered(template: &str, messages: Vec<Value>, options: &TemplateOptions) -> Option<String> {
    let template = ChatTemplate::from_source(template, "<s>", "</s>").ok()?;
    template.render_json(messages, options).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_does_counts_and_not_what_it_says() {
        let plain = "{# tools and enable_thinking are not for us #}{{ messages[0].content }}";
        assert!(!tells_tools(plain) && !knows_thoughts(plain));
        assert!(tells_tools(
            "{% for tool in tools %}{{ tool.function.name }}{% endfor %}{{ messages[0].content }}"
        ));
        let switch = "{{ messages[0].content }}{% if enable_thinking is defined and not enable_thinking %}/no{% endif %}";
        assert!(knows_thoughts(switch) && !tells_tools(switch));
        assert!(knows_thoughts("{{ messages[0].content }}<think>\n"));
        assert!(knows_thoughts(
            "{% for m in messages %}{{ m.reasoning_content }}{{ m.content }}{% endfor %}"
        ));
        assert!(knows_thoughts("{{ messages[0].content.split('</think>')[-1] }}"));
    }
}
