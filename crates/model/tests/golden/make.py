"""Makes llama.json: what llama.cpp says about the built-in model's file, for tests/with_model.rs to compare with.

    pip install xllamacpp numpy        # llama.cpp's own server, as a wheel; any recent version
    python make.py MODEL.gguf > llama.json

For each text: llama.cpp's token ids. For each prompt: the log-probabilities of the likeliest candidates for the next token.
For each conversation: the number of tokens its server counts. One thread, no prompt cache, keys and values in halves.
"""
import importlib.metadata
import json
import sys
import urllib.request

import xllamacpp

CANDIDATES = 40
TEXTS = [
    "Hello world", "it's they'll 'Tis I'D", "a  b   c    ", "x = 10;\n\n  y += 3.14159\t\tz", "\n\n\nz\r\n", "1 2 34 5678",
    "½Ⅷ٣", "été Straße naïve", "日本語のテキスト。", "नमस्ते दुनिया", "😀👩‍👩‍👧 ok", " leading and trailing ", "\u00a0nbsp",
    "def f(x):\n    return x**2  # square\n", "https://example.com/a?b=c&d=%20", "ALLCAPS and camelCase and snake_case",
    "a" * 100, " " * 33 + "x", "\u0004\u0006 control \u0013", "<|im_end|", "Привет, мир", "שלום", "\U000f0000 private",
    "word\u0301 combining e\u0301", "---===+++ ... !!! ??? ((()))", "",
]
PROMPTS = [
    "The capital of France is", "Once upon a time", "def fibonacci(n):\n", "Water boils at 100 degrees",
    "1, 2, 3, 4,", "The memorandum of understanding between two companies",
    "Q: Who wrote Hamlet?\nA:", "Bonjour, je m'appelle", "She sells sea shells by the",
    "In the beginning " + "there was a river and a stone and a lamp, and " * 20,
]
CONVERSATIONS = [
    [["system", "You are a helpful assistant."], ["user", "What is the capital of France?"]],
    [["system", "Answer in one word."], ["user", "Yes or no?"], ["assistant", "Yes"], ["user", "Sure?\n\n  Really?"]],
    [["system", ""], ["user", "été 😀 12345"]],
]


def main(path):
    params = xllamacpp.CommonParams()
    params.model.path, params.port, params.n_ctx, params.n_parallel = path, 0, 4096, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_prompt, params.verbosity = False, -1
    server = xllamacpp.Server(params)

    def post(route, body):
        request = urllib.request.Request(
            server.listening_address + route, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        return json.load(urllib.request.urlopen(request))

    def tokenize(text):
        return post("/tokenize", {"content": text, "add_special": False, "parse_special": False})["tokens"]

    def candidates(tokens):
        body = {"prompt": tokens, "n_predict": 1, "n_probs": CANDIDATES, "temperature": 0, "cache_prompt": False}
        top = post("/completion", body)["completion_probabilities"][0]["top_logprobs"]
        return [[one["id"], round(one["logprob"], 5)] for one in top]

    def count(conversation):
        messages = [{"role": role, "content": content} for role, content in conversation]
        answer = post("/v1/chat/completions", {"messages": messages, "max_tokens": 24, "temperature": 0, "cache_prompt": False})
        return {
            "messages": conversation,
            "prompt_tokens": answer["usage"]["prompt_tokens"],
            "completion_tokens": answer["usage"]["completion_tokens"],
            "answer": answer["choices"][0]["message"]["content"],
            "finish_reason": answer["choices"][0]["finish_reason"],
        }

    prompts = [(text, tokenize(text)) for text in PROMPTS]
    golden = {
        "made_by": "xllamacpp " + importlib.metadata.version("xllamacpp"),
        "texts": [{"text": text, "tokens": tokenize(text)} for text in TEXTS],
        "prompts": [{"text": text, "tokens": tokens, "top": candidates(tokens)} for text, tokens in prompts],
        "conversations": [count(conversation) for conversation in CONVERSATIONS],
    }
    sections = []
    for name, value in golden.items():
        lines = ",\n  ".join(json.dumps(one) for one in value) if isinstance(value, list) else None
        sections.append(f'"{name}": ' + (f"[\n  {lines}\n]" if lines else json.dumps(value)))
    print("{\n" + ",\n".join(sections) + "\n}")


main(sys.argv[1])
