"""openai-agents: an agent that must use its tool, over chat completions and over responses."""

import asyncio

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from common import KEY, MODEL, QUESTION, URL, calls, check_called
from common import get_weather as weather

set_tracing_disabled(True)


@function_tool
def get_weather(city: str) -> str:
    """Tells the weather in a city."""
    return weather(city)


async def main():
    client = AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=300)
    for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
        calls.clear()
        agent = Agent(
            name="Weather",
            instructions="Use the tool.",
            tools=[get_weather],
            model=kind(model=MODEL, openai_client=client),
            model_settings=ModelSettings(temperature=0, max_tokens=200, tool_choice="required"),
        )
        result = await Runner.run(agent, QUESTION, max_turns=4)
        check_called()
        assert result.final_output is not None, kind


asyncio.run(main())
