"""openai: tools, streamed arguments, strict schemas, responses, embeddings' errors."""

import json

import openai

from common import ABOUT, CITY, KEY, MODEL, PERSON, QUESTION, TOOL, URL, WEATHER, check_person, get_weather

client = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=300)


def round_trip():
    messages = [{"role": "user", "content": QUESTION}]
    first = client.chat.completions.create(
        model=MODEL, messages=messages, tools=[TOOL], tool_choice="required", temperature=0
    )
    assert first.choices[0].finish_reason == "tool_calls", first
    message = first.choices[0].message
    call = message.tool_calls[0]
    arguments = json.loads(call.function.arguments)
    assert call.function.name == "get_weather" and isinstance(arguments["city"], str), call
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": get_weather(**arguments)}]
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL], temperature=0, max_tokens=100)
    assert second.choices[0].message.content or second.choices[0].message.tool_calls, second


def streamed_arguments():
    name, arguments, pieces, reason, usage = None, "", 0, None, None
    with client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": QUESTION}],
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                reason = choice.finish_reason or reason
                for call in choice.delta.tool_calls or []:
                    name = call.function.name or name
                    arguments += call.function.arguments or ""
                    pieces += 1
    assert name == "get_weather" and isinstance(json.loads(arguments)["city"], str), arguments
    assert pieces > 2 and reason in ("tool_calls", "stop") and usage.completion_tokens > 0, (pieces, reason)


def schema():
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": ABOUT}],
        response_format={"type": "json_schema", "json_schema": {"name": "p", "strict": True, "schema": PERSON}},
        max_tokens=200,
    )
    check_person(json.loads(answer.choices[0].message.content))


def responses():
    first = client.responses.create(model=MODEL, input=f"My city is {CITY}. Say yes.", max_output_tokens=30)
    assert first.status in ("completed", "incomplete") and first.output_text, first
    second = client.responses.create(
        model=MODEL, input="Which city is mine?", previous_response_id=first.id, temperature=0, max_output_tokens=30
    )
    assert CITY in second.output_text, second.output_text
    kinds = [
        event.type
        for event in client.responses.create(model=MODEL, input="Count to five.", stream=True, max_output_tokens=30)
    ]
    assert kinds[0] == "response.created" and kinds[-1] in ("response.completed", "response.incomplete"), kinds
    assert "response.output_text.delta" in kinds, kinds
    function = {"type": "function", **TOOL["function"], "strict": True}
    called = client.responses.create(model=MODEL, input=QUESTION, tools=[function], tool_choice="required")
    call = next(item for item in called.output if item.type == "function_call")
    assert isinstance(json.loads(call.arguments)["city"], str), call
    end = client.responses.create(
        model=MODEL,
        previous_response_id=called.id,
        tools=[function],
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": WEATHER}],
        max_output_tokens=60,
    )
    assert end.output, end


round_trip()
streamed_arguments()
schema()
responses()
