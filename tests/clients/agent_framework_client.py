"""Microsoft Agent Framework: an agent that must use its tool."""

import asyncio

from agent_framework import Agent
from agent_framework.openai import OpenAIChatCompletionClient

from common import KEY, MODEL, QUESTION, URL, check_called, get_weather


async def main():
    client = OpenAIChatCompletionClient(model=MODEL, api_key=KEY, base_url=URL)
    agent = Agent(client, instructions="Use the tool.", tools=[get_weather])
    answer = await agent.run(QUESTION, options={"tool_choice": "required", "temperature": 0, "max_tokens": 200})
    check_called()
    assert answer is not None


asyncio.run(main())
