"""ollama: lists, chat with a tool, a schema, a stream."""

import json

import ollama

from common import ABOUT, KEY, MODEL, PERSON, QUESTION, ROOT, TOOL, check_person, get_weather

client = ollama.Client(host=ROOT, headers={"Authorization": f"Bearer {KEY}"}, timeout=300)

assert MODEL in [model.model for model in client.list().models]
assert client.show(MODEL).details.family

messages = [{"role": "user", "content": QUESTION}]
first = client.chat(model=MODEL, messages=messages, tools=[TOOL], options={"temperature": 0, "num_predict": 200})
if first.message.tool_calls:
    call = first.message.tool_calls[0].function
    assert call.name == "get_weather" and isinstance(call.arguments["city"], str), call
    messages += [first.message, {"role": "tool", "tool_name": call.name, "content": get_weather(**call.arguments)}]
    assert client.chat(model=MODEL, messages=messages, options={"num_predict": 60}).message.content
else:
    # This protocol cannot demand a call, and small models do without.
    assert first.message.content, first

person = client.chat(
    model=MODEL, messages=[{"role": "user", "content": ABOUT}], format=PERSON, options={"num_predict": 200}
)
check_person(json.loads(person.message.content))

parts = list(
    client.generate(model=MODEL, prompt="Count to five.", stream=True, options={"temperature": 0, "num_predict": 30})
)
assert len(parts) > 2 and parts[-1].done and parts[-1].eval_count > 0, parts[-1]
