"""CrewAI: one agent, one task, an answer of a given shape."""

import os

os.environ.update(OPENAI_API_KEY=os.environ["LANTERN_KEY"], OPENAI_BASE_URL=os.environ["LANTERN_URL"])
os.environ.update(CREWAI_DISABLE_TELEMETRY="true", OTEL_SDK_DISABLED="true", CREWAI_TRACING_ENABLED="false")

from crewai import LLM  # noqa: E402
from pydantic import BaseModel  # noqa: E402

from common import ABOUT, KEY, MODEL, QUESTION, TOOL, URL, check_called, get_weather  # noqa: E402


class Person(BaseModel):
    name: str
    age: int


model = LLM(model=f"openai/{MODEL}", base_url=URL, api_key=KEY, temperature=0, max_tokens=200)
answer = model.call([{"role": "user", "content": ABOUT}])
assert answer, answer

found = model.call([{"role": "user", "content": ABOUT}], response_model=Person)
found = found if isinstance(found, Person) else Person.model_validate_json(found)
assert found.name, found

model.call(
    [{"role": "user", "content": QUESTION}], tools=[TOOL], available_functions={"get_weather": get_weather}
)
if os.environ.get("LANTERN_TOOLS_CERTAIN"):
    check_called()
