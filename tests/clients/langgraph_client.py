"""LangGraph: a graph of a model and its tools, by hand so that the first step must call one."""

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from common import KEY, MODEL, QUESTION, URL, WEATHER, check_called
from common import get_weather as weather


@tool
def get_weather(city: str) -> str:
    """Tells the weather in a city."""
    return weather(city)


model = ChatOpenAI(model=MODEL, base_url=URL, api_key=KEY, temperature=0, max_retries=0, max_tokens=200)
graph = StateGraph(MessagesState)
graph.add_node("ask", lambda state: {"messages": [model.bind_tools([get_weather], tool_choice="any").invoke(state["messages"])]})
graph.add_node("tools", ToolNode([get_weather]))
graph.add_node("answer", lambda state: {"messages": [model.invoke(state["messages"])]})
graph.add_edge(START, "ask")
graph.add_edge("ask", "tools")
graph.add_edge("tools", "answer")
graph.add_edge("answer", END)
messages = graph.compile().invoke({"messages": [("user", QUESTION)]})["messages"]
check_called()
assert WEATHER in [message.content for message in messages] and messages[-1].content, messages
