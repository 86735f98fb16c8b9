"""What the `openai` package sees of a running server. A test, not an example.

Usage: openai_chat.py CASE...  Prints the name of each case that holds; a case that does not ends it with a traceback.
Reads COUNTERSIGN_API (ends in /v1), COUNTERSIGN_KEY and COUNTERSIGN_MODEL_ID. The client keeps its own defaults,
retries among them.
"""

import concurrent.futures
import os
import sys

import openai

API, KEY, MODEL = (os.environ[name] for name in ("COUNTERSIGN_API", "COUNTERSIGN_KEY", "COUNTERSIGN_MODEL_ID"))
ROOT = API.removesuffix("/v1")
CLIENT = openai.OpenAI(base_url=API, api_key=KEY, timeout=300)
ASK = [{"role": "user", "content": "What is a ledger? Answer in one sentence."}]


def chat(messages=ASK, **members):
    members = {"max_tokens": 24, "temperature": 0} | members
    return CLIENT.chat.completions.create(model=MODEL, messages=messages, **members)


def check(holds, *said):
    if not holds:
        raise AssertionError(*said)


def caught(kind, call):
    """The error of exactly this kind that a call ends with."""
    try:
        answer = call()
    except openai.OpenAIError as error:
        check(type(error) is kind, repr(error))
        check(error.request_id, "the error names no request")
        return error
    raise AssertionError(f"no {kind.__name__}", answer)


def plain():
    raw = CLIENT.chat.completions.with_raw_response.create(model=MODEL, messages=ASK, max_tokens=24)
    check(raw.headers.get("countersign-act") and raw.headers.get("x-request-id"), raw.headers)
    answer = raw.parse()
    check(answer.object == "chat.completion" and answer.model == MODEL, answer)
    check(answer.id and answer.created > 1_700_000_000, answer)
    (choice,) = answer.choices
    check(choice.index == 0 and choice.message.role == "assistant" and choice.message.content, choice)
    check(choice.finish_reason in ("stop", "length"), choice)
    usage = answer.usage
    check(usage.prompt_tokens > 0 and 0 < usage.completion_tokens <= 24, usage)
    check(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage)


def streamed():
    chunks = list(chat(stream=True))
    check(len({chunk.id for chunk in chunks}) == 1, "the chunks have several ids")
    check(all(chunk.object == "chat.completion.chunk" for chunk in chunks), chunks)
    check(chunks[0].choices[0].delta.role == "assistant", chunks[0])
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    check([reason for reason in reasons if reason] == [reasons[-1]], reasons)
    check(all(chunk.usage is None for chunk in chunks), "usage was told without being asked for")
    check(all(chunk.choices for chunk in chunks), "a chunk has no choice")
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    check(text == chat().choices[0].message.content, text)


def usage():
    *chunks, last = chat(stream=True, stream_options={"include_usage": True})
    check(last.choices == [] and last.usage, last)
    check(all(chunk.usage is None for chunk in chunks), chunks)
    check(last.usage == chat().usage, last.usage)


def stop():
    text = chat().choices[0].message.content
    word = text.split()[2]
    for given in (word, ["never to be said", word]):
        choice = chat(stop=given).choices[0]
        check(choice.finish_reason == "stop" and word not in choice.message.content, choice)
        check(text.startswith(choice.message.content), text, choice)


def seed():
    said = [chat(temperature=1, seed=number).choices[0].message.content for number in (7, 7, 8, 9)]
    check(said[0] == said[1], said)
    check(len(set(said)) > 1, "no seed makes a difference", said)


def bounds():
    for name in ("max_tokens", "max_completion_tokens"):
        answer = CLIENT.chat.completions.create(model=MODEL, messages=ASK, temperature=0, **{name: 5})
        check(answer.usage.completion_tokens == 5, answer)
        check(answer.choices[0].finish_reason == "length", answer)


def roles():
    for role in ("system", "developer"):
        answer = chat([{"role": role, "content": "You speak of ships only."}, *ASK])
        check(answer.choices[0].message.content, answer)
        check(answer.usage.prompt_tokens > 0, answer)
    answered = [{"role": "assistant", "content": "A book."}, {"role": "user", "content": "Of what?", "name": "ana"}]
    longer = chat([*ASK, *answered]).usage.prompt_tokens
    check(longer > chat().usage.prompt_tokens, "the history was not read")


def parts():
    text = ASK[0]["content"]
    halves = [{"type": "text", "text": half} for half in (text[:8], text[8:])]
    whole, split = chat(), chat([{"role": "user", "content": halves}])
    check(split.usage == whole.usage, split.usage, whole.usage)
    check(split.choices[0].message.content == whole.choices[0].message.content, split)


def parts_taken():
    """Templates differ in what they put between parts; all take them."""
    halves = [{"type": "text", "text": half} for half in ("What is", " a ledger?")]
    check(chat([{"role": "user", "content": halves}]).choices[0].message.content)


def unicode():
    text = "Wiederhole: Grüße aus 東京 🌍, “naïve” — \u0000\u2028\t\"\\"
    answer = chat([{"role": "user", "content": text}])
    check(isinstance(answer.choices[0].message.content, str), answer)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chat([{"role": "user", "content": text}], stream=True)]
    check("".join(pieces) == answer.choices[0].message.content, pieces)


def models():
    listed = CLIENT.models.list().data
    check([model.id for model in listed] == [MODEL], listed)
    model = CLIENT.models.retrieve(MODEL)
    check(model == listed[0] and model.object == "model" and model.owned_by, model)
    error = caught(openai.NotFoundError, lambda: CLIENT.models.retrieve("gpt-4"))
    check(error.code == "model_not_found", error.body)


def cannot():
    """What a model cannot do is refused by name, never passed over."""
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    forced = {"type": "function", "function": {"name": "f"}}
    check(chat(tools=[tool]).choices[0].message.content, "a tool that is only offered changes nothing")
    check(chat(tools=[tool], tool_choice="auto").choices[0].message.content)
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
    for param, members in (
        ("tool_choice", {"tools": [tool], "tool_choice": forced}),
        ("tool_choice", {"tools": [tool], "tool_choice": "required"}),
        ("response_format", {"response_format": {"type": "json_object"}}),
        ("response_format", {"response_format": schema}),
        ("n", {"n": 2}),
        ("logprobs", {"logprobs": True}),
    ):
        for stream in (False, True):
            error = caught(openai.BadRequestError, lambda: chat(stream=stream, **members))
            check(error.param == param and error.type == "invalid_request_error", error.body)


def nothing_given():
    """Null for whatever may be left out, and members that nobody knows."""
    nulls = dict.fromkeys(("temperature", "top_p", "stop", "seed", "n", "user", "stream_options", "tool_choice"))
    answer = chat(**nulls, response_format=None, extra_body={"future_member": {"deep": [1]}}, metadata={"a": "b"})
    check(answer.choices[0].message.content, answer)


def too_long():
    many = [{"role": "user", "content": "count to a hundred thousand " * 3000}]
    error = caught(openai.BadRequestError, lambda: chat(many))
    check(error.code == "context_length_exceeded" and error.param == "messages", error.body)


def too_large():
    many = [{"role": "user", "content": "x" * (17 << 20)}]
    error = caught(openai.APIStatusError, lambda: chat(many))
    check(error.status_code == 413 and error.body["code"] == "request_too_large", error.body)


def azure_chats(client, **members):
    """A chat whole and in pieces, and the list of models, as any client of Azure."""
    members = {"messages": ASK, "max_tokens": 24, "temperature": 0} | members
    whole = client.chat.completions.create(**members)
    check(whole.model and whole.choices[0].message.content and whole.usage.total_tokens > 0, whole)
    options = {"include_usage": True}
    *chunks, last = client.chat.completions.create(**members, stream=True, stream_options=options)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    check(text == whole.choices[0].message.content, text, whole)
    check(last.usage == whole.usage, last)


def azure_client(**members):
    members = {"api_key": KEY, "api_version": "2024-10-21", "azure_endpoint": ROOT, "timeout": 300} | members
    return openai.AzureOpenAI(**members)


def azure():
    client = azure_client()
    azure_chats(client, model=MODEL)
    listed = client.models.list().data
    check([model.id for model in listed] == [MODEL] and client.models.retrieve(MODEL) == listed[0], listed)


def azure_deployment():
    """The deployment that the client was made for goes before the model of a call."""
    azure_chats(azure_client(azure_deployment=MODEL), model="gpt-4o")


def azure_token():
    azure_chats(azure_client(api_key=None, azure_ad_token=KEY), model=MODEL)


def azure_without_versions():
    """What Azure calls its v1 API, by OpenAI's own client, and by either header."""
    client = openai.OpenAI(base_url=f"{ROOT}/openai/v1/", api_key=KEY, timeout=300)
    azure_chats(client, model=MODEL)
    check([model.id for model in client.models.list()] == [MODEL])
    other = openai.OpenAI(
        base_url=f"{ROOT}/openai/v1/",
        api_key="placeholder",
        default_headers={"api-key": KEY},
        default_query={"api-version": "preview"},
        timeout=300,
    )
    azure_chats(other, model=MODEL)


def azure_errors():
    ask = {"messages": ASK, "max_tokens": 24}
    stranger = azure_client(api_key="none")
    error = caught(openai.AuthenticationError, lambda: stranger.chat.completions.create(model=MODEL, **ask))
    check(error.code == "invalid_api_key", error.body)
    client = azure_client()
    error = caught(openai.NotFoundError, lambda: client.chat.completions.create(model="gpt-4o", **ask))
    check(error.code == "model_not_found", error.body)
    over = ask | {"max_tokens": 1200}
    error = caught(openai.PermissionDeniedError, lambda: client.chat.completions.create(model=MODEL, **over))
    check(error.code == "longest-answer", error.body)
    error = caught(openai.NotFoundError, lambda: client.embeddings.create(model=MODEL, input="x"))
    check(error.code == "unknown_url", error.body)
    blank = azure_client(api_version="")
    error = caught(openai.BadRequestError, lambda: blank.chat.completions.create(model=MODEL, **ask))
    check(error.param == "api-version", error.body)


def told():
    """An upstream says no three times: the client tries again by itself as it is told, and is answered."""
    check(chat().choices[0].message.content == "One.")


def broken():
    """A stream that fails midway raises, after what has come."""
    pieces = []
    error = None
    try:
        for chunk in chat(stream=True):
            pieces.append(chunk.choices[0].delta.content)
    except openai.APIError as raised:
        error = raised
    check(pieces == ["Hello"], pieces)
    check(type(error) is openai.APIError and error.code == "upstream_error", repr(error))


def unknown_key():
    for key in ("sk-none", KEY[:-1] + ("0" if KEY[-1] != "0" else "1")):
        stranger = CLIENT.with_options(api_key=key)
        error = caught(
            openai.AuthenticationError,
            lambda: stranger.chat.completions.create(model=MODEL, messages=ASK, max_tokens=5),
        )
        check(error.code == "invalid_api_key", error.body)


def unknown_model():
    error = caught(
        openai.NotFoundError,
        lambda: CLIENT.chat.completions.create(model="gpt-4", messages=ASK, max_tokens=5),
    )
    check(error.code == "model_not_found", error.body)


def wrong():
    error = caught(openai.BadRequestError, lambda: chat(messages=[]))
    check(error.param == "messages" and error.type == "invalid_request_error", error.body)


def forbidden():
    error = caught(openai.PermissionDeniedError, lambda: chat(max_tokens=1200))
    check(error.code == "longest-answer" and error.type == "permission_denied", error.body)
    check("more than one thousand tokens" in " ".join(error.body["message"].split()), error.body)
    check(error.response.headers.get("countersign-act"), error.response.headers)


def idempotent():
    def ask(key, content="Name one colour."):
        asks = CLIENT.chat.completions.with_raw_response.create
        messages = [{"role": "user", "content": content}]
        return asks(model=MODEL, messages=messages, max_tokens=24, extra_headers={"Idempotency-Key": key})

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, ["one"] * 50))
    check(len({answer.headers["countersign-act"] for answer in answers}) == 1, "they are several acts")
    check(len({answer.text for answer in answers}) == 1, "they heard several answers")
    check(answers[0].parse().choices[0].message.content, answers[0].text)
    act = answers[0].headers["countersign-act"]
    used = caught(openai.BadRequestError, lambda: ask("one"))
    check(used.code == "idempotency_key_used" and act in used.message, used.body)
    check(used.response.headers["countersign-act"] == act == used.request_id, used.response.headers)
    other = caught(openai.BadRequestError, lambda: ask("one", "Name two colours."))
    check(other.code == "idempotency_key_mismatch", other.body)
    check(ask("two").headers["countersign-act"] != act, "another key is no new act")


def spent():
    error = caught(openai.RateLimitError, chat)
    check(error.code == "insufficient_quota", error.body)
    check(error.response.headers.get("x-should-retry") == "false", error.response.headers)


CASES = {
    case.__name__.replace("_", "-"): case
    for case in (
        plain,
        streamed,
        usage,
        stop,
        seed,
        bounds,
        roles,
        parts,
        parts_taken,
        unicode,
        cannot,
        nothing_given,
        too_long,
        too_large,
        azure,
        azure_deployment,
        azure_token,
        azure_without_versions,
        azure_errors,
        told,
        broken,
        models,
        unknown_key,
        unknown_model,
        wrong,
        forbidden,
        idempotent,
        spent,
    )
}


def main():
    for name in sys.argv[1:]:
        CASES[name]()
        print(name, flush=True)


if __name__ == "__main__":
    main()
