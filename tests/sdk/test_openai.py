"""The official OpenAI client against Lantern's endpoint.

`tests/tests/sdk.rs` starts `lantern serve` with the starter model and runs this file with
LANTERN_URL, LANTERN_KEY, LANTERN_MODEL and LANTERN_EMBEDDER set.
"""

import os
import threading
import unittest

import openai

URL = os.environ["LANTERN_URL"]
KEY = os.environ["LANTERN_KEY"]
MODEL = os.environ["LANTERN_MODEL"]
EMBEDDER = os.environ["LANTERN_EMBEDDER"]


def client(key=KEY):
    return openai.OpenAI(base_url=URL, api_key=key, max_retries=0, timeout=120)


def ask(content, **options):
    options.setdefault("temperature", 0)
    options.setdefault("max_tokens", 24)
    return client().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": content}], **options
    )


def text(answer):
    return answer.choices[0].message.content


def streamed(content, **options):
    """The pieces of a streamed answer and its last finish reason."""
    pieces, reason = [], None
    for chunk in ask(content, stream=True, **options):
        for choice in chunk.choices:
            if choice.delta.content:
                pieces.append(choice.delta.content)
            reason = choice.finish_reason or reason
    return pieces, reason


class Models(unittest.TestCase):
    def test_the_library_is_listed(self):
        models = list(client().models.list())
        self.assertIn(MODEL, [model.id for model in models])
        self.assertTrue(all(model.object == "model" for model in models))

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            client().chat.completions.create(
                model="no-such-model", messages=[{"role": "user", "content": "Hello"}]
            )
        self.assertIn("no-such-model", str(caught.exception))


class Embeddings(unittest.TestCase):
    def test_texts_become_vectors_of_length_one(self):
        # The client asks for base64 unless told otherwise, and decodes it.
        coded = client().embeddings.create(model=EMBEDDER, input=["the first text", "and another"])
        plain = client().embeddings.create(model=EMBEDDER, input="and another", encoding_format="float")
        self.assertEqual([item.index for item in coded.data], [0, 1])
        vector = coded.data[1].embedding
        self.assertAlmostEqual(sum(x * x for x in vector), 1.0, places=5)
        self.assertEqual(len(vector), len(plain.data[0].embedding))
        for ours, theirs in zip(vector, plain.data[0].embedding):
            self.assertAlmostEqual(ours, theirs, places=6)
        self.assertGreater(coded.usage.prompt_tokens, plain.usage.prompt_tokens)

    def test_a_model_that_chats_makes_none(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            client().embeddings.create(model=MODEL, input="a text")
        self.assertEqual(caught.exception.code, "no_embedding_model")


class Key(unittest.TestCase):
    def test_a_wrong_key_is_refused(self):
        with self.assertRaises(openai.AuthenticationError):
            client(key="wrong").models.list()

    def test_an_empty_question_is_a_bad_request(self):
        with self.assertRaises(openai.BadRequestError):
            client().chat.completions.create(model=MODEL, messages=[])

    def test_nonsensical_sampling_is_a_bad_request(self):
        with self.assertRaises(openai.BadRequestError):
            ask("Hello", temperature=-1)


class Chat(unittest.TestCase):
    def test_an_answer_comes_whole(self):
        answer = ask("What is the capital of France?")
        self.assertGreater(len(text(answer).split()), 3)
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertIn(answer.choices[0].finish_reason, ("stop", "length"))
        self.assertGreater(answer.usage.prompt_tokens, 5)
        self.assertGreater(answer.usage.completion_tokens, 1)
        self.assertEqual(
            answer.usage.total_tokens,
            answer.usage.prompt_tokens + answer.usage.completion_tokens,
        )

    def test_an_answer_comes_in_pieces(self):
        pieces, reason = streamed("What is the capital of France?")
        self.assertGreater(len(pieces), 3)
        self.assertIn(reason, ("stop", "length"))
        self.assertEqual("".join(pieces), text(ask("What is the capital of France?")))

    def test_the_pieces_tell_their_usage_when_asked(self):
        chunks = list(ask("Hello", stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, ask("Hello").usage.completion_tokens)
        self.assertTrue(all(chunk.usage is None for chunk in chunks[:-1]))

    def test_the_limit_of_tokens_holds(self):
        answer = ask("Write a long story about a lighthouse.", max_tokens=7)
        self.assertEqual(answer.usage.completion_tokens, 7)
        self.assertEqual(answer.choices[0].finish_reason, "length")

    def test_a_stop_string_ends_the_answer_before_itself(self):
        question = "Describe the sea in a few sentences."
        whole = text(ask(question))
        # Three letters from the middle: they may begin in one token and end in another.
        stop = whole[len(whole) // 2 :][:3]
        before = whole[: whole.index(stop)]
        answer = ask(question, stop=[stop])
        self.assertEqual(text(answer), before)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        pieces, reason = streamed(question, stop=stop)
        self.assertEqual("".join(pieces), before)
        self.assertEqual(reason, "stop")

    def test_the_same_seed_gives_the_same_answer(self):
        def told(seed):
            return text(ask("Tell me something.", temperature=1.2, seed=seed, max_tokens=32))

        self.assertEqual(told(7), told(7))
        self.assertGreater(len({told(seed) for seed in (7, 8, 9)}), 1)

    def test_a_conversation_is_remembered(self):
        messages = [
            {"role": "system", "content": "You answer in one word."},
            {"role": "user", "content": "Name a colour."},
            {"role": "assistant", "content": "Blue."},
            {"role": "user", "content": "Name the colour again."},
        ]
        whole, last = (
            client().chat.completions.create(model=MODEL, messages=told, temperature=0, max_tokens=8)
            for told in (messages, [messages[0], messages[-1]])
        )
        self.assertGreater(whole.usage.prompt_tokens, last.usage.prompt_tokens + 8)

    def test_four_at_once_get_what_each_would_get_alone(self):
        questions = [
            "What is the capital of France?",
            "Write a sentence about the sea.",
            "List three fruits.",
            "Why is the sky blue?",
        ]
        alone = ["".join(streamed(question, max_tokens=48)[0]) for question in questions]
        together = [None] * len(questions)

        def run(index):
            together[index] = "".join(streamed(questions[index], max_tokens=48)[0])

        threads = [threading.Thread(target=run, args=(index,)) for index in range(len(questions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(together, alone)


if __name__ == "__main__":
    unittest.main()
