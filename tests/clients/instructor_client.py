"""instructor: an answer of a given shape, by a tool call and by a schema."""

import instructor
import openai
from pydantic import BaseModel, Field

from common import ABOUT, KEY, MODEL, URL


class Person(BaseModel):
    name: str
    age: int = Field(ge=0, le=150)


for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    client = instructor.from_openai(
        openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=300), mode=mode
    )
    person = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": ABOUT}],
        response_model=Person,
        temperature=0,
        max_tokens=200,
        max_retries=0,
    )
    assert isinstance(person, Person) and person.name, person
