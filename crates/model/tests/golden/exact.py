"""Makes exact.json: the log-probabilities of the model's file without any rounding of activations, for tests/with_model.rs.

    pip install numpy
    python exact.py MODEL.gguf llama.json > exact.json

A second forward pass, in another language and sharing no code with the crate: weights are expanded to floats, every product
is a plain matrix product. The prompts, and the candidates that are compared, are those of llama.json.
"""
import json
import struct
import sys

import numpy as np

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class Gguf:
    def __init__(self, path):
        self.raw = np.memmap(path, dtype=np.uint8, mode="r")
        self.at = 8
        tensors, values = self.number("Q"), self.number("Q")
        self.values = {self.text(): self.value(self.number("I")) for _ in range(values)}
        self.places = {}
        for _ in range(tensors):
            name = self.text()
            sizes = [self.number("Q") for _ in range(self.number("I"))]
            self.places[name] = (sizes[::-1], self.number("I"), self.number("Q"))
        self.start = -(-self.at // 32) * 32

    def number(self, kind):
        size = struct.calcsize("<" + kind)
        self.at += size
        return struct.unpack("<" + kind, self.raw[self.at - size : self.at].tobytes())[0]

    def text(self):
        size = self.number("Q")
        self.at += size
        return self.raw[self.at - size : self.at].tobytes().decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, count = self.number("I"), self.number("Q")
            return [self.value(kind) for _ in range(count)]
        return self.number(NUMBERS[kind])

    def tensor(self, name):
        sizes, kind, offset = self.places[name]
        count, bytes_ = int(np.prod(sizes)), self.raw[self.start + offset :]
        if kind == 0:
            return bytes_[: 4 * count].view(np.float32).reshape(sizes)
        width = {3: 20, 8: 34}[kind]
        blocks = bytes_[: count // 32 * width].reshape(-1, width)
        half = lambda at: blocks[:, at : at + 2].copy().view(np.float16).astype(np.float32)
        if kind == 8:
            return (half(0) * blocks[:, 2:].copy().view(np.int8)).reshape(sizes)
        nibbles = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], 1)
        return (half(0) * nibbles + half(2)).reshape(sizes)


class Network:
    def __init__(self, gguf):
        value = lambda key: gguf.values["llama." + key]
        self.layers, self.heads = value("block_count"), value("attention.head_count")
        self.key_heads, self.base = value("attention.head_count_kv"), value("rope.freq_base")
        self.epsilon = value("attention.layer_norm_rms_epsilon")
        self.head = value("embedding_length") // self.heads
        self.weights = {name: gguf.tensor(name) for name in gguf.places}

    def log_probabilities(self, tokens):
        stream = self.weights["token_embd.weight"][tokens].copy()
        for layer in range(self.layers):
            weight = lambda part: self.weights[f"blk.{layer}.{part}.weight"]
            normed = self.norm(stream, weight("attn_norm"))
            stream = stream + self.attend(*(normed @ weight("attn_" + part).T for part in "qkv")) @ weight("attn_output").T
            normed = self.norm(stream, weight("ffn_norm"))
            gate = normed @ weight("ffn_gate").T
            stream = stream + (gate / (1 + np.exp(-gate)) * (normed @ weight("ffn_up").T)) @ weight("ffn_down").T
        last = self.norm(stream[-1:], self.weights["output_norm.weight"])
        logits = (last @ self.weights["token_embd.weight"].T)[0].astype(np.float64)
        logits -= logits.max()
        return logits - np.log(np.exp(logits).sum())

    def norm(self, stream, weight):
        return stream / np.sqrt((stream * stream).mean(1, keepdims=True) + self.epsilon) * weight

    def attend(self, queries, keys, values):
        count = len(queries)
        split = lambda vectors, heads: vectors.reshape(count, heads, self.head)
        queries, keys = self.turn(split(queries, self.heads)), self.turn(split(keys, self.key_heads))
        values, mixed = split(values, self.key_heads), np.empty_like(queries)
        later = np.triu(np.full((count, count), -np.inf, np.float32), 1)
        for head in range(self.heads):
            shared = head * self.key_heads // self.heads
            shares = queries[:, head] @ keys[:, shared].T / np.sqrt(np.float32(self.head)) + later
            shares = np.exp(shares - shares.max(1, keepdims=True))
            mixed[:, head] = shares / shares.sum(1, keepdims=True) @ values[:, shared]
        return mixed.reshape(count, -1)

    def turn(self, vectors):
        pairs = self.base ** (-np.arange(0, self.head, 2) / self.head)
        angles = (np.arange(len(vectors))[:, None] * pairs)[:, None]
        cosine, sine = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        x, y, turned = vectors[..., 0::2], vectors[..., 1::2], np.empty_like(vectors)
        turned[..., 0::2], turned[..., 1::2] = x * cosine - y * sine, x * sine + y * cosine
        return turned


def main(model, llama):
    network = Network(Gguf(model))
    lines = []
    for prompt in json.load(open(llama))["prompts"]:
        exact = network.log_probabilities(prompt["tokens"])
        top = [[id, round(float(exact[id]), 5)] for id, _ in prompt["top"]]
        lines.append(json.dumps({"text": prompt["text"], "tokens": prompt["tokens"], "top": top}))
    print('{"prompts": [\n' + ",\n".join(lines) + "\n]}")


main(*sys.argv[1:])
