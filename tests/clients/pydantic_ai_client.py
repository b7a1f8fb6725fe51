"""pydantic-ai: an answer of a given shape (a tool call underneath), and a tool."""

from pydantic import BaseModel, Field
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import NativeOutput
from pydantic_ai.providers.openai import OpenAIProvider

from common import ABOUT, KEY, MODEL, URL


class Person(BaseModel):
    name: str
    age: int = Field(ge=0, le=150)


model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=URL, api_key=KEY))
settings = {"temperature": 0, "max_tokens": 200}

called = Agent(model, output_type=Person, model_settings=settings).run_sync(ABOUT).output
assert isinstance(called, Person), called
native = Agent(model, output_type=NativeOutput(Person), model_settings=settings).run_sync(ABOUT).output
assert isinstance(native, Person), native
