"""llama.cpp's own server, as an upstream that nobody here wrote.

Usage: llama_server.py MODEL NAME PREFIX  Serves the model by this name below the prefix on a free port, prints its address, and
ends when its standard input does.
"""

import sys

import xllamacpp


def main():
    params = xllamacpp.CommonParams()
    params.model.path, name, params.api_prefix = sys.argv[1:]
    params.model_alias = {name}
    params.port = 0
    params.n_ctx = 4096
    # What an earlier call left behind would show in the usage of the next.
    params.cache_prompt = False
    params.n_parallel = 2
    params.cpuparams.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
