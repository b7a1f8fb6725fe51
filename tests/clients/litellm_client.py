"""LiteLLM: a call of a tool, a schema, a stream."""

import json
import os

# It would look up prices on the web.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402

from common import ABOUT, KEY, MODEL, PERSON, QUESTION, TOOL, URL, check_person  # noqa: E402

litellm.telemetry = False
common = {"model": f"openai/{MODEL}", "api_base": URL, "api_key": KEY, "temperature": 0, "max_tokens": 200}

called = litellm.completion(
    messages=[{"role": "user", "content": QUESTION}], tools=[TOOL], tool_choice="required", **common
)
call = called.choices[0].message.tool_calls[0].function
assert call.name == "get_weather" and isinstance(json.loads(call.arguments)["city"], str), call

person = litellm.completion(
    messages=[{"role": "user", "content": ABOUT}],
    response_format={"type": "json_schema", "json_schema": {"name": "p", "strict": True, "schema": PERSON}},
    **common,
)
check_person(json.loads(person.choices[0].message.content))

stream = litellm.completion(messages=[{"role": "user", "content": "Count to five."}], stream=True, **common)
text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
assert text, text
