"""What the clients' scripts share: where Lantern is, a tool, and a schema."""

import os

URL = os.environ["LANTERN_URL"]
ROOT = URL.removesuffix("/v1")
KEY = os.environ["LANTERN_KEY"]
MODEL = os.environ["LANTERN_MODEL"]

CITY = "Lisbon"
QUESTION = f"What is the weather in {CITY}? Use the tool."
# Nobody could guess it.
WEATHER = "It is 23.5 degrees and raining frogs."

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "The city's name"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}

calls = []


def get_weather(city: str) -> str:
    """Tells the weather in a city."""
    calls.append(city)
    return WEATHER


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "languages": {"type": "array", "items": {"type": "string", "enum": ["Rust", "Python"]}, "maxItems": 2},
    },
    "required": ["name", "age", "languages"],
    "additionalProperties": False,
}
ABOUT = "Ada is 36 years old and writes Rust."


def check_called():
    """The tool was called with a city, as its schema says."""
    assert calls, "the tool was not called"
    assert all(isinstance(city, str) and city for city in calls), calls


def check_person(person):
    assert isinstance(person["name"], str) and 0 <= person["age"] <= 150, person
    assert set(person["languages"]) <= {"Rust", "Python"}, person
