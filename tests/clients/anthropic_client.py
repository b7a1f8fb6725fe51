"""anthropic: a tool round trip, a stream, counting."""

import anthropic

from common import KEY, MODEL, QUESTION, ROOT, TOOL, get_weather

client = anthropic.Anthropic(base_url=ROOT, api_key=KEY, max_retries=0, timeout=300)
function = TOOL["function"]
tool = {
    "name": function["name"],
    "description": function["description"],
    "input_schema": function["parameters"],
}

messages = [{"role": "user", "content": QUESTION}]
first = client.messages.create(
    model=MODEL, max_tokens=200, messages=messages, tools=[tool], tool_choice={"type": "any"}
)
assert first.stop_reason == "tool_use", first
use = next(block for block in first.content if block.type == "tool_use")
assert use.name == "get_weather" and isinstance(use.input["city"], str), use
messages += [
    {"role": "assistant", "content": first.content},
    {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": use.id, "content": get_weather(**use.input)}],
    },
]
second = client.messages.create(model=MODEL, max_tokens=100, messages=messages, tools=[tool])
assert second.content and second.usage.output_tokens > 0, second

with client.messages.stream(
    model=MODEL, max_tokens=40, system="Be brief.", messages=[{"role": "user", "content": "Count to five."}]
) as stream:
    text = "".join(stream.text_stream)
    message = stream.get_final_message()
assert text and message.content[0].text == text, message

counted = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "Count me."}])
assert counted.input_tokens > 2, counted
