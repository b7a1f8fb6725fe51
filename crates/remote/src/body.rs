//! The request as OpenAI's protocol writes it.

use lantern_engine::{Constraint, GenerateRequest, Prompt, SamplingParams, ToolChoice};
use serde_json::{Map, Value, json};

use crate::{Kind, RemoteError, RemoteModel, messages};

/// Path below the base address, and body.
pub(crate) fn of(
    request: &GenerateRequest,
    model: &RemoteModel,
) -> Result<(&'static str, Map<String, Value>), RemoteError> {
    if request.logprobs.is_some() {
        return Err(RemoteError::Unsupported { what: "a log probability of tokens" });
    }
    let mut body = Map::new();
    body.insert("model".into(), json!(model.id));
    let path = match &request.prompt {
        Prompt::Messages { messages, tools } => {
            body.insert("messages".into(), json!(messages::written(messages, model.kind)?));
            add_tools(&mut body, request, tools.as_ref(), model.kind);
            add_variables(&mut body, request, model.kind);
            "chat/completions"
        }
        Prompt::Text(text) => {
            body.insert("prompt".into(), json!(text));
            "completions"
        }
        Prompt::Tokens(_) | Prompt::Rendered { .. } => {
            return Err(RemoteError::Unsupported { what: "a prompt of token ids" });
        }
    };
    if let Some(format) = request.constraint.as_ref().map(response_format).transpose()? {
        body.insert("response_format".into(), format);
    }
    add_sampling(&mut body, &request.sampling, model.kind)?;
    if let Some(tokens) = request.max_tokens {
        body.insert("max_tokens".into(), json!(tokens));
    }
    let stop: Vec<_> = request.stop.iter().filter(|stop| !stop.is_empty()).collect();
    if !stop.is_empty() {
        body.insert("stop".into(), json!(stop));
    }
    body.insert("stream".into(), json!(true));
    body.insert("stream_options".into(), json!({"include_usage": true}));
    Ok((path, body))
}

fn add_tools(body: &mut Map<String, Value>, request: &GenerateRequest, tools: Option<&Value>, kind: Kind) {
    let Some(tools) = tools.filter(|tools| tools.as_array().is_some_and(|list| !list.is_empty())) else {
        return;
    };
    body.insert("tools".into(), messages::tools(tools, kind));
    let choice = match &request.tool_choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    };
    body.insert("tool_choice".into(), choice);
    body.insert("parallel_tool_calls".into(), json!(request.parallel_tool_calls));
}

/// What vLLM and llama.cpp give to the model's template; of it only the effort is OpenAI's too.
fn add_variables(body: &mut Map<String, Value>, request: &GenerateRequest, kind: Kind) {
    if request.template_vars.is_empty() {
        return;
    }
    if kind.samples_further() {
        body.insert("chat_template_kwargs".into(), json!(request.template_vars));
    } else if let Some(effort) = request.template_vars.get("reasoning_effort") {
        body.insert("reasoning_effort".into(), effort.clone());
    }
}

fn response_format(constraint: &Constraint) -> Result<Value, RemoteError> {
    match constraint {
        Constraint::JsonObject => Ok(json!({"type": "json_object"})),
        Constraint::JsonSchema(schema) => Ok(json!({
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": true, "schema": schema},
        })),
        Constraint::Regex(_) => {
            Err(RemoteError::Unsupported { what: "an answer held to a regular expression" })
        }
        Constraint::Lark(_) | Constraint::Gbnf(_) => {
            Err(RemoteError::Unsupported { what: "an answer held to a grammar" })
        }
    }
}

fn add_sampling(
    body: &mut Map<String, Value>,
    sampling: &SamplingParams,
    kind: Kind,
) -> Result<(), RemoteError> {
    if !sampling.logit_bias.is_empty() {
        return Err(RemoteError::Unsupported { what: "a bias on token ids of another tokenizer" });
    }
    let mut add = |name: &str, value: Value| body.insert(name.into(), value);
    add("temperature", plain(sampling.temperature));
    add("top_p", plain(sampling.top_p));
    // Some clouds refuse a field that changes nothing.
    if sampling.presence_penalty != 0.0 {
        add("presence_penalty", plain(sampling.presence_penalty));
    }
    if sampling.frequency_penalty != 0.0 {
        add("frequency_penalty", plain(sampling.frequency_penalty));
    }
    if let Some(seed) = sampling.seed {
        // Servers read it as a signed number.
        add("seed", json!(seed & (u64::MAX >> 1)));
    }
    if kind.samples_further() {
        add("top_k", json!(sampling.top_k));
        add("min_p", plain(sampling.min_p));
        let name = if kind == Kind::Vllm { "repetition_penalty" } else { "repeat_penalty" };
        add(name, plain(sampling.repeat_penalty));
    }
    Ok(())
}

/// 0.7, not 0.699999988079071.
fn plain(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, |value| json!(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(request: &GenerateRequest, kind: Kind) -> Map<String, Value> {
        let model = RemoteModel { id: "m".into(), context_length: None, sees: None, kind };
        of(request, &model).unwrap().1
    }

    #[test]
    fn sampling_goes_as_each_server_knows_it() {
        let request = GenerateRequest::new(Prompt::Text("x".into()));
        let other = body(&request, Kind::Other);
        assert_eq!((&other["temperature"], other.get("top_k")), (&json!(0.7), None));
        let vllm = body(&request, Kind::Vllm);
        assert_eq!((&vllm["top_k"], &vllm["repetition_penalty"]), (&json!(40), &json!(1.0)));
        assert_eq!(body(&request, Kind::LlamaCpp)["repeat_penalty"], json!(1.0));
    }

    #[test]
    fn schemas_are_asked_for_and_grammars_refused() {
        let mut request = GenerateRequest::new(Prompt::Text("x".into()));
        request.constraint = Some(Constraint::JsonSchema(json!({"type": "object"})));
        let format = &body(&request, Kind::Vllm)["response_format"];
        assert_eq!(format["json_schema"]["schema"], json!({"type": "object"}));
        request.constraint = Some(Constraint::Regex("a".into()));
        let model = RemoteModel { id: "m".into(), context_length: None, sees: None, kind: Kind::Vllm };
        assert_eq!(of(&request, &model).unwrap_err().code(), "remote_unsupported");
    }
}
